package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"axle"
)

// foldKey is equal for steps whose change reads the same, whatever the values
// of each target are.
func (ps *PlanStep) foldKey() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%v|%s", groupName(ps.Kind, ps.Name), ps.Action, ps.After, ps.Note)
	for i := range ps.Changes {
		c := &ps.Changes[i]
		fmt.Fprintf(&b, "|%s %s %s %s %s %v", c.Action, c.LogicalID, c.Type, c.Replacement, c.Policy, c.Properties)
		for _, access := range c.Access {
			b.WriteString(" " + fold(access, ps.AccountName))
		}
	}
	if ps.Error != nil {
		b.WriteString("|" + ps.Error.Code + fold(ps.Error.Message, ps.AccountName))
	}
	return b.String()
}

// fold adds a step to its group, and abstracts what differs among the targets.
func (g *PlanGroup) fold(ps *PlanStep) {
	g.Targets = append(g.Targets, PlanTarget{ps.Account, ps.AccountName, ps.Region})
	if len(g.Targets) == 1 {
		g.Kind, g.Name, g.Change, g.After, g.Note, g.Error = ps.Kind, ps.Name, ps.Action, ps.After, ps.Note, ps.Error
		g.Changes = ps.Changes
		return
	}
	if g.Error != nil && ps.Error != nil && g.Error.Message != ps.Error.Message {
		folded := *g.Error
		folded.Message = fold(ps.Error.Message, ps.AccountName)
		g.Error = &folded
	}
	own := len(g.Targets) > 2 // Changes are the group's, not the first step's
	for i := range g.Changes {
		c := commonChange(&g.Changes[i], &ps.Changes[i], g.Targets[0], PlanTarget{ps.Account, ps.AccountName, ps.Region})
		if c == nil {
			continue
		}
		if !own {
			g.Changes, own = slices.Clone(g.Changes), true
		}
		g.Changes[i] = *c
	}
}

// commonChange is what two changes of one kind have in common; nil when that is all
// that a says.
func commonChange(a, b *axle.ResourceChange, at, bt PlanTarget) *axle.ResourceChange {
	if slices.Equal(a.Details, b.Details) && slices.Equal(a.Access, b.Access) {
		return nil
	}
	out := *a
	out.Details = nil
	for _, d := range a.Details {
		i := slices.IndexFunc(b.Details, func(o axle.PropertyChange) bool { return o.Path == d.Path })
		other := axle.PropertyChange{Path: d.Path}
		if i >= 0 {
			other = b.Details[i]
		}
		out.Details = append(out.Details, commonValue(d, other, at, bt))
	}
	for _, d := range b.Details {
		if !slices.ContainsFunc(a.Details, func(o axle.PropertyChange) bool { return o.Path == d.Path }) {
			out.Details = append(out.Details, axle.PropertyChange{Path: d.Path, PerTarget: true})
		}
	}
	out.Access = slices.Clone(a.Access)
	for i := range out.Access {
		if i < len(b.Access) && out.Access[i] != b.Access[i] {
			out.Access[i] = fold(b.Access[i], bt.AccountName)
		}
	}
	return &out
}

// commonValue is what two targets' values of one property have in common: the
// same, the same but for account and region, or how they begin.
func commonValue(a, b axle.PropertyChange, at, bt PlanTarget) axle.PropertyChange {
	if a.PerTarget {
		a.Before, a.After = shared(a.Before, b.Before), shared(a.After, b.After)
		return a
	}
	if a.Before == b.Before && a.After == b.After {
		return a
	}
	x := axle.PropertyChange{Path: a.Path, Before: at.abstract(a.Before), After: at.abstract(a.After)}
	y := axle.PropertyChange{Path: a.Path, Before: bt.abstract(b.Before), After: bt.abstract(b.After)}
	if x == y {
		return x
	}
	return axle.PropertyChange{Path: a.Path, Before: shared(x.Before, y.Before), After: shared(x.After, y.After), PerTarget: true}
}

// abstract takes the target's own account and region out of a value.
func (t PlanTarget) abstract(value string) string {
	value = strings.ReplaceAll(value, t.Account, "<account>")
	return strings.ReplaceAll(value, t.Region, "<region>")
}

