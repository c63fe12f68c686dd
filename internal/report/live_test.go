package report

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"axle"
	"axle/internal/plan"

	"github.com/charmbracelet/x/ansi"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func liveSteps(name string, n int) []axle.Step {
	var out []axle.Step
	for i := range n {
		account := fmt.Sprintf("%012d", i+1)
		out = append(out, axle.Step{ID: plan.StackStep(name, axle.Target{Account: account, Region: "eu-west-1"}), Kind: plan.KindStack, Name: name,
			Account: account, AccountName: fmt.Sprintf("team-%02d", i), Region: "eu-west-1"})
	}
	return out
}

func ended(status axle.Status, change axle.Change, failure *axle.Failure) axle.Record {
	return axle.Record{Status: status, Started: noon, Finished: noon.Add(2500 * time.Millisecond), Result: axle.Result{Change: change}, Failure: failure}
}

// view runs f on a view that isn't a terminal and returns what it wrote.
func view(steps []axle.Step, preview bool, f func(*Live)) string {
	var b bytes.Buffer
	l := NewLive(&b, NewStyle(io.Discard, false), steps, preview, nil, noon)
	f(l)
	l.Close()
	return b.String()
}

func expect(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A small run has a line for each step that ended, but one for each cause.
func TestLiveSmallRun(t *testing.T) {
	steps := append(liveSteps("net", 6), axle.Step{ID: "peering/link/000000000002/eu-west-1/accept", Kind: axle.KindPeeringAccept, Name: "link", Account: "000000000001", AccountName: "team-00", Region: "eu-west-1"})
	denied := func(i int) *axle.Failure {
		return &axle.Failure{Code: "AccessDenied", Message: "assume role in account " + steps[i].Account + ": denied", Resource: "axle-spoke"}
	}
	expect(t, view(steps, false, func(l *Live) {
		for i := range steps {
			l.Started(&steps[i], noon)
		}
		l.Retrying(&steps[0], &axle.Failure{Message: "Rate exceeded"}, time.Second)
		l.Retrying(&steps[1], &axle.Failure{Message: "Rate exceeded"}, time.Second)
		l.Ended(&steps[0], ended(axle.Succeeded, axle.Create, nil))
		l.Ended(&steps[1], ended(axle.Unchanged, axle.None, nil))
		l.Ended(&steps[2], ended(axle.Failed, "", denied(2)))
		l.Ended(&steps[3], ended(axle.Failed, "", denied(3)))
		l.Say("stopping; what runs comes to a safe point")
		l.Ended(&steps[4], axle.Record{Status: axle.Skipped, SkippedFor: steps[2].ID})
		l.Ended(&steps[5], ended(axle.Succeeded, axle.Replace, nil))
		l.Ended(&steps[6], ended(axle.Succeeded, axle.Create, nil))
	}), `
… net in team-00 eu-west-1: Rate exceeded; trying again in 1s
✓ net team-00 eu-west-1 created in 2.5s
= net team-01 eu-west-1 unchanged in 2.5s
✗ net in team-02 eu-west-1: axle-spoke: assume role in account 000000000003: denied
stopping; what runs comes to a safe point
- net team-04 eu-west-1 skipped
✓ net team-05 eu-west-1 replaced in 2.5s
✓ link accept team-00 eu-west-1 for 000000000002 created in 2.5s
`)
}

func TestLivePreview(t *testing.T) {
	steps := liveSteps("net", 3)
	expect(t, view(steps, true, func(l *Live) {
		l.Ended(&steps[0], ended(axle.Succeeded, axle.Create, nil))
		l.Ended(&steps[1], ended(axle.Unchanged, axle.None, nil))
		l.Ended(&steps[2], ended(axle.Succeeded, axle.Delete, nil))
	}), `
✓ net team-00 eu-west-1 to create in 2.5s
= net team-01 eu-west-1 unchanged in 2.5s
✓ net team-02 eu-west-1 to delete in 2.5s
`)
}

// A large run has a line whenever a part more of a group is through.
func TestLiveLargeRun(t *testing.T) {
	steps := append(liveSteps("net", 200), liveSteps("app", 8)...)
	expect(t, view(steps, false, func(l *Live) {
		for i := range steps {
			s := &steps[i]
			l.Started(s, noon)
			switch {
			case s.Name == "net" && i%50 == 49:
				l.Ended(s, ended(axle.Failed, "", &axle.Failure{Message: "account " + s.Account + " is closed"}))
			case s.Name == "net":
				l.Ended(s, ended(axle.Unchanged, axle.None, nil))
			case i%2 == 0:
				l.Ended(s, axle.Record{Status: axle.Skipped})
			default:
				l.Ended(s, ended(axle.Succeeded, axle.Update, nil))
			}
		}
	}), `
· net 20/200 (20 unchanged)
· net 40/200 (40 unchanged)
✗ net in team-49 eu-west-1: account 000000000050 is closed
✗ net 60/200 (59 unchanged, 1 failed)
✗ net 80/200 (79 unchanged, 1 failed)
✗ net 100/200 (98 unchanged, 2 failed)
✗ net 120/200 (118 unchanged, 2 failed)
✗ net 140/200 (138 unchanged, 2 failed)
✗ net 160/200 (157 unchanged, 3 failed)
✗ net 180/200 (177 unchanged, 3 failed)
✗ net 200/200 (196 unchanged, 4 failed)
· app 2/8 (1 skipped)
· app 4/8 (2 skipped)
· app 6/8 (3 skipped)
- app 8/8 (4 skipped)
`)
}

var controls = regexp.MustCompile("\x1b\\[(\\d+)A\x1b\\[J")

// On a terminal the block is never wider or higher than the screen, whatever
// its size, and each drawing takes exactly the earlier one away.
func TestLiveFitsTheScreen(t *testing.T) {
	var steps []axle.Step
	for i := range 40 {
		steps = append(steps, liveSteps(fmt.Sprintf("stack-with-a-long-name-%02d-ünï", i), 4)...)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range [][2]int{{80, 24}, {200, 60}, {20, 5}, {10, 3}, {3, 2}, {1, 1}, {0, 0}} {
		width, height := size[0], size[1]
		if width == 0 {
			width, height = 80, 24
		}
		var b bytes.Buffer
		l := &Live{w: &b, st: NewStyle(io.Discard, false), size: func() (int, int) { return size[0], size[1] }, started: noon, byName: map[string]*liveGroup{}, causes: map[string]int{}}
		l.groups, l.byName = groupsOf(steps)
		onScreen := 0
		for i, n := range r.Perm(len(steps)) {
			s := &steps[n]
			l.Started(s, noon)
			if i%3 > 0 {
				l.Ended(s, ended([]axle.Status{axle.Succeeded, axle.Failed, axle.Unchanged, axle.Skipped}[i%4], axle.Create, nil))
			}
			if i == 50 {
				l.Say("stopping: what runs comes to a safe point; Ctrl-C again leaves at once")
			}
			l.draw(noon.Add(time.Duration(i) * time.Second))
			text := b.String()
			b.Reset()
			erased := 0
			if m := controls.FindStringSubmatch(text); m != nil {
				fmt.Sscan(m[1], &erased)
				text = strings.Replace(text, m[0], "", 1)
			}
			if erased != onScreen {
				t.Fatalf("%v: %d lines taken away, and %d were there", size, erased, onScreen)
			}
			lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
			onScreen = len(lines)
			if len(lines) > max(height-1, 1) {
				t.Fatalf("%v: a block of %d lines", size, len(lines))
			}
			for _, line := range lines {
				if ansi.StringWidth(line) >= max(width, 2) {
					t.Fatalf("%v: a line of %d columns: %q", size, ansi.StringWidth(line), line)
				}
			}
		}
	}
}

// On a narrow terminal the numbers, and what to press, are more than bars.
func TestLiveNarrow(t *testing.T) {
	steps := append(liveSteps("spoke-network", 14), liveSteps("app", 2)...)
	var b bytes.Buffer
	l := &Live{w: &b, st: NewStyle(io.Discard, false), size: func() (int, int) { return 40, 24 }, started: noon, causes: map[string]int{}}
	l.groups, l.byName = groupsOf(steps)
	l.Started(&steps[0], noon)
	l.Ended(&steps[1], ended(axle.Failed, "", &axle.Failure{Message: "no"}))
	l.Say("stopping: what runs comes to a safe point; Ctrl-C again leaves at once")
	b.Reset()
	l.draw(noon.Add(time.Second))
	expect(t, b.String(), `
✗ spoke-network 1/14 (1 failed)  team-…
· app           0/2
1s  1 of 16 steps, 1 running
stopping: what runs comes to a safe
point; Ctrl-C again leaves at once
`)
}

// Steps begin and end from many goroutines while the block is drawn; at the end
// nothing of it is left.
func TestLiveOnATerminal(t *testing.T) {
	steps := liveSteps("net", 64)
	var b bytes.Buffer // written under the view's lock
	l := NewLive(&b, NewStyle(io.Discard, false), steps, false, func() (int, int) { return 80, 24 }, noon)
	var all sync.WaitGroup
	for i := range steps {
		all.Go(func() {
			l.Started(&steps[i], noon)
			l.Ended(&steps[i], ended(axle.Succeeded, axle.Create, nil))
		})
	}
	all.Wait()
	l.mu.Lock()
	l.draw(noon.Add(time.Second))
	l.mu.Unlock()
	l.Close()
	if !strings.HasSuffix(b.String(), "✓ net ████████████████ 64/64\n1s  64 of 64 steps, 0 running\n\x1b[2A\x1b[J") {
		t.Errorf("got %q", b.String())
	}
}
