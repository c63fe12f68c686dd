package policy

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// doc is a policy document being made by a test.
type doc struct {
	Version   string
	Statement []stmt
}

type stmt struct {
	Effect    string
	Principal any                       `json:",omitempty"`
	Action    []string                  `json:",omitempty"`
	NotAction []string                  `json:",omitempty"`
	Resource  []string                  `json:",omitempty"`
	NotRes    []string                  `json:"NotResource,omitempty"`
	Condition map[string]map[string]any `json:",omitempty"`
}

func (d doc) compile(t *rapid.T) *Policy {
	src, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", src, err)
	}
	return p
}

var (
	someActions    = []string{"s3:GetObject", "s3:*", "*", "s3:Put*", "S3:getobject", "sts:AssumeRole", "kms:Decrypt", "s3:Get?bject"}
	someResources  = []string{"*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/k", "arn:aws:s3:::${aws:PrincipalTag/team}/*", "arn:aws:iam::*:role/R", "arn:aws:kms:eu-west-1:222222222222:key/*"}
	somePrincipals = []any{"*", map[string]any{"AWS": "111111111111"}, map[string]any{"AWS": "arn:aws:iam::111111111111:role/Hub"},
		map[string]any{"AWS": "arn:aws:sts::111111111111:assumed-role/Hub/s"}, map[string]any{"Service": "sns.amazonaws.com"}}
	someConditions = []map[string]map[string]any{nil, nil,
		{"StringEquals": {"aws:PrincipalTag/team": "b"}}, {"StringNotEquals": {"aws:PrincipalTag/team": "b"}},
		{"Bool": {"aws:SecureTransport": "false"}}, {"Null": {"aws:SourceIp": "true"}},
		{"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": []string{"o-a/*"}}}, {"IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/8"}}}
)

func drawStatement(t *rapid.T, effect string, principal bool) stmt {
	s := stmt{Effect: effect, Condition: rapid.SampledFrom(someConditions).Draw(t, "condition")}
	if actions := rapid.SliceOfN(rapid.SampledFrom(someActions), 1, 2).Draw(t, "actions"); rapid.IntRange(0, 4).Draw(t, "notAction") > 0 {
		s.Action = actions
	} else {
		s.NotAction = actions
	}
	if resources := rapid.SliceOfN(rapid.SampledFrom(someResources), 1, 2).Draw(t, "resources"); rapid.IntRange(0, 4).Draw(t, "notResource") > 0 {
		s.Resource = resources
	} else {
		s.NotRes = resources
	}
	if principal {
		s.Principal = rapid.SampledFrom(somePrincipals).Draw(t, "principal")
	}
	return s
}

func drawDoc(t *rapid.T, principal bool) doc {
	d := doc{Version: "2012-10-17"}
	for range rapid.IntRange(0, 3).Draw(t, "statements") {
		effect := rapid.SampledFrom([]string{"Allow", "Allow", "Allow", "Deny"}).Draw(t, "effect")
		d.Statement = append(d.Statement, drawStatement(t, effect, principal))
	}
	if d.Statement == nil {
		d.Statement = []stmt{}
	}
	return d
}

// situation is everything that one decision depends on, as documents.
type situation struct {
	req                          *Request
	identity, boundary, resource *doc
	session, scpRoot, scpAccount *doc
}

func (s *situation) docs() []*doc {
	return []*doc{s.identity, s.boundary, s.resource, s.session, s.scpRoot, s.scpAccount}
}

func (s *situation) policies(t *rapid.T) *Policies {
	p := &Policies{Identity: []*Policy{s.identity.compile(t)}}
	if s.boundary != nil {
		p.Boundary = s.boundary.compile(t)
	}
	if s.resource != nil {
		p.Resource = s.resource.compile(t)
	}
	if s.session != nil {
		p.Session = []*Policy{s.session.compile(t)}
	}
	if s.scpRoot != nil {
		p.SCP = [][]*Policy{{s.scpRoot.compile(t)}, {s.scpAccount.compile(t)}}
	}
	return p
}

func (s *situation) decide(t *rapid.T) Decision { return Evaluate(s.req, s.policies(t)) }