// shared is a value that two have, or how both begin, with dots for the rest.
func shared(a, b string) string {
	if a == b {
		return a
	}
	a, b = strings.TrimSuffix(a, "…"), strings.TrimSuffix(b, "…")
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return a[:n] + "…"
}

// lines say for each stack or peering in one line what becomes of its targets;
// those of which everything stays as it is, or is the same, have none.
func (p *Plan) lines() []string {
	type name struct {
		name   string
		groups []*PlanGroup
		n      int
	}
	var order []*name
	byName := map[string]*name{}
	for i := range p.Groups {
		g := &p.Groups[i]
		key := groupName(g.Kind, g.Name)
		at := byName[key]
		if at == nil {
			at = &name{name: key}
			byName[key] = at
			order = append(order, at)
		}
		at.groups = append(at.groups, g)
		at.n += len(g.Targets)
	}
	var out []string
	for _, at := range order {
		if len(at.groups) == 1 && at.groups[0].dataLoss() == 0 {
			continue
		}
		slices.SortStableFunc(at.groups, func(a, b *PlanGroup) int { return a.rank() - b.rank() })
		var phrases, parts []string
		count := map[string]int{}
		for _, g := range at.groups {
			phrase := g.phrase()
			if count[phrase] == 0 {
				phrases = append(phrases, phrase)
			}
			count[phrase] += len(g.Targets)
		}
		for _, phrase := range phrases {
			parts = append(parts, fmt.Sprintf("%d %s", count[phrase], phrase))
		}
		out = append(out, fmt.Sprintf("%s: %s: %s", at.name, plural(at.n, "target"), strings.Join(parts, ", ")))
	}
	return out
}

// rank puts the unchanged first and the blocked last.
func (g *PlanGroup) rank() int {
	return slices.Index([]string{string(axle.None), string(axle.Create), string(axle.Update), string(axle.Replace), string(axle.Delete), Blocked}, g.Change)
}

// dataLoss counts the resources whose data is lost, in each target.
func (g *PlanGroup) dataLoss() int {
	n := 0
	for i := range g.Changes {
		if g.Changes[i].LosesData() {
			n++
		}
	}
	return n
}

// phrase says in few words what becomes of a group's targets.
func (g *PlanGroup) phrase() string {
	switch {
	case g.Error != nil:
		return "blocked: " + firstWords(g.Error.Message, 80)
	case g.later():
		return "known after " + strings.Join(g.After, ", ")
	case g.Change == string(axle.None):
		return "unchanged"
	case g.Change == string(axle.Create), g.Change == string(axle.Delete), len(g.Changes) == 0:
		return g.Change
	}
	worst := slices.MinFunc(g.Changes, func(a, b axle.ResourceChange) int { return gravity(a) - gravity(b) })
	text := verb(worst) + " " + noun(worst.Type) + " " + worst.LogicalID
	if worst.LosesData() {
		text += " (data loss!)"
	}
	if more := len(g.Changes) - 1; more > 0 {
		text += " and " + plural(more, "more change")
	}
	return text
}

// gravity orders changes, the worst first.
func gravity(c axle.ResourceChange) int {
	for i, is := range []bool{c.LosesData(), c.Replacement == "True", c.Action == "Remove", c.Replacement != "", len(c.Access) > 0} {
		if is {
			return i
		}
	}
	return 9
}

func verb(c axle.ResourceChange) string {
	switch {
	case c.Action == "Add":
		return "add"
	case c.Action == "Remove":
		return "delete"
	case c.Replacement == "True":
		return "replace"
	case c.Replacement == "Conditional":
		return "change or replace"
	}
	return "change"
}

// noun is a type's last part, such as alarm.
func noun(kind string) string {
	return strings.ToLower(kind[strings.LastIndexByte(kind, ':')+1:])
}

func firstWords(text string, n int) string {
	if len(text) <= n {
		return text
	}
	end := strings.LastIndexByte(text[:n], ' ')
	if end <= 0 {
		end = n
		for end > 0 && !utf8.RuneStart(text[end]) {
			end--
		}
	}
	return text[:end] + " …"
}
