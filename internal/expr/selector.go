package expr

import (
	"fmt"
	"strings"

	"axle/internal/diag"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

// Selector chooses targets: an expression that is true or false. An account
// without a tag has "" for it.
type Selector struct {
	expr *compiled
}

// Clause is a part of a selection and whether it holds.
type Clause struct {
	Text  string
	True  bool
	Depth int // 0 for the outermost parts
	// Op joins the clause to the one before it of the same depth: && or ||.
	Op string
}

// CompileSelector compiles the expression src, whose first character is at at.
func CompileSelector(src string, at diag.Pos) (*Selector, diag.List) {
	return Scalar{Text: src, At: at}.Selector()
}

// Selector compiles the scalar as a selection.
func (s Scalar) Selector() (*Selector, diag.List) {
	c, list := compile(s.Text, s, 0, forSelection, Names{})
	if c == nil {
		return nil, list
	}
	return &Selector{c}, list
}

// Match says whether the scope's target is selected.
func (s *Selector) Match(sc Scope) (bool, error) {
	out, _, err := s.expr.program.Eval(&activation{sc: &sc, lenient: true})
	if err != nil {
		return false, s.expr.failure(err, &sc)
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, s.expr.failure(fmt.Errorf("a selection is true or false, and this is %s", typeName(out.Type().TypeName())), &sc)
	}
	return bool(b), nil
}

// NeedsTags says whether tags of accounts or of OUs are read.
func (s *Selector) NeedsTags() bool { return s.expr.tags }

// MentionsStatus says whether the status of accounts is read: then those that
// aren't active are candidates too.
func (s *Selector) MentionsStatus() bool { return s.expr.status }

// String is the expression as written.
func (s *Selector) String() string { return s.expr.source }

// Explain tells which parts of the selection hold: what && and || join, down to
// where it gets too small to be split.
func (s *Selector) Explain(sc Scope) ([]Clause, error) {
	var out []Clause
	err := s.explain(span{0, len(s.expr.source)}, "", 0, sc, &out)
	return out, err
}

func (s *Selector) explain(sp span, op string, depth int, sc Scope, out *[]Clause) error {
	sp = trim(s.expr.source, sp)
	text := s.expr.source[sp.from:sp.to]
	part, list := CompileSelector(text, s.expr.pos(0))
	if part == nil {
		return fmt.Errorf("explain %s: %w", text, list)
	}
	holds, err := part.Match(sc)
	if err != nil {
		return err
	}
	joined, parts := s.parts(sp)
	if len(parts) < 2 {
		*out = append(*out, Clause{text, holds, depth, op})
		return nil
	}
	if depth > 0 || op != "" {
		*out = append(*out, Clause{text, holds, depth, op})
		depth++
	}
	for i, p := range parts {
		o := joined
		if i == 0 {
			o = ""
		}
		if err := s.explain(p, o, depth, sc, out); err != nil {
			return err
		}
	}
	return nil
}

// parts splits at the loosest of || and &&. An expression with ? : at the top
// stays whole.
func (s *Selector) parts(sp span) (op string, parts []span) {
	src := s.expr.source
	for strings.HasPrefix(src[sp.from:sp.to], "(") && matching(src[:sp.to], sp.from) == sp.to-1 {
		sp = trim(src, span{sp.from + 1, sp.to - 1})
	}
	if len(cut(src, sp, "?")) > 1 {
		return "", nil
	}
	for _, op := range []string{"||", "&&"} {
		if parts := cut(src, sp, op); len(parts) > 1 {
			return op, parts
		}
	}
	return "", nil
}

// activation gives an evaluation its variables.
type activation struct {
	sc      *Scope
	lenient bool
	caller  *caller
}

// Parent implements interpreter.Activation.
func (a *activation) Parent() interpreter.Activation { return nil }

// ResolveName implements interpreter.Activation.
func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "account":
		return &account{&a.sc.Account, a.lenient}, true
	case "region":
		return types.String(a.sc.Region), true
	case "hub":
		return &hub{account{&a.sc.HubAccount, a.lenient}, a.sc.HubRegion}, true
	case "env":
		return types.String(a.sc.Env), true
	case "vars":
		m, _ := a.sc.Vars.(map[string]any)
		return newVars(m, "vars", a.sc), true
	case lookupVar:
		return a.caller, a.caller != nil
	}
	return nil, false
}
