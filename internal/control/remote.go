package control

import (
	"context"

	"axle"
	"axle/internal/diag"
	"axle/internal/plan"
	"axle/internal/template"
)

// fetchTemplates reads the templates that are s3:// or https:// URLs, each
// once, with the hub's credentials, and checks the project against them.
func (w *Work) fetchTemplates(ctx context.Context) error {
	byURL := map[string]*template.Template{}
	var problems diag.List
	for i := range w.project.Stacks {
		s := &w.project.Stacks[i]
		url := s.Template.Value
		if !remote(url) {
			continue
		}
		t, seen := byURL[url]
		if !seen {
			as := axle.Target{Account: w.hub.Account.ID, Region: w.hub.Region}
			if as.Account == "" {
				as = axle.Target{Account: w.identity.Account, Region: w.Region()}
			}
			body, err := w.cloud.Fetch(ctx, url, as, template.MaxSize)
			if err != nil {
				problems.Add(s.Template.Pos, "", "template of stack %q: %v", s.Name, err)
			} else {
				var more diag.List
				t, more = template.Parse(url, body)
				problems = append(problems, more...)
			}
			byURL[url] = t
		}
		if t != nil {
			w.templates[s.Name] = t
		}
	}
	if len(byURL) == 0 {
		return nil
	}
	problems = append(problems, plan.Check(w.project, w.templates)...)
	return problems.Err()
}
