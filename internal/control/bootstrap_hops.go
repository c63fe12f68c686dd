package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"axle"

	"golang.org/x/sync/errgroup"
)

// trust is whom the spoke role of an account lets in, by the rules of access: the
// first hop into it, or without one the caller.
type trust struct{ principal, account, externalID string }

// An OwnHop is a first hop of access.overrides: the spoke roles of its accounts
// trust it, and somebody else makes it.
type OwnHop struct {
	Role     string         `json:"role"` // its ARN
	Accounts []axle.Account `json:"accounts"`
}

// trustOf is the trust of an account's spoke role.
func (b *Bootstrap) trustOf(a axle.Account) trust {
	return b.trustIn(b.w.hop(a).ARN, b.w.roleFor(a).ExternalID)
}

// usual is the trust of accounts that no override matches.
func (b *Bootstrap) usual() trust {
	access := &b.w.project.Access
	return b.trustIn(b.w.hopARN(access.Via.Value), access.ExternalID.Value)
}

func (b *Bootstrap) trustIn(hop, externalID string) trust {
	parts := strings.SplitN(hop, ":", 6)
	if len(parts) < 6 {
		return trust{b.caller, b.id.Account, externalID}
	}
	return trust{hop, parts[4], externalID}
}

// makesRole says whether bootstrap makes the role that the account is entered with:
// an override may name another one, or none.
func (w *Work) makesRole(a axle.Account) bool {
	o, role := w.override(a), w.project.Access.Role.Value
	if o == nil || o.Role.Value == "" {
		return true
	}
	return o.Role.Value == role || o.Role.Value == "arn:"+w.identity.Partition+":iam::"+a.ID+":role/"+strings.TrimPrefix(role, "/")
}

// spokePhases are the phases of spoke roles: accounts with the same template and
// the same trust together. Those whose role isn't bootstrap's have none.
func (b *Bootstrap) spokePhases(role string, spokes []spoke) []Phase {
	var out []Phase
	for _, s := range spokes {
		members := map[trust][]axle.Account{}
		var order []trust
		for _, a := range s.accounts {
			if !b.w.makesRole(a) {
				continue
			}
			t := b.trustOf(a)
			if members[t] == nil {
				order = append(order, t)
			}
			members[t] = append(members[t], a)
		}
		for _, t := range order {
			out = append(out, b.phase("spoke", role, members[t], s.body, spokeParameters(role, t)))
		}
	}
	return out
}

// ownHops are the first hops that the spoke roles of the phases trust and that
// bootstrap doesn't make because they are an override's.
func (b *Bootstrap) ownHops() []OwnHop {
	var out []OwnHop
	for _, a := range slices.Concat(b.spokeAccounts()...) {
		hop := b.w.hop(a)
		if !hop.Own || hop.ARN == "" {
			continue
		}
		i := slices.IndexFunc(out, func(h OwnHop) bool { return h.Role == hop.ARN })
		if i < 0 {
			i = len(out)
			out = append(out, OwnHop{Role: hop.ARN})
		}
		out[i].Accounts = append(out[i].Accounts, a)
	}
	return out
}

// oneTrust refuses a stack set for accounts that don't all trust the same: it has
// one trust policy for all.
func (b *Bootstrap) oneTrust(accounts []axle.Account) error {
	usual := b.usual()
	for _, a := range accounts {
		o := b.w.override(a)
		if o == nil || !b.w.makesRole(a) || b.trustOf(a) == usual {
			continue
		}
		return configError(o.Pos, "leave out --stackset: a stack in each account lets in what its override says",
			"%s is entered with a via or external_id of this override's own, and a stack set's role trusts the same in all of its accounts", a.Label())
	}
	return nil
}

// awaited are the steps of accounts whose first hop is there, or is none of an
// override's: an override's role isn't bootstrap's to make, so that nothing is
// waited for while it isn't there or doesn't let the caller in. It is told then.
func (b *Bootstrap) awaited(ctx context.Context, steps []axle.Step) []axle.Step {
	out := make([]bool, len(steps))
	var g errgroup.Group
	g.SetLimit(b.w.limits().Global)
	for i, s := range steps {
		hop := b.w.hop(accountOf(b.w, s.Account))
		if out[i] = !hop.Own || hop.ARN == ""; out[i] {
			continue
		}
		g.Go(func() error {
			_, err := b.w.cloud.Credentials(ctx, axle.Account{ID: s.Account, Name: s.AccountName})
			var f *axle.Failure
			out[i] = !errors.As(err, &f) || f.Resource != hop.ARN
			return nil
		})
	}
	_ = g.Wait() // none gives an error
	for _, h := range b.OwnHops {
		var closed []string
		for _, a := range h.Accounts {
			if i := slices.IndexFunc(steps, func(s axle.Step) bool { return s.Account == a.ID }); i >= 0 && !out[i] {
				closed = append(closed, a.Label())
			}
		}
		if len(closed) > 0 {
			b.w.warn("not entered yet: %s, whose way in is %s by access.overrides, which bootstrap doesn't make: %s", list(closed, 5), h.Role, b.Expects())
		}
	}
	var there []axle.Step
	for i, s := range steps {
		if out[i] {
			there = append(there, s)
		}
	}
	return there
}

// Expects says what must be true of a first hop that somebody else makes.
func (b *Bootstrap) Expects() string {
	return fmt.Sprintf("it must be there, trust %s, and be allowed sts:AssumeRole on role %s of these accounts, which lets it in; axle doctor tells whether that is so",
		b.caller, roleName(b.w.project.Access.Role.Value))
}
