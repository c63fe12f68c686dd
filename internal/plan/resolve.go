package plan

import (
	"fmt"
	"strings"

	"axle"
)

// resolve finds the instance that output("x", ...) means for a consumer: the
// first tier that has exactly one. Candidates are counted over all instances,
// those that the run doesn't act on included. The tiers are: all; the same
// account and region; the same account; the hub account in the consumer's
// region. An account or region given in the call takes the consumer's place.
func (b *builder) resolve(stack string, consumer axle.Target, account, region string) (axle.Target, error) {
	of := b.instances[stack]
	if of == nil || len(of.all) == 0 {
		return axle.Target{}, fmt.Errorf("stack %q has no instance: its targets match no account", stack)
	}
	pool := of.all
	switch {
	case account != "" && region != "":
		t := axle.Target{Account: account, Region: region}
		if of.has[t] {
			return t, nil
		}
		return axle.Target{}, b.ambiguous(stack, consumer, of, account, region)
	case account != "":
		pool = of.byAccount[account]
	case region != "":
		pool = of.byRegion[region]
	}
	if len(pool) == 1 {
		return pool[0], nil
	}
	near := consumer
	if account != "" {
		near.Account = account
	}
	if region != "" {
		near.Region = region
	}
	if of.has[near] {
		return near, nil
	}
	if account == "" {
		if region == "" {
			if own := of.byAccount[near.Account]; len(own) == 1 {
				return own[0], nil
			}
		}
		if hub := (axle.Target{Account: b.plan.Hub.Account.ID, Region: near.Region}); of.has[hub] {
			return hub, nil
		}
	}
	return axle.Target{}, b.ambiguous(stack, consumer, of, account, region)
}

// ambiguousError lists the candidates of an output() that has no single answer.
type ambiguousError struct {
	stack      string
	consumer   string
	candidates []axle.Target
	total      int
	want       string
}

func (e *ambiguousError) Error() string {
	if e.want != "" && len(e.candidates) == 0 {
		return fmt.Sprintf("stack %q has no instance in %s", e.stack, e.want)
	}
	names := make([]string, len(e.candidates))
	for i, t := range e.candidates {
		names[i] = t.String()
	}
	more := ""
	if e.total > len(names) {
		more = fmt.Sprintf(" and %d more", e.total-len(names))
	}
	return fmt.Sprintf("stack %q has %d instances and none is nearest to %s: %s%s", e.stack, e.total, e.consumer, strings.Join(names, ", "), more)
}

func (b *builder) ambiguous(stack string, consumer axle.Target, of *instances, account, region string) error {
	pool := of.all
	want := ""
	if account != "" || region != "" {
		pool = nil
		want = strings.Trim(account+"/"+region, "/")
		for _, t := range of.all {
			if (account == "" || t.Account == account) && (region == "" || t.Region == region) {
				pool = append(pool, t)
			}
		}
	}
	total := len(pool)
	if total > 6 {
		pool = pool[:6]
	}
	return &ambiguousError{stack: stack, consumer: consumer.String(), candidates: pool, total: total, want: want}
}

// depends are the instances of a stack that an instance of another must wait
// for because of depends_on: the one in the same account and region, else those
// in the same account, else all of them.
func (of *instances) depends(t axle.Target) []axle.Target {
	if of.has[t] {
		return []axle.Target{t}
	}
	if own := of.byAccount[t.Account]; len(own) > 0 {
		return own
	}
	return of.all
}
