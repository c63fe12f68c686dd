package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"axle"
	"axle/internal/cfn"
	"axle/internal/cloud"
)

// stacks looks at the state of every stack. It says whether CloudFormation
// answers at all.
func (d *Doctor) stacks(ctx context.Context, t *Target) bool {
	sound := true
	for i := range t.Stacks {
		s := &t.Stacks[i]
		live, err := d.driver.Describe(ctx, t.at(), s.Spec.StackName)
		if errors.Is(err, axle.ErrNotFound) {
			continue
		}
		if err != nil {
			if ctx.Err() == nil {
				d.add(t.Account, t.Region, d.refusal(CheckStacks, cloud.Translate(err, "read stack "+s.Spec.StackName, t.Account, t.Region)))
			}
			return false
		}
		s.live = live.State() != cfn.Shell && live.State() != cfn.Gone
		if f := d.state(ctx, t, s, live); f != nil {
			sound = false
			f.Check, f.Stack = CheckStacks, s.Name
			d.add(t.Account, t.Region, *f)
		}
	}
	if sound {
		d.add(t.Account, t.Region, Finding{Check: CheckStacks, State: OK, Proof: "call"})
	}
	return true
}

// state says what is in the way of a deploy of the stack, nil for nothing.
func (d *Doctor) state(ctx context.Context, t *Target, s *Stack, live *cfn.Stack) *Finding {
	blocked := func(f *axle.Failure) *Finding {
		return &Finding{State: Blocked, Side: SideStack, Cause: f.Message, Fix: f.Hint, Proof: "call"}
	}
	if err := d.driver.Owned(ctx, t.at(), live, s.Spec); err != nil {
		var f *axle.Failure
		if errors.As(err, &f) {
			return blocked(f)
		}
		return &Finding{State: Unknown, Cause: err.Error()}
	}
	switch live.State() {
	case cfn.Stuck, cfn.Halted, cfn.Undeleted:
		if live.State() == cfn.Halted && d.driver.Continues {
			return nil
		}
		return blocked(cfn.StuckFailure(live))
	case cfn.Dead:
		if live.Protected {
			return blocked(cfn.Protected(live.Name))
		}
	case cfn.Busy:
		return &Finding{State: Unknown, Side: SideStack, Proof: "call",
			Cause: fmt.Sprintf("somebody is at work on stack %s: it is in %s, and what comes of that isn't known", live.Name, live.Status),
			Fix:   fmt.Sprintf("a deploy waits for it, up to %s (--wait-others), and goes on from there", strings.Replace(d.project.Wait.String(), "m0s", "m", 1))}
	}
	return nil
}

// refusal is a call that AWS refused, with the side that its message names.
func (d *Doctor) refusal(check string, err error) Finding {
	said := message(err)
	f := Finding{Check: check, State: Unknown, Side: SideOther, Cause: said, Fix: hint(err), Proof: "call"}
	var known *axle.Failure
	if !errors.As(err, &known) {
		return f
	}
	if !strings.Contains(known.Code, "AccessDenied") && known.Code != "UnauthorizedOperation" && known.Code != cloud.CodeRegionDisabled {
		return f
	}
	f.State = Blocked
	if f.Side = sideOf(said); known.Code == cloud.CodeRegionDisabled {
		f.Check, f.Side = CheckRegion, SideRegion
		f.Cause, f.Fix, _ = strings.Cut(known.Hint, ": ")
	}
	return f
}

// sideOf reads which policy refuses from AWS's message ("because no
// identity-based policy allows", "with an explicit deny in a service control
// policy"; IAM User Guide, Troubleshoot access denied error messages).
func sideOf(message string) Side {
	for _, s := range []struct {
		says string
		side Side
	}{
		{"service control policy", SideSCP}, {"resource control policy", SideRCP}, {"permissions boundary", SideBoundary},
		{"session policy", SideSession}, {"identity-based policy", SideIdentity}, {"trust policy", SideTrust},
	} {
		if strings.Contains(message, s.says) {
			return s.side
		}
	}
	return SideOther
}
