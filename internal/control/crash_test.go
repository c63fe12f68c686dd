package control

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"axle"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// network is a small project with all that a run can be left in the midst of:
// stacks of which one needs another's outputs from another account, and a
// peering.
var network = map[string]string{
	"axle.yaml": `
name: net
access: {role: OrganizationAccountAccessRole}
organization: {source: file:accounts.yaml}
hub: {account: account.name == "tools", region: eu-west-1}
regions: [eu-west-1]
stacks:
  hub: {template: hub.yaml, targets: hub}
  spoke:
    template: spoke.yaml
    targets: account.ou == "/Workloads"
    parameters:
      HubVpc: ${{ output("hub", "VpcId") }}
      Cidr: ${{ "10." + account.tags["net"] + ".0.0/24" }}
peerings:
  to-hub:
    requester: {stack: spoke, vpc: VpcId, cidr: VpcCidr, route_tables: [Table]}
    accepter: {stack: hub, vpc: VpcId, cidr: VpcCidr, route_tables: [Table]}
    dns: true
`,
	"hub.yaml": `
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.1.0.0/16, EnableDnsSupport: true, EnableDnsHostnames: true}}
  Table: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
Outputs:
  VpcId: {Value: !Ref Vpc}
  VpcCidr: {Value: !GetAtt Vpc.CidrBlock}
  Table: {Value: !Ref Table}
`,
	"spoke.yaml": `
Parameters:
  HubVpc: {Type: String}
  Cidr: {Type: String}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr, EnableDnsSupport: true, EnableDnsHostnames: true}}
  Table: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
Outputs:
  VpcId: {Value: !Ref Vpc}
  VpcCidr: {Value: !GetAtt Vpc.CidrBlock}
  Table: {Value: !Ref Table}
  HubVpc: {Value: !Ref HubVpc}
`,
}

// netAccounts is an organization with n spokes.
func netAccounts(n int) string {
	var b strings.Builder
	b.WriteString(`
management: {id: "111111111111", name: management}
accounts:
  - {id: "222222222222", name: tools}
ous:
  - name: Workloads
    accounts:
`)
	for i := range n {
		fmt.Fprintf(&b, "      - {id: \"3333333333%02d\", name: dev%d, tags: {net: \"%d\"}}\n", i, i, i+11)
	}
	return b.String()
}

