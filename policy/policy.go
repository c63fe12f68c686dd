// Package policy parses and evaluates AWS IAM policies: identity, resource and
// trust policies, permissions boundaries, session policies, SCPs and RCPs. It
// is pure: no I/O, no clock, nothing of ours imported, everything that a
// decision depends on is in the request. A policy is compiled once by Parse and
// may then be evaluated concurrently. What it doesn't understand is an error of
// Parse, never a statement that silently doesn't match. AWS's documentation is
// the judge of its rules; where that is silent a comment says what was chosen.
package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Effect is what a statement does when it matches.
type Effect uint8

// The effects of a statement.
const (
	Allow Effect = iota + 1
	Deny
)

func (e Effect) String() string {
	if e == Deny {
		return "Deny"
	}
	return "Allow"
}

// Policy is a compiled policy document. It never changes after Parse.
type Policy struct {
	Name       string // for explanations, from Named
	Version    string // "2012-10-17", "2008-10-17", or "" when not given
	ID         string
	Statements []Statement
}

// Named is the policy under a name for explanations, such as "role axle-spoke,
// inline policy permissions". The receiver isn't changed.
func (p *Policy) Named(name string) *Policy {
	named := *p
	named.Name = name
	return &named
}

// Statement is one compiled statement.
type Statement struct {
	SID    string
	Effect Effect
	// Line is where the statement begins in its document, from 1.
	Line int

	actions      []glob
	notAction    bool
	resources    []resourcePattern // nil: the element is missing
	notResource  bool
	principals   *principalSet // nil: the element is missing
	notPrincipal bool
	conditions   []condition
	raw          *rawStatement // as it was written, for explanations
}

// HasPrincipal says whether the statement has a Principal or NotPrincipal.
func (s *Statement) HasPrincipal() bool { return s.principals != nil }

// HasResource says whether the statement has a Resource or NotResource.
func (s *Statement) HasResource() bool { return s.resources != nil }

// A ParseError is a mistake in a policy document and its place.
type ParseError struct {
	Line, Col int    // from 1
	Path      string // such as "Statement[0].Condition"
	Problem   string
}

func (e *ParseError) Error() string {
	at := fmt.Sprintf("line %d, column %d", e.Line, e.Col)
	if e.Path != "" {
		at += ", " + e.Path
	}
	return "policy: " + at + ": " + e.Problem
}

// Check says whether a policy that parses may be used as kind: an identity
// policy has resources and no principals, a trust policy the reverse, and so
// on. AWS refuses others when they are saved (MalformedPolicyDocument).
func (p *Policy) Check(kind Kind) error {
	for i := range p.Statements {
		s := &p.Statements[i]
		problem := s.check(kind)
		if problem == "" && (kind == IdentityPolicy || kind == BoundaryPolicy || kind == SessionPolicy || kind == TrustPolicy) {
			problem = checkSID(p.Statements[:i], s.SID)
		}
		if problem != "" {
			return &ParseError{Line: s.Line, Col: 1, Path: fmt.Sprintf("Statement[%d]", i), Problem: problem}
		}
	}
	return nil
}

// checkSID says what IAM has against the id of a statement; services whose
// resources have policies of their own take others.
func checkSID(before []Statement, sid string) string {
	switch {
	case sid == "":
	case slices.ContainsFunc(before, func(s Statement) bool { return s.SID == sid }):
		return fmt.Sprintf("two statements have the Sid %q", abridge(sid))
	case strings.ContainsFunc(sid, notAlphanumeric):
		return fmt.Sprintf("the Sid %q isn't alphanumeric: IAM takes letters and digits", abridge(sid))
	}
	return ""
}

func notAlphanumeric(r rune) bool {
	return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}

func (s *Statement) check(kind Kind) string {
	switch kind {
	case TrustPolicy:
		switch {
		case !s.HasPrincipal():
			return "a trust policy's statement needs a Principal"
		case s.notPrincipal:
			return "a trust policy has no NotPrincipal"
		case s.HasResource():
			return "a trust policy has no Resource: the role is the resource"
		}
	case ResourcePolicy, ResourceControlPolicy, EndpointPolicy:
		if !s.HasPrincipal() {
			return kind.withArticle() + "'s statement needs a Principal"
		}
		switch {
		case kind != ResourceControlPolicy:
		case s.Effect != Deny || s.notPrincipal || !s.principals.everyone:
			return `a resource control policy may only deny, and only Principal "*"`
		case s.notAction:
			return "a resource control policy has no NotAction"
		}
	default:
		if s.HasPrincipal() {
			return kind.withArticle() + " has no Principal: it applies to whom it is attached to"
		}
		if !s.HasResource() {
			return "Resource or NotResource is missing"
		}
	}
	return ""
}
