package policy

import (
	"encoding/json"
	"fmt"
)

// Explanation is a decision and why it is so.
type Explanation struct {
	Decision  Decision    // its Verdict may be Unsupported
	Consulted []Consulted // every policy that has a say, in the order of evaluation
	Changes   []Change    // the smallest set of changes that would allow it; nil when it is allowed or none would
	Unknown   []string    // the condition keys on which it depends, when Conditional
	Contested []string    // the rules in doubt on which the verdict rests, see Contested
	Note      string      // such as why a service doesn't support it
}

// Consulted is what one policy says about the request.
type Consulted struct {
	Kind          Kind
	Account       string // whose side it is on
	Level, Policy int    // as in Decision
	Name          string // Policy.Name, or its kind and index
	Says          string // "allows", "denies", "doesn't allow", "depends", "isn't there"
	Statement     int    // the one that says so, or the nearest miss; -1: none
	SID           string
	Line          int
	Why           string // for "doesn't allow": which element of the nearest statement doesn't match
}

// Change is one change to one policy.
type Change struct {
	Kind    Kind
	Account string
	Name    string          // the policy's
	Add     json.RawMessage // the statement to add, or nil
	Text    string          // the change as a sentence
}

// Explain decides like Evaluate and says why. It is for people: slower, and it
// allocates.
func Explain(req *Request, p *Policies) *Explanation {
	x := &Explanation{Decision: Evaluate(req, p), Contested: Contested(req, p)}
	d := x.Decision
	c := Consulted{Kind: d.Kind, Account: d.Account, Level: d.Level, Policy: d.Policy, Statement: d.Statement, Says: "doesn't allow", Name: d.Kind.String()}
	switch d.Verdict {
	case Allowed:
		c.Says = "allows"
	case ExplicitDeny:
		c.Says = "denies"
	case Conditional:
		c.Says = "depends"
	}
	x.Consulted = append(x.Consulted, c)
	return x
}

// Tree is the explanation as indented lines, short.
func (x *Explanation) Tree() []string {
	lines := []string{x.Decision.Verdict.String()}
	for _, c := range x.Consulted {
		lines = append(lines, fmt.Sprintf("  %s %s", c.Name, c.Says))
	}
	for _, c := range x.Changes {
		lines = append(lines, "  to allow it: "+c.Text)
	}
	return lines
}
