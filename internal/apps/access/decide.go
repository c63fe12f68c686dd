package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"axle"
	"axle/policy"
)

// Guardrails are the policies of the organization that hold for one account, by
// level, the root first.
type Guardrails struct {
	SCP, RCP [][]Document
	// Levels are the names of the levels: "the root", "OU /Workloads", an account.
	Levels []string
	// Note says what is taken for granted where they weren't read.
	Note string
}

// weighed is a request with the policies that have a say. Where some aren't
// known, most are the policies that allow as much as they may, and least those
// that allow as little.
type weighed struct {
	req         *policy.Request
	most, least policy.Policies
	keys        []string
	gaps        []Gap
	note        []string
	places      []string // the levels of the organization's policies, by name
}

// weigh gathers who has a say. Without rails the organization's policies are
// left out, to see quickly what is denied anyway.
func (f *Facts) weigh(ctx context.Context, s *subject, action string, r *object, given map[string][]string, rails bool) (*weighed, error) {
	w := &weighed{req: &policy.Request{Principal: s.Principal, Action: action, Resource: r.arn, ResourceAccount: r.account.ID, ResourceInManagement: r.inside && r.account.Management}}
	f.addOwn(w, s)
	if read := r.read; read != nil {
		w.most.Resource, w.least.Resource = read.most.Named(r.policy.Name), read.least.Named(r.policy.Name)
		w.keys = append(w.keys, read.keys...)
		if read.why != "" && !slices.ContainsFunc(r.missing, func(g Gap) bool { return g.What == r.policy.Name }) {
			w.gaps = append(w.gaps, Gap{What: r.policy.Name, Why: read.why})
		}
	}
	w.gaps = append(w.gaps, r.missing...)
	if r.note != "" {
		w.note = append(w.note, r.note)
	}
	if rails {
		if err := f.addRails(ctx, w, s, r); err != nil {
			return nil, err
		}
	}
	f.fill(w, s, r, given)
	return w, nil
}

// addOwn adds the principal's own policies.
func (f *Facts) addOwn(w *weighed, s *subject) {
	switch {
	case s.missing != nil:
		w.most.Identity = []*policy.Policy{fixed(allowAll).Named(s.missing.What)}
		w.least.Identity = []*policy.Policy{fixed(denyAll).Named(s.missing.What)}
		w.gaps = append(w.gaps, *s.missing)
	case s.facts != nil:
		o := f.ownOf(s.facts)
		w.most.Identity, w.least.Identity = o.most, o.least
		w.most.Boundary, w.least.Boundary = o.bound, o.bound2
		w.keys = append(w.keys, o.keys...)
		w.gaps = append(w.gaps, o.gaps...)
	}
}

// addRails adds the SCPs of the caller's account and the RCPs of the resource's.
func (f *Facts) addRails(ctx context.Context, w *weighed, s *subject, r *object) error {
	if s.inside && !s.Management && !s.ServiceLinked {
		g, err := f.rails(ctx, s.account)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			gap := gapOf("the service control policies of "+s.account.Label(), err)
			w.gaps = append(w.gaps, gap)
			w.least.SCP = [][]*policy.Policy{{fixed(denyAll).Named(gap.What)}}
		} else {
			w.most.SCP, w.least.SCP = f.levels(w, g.SCP, false)
			w.places = g.Levels
			w.say(g.Note)
		}
	}
	if !r.inside || r.account.Management || s.ServiceLinked {
		return nil
	}
	g, err := f.rails(ctx, r.account)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		gap := gapOf("the resource control policies of "+r.account.Label(), err)
		w.gaps = append(w.gaps, gap)
		w.least.RCP = [][]*policy.Policy{{fixed(denyEveryone).Named(gap.What)}}
		return nil
	}
	w.most.RCP, w.least.RCP = f.levels(w, g.RCP, true)
	w.say(g.Note)
	return nil
}

func (w *weighed) say(note string) {
	if note != "" && !slices.Contains(w.note, note) {
		w.note = append(w.note, note)
	}
}

// levels compiles the organization's policies. RCPFullAWSAccess is implied.
func (f *Facts) levels(w *weighed, docs [][]Document, forAll bool) (most, least [][]*policy.Policy) {
	some := false
	for _, level := range docs {
		var upper, lower []*policy.Policy
		for _, d := range level {
			r := f.read(d, forAll)
			upper, lower = append(upper, r.most.Named(d.Name)), append(lower, r.least.Named(d.Name))
			w.keys = append(w.keys, r.keys...)
			if r.why != "" {
				w.gaps = append(w.gaps, Gap{What: d.Name, Why: r.why})
			}
		}
		some = some || len(upper) > 0
		most, least = append(most, upper), append(least, lower)
	}
	if forAll && !some {
		return nil, nil
	}
	return most, least
}

