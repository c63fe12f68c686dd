package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"axle/internal/diag"
	"axle/internal/late"
)

// form is what a value may be. Forms nest: the table in format.go is one form.
// A file is checked against it, and the JSON Schema is made of it.
type form struct {
	is  formKind
	doc string // for editors, and for people who ask what a key is for

	keys  []key  // of an object
	of    *form  // of the values of names, of the items of items
	name  *match // what the names of names look like
	or    *form  // another form that will do as well, by kind or choice
	least int    // items: how many there must be
	twice bool   // items: one may be there more than once

	match   *match   // what a text looks like
	also    []string // JSON types that a text may have too, without quotes
	choices []string // a text is one of these
	example string
	deflt   string
}

type formKind int

const (
	text    formKind = iota
	truth            // true or false
	value            // text, number or truth, with ${{ }} in it
	object           // a mapping with the keys of keys
	names            // a mapping of any names to one form
	items            // a list
	tree             // anything
	missing          // known, but not in this version
)

// key is a key of an object.
type key struct {
	name     string
	form     form
	required bool
}

// match is what a text must look like.
type match struct {
	pattern *late.Regexp
	max     int    // characters; 0: any number
	what    string // "a region"
	hint    string
}

func (m *match) matches(s string) bool {
	return m == nil || m.pattern.MatchString(s) && (m.max == 0 || utf8.RuneCountInString(s) <= m.max)
}

// check reports where n isn't of form f, and marks what can't be used.
func (f *form) check(n *node, path string, problems *diag.List) {
	if n == nil || n.bad {
		return
	}
	if f.or != nil && f.or.accepts(n) && n.tag != "!!null" {
		f.or.check(n, path, problems)
		return
	}
	if n.kind == scalar && n.tag == "!!null" {
		switch f.is {
		case object, names: // nothing is an empty one
			n.kind = mapping
		case items:
			n.kind = list
		case tree:
			return
		default:
			n.bad = true
			problems.Add(n.pos, f.hint("give it a value, or remove the key"), "%s has no value", path)
			return
		}
	}
	switch f.is {
	case missing:
		n.bad = true // reported where the key is
	case object:
		f.checkObject(n, path, problems)
	case names:
		f.checkNames(n, path, problems)
	case items:
		if !f.expect(n, list, "a list", path, problems) {
			return
		}
		if len(n.items) < f.least {
			problems.Add(n.pos, f.hint("name at least one"), "%s is empty", path)
		}
		seen := map[string]bool{}
		for i, item := range n.items {
			f.of.check(item, fmt.Sprintf("%s[%d]", path, i), problems)
			if item.kind == scalar && !item.bad && seen[item.text] && !f.twice {
				item.bad = true
				problems.Add(item.pos, "remove one", "%q is in %s twice", item.text, path)
			}
			seen[item.text] = true
		}
	case truth:
		if !f.expect(n, scalar, "true or false", path, problems) {
			return
		}
		if n.tag != "!!bool" || !n.plain {
			n.bad = true
			problems.Add(n.pos, "write true or false", "%s is true or false, not %q", path, n.text)
		}
	case text, value:
		f.checkText(n, path, problems)
	}
}

// accepts says whether n is of the kind of form f.
func (f *form) accepts(n *node) bool {
	switch f.is {
	case object, names:
		return n.kind == mapping
	case items:
		return n.kind == list
	}
	return n.kind == scalar
}

func (f *form) checkText(n *node, path string, problems *diag.List) {
	what := "text"
	if f.match != nil {
		what = f.match.what
	}
	if !f.expect(n, scalar, what, path, problems) {
		return
	}
	switch {
	case len(f.choices) > 0 && !slices.Contains(f.choices, n.text):
		n.bad = true
		hint := "write " + strings.Join(f.choices, " or ")
		if f.example != "" {
			hint += ", or " + f.example
		}
		if near := diag.Nearest(n.text, f.choices); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		problems.Add(n.pos, hint, "%s can't be %q", path, n.text)
	case !f.match.matches(n.text):
		n.bad = true
		problems.Add(n.pos, f.match.hint, "%s: %q is not %s", path, inURL.ReplaceAllString(n.text, "${1}${3}(secret)${2}"), f.match.what)
	}
}

// inURL finds a password in a URL: what is wrong with it is read in logs, too.
var inURL = late.MustCompile(`(//[^/:@]*:)[^/]*(@)|([?&](?:ssl)?pass[^=&]*=)[^&]*`)

func (f *form) checkObject(n *node, path string, problems *diag.List) {
	if !f.expect(n, mapping, "a mapping with the keys "+strings.Join(f.keyNames(), ", "), path, problems) {
		return
	}
	for i := range n.pairs {
		p := &n.pairs[i]
		k := f.key(p.key.text)
		switch {
		case k == nil:
			f.unknown(n, p, path, problems)
		case k.form.is == missing:
			p.value.bad = true
			problems.Add(p.key.pos, "remove it, or use a newer version", "%q isn't available in this version of axle", p.key.text)
		default:
			k.form.check(p.value, join(path, p.key.text), problems)
		}
	}
	for _, k := range f.keys {
		if k.required && !n.has(k.name) {
			problems.Add(n.pos, k.form.hint(""), "%s has no %q", place(path), k.name)
		}
	}
}

// unknown reports a key that isn't one. If it is a misspelt one, what it holds is
// taken for what was meant, so that one mistake doesn't make many.
func (f *form) unknown(n *node, p *pair, path string, problems *diag.List) {
	near := diag.Nearest(p.key.text, f.keyNames())
	hint := "the keys are " + strings.Join(f.keyNames(), ", ")
	if near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	problems.Add(p.key.pos, hint, "unknown key %q in %s", p.key.text, place(path))
	if near == "" || n.has(near) {
		p.value.bad = true
		return
	}
	var more diag.List
	f.key(near).form.check(p.value, join(path, near), &more)
	if !p.value.bad {
		key := *p.key
		key.text = near
		p.key = &key
		*problems = append(*problems, more...)
	}
}

func (f *form) checkNames(n *node, path string, problems *diag.List) {
	if !f.expect(n, mapping, "a mapping of names", path, problems) {
		return
	}
	for _, p := range n.pairs {
		if !f.name.matches(p.key.text) {
			problems.Add(p.key.pos, f.name.hint, "%q in %s is not %s", p.key.text, place(path), f.name.what)
		}
		f.of.check(p.value, join(path, p.key.text), problems)
	}
}

// expect reports a node of another kind.
func (f *form) expect(n *node, want kind, what, path string, problems *diag.List) bool {
	if n.kind == want {
		return true
	}
	n.bad = true
	is := map[kind]string{scalar: "text", mapping: "a mapping", list: "a list"}[n.kind]
	problems.Add(n.pos, f.hint(""), "%s is %s, where %s is needed", place(path), is, what)
	return false
}

// hint shows an example, or says what else there is to say.
func (f *form) hint(otherwise string) string {
	if f.example != "" {
		return "for example " + f.example
	}
	return otherwise
}

func (f *form) key(name string) *key {
	for i := range f.keys {
		if f.keys[i].name == name {
			return &f.keys[i]
		}
	}
	return nil
}

func (f *form) keyNames() []string {
	var out []string
	for _, k := range f.keys {
		if k.form.is != missing {
			out = append(out, k.name)
		}
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// place names a path in a sentence.
func place(path string) string {
	if path == "" {
		return "axle.yaml"
	}
	return path
}
