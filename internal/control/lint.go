package control

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"axle"
	"axle/internal/artifact"
	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/late"
	"axle/internal/lint"
	"axle/internal/plan"
	"axle/internal/template"
)

// LintResult is what a linter found, and what it couldn't look at.
type LintResult struct {
	Findings []lint.Finding
	Files    int
	// Unchecked says, in sentences, what wasn't looked at.
	Unchecked []string
	// Unreadable are the mistakes of files that can't be read at all.
	Unreadable diag.List
}

// LintFiles looks at templates and policy documents that belong to no project.
func LintFiles(paths []string) (*LintResult, error) {
	files, err := lintable(paths)
	if err != nil {
		return nil, err
	}
	out := &LintResult{Files: len(files)}
	var in lint.Input
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			out.Unreadable.Add(diag.Pos{File: file}, "", "%v", unwrapPath(err))
			continue
		}
		t, doc, found, problems := lint.Read(file, body)
		out.Findings = append(out.Findings, found...)
		out.Unreadable = append(out.Unreadable, problems...)
		if t != nil {
			in.Sources = append(in.Sources, lint.Source{Template: t})
		}
		if doc != nil {
			in.Docs = append(in.Docs, *doc)
		}
	}
	out.Findings = append(out.Findings, lint.Check(in)...)
	lint.Sort(out.Findings)
	return out, nil
}

// Folders have other files too: axle.yaml, schemas, parts of templates.
var (
	templateText = late.MustCompile(`(?m)^\s{0,4}"?Resources"?\s*:`)
	policyText   = late.MustCompile(`(?m)^(\{?\s{0,4}"Statement"\s*:|Statement\s*:)`)
)

// lintable lists the files of the arguments; of a folder those that may be
// templates.
func lintable(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			files = append(files, path) // reading it says what is wrong
			continue
		}
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && strings.HasPrefix(d.Name(), ".") && p != path {
				return fs.SkipDir
			}
			switch strings.ToLower(filepath.Ext(p)) {
			case ".yaml", ".yml", ".json", ".template":
				body, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				if templateText.Match(body) || policyText.Match(body) {
					files = append(files, p)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for templates in %s: %w", path, err)
		}
	}
	return files, nil
}

// Lint looks at a project: its configuration, its templates, and the access
// between them in the accounts that are known. It calls nobody, but with
// Options.Refresh.
func Lint(ctx context.Context, o Options) (*LintResult, error) {
	project, problems := config.Load(o.File, o.Env)
	if problems.Err() != nil && (project == nil || len(project.Stacks) == 0) {
		return nil, problems.Err()
	}
	out := &LintResult{Files: 1}
	templates := out.readTemplates(project)
	problems = append(problems, plan.Check(project, templates)...)
	problems = append(problems, missingLocals(templates)...)
	var org *axle.Organization
	if problems.Err() == nil {
		var err error
		if org, err = lintOrganization(ctx, o, project); err != nil {
			return nil, err
		}
	}
	in := lint.Input{Org: org, Peerings: lintPeerings(project)}
	switch {
	case problems.Err() != nil:
		out.Unchecked = append(out.Unchecked, "access between accounts wasn't looked at: axle.yaml has errors")
	case org == nil:
		out.Unchecked = append(out.Unchecked, "access between accounts wasn't looked at: no accounts are known; axle org or --refresh discovers them")
	default:
		more := out.place(&in, project, templates, org)
		problems = append(problems, more...)
	}
	problems = append(problems, plan.CheckCapabilities(project, templates, artifact.Nested)...)
	if in.Sources == nil {
		seen := map[*template.Template]bool{}
		for _, s := range project.Stacks {
			if t := templates[s.Name]; t != nil && !seen[t] {
				seen[t] = true
				in.Sources = append(in.Sources, lint.Source{Template: t, Name: s.Name})
			}
		}
	}
	out.Findings = append(out.Findings, lint.Diagnostics(problems)...)
	out.Findings = append(out.Findings, lint.Check(in)...)
	lint.Sort(out.Findings)
	return out, nil
}

