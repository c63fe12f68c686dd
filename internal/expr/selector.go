package expr

import (
	"fmt"

	"axle/internal/diag"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/interpreter"
)

// Selector chooses targets: an expression that is true or false. An account
// without a tag has "" for it.
type Selector struct {
	expr *compiled
}

// CompileSelector compiles the expression src, whose first character is at at.
func CompileSelector(src string, at diag.Pos) (*Selector, diag.List) {
	return Scalar{Text: src, At: at}.Selector(Names{})
}

// Selector compiles the scalar as a selection.
func (s Scalar) Selector(known Names) (*Selector, diag.List) {
	c, list := compile(s.Text, s, 0, forSelection, known)
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
