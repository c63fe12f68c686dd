// Package doctor looks at every target before anything is touched: can its
// account be entered, and if not, which side refuses; is the region enabled;
// can CloudFormation work there; are the stacks in a state that can be
// deployed; are artifacts readable; would a quota be hit. It reads and tries,
// and changes nothing. What it can't find out it says, and blocks nothing for.
// Whether a run could be recorded at all is looked at by control.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"axle"
	"axle/internal/cfn"
	"axle/internal/cloud"
	"axle/internal/template"

	"golang.org/x/sync/errgroup"
)

// State is what a check came to.
type State string

// The states of a check.
const (
	OK      State = "ok"
	Blocked State = "blocked" // a deploy of the target would fail
	Unknown State = "unknown" // it couldn't be found out; a deploy may work
	Note    State = "note"    // blocks nothing
)

// Side is what refuses.
type Side string

// The sides that can refuse.
const (
	SideIdentity      Side = "identity policy"
	SideTrust         Side = "trust policy"
	SideExternalID    Side = "external id"
	SideSCP           Side = "service control policy"
	SideRCP           Side = "resource control policy"
	SideBoundary      Side = "permissions boundary"
	SideSession       Side = "session policy"
	SideMissing       Side = "missing role"
	SideRegion        Side = "region"
	SideStack         Side = "stack"
	SideExecutionRole Side = "execution role"
	SideArtifacts     Side = "artifacts"
	SideKey           Side = "key policy"
	SideQuota         Side = "quota"
	SideJournal       Side = "journal"
	SideOther         Side = "other"
)

// The things that are looked at.
const (
	CheckJournal     = "journal"
	CheckEnter       = "enter"
	CheckRegion      = "region"
	CheckStacks      = "stacks"
	CheckPermissions = "permissions"
	CheckExecution   = "execution role"
	CheckArtifacts   = "artifacts"
	CheckQuota       = "quota"
	CheckStackSets   = "stack sets"
)

// Finding is one thing looked at in one place.
type Finding struct {
	Check       string   `json:"check"`
	Account     string   `json:"account"` // empty: every target
	AccountName string   `json:"account_name"`
	Region      string   `json:"region,omitempty"` // empty: the whole account
	Stack       string   `json:"stack,omitempty"`  // its name in axle.yaml; empty: all of the target
	State       State    `json:"state"`
	Side        Side     `json:"side,omitempty"`
	Cause       string   `json:"cause,omitempty"`
	Fix         string   `json:"fix,omitempty"`
	Proof       string   `json:"proof,omitempty"` // policies | call: how it is known
	Detail      []string `json:"detail,omitempty"`
}

// Stack is a stack that a target shall have.
type Stack struct {
	Name     string // in axle.yaml
	Spec     *axle.StackSpec
	Template *template.Template // nil when it isn't at hand
	// Known are the parameters whose values are known before the run.
	Known map[string]string
	// Stored is the kind of artifacts of the hub's bucket that the access role reads
	// for the stack; "" for none.
	Stored string

	live bool // it is there already
}

// Target is an account and region with its stacks.
type Target struct {
	Account axle.Account
	Region  string
	Stacks  []Stack
	// Peerings is how many peering connections the target's VPCs get in all,
	// by the stack that has the VPC.
	Peerings map[string]int
}

func (t *Target) at() axle.Target { return axle.Target{Account: t.Account.ID, Region: t.Region} }

// Project is what is to be examined.
type Project struct {
	Partition   string
	Hub         axle.Target
	Targets     []Target
	Concurrency int
	// Wait is how long a deploy waits for somebody else's operation on a stack.
	Wait time.Duration
}

// Proof is why a role can or can't be assumed, from policies.
type Proof struct {
	Allowed bool
	// Known: every policy that has a say could be read.
	Known  bool
	Side   Side
	Cause  string
	Fix    string
	Detail []string
}

// Prover reads the policies of both sides of entering an account.
type Prover interface {
	// Enter tells why the account can't be entered. refused is AWS's answer.
	Enter(ctx context.Context, account axle.Account, refused error) Proof
	// Trust is a role's trust policy, when it can be read.
	Trust(ctx context.Context, account axle.Account, role string) (arn, document string, ok bool)
	// Act tells which of what the stacks need the target's role isn't allowed
	// to do; nil when nothing is missing or nothing is known.
	Act(ctx context.Context, t *Target) []Finding
}

// Doctor examines targets.
type Doctor struct {
	cloud   *cloud.Cloud
	other   *cloud.Cloud
	driver  *cfn.Driver
	project Project
	prover  Prover

	mu    sync.Mutex
	found []Finding
}

