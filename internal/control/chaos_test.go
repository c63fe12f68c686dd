package control

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/sandbox"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

// TestBadDays has 20 runs, each with troubles of its own: throttles, dropped
// connections, lost answers, expired sessions, errors of AWS's own, an account
// that is dead until somebody mends it, and half of them are killed as well.
// Each ends right, or is resumed and then ends right; nothing is done twice.
//
// AXLE_CHAOS_SEED=N runs that seed alone; AXLE_CHAOS_RUNS=N runs N random ones.
func TestBadDays(t *testing.T) {
	u := newUniverse(t, netAccounts(5))
	want := u.unkilled(t, crash{})
	u.unkind = true
	var g errgroup.Group
	g.SetLimit(10) // they wait more than they work
	for _, seed := range seeds(t) {
		g.Go(func() error {
			d := newDay(seed)
			if err := d.pass(u, want); err != nil {
				t.Errorf("AXLE_CHAOS_SEED=%d: %v\nits day: %s", seed, err, d)
			}
			return nil
		})
	}
	_ = g.Wait() // each has told what was wrong
}

func seeds(t *testing.T) []uint64 {
	t.Helper()
	var out []uint64
	if text := os.Getenv("AXLE_CHAOS_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return append(out, n)
	}
	if text := os.Getenv("AXLE_CHAOS_RUNS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			out = append(out, rand.Uint64N(1e9))
		}
		return out
	}
	for n := range uint64(20) {
		out = append(out, n+1)
	}
	return out
}

// day is what goes wrong in the life of one run.
type day struct {
	faults []sandbox.Fault
	dead   string     // an account that refuses everything, until it is mended
	kills  []*process // the first lives
	lost   float64    // of the answers to calls that change something
	random *rand.Rand
}

func newDay(seed uint64) *day {
	r := rand.New(rand.NewPCG(seed, 0xbad))
	d := &day{random: r, lost: float64(r.IntN(3)) * 0.05}
	operations := []string{"*", "DescribeStacks", "CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "*VpcPeering*", "CreateRoute", "Describe*"}
	for range 3 + r.IntN(6) {
		f := sandbox.Fault{Operation: operations[r.IntN(len(operations))], Probability: 0.1 + 0.4*r.Float64(), Count: 1 + r.IntN(12)}
		switch r.IntN(6) {
		case 0, 1:
			f.Kind = "throttle"
		case 2:
			f.Kind = "drop"
		case 3:
			f.Kind, f.Count = "expire", 1+f.Count/3
		case 4:
			f.Kind, f.Code, f.Message, f.Status = "error", "InternalFailure", "We are sorry", 500
		case 5:
			f.Kind, f.Delay = "delay", time.Duration(50+r.IntN(300))*time.Millisecond
		}
		d.faults = append(d.faults, f)
	}
	if r.IntN(3) == 0 {
		d.dead = fmt.Sprintf("3333333333%02d", r.IntN(5))
		d.faults = append(d.faults, sandbox.Fault{Kind: "deny", Account: d.dead})
	}
	for range r.IntN(3) {
		d.kills = append(d.kills, &process{kill: 1 + r.IntN(130), after: r.IntN(2) == 0})
	}
	return d
}

func (d *day) String() string {
	text := fmt.Sprintf("%.0f%% of answers lost", d.lost*100)
	if d.dead != "" {
		text += ", account " + d.dead + " is dead at first"
	}
	for _, p := range d.kills {
		text += fmt.Sprintf(", killed at %d", p.kill)
	}
	for _, f := range d.faults {
		text += fmt.Sprintf("\n  %s %s %.2f up to %d times", f.Kind, f.Operation, f.Probability, f.Count)
	}
	return text
}

// pass lives through the day and says what is wrong at its end.
func (d *day) pass(u *universe, want expect) error {
	w, err := u.world("", network)
	if err != nil {
		return err
	}
	defer w.close()
	if err := w.box.SetFaults(d.faults); err != nil {
		return err
	}
	var done *Done
	for life := 0; ; life++ {
		p := &process{}
		if life < len(d.kills) {
			p = d.kills[life]
		}
		p.lose = func() bool { return d.random.Float64() < d.lost } // one call at a time: the process's lock is held
		if life == 0 {
			done, err = w.run(p, false)
		} else {
			done, err = w.goOn(p, false)
		}
		if p.killed() || done == nil && life < 20 {
			continue // a command that couldn't begin is given again
		}
		if err == nil && done.Run.Status == axle.RunSucceeded {
			break
		}
		if problem := d.excuse(done, err); problem != nil {
			return fmt.Errorf("life %d: %w", life+1, problem)
		}
		d.dead = "" // mended; the other troubles have come to their end or go on
		if err := w.box.SetFaults(d.faults[:len(d.faults)-1]); err != nil {
			return err
		}
	}
	if diff := cmp.Diff(want.ends, ends(done)); diff != "" {
		return fmt.Errorf("how steps ended (-quiet day +this one):\n%s", diff)
	}
	if err := w.box.SetFaults(nil); err != nil {
		return err
	}
	// An unkind AWS shows a change late, and there is nothing to wait on.
	diff := "?"
	for tries := 0; diff != "" && tries < 40; tries++ {
		time.Sleep(time.Duration(min(tries, 1)) * 100 * time.Millisecond)
		state, err := w.look()
		if err != nil {
			return err
		}
		diff = cmp.Diff(want.state, state)
	}
	if diff != "" {
		return fmt.Errorf("what is there (-quiet day +this one):\n%s", diff)
	}
	if again := w.repeats(); len(again) > 0 {
		return fmt.Errorf("done again: %s", strings.Join(again, "\n"))
	}
	return nil
}

// excuse says whether a run may have ended so: only with failures in the account
// that is dead, and with what needs those.
func (d *day) excuse(done *Done, err error) error {
	if err != nil {
		return err
	}
	for _, r := range done.Records {
		inDead := d.dead != "" && strings.Contains(r.Step, d.dead)
		if !r.Status.OK() && !inDead {
			return fmt.Errorf("%s is %s: %v", r.Step, r.Status, r.Failure)
		}
	}
	return nil
}
