package pattern

import (
	"fmt"
	"slices"
	"strings"
)

// name is what the role is called: by who calls and the first resource, so that
// what is generated for others doesn't take its place.
func (b *builder) name() string { return b.nameFor(b.resources) }

func (b *builder) nameFor(list []*resource) string {
	if b.ask.Name != "" {
		return b.ask.Name
	}
	who := b.caller.name
	if who == "" {
		_, who, _ = strings.Cut(b.ask.ServiceAccount, "/")
	}
	return "access-" + shorten(who, 20) + "-" + shorten(list[0].lastName(), 20)
}

// projectName is the project's: the patterns of one caller are projects of
// their own, whose stacks don't take each other's place.
func (b *builder) projectName() string {
	return b.name() + map[string]string{Role: "-role", ResourcePolicy: "-policy", Kubernetes: "-pods"}[b.ask.Pattern]
}

// finish makes the order that is told the order that is kept: the caller's side
// comes last, also after stacks whose outputs it doesn't need.
func (b *builder) finish() {
	last := &b.out.Stacks[len(b.out.Stacks)-1]
	if last.Name != "caller-access" {
		return
	}
	for _, s := range b.out.Stacks[:len(b.out.Stacks)-1] {
		if !slices.ContainsFunc(last.params, func(p param) bool { return strings.Contains(p.value, `output("`+s.Name+`"`) }) {
			last.DependsOn = append(last.DependsOn, s.Name)
		}
	}
}

// project writes the axle.yaml, or the stacks for one.
func (b *builder) project() {
	b.finish()
	var stacks Map
	for _, s := range b.out.Stacks {
		m := Map{{"template", s.Template}, {"targets", targets(s.Accounts)}, {"regions", []any{s.Region}}}
		if len(s.params) > 0 {
			var given Map
			for _, p := range s.params {
				given = append(given, Pair{p.name, p.given()})
			}
			m = append(m, Pair{"parameters", given})
		}
		if len(s.DependsOn) > 0 {
			m = append(m, Pair{"depends_on", oneOrManyList(s.DependsOn)})
		}
		if len(s.Capabilities) > 0 {
			m = append(m, Pair{"capabilities", oneOrManyList(s.Capabilities)})
		}
		stacks = append(stacks, Pair{s.Name, m})
	}
	var t strings.Builder
	t.WriteString("# What is deployed, in this order:\n")
	for i, s := range b.out.Stacks {
		fmt.Fprintf(&t, "#   %d. %s in %s: %s\n", i+1, s.Name, strings.Join(s.Accounts, ", "), s.Why)
	}
	path := "axle.yaml"
	doc := Map{{"stacks", stacks}}
	if b.ask.Fragment {
		path = "axle.fragment.yaml"
		t.WriteString("# For the stacks of an axle.yaml; template paths are relative to it.\n")
	} else {
		access := Map{{"role", b.ask.AccessRole}}
		if b.ask.AccessVia != "" {
			access = append(Map{{"via", b.ask.AccessVia}}, access...)
		}
		doc = Map{{"name", b.projectName()}, {"access", access}, {"regions", []any{b.ask.Region}}, {"stacks", stacks}}
	}
	t.WriteString(doc.yaml())
	b.out.Files = append([]File{{path, "what goes where, for axle deploy", t.String()}}, b.out.Files...)
}

// targets is the expression for some accounts.
func targets(accounts []string) string {
	if len(accounts) == 1 {
		return `account.id == "` + accounts[0] + `"`
	}
	return `account.id in ["` + strings.Join(accounts, `", "`) + `"]`
}

func oneOrManyList(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}