// readTemplates reads the stacks' templates, each once.
func (out *LintResult) readTemplates(p *config.Project) map[string]*template.Template {
	templates, byFile := map[string]*template.Template{}, map[string]*template.Template{}
	for i := range p.Stacks {
		s := &p.Stacks[i]
		file := s.Template.Value
		switch {
		case file == "":
			continue
		case remote(file):
			out.Unchecked = append(out.Unchecked, fmt.Sprintf("template %s of stack %s wasn't read: it isn't a file", file, s.Name))
			continue
		case byFile[file] != nil:
			templates[s.Name] = byFile[file]
			continue
		}
		path := file
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.Dir, path)
		}
		body, err := os.ReadFile(path)
		if err != nil {
			out.Unreadable.Add(s.Template.Pos, "paths are relative to the folder of axle.yaml", "template %s: %v", file, unwrapPath(err))
			continue
		}
		t, _, found, problems := lint.Read(path, body)
		out.Files++
		out.Findings = append(out.Findings, found...)
		out.Unreadable = append(out.Unreadable, problems...)
		if t == nil && len(problems) == 0 {
			out.Unreadable.Add(diag.Pos{File: path}, "", "it isn't a template")
		}
		if t != nil {
			templates[s.Name], byFile[file] = t, t
		}
	}
	return templates
}

// lintOrganization is the organization as far as it is known without asking.
func lintOrganization(ctx context.Context, o Options, p *config.Project) (*axle.Organization, error) {
	switch {
	case p.Organization.Kind == "file":
		path := p.Organization.Arg
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.Dir, path)
		}
		org, problems := cloud.FromFile(path)
		return org, problems.Err()
	case o.Refresh:
		w, err := OpenOrg(ctx, o, true)
		if err != nil {
			return nil, err
		}
		return w.org, nil
	}
	org, _ := cloud.LastSnapshot(filepath.Join(stateDir(p.File), "organization.json"))
	return org, nil
}

// place puts the templates where the project deploys them.
func (out *LintResult) place(in *lint.Input, p *config.Project, templates map[string]*template.Template, org *axle.Organization) diag.List {
	enabled := map[string][]string{}
	for i := range p.Stacks {
		if p.Stacks[i].Regions.Kind == config.RegionsEnabled {
			for _, a := range org.Accounts {
				enabled[a.ID] = []string{p.Hub.Region.Value}
			}
			out.Unchecked = append(out.Unchecked, fmt.Sprintf("stack %s was looked at in %s only: which regions are enabled isn't known", p.Stacks[i].Name, p.Hub.Region.Value))
		}
	}
	built, problems := plan.Build(plan.Input{Project: p, Templates: templates, Org: org, Enabled: enabled, NoPeering: true})
	if built == nil {
		out.Unchecked = append(out.Unchecked, "access between accounts wasn't looked at: there is no plan")
		return problems
	}
	in.Hub, in.HubPos = built.Hub.Account.ID, p.Hub.Pos
	for i := range built.Steps {
		s := &built.Steps[i]
		t := templates[s.Name]
		if s.Kind != plan.KindStack || t == nil {
			continue
		}
		src := lint.Source{Template: t, ID: s.ID, Name: s.Name, Needs: s.Needs, Wired: map[string]lint.Wire{},
			World: template.World{Partition: partitionOf(s.Region), Account: s.Account, Region: s.Region, Stack: s.Spec.Stack.StackName, Parameters: map[string]string{}}}
		for name, v := range s.Input {
			switch {
			case strings.HasPrefix(name, "tag:"):
			case len(v.Refs) == 0 && v.Expr == "" && !v.Secret:
				src.World.Parameters[name] = v.Literal
			case !v.Secret && len(v.Refs) == 1 && len(v.Refs[0].Steps) == 1 && plain(v):
				src.Wired[name] = lint.Wire{Source: v.Refs[0].Steps[0], Output: v.Refs[0].Key}
				src.World.Parameters[name] = "${" + name + "}" // should that output not be known
			default: // known only later; not its default
				src.World.Parameters[name] = "${" + name + "}"
			}
		}
		in.Sources = append(in.Sources, src)
	}
	return problems
}

// plain says whether a value is one output and nothing else.
func plain(v axle.Value) bool {
	inner := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(v.Expr), "${{"), "}}"))
	return v.Expr == "" || inner == strings.TrimSpace(v.Refs[0].Call)
}

func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func lintPeerings(p *config.Project) []lint.Peering {
	var out []lint.Peering
	for i := range p.Peerings {
		x := &p.Peerings[i]
		side := func(s *config.Side) lint.Side {
			return lint.Side{Stack: s.Stack.Value, CIDR: s.CIDR.Value, Tables: len(s.RouteTables)}
		}
		out = append(out, lint.Peering{Name: x.Name, Pos: x.Pos, Requester: side(&x.Requester), Accepter: side(&x.Accepter)})
	}
	return slices.Clip(out)
}
