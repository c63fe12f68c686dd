package config

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"axle/internal/diag"
	"axle/internal/expr"
)

// stack builds one stack. What the chosen environment says of it takes the place
// of its own.
func (p *parser) stack(e pair, chosen *node) {
	n := e.value
	targets := chosen.get("targets").get(e.key.text)
	files := chosen.get("parameters_file").get(e.key.text)
	if files == nil {
		files = n.get("parameters_file")
	}
	s := Stack{
		Name: e.key.text, Pos: e.key.pos,
		Template:       n.get("template").Text(),
		Regions:        regions(n.get("regions"), n.has("regions")),
		Parameters:     p.values(n.get("parameters")),
		Tags:           p.values(n.get("tags")),
		ParameterFiles: p.paths(files),
		DependsOn:      n.get("depends_on").texts(),
		Capabilities:   n.get("capabilities").texts(),
		StackName:      n.get("stack_name").Text(),
		Protect:        given(n.get("protect")),
		ExecutionRole:  n.get("execution_role").Text(),
		Rollout:        p.rollout(n.get("rollout")),
	}
	own := n.get("targets")
	if targets == nil {
		targets = own
	} else if own != nil && own.text != "hub" {
		p.selector(own, p.known) // checked, and not used
	}
	if targets != nil {
		t := targets.Text()
		s.TargetsPos = t.Pos
		if s.Hub = t.Value == "hub"; !s.Hub {
			s.Targets = p.selector(targets, p.known)
		}
	}
	for _, d := range s.DependsOn {
		switch {
		case d.Value == s.Name:
			p.problems.Add(d.Pos, "remove it", "stack %q depends on itself", s.Name)
		case !slices.Contains(p.known.Stacks, d.Value):
			p.unknownStack(d.Pos, d.Value, "depends_on of stack "+s.Name)
		}
	}
	for _, t := range s.Tags {
		p.checkTag(t)
	}
	if s.StackName.Value == "" {
		s.StackName = Text{p.project.Name.Value + "-" + s.Name, s.Pos}
		if len(s.StackName.Value) > 128 {
			p.problems.Add(s.Pos, "shorten it, or give it a stack_name", "stack name %s is longer than 128 characters", s.StackName.Value)
		}
	}
	p.project.Stacks = append(p.project.Stacks, s)
}

// regions reads a stack's regions. given: the key is there, even if what it has
// can't be used.
func regions(n *node, given bool) Regions {
	switch {
	case n == nil && given:
		return Regions{Kind: RegionsList}
	case n == nil:
		return Regions{Kind: RegionsDefault}
	case n.kind == scalar:
		return Regions{Kind: RegionsKind(n.text), Pos: n.pos}
	}
	return Regions{Kind: RegionsList, List: n.texts(), Pos: n.pos}
}

// values reads parameters or tags.
func (p *parser) values(n *node) []Parameter {
	if n == nil {
		return nil
	}
	var out []Parameter
	for _, e := range n.pairs {
		v := Parameter{Name: e.key.text, Pos: e.key.pos, ValuePos: e.value.content}
		if !e.value.bad && e.value.kind == scalar {
			var problems diag.List
			v.Value, problems = e.value.expression().Value(p.known)
			p.problems = append(p.problems, problems...)
		}
		if v.Value == nil {
			v.Value = expr.Broken(e.value.text)
		}
		out = append(out, v)
	}
	return out
}

// amount reads a checked number or percentage.
func (p *parser) amount(n *node) Amount {
	if n == nil {
		return Amount{}
	}
	digits, percent := strings.CutSuffix(n.text, "%")
	number, err := strconv.Atoi(digits)
	if err != nil || percent && number > 100 {
		p.problems.Add(n.pos, "write 10 or 25%", "%q is more than all", n.text)
	}
	return Amount{number, percent}
}

// duration reads a checked duration; false if there is none.
func (p *parser) duration(n *node) (time.Duration, bool) {
	if n == nil {
		return 0, false
	}
	d, err := time.ParseDuration(n.text)
	if err != nil {
		p.problems.Add(n.pos, duration.hint, "%q is not a duration", n.text)
	}
	return d, err == nil
}

func (p *parser) sessionDuration(n *node) {
	d, ok := p.duration(n)
	if !ok {
		return
	}
	a := &p.project.Access
	a.SessionDuration = d
	switch {
	case d < 15*time.Minute || d > 12*time.Hour:
		p.problems.Add(n.pos, "write 15m to 12h", "a session of %s is not possible", n.text)
	case d > time.Hour && a.Via.Value != "":
		p.problems.Warn(n.pos, "sessions are renewed in time, so 1h will do", "AWS ends a session after one hour when there is a first hop (via)")
	}
}

func (p *parser) sessionPolicy(t Text) {
	if t.Value == "" {
		return
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(t.Value), &doc); err != nil {
		p.problems.Add(t.Pos, `write a policy as JSON: {"Version": "2012-10-17", "Statement": [...]}`, "session_policy is not JSON: %v", err)
		return
	}
	if _, ok := doc["Statement"]; !ok {
		p.problems.Add(t.Pos, "", "session_policy has no Statement")
	}
	if len(t.Value) > 2048 {
		p.problems.Add(t.Pos, "shorten it", "session_policy has %d characters, and STS takes 2048", len(t.Value))
	}
}

// given is a truth value that may have been left out.
func given(n *node) *bool {
	if n == nil || n.bad {
		return nil
	}
	is := isTrue(n)
	return &is
}
