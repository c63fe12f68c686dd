package control

import (
	"slices"
	"strings"

	"axle"
	"axle/internal/artifact"
	"axle/internal/cloud"
	"axle/internal/plan"
	"axle/internal/privilege"
	"axle/internal/template"
)

// artifacts says which buckets of the hub the project needs, and what is in them.
func (w *Work) artifacts(g *privilege.Group) {
	anywhere := false
	for i := range w.project.Stacks {
		s := &w.project.Stacks[i]
		t := w.templates[s.Name]
		if t == nil || w.hub.Account.ID == "" {
			continue
		}
		kinds := storedKinds(t)
		if len(t.Body) > inlineTemplate {
			kinds = append(kinds, axle.ArtifactTemplates)
		}
		if len(kinds) == 0 {
			continue
		}
		g.Artifacts, g.ArtifactHub = cloud.ArtifactBucket(w.hub.Account.ID, ""), w.hub.Account.ID
		g.ArtifactKinds = append(g.ArtifactKinds, kinds...)
		regions := w.regionsOf(s)
		anywhere = anywhere || regions == nil
		g.ArtifactRegions = append(g.ArtifactRegions, regions...)
		if _, home := artifact.Kinds(t); home {
			g.ArtifactHome = w.hub.Region
			g.ArtifactRegions = append(g.ArtifactRegions, w.hub.Region)
		}
	}
	slices.Sort(g.ArtifactKinds)
	slices.Sort(g.ArtifactRegions)
	g.ArtifactKinds = slices.Compact(g.ArtifactKinds)
	if g.ArtifactRegions = slices.Compact(g.ArtifactRegions); anywhere {
		g.ArtifactRegions = nil
	}
}

// storedKinds are the kinds of artifacts that a template refers to.
func storedKinds(t *template.Template) []string {
	if t == nil {
		return nil
	}
	kinds, _ := artifact.Kinds(t)
	return kinds
}

// storedKind is a kind of artifacts that the access role reads for a stack; ""
// when it reads none.
func (w *Work) storedKind(p *plan.Plan, s *axle.Step, size int) string {
	if size > inlineTemplate {
		return axle.ArtifactTemplates
	}
	for _, a := range p.Artifacts[s.Spec.Stack.Template] {
		if a.Early || s.Spec.Stack.ExecutionRole == "" {
			kind, _, _ := strings.Cut(a.Key, "/")
			return kind
		}
	}
	return ""
}