// decide answers one access. Quick answers have no explanation and leave out
// what only an allowed access needs.
func (f *Facts) decide(ctx context.Context, s *subject, action string, r *object, given map[string][]string, rails bool) (*Answer, error) {
	w, err := f.weigh(ctx, s, action, r, given, rails)
	if err != nil {
		return nil, err
	}
	x := policy.Explain(w.req, &w.most)
	a := &Answer{Principal: s.ARN, Name: s.name, Action: action, Resource: r.arn, ResourceAccount: r.account.ID,
		Verdict: verdictOf(x.Decision.Verdict), Keys: x.Unknown, Note: x.Note, Policies: []Says{}}
	if a.Principal == "" {
		a.Principal = "*"
	}
	if len(w.gaps) > 0 && a.Verdict != Denied {
		if least := policy.Evaluate(w.req, &w.least).Verdict; verdictOf(least) != verdictOf(x.Decision.Verdict) && !(a.Verdict == Unsupported && least == policy.Allowed) {
			a.Verdict = Unknown
		}
		a.Missing = w.gaps
	}
	for _, what := range x.Contested {
		a.Verdict = Unknown
		a.Missing = append(a.Missing, Gap{What: what, Why: "AWS's documentation is silent or contradicts itself"})
	}
	for _, note := range w.note {
		a.note(note)
	}
	f.tell(a, x, w)
	return a, nil
}

// note adds a remark.
func (a *Answer) note(text string) {
	if a.Note != "" {
		a.Note += "; "
	}
	a.Note += text
}

// quick says whether the access is denied whatever the organization's policies
// say.
func (f *Facts) quick(ctx context.Context, s *subject, action string, r *object, given map[string][]string) (denied bool) {
	w, err := f.weigh(ctx, s, action, r, given, false)
	if err != nil {
		return false
	}
	return verdictOf(policy.Evaluate(w.req, &w.most).Verdict) == Denied
}

// tell copies the engine's explanation, with the accounts' names.
func (f *Facts) tell(a *Answer, x *policy.Explanation, w *weighed) {
	unread := map[string]string{}
	for _, g := range w.gaps {
		unread[g.What] = g.Why
	}
	for _, c := range x.Consulted {
		says := Says{Matters: matters(x, c), Kind: c.Kind.String(), Account: c.Account, Name: c.Name, Says: c.Says, Statement: c.Statement, SID: c.SID, Line: c.Line, Why: c.Why}
		if c.Kind == policy.ServiceControlPolicy && c.Says == "isn't there" && c.Level < len(w.places) {
			says.Why = w.places[c.Level] + " has none"
		}
		if why, ok := unread[c.Name]; ok {
			says = Says{Matters: true, Kind: says.Kind, Account: c.Account, Name: c.Name, Says: "isn't known", Statement: -1, Why: why}
		}
		a.Policies = append(a.Policies, says)
	}
	for _, c := range x.Changes {
		a.Changes = append(a.Changes, Change{Account: c.Account, Policy: c.Name, Text: f.withNames(w.withPlaces(c.Text)), Add: c.Add})
	}
}

// matters says whether what a policy says is worth a line: that it doesn't allow
// is so only where that is what stands in the way.
func matters(x *policy.Explanation, c policy.Consulted) bool {
	if c.Says != "doesn't allow" && c.Says != "isn't there" {
		return true
	}
	if verdictOf(x.Decision.Verdict) != Denied {
		return false
	}
	return c.Kind == x.Decision.Kind && c.Level == x.Decision.Level || slices.ContainsFunc(x.Changes, func(ch policy.Change) bool { return ch.Add != nil && ch.Kind == c.Kind })
}

// withPlaces names the levels of the organization's policies.
func (w *weighed) withPlaces(text string) string {
	for i, place := range w.places {
		text = strings.ReplaceAll(text, fmt.Sprintf("at level %d for", i), "at "+place+", for")
	}
	return text
}

// withNames puts accounts' names to the bare numbers of a text.
func (f *Facts) withNames(text string) string {
	words := strings.Split(text, " ")
	var labels []string
	for i, word := range words {
		bare := strings.Trim(word, ",.;:()")
		if !axle.ValidAccountID(bare) || strings.HasPrefix(word, "(") {
			continue
		}
		words[i] = strings.Replace(word, bare, f.label(bare), 1)
		labels = append(labels, f.label(bare))
	}
	text = strings.Join(words, " ")
	for _, label := range labels { // the policy's own name may have it already
		text = strings.ReplaceAll(text, " in "+label+" in "+label, " in "+label)
	}
	return text
}
