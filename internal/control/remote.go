package control

import (
	"context"
	"fmt"

	"axle"
	"axle/internal/cloud"
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
				f := asFailure(err)
				problems.Add(s.Template.Pos, f.Hint, "template of stack %q: %s", s.Name, f.Message)
			} else {
				var more diag.List
				t, more = template.Parse(cloud.Unsigned(url), body)
				for j := range more {
					if more[j].Hint == "" {
						more[j].Hint = fmt.Sprintf("it is the template of stack %q, at %s", s.Name, s.Template.Pos)
					}
				}
				problems = append(problems, more...)
				if !t.Readable() {
					t = nil
				}
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
