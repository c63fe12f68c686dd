package lint

import (
	"slices"
	"strings"

	"axle/internal/diag"
	"axle/internal/template"
)

// ignore is one entry of Metadata: {axle: {ignore: [{rule: AX013, reason: "..."}]}}.
type ignore struct {
	file, resource string // resource "": all of the template
	rule, reason   string
	pos            diag.Pos
	used           bool
}

func metadataRules() []Rule {
	return []Rule{
		{ID: "AX000", Severity: Error, Where: "T", Title: "The text isn't what CloudFormation or Axle takes",
			Why: "What can't be read can't be deployed, nor be looked at further.",
			Fix: "Correct it as the message says."},
		{ID: "AX109", Severity: Warning, Where: "T", Title: "A suppression without a reason, or of no rule",
			Why: "Whoever reads it later can't tell whether it still holds.",
			Fix: "Say why: {rule: AX013, reason: \"...\"}."},
		{ID: "AX110", Severity: Advice, Where: "T", Title: "A suppression that suppresses nothing",
			Why: "It would hide the next mistake of its kind.",
			Fix: "Remove it."},
	}
}

// ruleRow finds a row of the table.
func ruleRow(id string) *Rule {
	for _, r := range Rules() {
		if r.ID == id {
			return &r
		}
	}
	return nil
}

// suppress marks the findings that the templates' metadata excuses, and adds
// what is wrong with the excuses.
func (r *run) suppress() {
	seen := map[string]bool{}
	for _, u := range r.units {
		if seen[u.t.File] {
			continue
		}
		seen[u.t.File] = true
		r.readIgnores(u.t.File, "", u.t.Metadata())
		for _, d := range u.resources {
			r.readIgnores(u.t.File, d.Name, d.Metadata)
		}
	}
	for i := range r.out {
		f := &r.out[i]
		for _, ig := range r.ignores {
			if ig.rule == f.Rule && ig.file == f.Pos.File && (ig.resource == "" || ig.resource == f.resource) && ig.reason != "" {
				f.Suppressed, ig.used = ig.reason, true
			}
		}
	}
	project := slices.ContainsFunc(r.units, func(u *unit) bool { return u.src.ID != "" })
	for _, ig := range r.ignores {
		row := ruleRow(ig.rule)
		switch {
		case row == nil:
			r.rule = ruleRow("AX109")
			r.at(ig.pos, ig.resource, "there is no rule %q", ig.rule)
		case ig.reason == "":
			r.rule = ruleRow("AX109")
			r.at(ig.pos, ig.resource, "%s is to be ignored, but nobody says why", ig.rule)
		case !ig.used && row.check != nil && (project || row.Where != "P"):
			r.rule = ruleRow("AX110")
			r.at(ig.pos, ig.resource, "nothing here breaks %s", ig.rule)
		}
	}
}

func (r *run) readIgnores(file, resource string, metadata *template.Node) {
	for _, n := range metadata.Get("axle", "ignore").List() {
		ig := &ignore{file: file, resource: resource, rule: strings.ToUpper(n.Get("rule").Str()), reason: strings.TrimSpace(n.Get("reason").Str()), pos: n.Pos}
		if n.Kind == template.ScalarNode {
			ig.rule = strings.ToUpper(n.Text)
		}
		r.ignores = append(r.ignores, ig)
	}
}
