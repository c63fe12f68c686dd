package policy

import (
	"fmt"
	"strings"
)

// template is a value with policy variables: pieces of pattern and keys of the
// request context. Nil for a value without any.
type template []piece

type piece struct {
	text     glob   // when key is empty
	key      string // in lower case
	fallback string
	hasFall  bool
}

// compileVariables cuts raw at its variables. wild says whether * and ? outside
// of them are wildcards. A value without variables has no template.
//
// Variables exist only in Version 2012-10-17; in older policies "${" is text.
func compileVariables(raw string, wild, enabled bool) (glob, template, error) {
	text := func(s string) glob {
		if wild {
			return compileGlob(s)
		}
		return glob(s)
	}
	if !enabled || !strings.Contains(raw, "${") {
		return text(raw), nil, nil
	}
	var pieces template
	variable := false
	for rest := raw; rest != ""; {
		before, after, found := strings.Cut(rest, "${")
		if before != "" {
			pieces = append(pieces, piece{text: text(before)})
		}
		if !found {
			break
		}
		inner, tail, closed := cutVariable(after)
		if !closed {
			return "", nil, fmt.Errorf("the variable in %q has no closing brace", abridge(raw))
		}
		p, err := compileVariable(inner)
		if err != nil {
			return "", nil, err
		}
		variable = variable || p.key != ""
		pieces = append(pieces, p)
		rest = tail
	}
	if !variable {
		var b strings.Builder
		for _, p := range pieces {
			b.WriteString(string(p.text))
		}
		return glob(b.String()), nil, nil
	}
	return "", pieces, nil
}

// cutVariable finds the brace that ends a variable; one inside a quoted default
// doesn't.
func cutVariable(s string) (inner, tail string, ok bool) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\'':
			quoted = !quoted
		case s[i] == '}' && !quoted:
			return s[:i], s[i+1:], true
		}
	}
	return "", "", false
}

// compileVariable reads what is between the braces: a key, a key with a quoted
// default, or one of *, ? and $, which stand for themselves.
func compileVariable(inner string) (piece, error) {
	switch inner {
	case "*", "?", "$":
		return piece{text: glob(inner)}, nil
	}
	key, fallback, hasFall := strings.Cut(inner, ",")
	key = strings.TrimSpace(key)
	// A tag's key may have spaces, and follows a slash.
	name, _, _ := strings.Cut(key, "/")
	if key == "" || strings.ContainsAny(key, "*?${}'") || strings.Contains(name, " ") {
		return piece{}, fmt.Errorf("${%s} isn't a policy variable", abridge(inner))
	}
	p := piece{key: lower(key), hasFall: hasFall}
	if hasFall {
		f := strings.TrimSpace(fallback)
		if len(f) < 2 || f[0] != '\'' || f[len(f)-1] != '\'' {
			return piece{}, fmt.Errorf("the default in ${%s} must be in single quotes", abridge(inner))
		}
		p.fallback = f[1 : len(f)-1]
	}
	return p, nil
}

// maxExpanded is how long a value gets by its variables. AWS's longest ARNs
// have 2,048 characters: a longer one matches nothing.
const maxExpanded = 1 << 16

// expand puts the request's values in. A value is text: an asterisk in a tag is
// no wildcard. Not ok: a variable has no single value, so that the value can't
// match; unknown: it may get one.
func (t template) expand(e *evaluation) (g glob, found truth) {
	var b strings.Builder
	for _, p := range t {
		if b.Len() > maxExpanded {
			return "", no
		}
		if p.key == "" {
			b.WriteString(string(p.text))
			continue
		}
		values, known := e.lookup(p.key)
		switch {
		case known == maybe:
			return "", maybe
		case len(values) == 1 && strings.IndexByte(values[0], 0xff) < 0 && strings.IndexByte(values[0], 0xfe) < 0:
			b.WriteString(values[0])
		case len(values) == 0 && p.hasFall:
			b.WriteString(p.fallback)
		default:
			return "", no
		}
	}
	return glob(b.String()), yes
}