// New makes a doctor. other is a second door to the accounts, for reading what
// the access roles may not; it and prover may be nil.
func New(c, other *cloud.Cloud, driver *cfn.Driver, project Project, prover Prover) *Doctor {
	return &Doctor{cloud: c, other: other, driver: driver, project: project, prover: prover}
}

// Examine looks at everything and returns what it found, sorted by account,
// region and check. The error is ctx's alone.
func (d *Doctor) Examine(ctx context.Context) ([]Finding, error) {
	byAccount := map[string][]*Target{}
	for i := range d.project.Targets {
		t := &d.project.Targets[i]
		byAccount[t.Account.ID] = append(byAccount[t.Account.ID], t)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(d.project.Concurrency, 1))
	for _, targets := range byAccount {
		g.Go(func() error {
			d.account(gctx, targets)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(d.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Region, b.Region), cmp.Compare(order(a.Check), order(b.Check)),
			cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Cause, b.Cause))
	})
	return d.found, nil
}

func order(check string) int {
	return slices.Index([]string{CheckEnter, CheckRegion, CheckStacks, CheckPermissions, CheckExecution, CheckArtifacts, CheckQuota, CheckStackSets}, check)
}

// account examines the targets of one account; where it can't be entered, or a
// region isn't enabled, nothing more is to be seen there.
func (d *Doctor) account(ctx context.Context, targets []*Target) {
	account := targets[0].Account
	if !d.enter(ctx, account) {
		return
	}
	var regions []string
	err := d.read(ctx, func(c *cloud.Cloud) (err error) {
		regions, err = c.Regions(ctx, account)
		return err
	})
	if err != nil {
		d.add(account, "", Finding{Check: CheckRegion, State: Note, Cause: message(err), Fix: "allow account:ListRegions or ec2:DescribeRegions to the access role"})
	}
	d.executionRoles(ctx, account, targets)
	for _, t := range targets {
		if ctx.Err() != nil {
			return
		}
		if err == nil && !slices.Contains(regions, t.Region) {
			d.add(account, t.Region, Finding{Check: CheckRegion, State: Blocked, Side: SideRegion, Proof: "call",
				Cause: "region " + t.Region + " isn't enabled in " + account.Label(),
				Fix:   "aws account enable-region --region-name " + t.Region + " in the account (it takes minutes to hours), or regions: enabled in axle.yaml, which leaves it out"})
			continue
		}
		d.add(account, t.Region, Finding{Check: CheckRegion, State: OK})
		if d.stacks(ctx, t) {
			d.permissions(ctx, t)
			d.artifacts(ctx, t)
			d.quotas(ctx, t)
		}
	}
}

// enter tries the role for real: policies explain a refusal, and don't replace
// the call.
func (d *Doctor) enter(ctx context.Context, account axle.Account) bool {
	_, err := d.cloud.Credentials(ctx, account)
	if err == nil {
		d.add(account, "", Finding{Check: CheckEnter, State: OK, Proof: "call"})
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	f := Finding{Check: CheckEnter, State: Blocked, Side: SideOther, Cause: message(err), Fix: hint(err), Proof: "call"}
	if !account.Active() {
		f.Cause, f.Fix = account.Label()+" is "+account.Status, "leave it out of the targets: nobody can enter it"
	} else if d.prover != nil {
		if p := d.prover.Enter(ctx, account, err); p.Cause != "" {
			f.Side, f.Cause, f.Fix, f.Detail, f.Proof = p.Side, p.Cause, p.Fix, p.Detail, "policies"
		}
	}
	d.add(account, "", f)
	return false
}

func (d *Doctor) permissions(ctx context.Context, t *Target) {
	if d.prover == nil {
		return
	}
	found := d.prover.Act(ctx, t)
	for _, f := range found {
		f.Check = CheckPermissions
		d.add(t.Account, t.Region, f)
	}
	if len(found) == 0 {
		d.add(t.Account, t.Region, Finding{Check: CheckPermissions, State: OK, Proof: "policies"})
	}
}

// read reads by the access role, or else by the other door. The error is the
// first one's.
func (d *Doctor) read(ctx context.Context, by func(*cloud.Cloud) error) error {
	err := by(d.cloud)
	if err != nil && d.other != nil && ctx.Err() == nil && by(d.other) == nil {
		return nil
	}
	return err
}

func (d *Doctor) add(account axle.Account, region string, f Finding) {
	f.Account, f.AccountName, f.Region = account.ID, account.Name, region
	d.mu.Lock()
	defer d.mu.Unlock()
	d.found = append(d.found, f)
}

func message(err error) string {
	var f *axle.Failure
	if errors.As(err, &f) {
		return f.Message
	}
	return err.Error()
}

func hint(err error) string {
	var f *axle.Failure
	if errors.As(err, &f) {
		return f.Hint
	}
	return ""
}