func drawSituation(t *rapid.T) *situation {
	maybeDoc := func(name string, principal bool) *doc {
		if !rapid.Bool().Draw(t, name) {
			return nil
		}
		d := drawDoc(t, principal)
		return &d
	}
	identity := drawDoc(t, false)
	s := &situation{identity: &identity, boundary: maybeDoc("boundary", false), resource: maybeDoc("resource", true), session: maybeDoc("session", false),
		scpRoot: maybeDoc("scp", false)}
	if s.scpRoot != nil {
		d := drawDoc(t, false)
		s.scpAccount = &d
	}
	s.req = &Request{
		Principal:       ParsePrincipal(rapid.SampledFrom([]string{"arn:aws:sts::111111111111:assumed-role/Hub/s", "arn:aws:iam::111111111111:user/u", "arn:aws:iam::111111111111:root", "sns.amazonaws.com", "anonymous"}).Draw(t, "caller")),
		Action:          rapid.SampledFrom([]string{"s3:GetObject", "s3:PutObject", "sts:AssumeRole", "kms:Decrypt"}).Draw(t, "action"),
		Resource:        rapid.SampledFrom([]string{"arn:aws:s3:::b/k", "arn:aws:iam::222222222222:role/R", "arn:aws:kms:eu-west-1:222222222222:key/1", "*"}).Draw(t, "resource"),
		ResourceAccount: rapid.SampledFrom([]string{"111111111111", "222222222222"}).Draw(t, "owner"),
		Context:         map[string][]string{},
	}
	for _, key := range [][2]string{{"aws:PrincipalTag/team", "b"}, {"aws:SecureTransport", "false"}, {"aws:SourceIp", "10.1.2.3"}} {
		if rapid.Bool().Draw(t, key[0]) {
			s.req.Context[key[0]] = []string{key[1]}
		}
	}
	if n := rapid.IntRange(0, 2).Draw(t, "paths"); n > 0 {
		s.req.Context["aws:PrincipalOrgPaths"] = []string{"o-a/x/", "o-b/y/"}[:n]
	}
	return s
}

// addStatement puts a statement into one of the documents that are there.
func (s *situation) addStatement(t *rapid.T, effect string) {
	var there []*doc
	for _, d := range s.docs() {
		if d != nil {
			there = append(there, d)
		}
	}
	d := rapid.SampledFrom(there).Draw(t, "where")
	d.Statement = append(d.Statement, drawStatement(t, effect, d == s.resource))
}

func TestAddingADenyNeverAllows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		before := s.decide(t)
		s.addStatement(t, "Deny")
		if after := s.decide(t); after.Allowed() && !before.Allowed() {
			t.Fatalf("a deny made it %v, before %v", after, before)
		}
	})
}

func TestAddingAnAllowNeverDenies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		before := s.decide(t)
		s.addStatement(t, "Allow")
		if after := s.decide(t); before.Allowed() && !after.Allowed() {
			t.Fatalf("an allow made it %v", after)
		}
	})
}

// TestNarrowingNeverAllowsMore: an Allow with one more condition, one value
// less, or a narrower resource gives nothing that it didn't give before.
func TestNarrowingNeverAllowsMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		before := s.decide(t)
		for _, d := range s.docs() {
			if d == nil {
				continue
			}
			for i := range d.Statement {
				if st := &d.Statement[i]; st.Effect == "Allow" {
					st.narrow(t)
				}
			}
		}
		if after := s.decide(t); after.Allowed() && !before.Allowed() {
			t.Fatalf("narrower made it %v, before %v", after, before)
		}
	})
}

func (s *stmt) narrow(t *rapid.T) {
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 0:
		if s.Condition == nil {
			s.Condition = rapid.SampledFrom(someConditions).Draw(t, "condition")
		}
	case 1:
		s.Action = s.Action[:min(1, len(s.Action))]
		if s.NotAction != nil {
			s.NotAction = append(s.NotAction, rapid.SampledFrom(someActions).Draw(t, "not"))
		}
	case 2:
		if s.Resource != nil {
			s.Resource = s.Resource[:1]
			if s.Resource[0] == "*" || s.Resource[0] == "arn:aws:s3:::b/*" {
				s.Resource = []string{"arn:aws:s3:::b/k"}
			}
			return
		}
		s.NotRes = append(s.NotRes, rapid.SampledFrom(someResources).Draw(t, "not"))
	}
}

func TestDenyWins(t *testing.T) {
	everything := func(principal any) stmt {
		return stmt{Effect: "Deny", Principal: principal, Action: []string{"*"}, Resource: []string{"*"}}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		if s.req.Principal.hasPolicies() && rapid.Bool().Draw(t, "own") {
			s.identity.Statement = append(s.identity.Statement, everything(nil))
		} else {
			if s.resource == nil {
				s.resource = &doc{Version: "2012-10-17"}
			}
			s.resource.Statement = append(s.resource.Statement, everything("*"))
		}
		if d := s.decide(t); d.Verdict != ExplicitDeny {
			t.Fatalf("%v", d)
		}
	})
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		before := s.decide(t)
		for _, d := range s.docs() {
			if d != nil {
				d.Statement = append([]stmt{}, rapid.Permutation(d.Statement).Draw(t, "order")...)
			}
		}
		if after := s.decide(t); after.Verdict != before.Verdict || after.Kind != before.Kind {
			t.Fatalf("%v, in another order %v", before, after)
		}
	})
}

// TestUnknownKeys: when the verdict isn't Conditional it must be the same for
// every value of the keys that weren't known.
func TestUnknownKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		concrete := s.decide(t)
		known := s.req.Context
		s.req.Context = map[string][]string{}
		for _, k := range slices.Sorted(maps.Keys(known)) {
			if rapid.Bool().Draw(t, "known "+k) {
				s.req.Context[k] = known[k]
			}
		}
		s.req.Unknown = []string{"aws:PrincipalTag/*", "aws:SecureTransport", "aws:SourceIp", "aws:PrincipalOrgPaths"}
		if d := s.decide(t); d.Verdict != Conditional && d.Allowed() != concrete.Allowed() {
			t.Fatalf("%v whatever the unknown keys are, but with %v %v", d, known, concrete)
		}
	})
}

func TestGlobAgreesWithTheObviousOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringOfN(rapid.RuneFrom([]rune("ab*?é")), 0, 8, -1).Draw(t, "pattern")
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abé")), 0, 8, -1).Draw(t, "text")
		if got, want := compileGlob(pattern).match(text), obvious([]rune(pattern), []rune(text)); got != want {
			t.Fatalf("%q ~ %q: %v, want %v", pattern, text, got, want)
		}
	})
}

// TestPatientGlob: a pattern that becomes an automaton matches as before.
func TestPatientGlob(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		long := strings.Repeat("a", rapid.IntRange(20, 90).Draw(t, "long"))
		pattern := "*" + long + "?" + rapid.StringOfN(rapid.RuneFrom([]rune("ab*?é")), 0, 3, -1).Draw(t, "end")
		text := strings.Repeat("a", rapid.IntRange(20, 300).Draw(t, "text")) + rapid.StringOfN(rapid.RuneFrom([]rune("abé:")), 0, 3, -1).Draw(t, "tail")
		for _, fold := range []bool{false, true} {
			if got, _ := compileGlob(pattern).matchBytes(text, fold); got != plain(pattern, text) {
				t.Fatalf("%q ~ %q: %v", pattern, text, got)
			}
		}
	})
}

// plain matches by filling the table of all prefixes.
func plain(pattern, text string) bool {
	p := []rune(pattern)
	row := make([]bool, len(p)+1)
	row[0] = true
	for i, c := range p {
		row[i+1] = row[i] && c == '*'
	}
	for _, r := range text {
		next := make([]bool, len(p)+1)
		for i, c := range p {
			next[i+1] = (c == '*' && (next[i] || row[i+1])) || (row[i] && (c == '?' || c == r))
		}
		row = next
	}
	return row[len(p)]
}

// obvious matches by the definition, in exponential time.
func obvious(p, s []rune) bool {
	switch {
	case len(p) == 0:
		return len(s) == 0
	case p[0] == '*':
		return obvious(p[1:], s) || (len(s) > 0 && obvious(p, s[1:]))
	case len(s) == 0:
		return false
	}
	return (p[0] == '?' || p[0] == s[0]) && obvious(p[1:], s[1:])
}

// TestResourceAgreesWithTheObviousOne checks both ways of matching an ARN
// against the definition.
func TestResourceAgreesWithTheObviousOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := "arn:" + rapid.StringOfN(rapid.RuneFrom([]rune("aé*?:")), 0, 9, -1).Draw(t, "pattern")
		text := "arn:" + rapid.StringOfN(rapid.RuneFrom([]rune("aé:")), 0, 9, -1).Draw(t, "text")
		a := splitARN(text)
		if !a.ok {
			return
		}
		p := compileARN(compileGlob(pattern))
		if got, want := p.matchResource(&a), obviousARN(pattern, text, 0); got != want {
			t.Fatalf("%q ~ %q: %v, want %v", pattern, text, got, want)
		}
	})
}

// TestLongPatternsSpill checks patterns of more than one word of positions.
func TestLongPatternsSpill(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		long := strings.Repeat("a", rapid.IntRange(50, 400).Draw(t, "long"))
		pattern := "arn:" + rapid.StringOfN(rapid.RuneFrom([]rune("a*?:")), 0, 4, -1).Draw(t, "before") + long +
			rapid.StringOfN(rapid.RuneFrom([]rune("a*?:")), 0, 4, -1).Draw(t, "after")
		text := "arn:" + rapid.StringOfN(rapid.RuneFrom([]rune("a:")), 0, 4, -1).Draw(t, "text") + long +
			rapid.StringOfN(rapid.RuneFrom([]rune("a:")), 0, 5, -1).Draw(t, "end")
		a := splitARN(text)
		if !a.ok {
			return
		}
		p := compileARN(compileGlob(pattern))
		if got, want := p.matchResource(&a), obviousARN(pattern, text, 0); got != want {
			t.Fatalf("%q ~ %q: %v, want %v", pattern, text, got, want)
		}
	})
}

// obviousARN is obvious with colons that wildcards don't cross, but for a * at
// the end of its segment; colons counts those of the pattern so far.
func obviousARN(p, s string, colons int) bool {
	if p == "" {
		return s == ""
	}
	free := colons >= 5
	switch p[0] {
	case '*':
		if obviousARN(p[1:], s, colons) {
			return true
		}
		last := len(p) == 1 || p[1] == ':'
		return s != "" && (free || last || s[0] != ':') && obviousARN(p, s[1:], colons)
	case '?':
		_, size := utf8.DecodeRuneInString(s)
		return s != "" && (free || s[0] != ':') && obviousARN(p[1:], s[size:], colons)
	case ':':
		colons++
	}
	return s != "" && s[0] == p[0] && obviousARN(p[1:], s[1:], colons)
}
