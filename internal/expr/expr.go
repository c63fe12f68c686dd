// Package expr is Axle's expression language: CEL, alone in targets and where
// (Selector), inside ${{ }} in values (Text). Expressions are parsed and
// type-checked once, every mistake with its place in axle.yaml, and evaluated
// for any number of targets, concurrently. What an expression asks of other
// stacks is found in its syntax tree, so that it is known before anything runs.
// It does no I/O: a Lookup answers for outputs, parameters and secrets.
package expr

import (
	"axle"
	"axle/internal/diag"
)

// Scope is where an expression is evaluated: one target and what is the same
// for all of them.
type Scope struct {
	Account    axle.Account
	Region     string
	HubAccount axle.Account
	HubRegion  string
	// Vars is the tree of axle.yaml's vars: map[string]any, []any and scalars.
	Vars any
	Env  string
}

// Names is what can be known of names at compile time.
type Names struct {
	// Stacks are those that output() may name; nil: any.
	Stacks []string
	// Vars is the vars tree; nil: not checked. VarsHint is what else to say
	// about a key that it doesn't have.
	Vars     any
	VarsHint string
}

// Call is an output(), outputs(), export(), ssm() or secret() in an expression.
type Call struct {
	Func string
	// Args are the arguments that are literals, "" where one isn't. Stack and
	// key of output() and outputs() always are.
	Args []string
	// Account and Region are options, nil where not given. They have no calls
	// in them.
	Account, Region *Text
	// Dynamic: secret() gives a dynamic reference, which CloudFormation resolves.
	Dynamic bool
	// Source is the call as written; Pos is where it begins.
	Source string
	Pos    diag.Pos
}

// Lookup answers the calls of an expression.
type Lookup interface {
	// Call gives the value of a call: a string or a []string. known is false
	// when there is no value yet, which makes the result unknown too. opts has
	// the options "account", "region" and "dynamic" that are given.
	Call(source, fn string, args []string, opts map[string]string) (value any, known bool, err error)
}

// Scalar is a scalar of a file, with expressions in it.
type Scalar struct {
	Text string
	// At is the place of its first character.
	At diag.Pos
	// Locate gives the place of the character at an offset in runes, where
	// counting from At would be wrong: after escapes, in folded lines. Or nil.
	Locate func(offset int) diag.Pos
}

// pos is the position of the rune at an offset, counted in runes. Within a
// block scalar every line begins in the column of the first.
func (s Scalar) pos(offset int) diag.Pos {
	if s.Locate != nil {
		return s.Locate(offset)
	}
	pos := s.At
	if pos.Line == 0 {
		return pos
	}
	for _, r := range s.Text {
		if offset <= 0 {
			break
		}
		offset--
		pos.Col++
		if r == '\n' {
			pos.Line++
			pos.Col = s.At.Col
		}
	}
	return pos
}
