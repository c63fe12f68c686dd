package artifact

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"axle"
	"axle/internal/template"
)

// Kinds are the kinds of artifacts that a template and those nested in it refer
// to, sorted; home: some are in the bucket of the hub's region wherever the stack
// is. Files that can't be read have none.
func Kinds(t *template.Template) (kinds []string, home bool) {
	found := map[string]bool{}
	home = collect(t, found, map[string]bool{})
	return slices.Sorted(maps.Keys(found)), home
}

func collect(t *template.Template, found, seen map[string]bool) (home bool) {
	for _, l := range t.Locals() {
		home = home || atHome(&l)
		found[kindOf(&l)] = true
		path := located(t.File, &l)
		if l.Content != template.ContentNested || seen[path] {
			continue
		}
		seen[path] = true
		body, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		inner, _ := template.Parse(path, body) // its mistakes are told when it is packaged
		home = collect(inner, found, seen) || home
	}
	return home
}

// maxNested is how deep templates are followed into those nested in them.
const maxNested = 8

// Nested are the templates of this machine that are nested in a template, by the
// logical ids of their stacks. Those that can't be read are left out.
func Nested(t *template.Template) map[string]*template.Nested { return nested(t, maxNested) }

func nested(t *template.Template, depth int) map[string]*template.Nested {
	if t == nil || depth == 0 {
		return nil
	}
	out := map[string]*template.Nested{}
	for _, l := range t.Locals() {
		if l.Content != template.ContentNested || l.Resource == "" {
			continue
		}
		path := located(t.File, &l)
		body, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		inner, _ := template.Parse(path, body) // its mistakes are told when it is packaged
		out[l.Resource] = &template.Nested{Template: inner, Inner: nested(inner, depth-1)}
	}
	return out
}

// kindOf is the folder of the bucket that a local path's content goes to.
func kindOf(l *template.Local) string {
	switch {
	case l.Early:
		return axle.ArtifactTemplates
	case l.Content == template.ContentCode:
		return axle.ArtifactCode
	}
	return axle.ArtifactFiles
}

func atHome(l *template.Local) bool {
	return l.Form == template.FormHomeURI || l.Form == template.FormHomeURL
}

// located is where a local path of a template leads.
func located(file string, l *template.Local) string {
	if filepath.IsAbs(l.Path) {
		return l.Path
	}
	return filepath.Join(filepath.Dir(file), filepath.FromSlash(l.Path))
}
