package config

import (
	"maps"
	"math"
	"strconv"
	"strings"

	"axle"
	"axle/internal/late"
)

// vars reads the vars and those of the chosen environment over them.
func (p *parser) vars(root, chosen *node) {
	merged := map[string]any{}
	p.known.Vars = merged
	p.project.Vars = merged
	var others []string
	if environments := root.get("environments"); environments != nil {
		for _, e := range environments.pairs {
			if v := e.value.get("vars"); v != nil && e.value != chosen {
				p.tree(v) // for its mistakes
				others = append(others, e.key.text)
			}
		}
	}
	if p.project.Env == "" && len(others) > 0 {
		p.known.VarsHint = "environments have vars of their own: choose one with --env " + strings.Join(others, ", ")
	}
	if own := chosen.get("vars"); own != nil {
		for _, e := range own.pairs {
			p.project.EnvVars = append(p.project.EnvVars, e.key.text)
		}
	}
	for _, n := range []*node{root.get("vars"), chosen.get("vars")} {
		if m, ok := p.tree(n).(map[string]any); ok {
			mergeVars(merged, m)
		}
	}
}

// mergeVars puts over into base: maps are merged, all else is replaced.
func mergeVars(base, over map[string]any) {
	for k, v := range over {
		if m, ok := v.(map[string]any); ok {
			if b, ok := base[k].(map[string]any); ok {
				b = maps.Clone(b)
				mergeVars(b, m)
				base[k] = b
				continue
			}
		}
		base[k] = v
	}
}

var (
	number      = late.MustCompile(`^[-+]?[0-9][0-9_]*$`)
	leadingZero = late.MustCompile(`^[-+]?0[0-9_]+$`)
)

// tree makes map[string]any, []any and scalars of a node.
func (p *parser) tree(n *node) any {
	if n == nil || n.bad {
		return nil
	}
	switch n.kind {
	case mapping:
		m := make(map[string]any, len(n.pairs))
		for _, e := range n.pairs {
			m[e.key.text] = p.tree(e.value)
		}
		return m
	case list:
		l := make([]any, len(n.items))
		for i, item := range n.items {
			l[i] = p.tree(item)
		}
		return l
	}
	if strings.Contains(n.text, "${{") {
		p.problems.Add(n.content, "put the expression where the value is used", "vars can't have expressions")
	}
	return p.scalar(n)
}

// scalar gives a scalar the type that it has in YAML, unless that would change
// an account id.
func (p *parser) scalar(n *node) any {
	switch {
	case !n.plain || axle.ValidAccountID(n.text):
		return n.text
	case leadingZero.MatchString(n.text):
		p.problems.Add(n.pos, `quote it: "`+n.text+`"`, "%s could be a number or a text", n.text)
		return n.text
	}
	switch n.tag {
	case "!!null":
		return nil
	case "!!bool":
		return strings.EqualFold(n.text, "true")
	case "!!int":
		i, err := strconv.ParseInt(n.text, 0, 64)
		if err != nil {
			p.problems.Add(n.pos, "quote it, if it is a text", "%s is too large a number", n.text)
		}
		return i
	case "!!float":
		if number.MatchString(n.text) {
			p.problems.Add(n.pos, "quote it, if it is a text", "%s is too large a number", n.text)
		}
		f, err := strconv.ParseFloat(n.text, 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
			p.problems.Add(n.pos, "quote it, if it is a text", "%s is no number to work with", n.text)
			return n.text
		}
		return f
	}
	return n.text
}