// ends are how the steps ended. A step whose work was done before a crash and
// leaves nothing to go on with is found unchanged afterwards: that is well too.
func ends(done *Done) []string {
	var out []string
	for _, r := range done.Records {
		line := r.Step + " ended well"
		if !r.Status.OK() {
			line = fmt.Sprintf("%s %s", r.Step, r.Status)
		}
		if r.Failure != nil {
			line += " " + r.Failure.Error()
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// expect is what a run that nobody killed comes to.
type expect struct {
	transitions, ends, state []string
}

// crash is a run that is to be killed.
type crash struct {
	state   string // file of what is there before; empty: nothing
	destroy bool
}

// TestKilledAnywhere kills a deploy and a destroy at every transition: before
// and after each record of the journal is durable, and before and after each
// call that changes something is carried out. What goes on afterwards ends as a
// run that wasn't killed, and nothing is done twice.
func TestKilledAnywhere(t *testing.T) {
	u := newUniverse(t, netAccounts(1))
	for _, destroy := range []bool{false, true} {
		t.Run(map[bool]string{false: "deploy", true: "destroy"}[destroy], func(t *testing.T) {
			c := crash{destroy: destroy}
			if destroy {
				c.state = u.deployed(t)
			}
			want := u.unkilled(t, c)
			t.Logf("%d transitions", len(want.transitions))
			var g errgroup.Group
			g.SetLimit(8) // they wait more than they work
			for n := range len(want.transitions) {
				for _, after := range []bool{false, true} {
					g.Go(func() error {
						killed, err := u.kill(c, n+1, after, 0, want)
						if err == nil && !killed {
							err = fmt.Errorf("there was no transition %d this time", n+1)
						}
						if err != nil {
							t.Error(err)
						}
						return nil
					})
				}
			}
			_ = g.Wait() // each has told what was wrong
		})
	}
}

// TestKilledLarge kills runs of a larger project, in which many steps are at
// work at once, somewhere, and again after they were resumed.
func TestKilledLarge(t *testing.T) {
	u := newUniverse(t, netAccounts(8))
	c := crash{}
	want := u.unkilled(t, c)
	t.Logf("%d transitions", len(want.transitions))
	var g errgroup.Group
	g.SetLimit(4)
	for i := range 12 {
		g.Go(func() error {
			n := 1 + i*len(want.transitions)/12
			if _, err := u.kill(c, n, i%2 == 0, 1+5*i, want); err != nil {
				t.Error(err)
			}
			return nil
		})
	}
	_ = g.Wait() // each has told what was wrong
}

// deployed is the state of an organization in which the project is deployed.
func (u *universe) deployed(t *testing.T) string {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state.json")
	w, err := u.world(state, network)
	if err != nil {
		t.Fatal(err)
	}
	done, err := w.run(&process{}, false)
	w.close()
	if err != nil || done.Run.Status != axle.RunSucceeded {
		t.Fatalf("deploy: %v", err)
	}
	return state
}

// begin makes the world in which a crash happens.
func (u *universe) begin(c crash) (*world, error) {
	if c.state == "" {
		return u.world("", network)
	}
	was, err := os.ReadFile(c.state)
	if err != nil {
		return nil, err
	}
	state := filepath.Join(u.t.TempDir(), "state.json")
	if err := os.WriteFile(state, was, 0o600); err != nil {
		return nil, err
	}
	return u.world(state, network)
}

func (u *universe) unkilled(t *testing.T, c crash) expect {
	t.Helper()
	w, err := u.begin(c)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	p := &process{}
	done, err := w.run(p, c.destroy)
	if err != nil || done.Run.Status != axle.RunSucceeded {
		t.Fatalf("a run that isn't killed: %v", err)
	}
	if again := w.repeats(); len(again) > 0 {
		t.Errorf("without a kill: %s", strings.Join(again, "\n"))
	}
	state, err := w.look()
	if err != nil {
		t.Fatal(err)
	}
	return expect{transitions: p.transitions(), ends: ends(done), state: state}
}

// kill kills a run at a transition, goes on, and says what is wrong then; false
// when the run ended before it came to that transition. The resumed run is
// killed too, before its own transition again, unless that is 0.
func (u *universe) kill(c crash, n int, after bool, again int, want expect) (bool, error) {
	w, err := u.begin(c)
	if err != nil {
		return false, err
	}
	defer w.close()
	p := &process{kill: n, after: after}
	_, _ = w.run(p, c.destroy) // nobody hears what a dead process says
	if !p.killed() {
		return false, nil
	}
	seen := p.transitions()
	where := fmt.Sprintf("killed %s transition %d, %s", map[bool]string{false: "before", true: "after"}[after], n, seen[len(seen)-1])
	if again > 0 {
		_, _ = w.goOn(&process{kill: again}, c.destroy)
	}
	done, err := w.goOn(&process{}, c.destroy)
	if err != nil {
		return true, fmt.Errorf("%s: resume: %w", where, err)
	}
	state, err := w.look()
	if err != nil {
		return true, fmt.Errorf("%s: look: %w", where, err)
	}
	var wrong []string
	if done.Run.Status != axle.RunSucceeded {
		wrong = append(wrong, "the resumed run is "+string(done.Run.Status))
	}
	if diff := cmp.Diff(want.ends, ends(done)); diff != "" {
		wrong = append(wrong, "how steps ended (-unkilled +killed):\n"+diff)
	}
	if diff := cmp.Diff(want.state, state); diff != "" {
		wrong = append(wrong, "what is there (-unkilled +killed):\n"+diff)
	}
	wrong = append(wrong, w.repeats()...)
	if len(wrong) > 0 {
		return true, fmt.Errorf("%s:\n%s", where, strings.Join(wrong, "\n"))
	}
	return true, nil
}

// TestJournalLost takes the journal away after a crash, as one does with a
// damaged one: a new deploy takes up what is there, to the same end.
func TestJournalLost(t *testing.T) {
	u := newUniverse(t, netAccounts(1))
	want := u.unkilled(t, crash{})
	var g errgroup.Group
	g.SetLimit(8) // they wait more than they work
	for n := 1; n <= len(want.transitions); n++ {
		g.Go(func() error {
			if err := u.forget(n, want); err != nil {
				t.Errorf("killed before transition %d, %s: %v", n, want.transitions[n-1], err)
			}
			return nil
		})
	}
	_ = g.Wait() // each has told what was wrong
}

func (u *universe) forget(n int, want expect) error {
	w, err := u.world("", network)
	if err != nil {
		return err
	}
	defer w.close()
	_, _ = w.run(&process{kill: n}, false) // nobody hears what a dead process says
	if err := os.RemoveAll(stateDir(w.file)); err != nil {
		return err
	}
	done, err := w.run(&process{}, false)
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want.ends, ends(done)); diff != "" {
		return fmt.Errorf("how steps ended (-unkilled +anew):\n%s", diff)
	}
	state, err := w.look()
	if err != nil {
		return err
	}
	if diff := cmp.Diff(want.state, state); diff != "" {
		return fmt.Errorf("what is there (-unkilled +anew):\n%s", diff)
	}
	return nil
}
