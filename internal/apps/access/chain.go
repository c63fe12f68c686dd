package access

import (
	"context"
	"maps"
	"slices"
	"strings"

	"axle/policy"
)

// hop is a role that leads to the resource, with the one after it.
type hop struct {
	role   *Principal
	answer *Answer // for what it does: the access, or assuming the next role
	next   *hop
}

// chain looks for roles that the principal can assume, one after the other, and
// of which the last has the access. The search goes backwards from the resource,
// so that only the accounts are read that have something to do with it.
func (f *Facts) chain(ctx context.Context, a *Answer, s *subject, q Request, r *object) error {
	seen := map[string]bool{s.ARN: true, s.RoleARN: true}
	unread := map[string]bool{} // accounts whose roles may lead there for all that is known
	defer func() {
		if len(unread) > 0 && a.Verdict != Allowed {
			a.note("there may be a way by roles of " + strings.Join(slices.Sorted(maps.Keys(unread)), ", ") + ", which can't be read")
		}
	}()
	level, err := f.reaching(ctx, s, q, r, seen, unread)
	if err != nil {
		return err
	}
	best, how := a.Verdict, "sts:AssumeRole"
	if s.Type == policy.WebIdentity {
		how = "sts:AssumeRoleWithWebIdentity"
	}
	for depth := 1; depth <= maxHops && len(level) > 0; depth++ {
		for _, h := range level {
			assume, err := f.decide(ctx, s, how, f.roleObject(h.role), q.Context, true)
			if err != nil {
				return err
			}
			path := pathOf(assume, h)
			if v := worst(path); rank(v) > rank(best) {
				best = v
				if a.Direct == "" {
					a.Direct = a.Verdict
				}
				a.Verdict, a.Hops, a.Via, a.Keys = v, path, nil, nil
				for x := h; x != nil; x = x.next {
					a.Via = append(a.Via, x.role.ARN)
				}
				for _, step := range path {
					a.Keys = append(a.Keys, step.Keys...)
				}
				slices.Sort(a.Keys)
				a.Keys = slices.Compact(a.Keys)
			}
		}
		if best == Allowed || depth == maxHops {
			return nil
		}
		if level, err = f.before(ctx, level, q.Context, seen, unread, s.Account); err != nil {
			return err
		}
	}
	return nil
}

// pathOf are the answers along a chain.
func pathOf(assume *Answer, h *hop) []*Answer {
	path := []*Answer{assume}
	for ; h != nil; h = h.next {
		path = append(path, h.answer)
	}
	return path
}

// worst is what a path comes to: all of it is needed.
func worst(path []*Answer) Verdict {
	v := Allowed
	for _, a := range path {
		v = worse(v, a.Verdict)
	}
	return v
}

// rank orders verdicts by how much they promise.
func rank(v Verdict) int {
	return slices.Index([]Verdict{Denied, Unsupported, Unknown, Conditional, Allowed}, v)
}

// roleObject is a role as the resource of sts:AssumeRole.
func (f *Facts) roleObject(p *Principal) *object {
	r := &object{arn: p.ARN, policy: p.Trust, tags: p.Tags}
	r.account, r.inside = f.org.Account(accountOf(p.ARN))
	r.name = "role " + p.name() + " in " + r.account.Label()
	return f.ready(r)
}

// reaching are the roles that have the access: those of the resource's account,
// of accounts that its policy names, and those that the principal's policies
// name.
func (f *Facts) reaching(ctx context.Context, s *subject, q Request, r *object, seen, unread map[string]bool) ([]*hop, error) {
	accounts := []string{r.account.ID, s.Account}
	accounts = append(accounts, r.grantees.inAccounts()...)
	if s.facts != nil {
		for _, d := range s.facts.Policies {
			accounts = append(accounts, assumableIn(d.Text)...)
		}
	}
	roles, err := f.rolesIn(ctx, accounts, unread)
	if err != nil {
		return nil, err
	}
	var level []*hop
	for _, role := range roles {
		if seen[role.ARN] {
			continue
		}
		from := f.subjectOf(role)
		if f.quick(ctx, from, q.Action, r, q.Context) {
			continue
		}
		answer, err := f.answer(ctx, from, q.Action, r, q.Context)
		if err != nil {
			return nil, err
		}
		if rank(answer.Verdict) >= rank(Unknown) {
			seen[role.ARN] = true
			level = append(level, &hop{role: role, answer: answer})
		}
	}
	return level, nil
}

// before are the roles that can assume those of a level.
func (f *Facts) before(ctx context.Context, level []*hop, given map[string][]string, seen, unread map[string]bool, home string) ([]*hop, error) {
	var out []*hop
	for _, h := range level {
		target := f.roleObject(h.role)
		accounts := target.grantees.inAccounts()
		if target.grantees.everyone {
			accounts = append(accounts, home, accountOf(h.role.ARN))
		}
		roles, err := f.rolesIn(ctx, accounts, unread)
		if err != nil {
			return nil, err
		}
		for _, role := range roles {
			if seen[role.ARN] || f.quick(ctx, f.subjectOf(role), "sts:AssumeRole", target, given) {
				continue
			}
			answer, err := f.decide(ctx, f.subjectOf(role), "sts:AssumeRole", target, given, true)
			if err != nil {
				return nil, err
			}
			if rank(answer.Verdict) >= rank(Unknown) {
				seen[role.ARN] = true
				out = append(out, &hop{role: role, answer: answer, next: h})
			}
		}
	}
	return out, nil
}

// rolesIn are the roles of accounts, as far as these can be read.
func (f *Facts) rolesIn(ctx context.Context, accounts []string, unread map[string]bool) ([]*Principal, error) {
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)
	if err := f.readAll(ctx, accounts); err != nil {
		return nil, err
	}
	var out []*Principal
	for _, id := range accounts {
		a, ok := f.org.Account(id)
		if !ok || !a.Active() {
			continue
		}
		facts, err := f.account(ctx, a)
		if err != nil {
			unread[a.Label()] = true
		}
		for _, p := range facts.Principals {
			if p.role() {
				out = append(out, p)
			}
		}
	}
	return out, ctx.Err()
}

// assumableIn are the accounts of the roles that a policy names for
// sts:AssumeRole.
func assumableIn(text string) []string {
	var out []string
	for _, s := range statements(text) {
		assumes := slices.ContainsFunc(texts(s["Action"]), func(a string) bool { return strings.HasPrefix(strings.ToLower(a), "sts:") })
		if s["Effect"] != "Allow" || !assumes {
			continue
		}
		for _, arn := range texts(s["Resource"]) {
			if id := accountOf(arn); id != "" && !strings.ContainsAny(id, "*?$") {
				out = append(out, id)
			}
		}
	}
	return out
}
