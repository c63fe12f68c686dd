package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"axle"
	"axle/internal/plan"
)

func step(id, account, region string, needs ...string) axle.Step {
	return axle.Step{ID: id, Kind: "stack", Account: account, Region: region, Needs: needs}
}

func frontier(t *testing.T, limits plan.Limits, done []axle.Record, steps ...axle.Step) *plan.Frontier {
	t.Helper()
	f, err := plan.NewFrontier(steps, limits, done)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestFrontierErrors(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []axle.Step
		want  string
	}{
		{"twice", []axle.Step{step("a", "1", "x"), step("a", "2", "x")}, "two steps have the id a"},
		{"unknown", []axle.Step{step("a", "1", "x", "b")}, "step a needs b, which is not among the steps"},
		{"itself", []axle.Step{step("a", "1", "x", "a")}, "steps need each other: a -> a"},
		{"cycle", []axle.Step{
			step("root", "1", "x"), step("late", "1", "x", "b"),
			step("a", "1", "x", "root", "c"), step("b", "1", "x", "a"), step("c", "1", "x", "b"),
		}, "steps need each other: b -> a -> c -> b"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := plan.NewFrontier(tt.steps, plan.Limits{}, nil)
			var graph *plan.GraphError
			if !errors.As(err, &graph) || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// Steps that others wait for go before those that nothing needs.
func TestFrontierStartsLongestChainsFirst(t *testing.T) {
	f := frontier(t, plan.Limits{Global: 2}, nil,
		step("alone", "1", "x"), step("first", "2", "x"), step("second", "2", "x", "first"), step("third", "2", "x", "second"), step("pair", "3", "x"), step("of-pair", "3", "x", "pair"))
	same(t, "starts", f.Next(0), []int{1, 4})
	same(t, "starts beyond the limit", f.Next(0), []int(nil))
	f.End(4, axle.Succeeded)
	same(t, "starts", f.Next(0), []int{0})
	f.End(1, axle.Succeeded)
	same(t, "starts", f.Next(0), []int{2})
}

// A saturated account doesn't hold up another one.
func TestFrontierNoHeadOfLineBlocking(t *testing.T) {
	f := frontier(t, plan.Limits{PerAccount: 1}, nil,
		step("a1", "a", "x"), step("a2", "a", "y"), step("a3", "a", "x"), step("b1", "b", "x"), step("b2", "b", "y"))
	same(t, "starts", f.Next(0), []int{0, 3})
	f.End(3, axle.Succeeded)
	same(t, "starts", f.Next(0), []int{4})
	f.End(0, axle.Succeeded)
	same(t, "starts", f.Next(0), []int{1})
}

func TestFrontierSkipsAndBlames(t *testing.T) {
	f := frontier(t, plan.Limits{}, nil,
		step("vpc", "1", "x"), step("other", "1", "x"), step("app", "1", "x", "vpc"), step("db", "1", "x", "other"), step("top", "1", "x", "app", "db"))
	f.Next(0)
	same(t, "skipped", f.End(0, axle.Failed), []int{2, 4})
	same(t, "skipped by an end that came before", f.End(0, axle.Failed), []int(nil))
	same(t, "skipped by a step that didn't run", f.End(3, axle.Failed), []int(nil))
	if by, ok := f.Blame(4); !ok || by != 0 || f.Status(4) != axle.Skipped {
		t.Errorf("top is %s because of %d, %v", f.Status(4), by, ok)
	}
	if _, ok := f.Blame(1); ok {
		t.Error("a step that runs has someone to blame")
	}
	f.End(1, axle.Unchanged)
	same(t, "starts", f.Next(0), []int{3})
	f.End(3, axle.Succeeded)
	if !f.Finished() || f.Count(axle.Skipped) != 2 || f.Count(axle.Succeeded) != 1 {
		t.Errorf("finished %v, skipped %d", f.Finished(), f.Count(axle.Skipped))
	}
}

func TestFrontierStop(t *testing.T) {
	f := frontier(t, plan.Limits{Global: 1}, nil, step("a", "1", "x"), step("b", "1", "x", "a"), step("c", "1", "x"))
	f.Next(0)
	f.Stop()
	f.End(0, axle.Succeeded)
	same(t, "starts after a stop", f.Next(0), []int(nil))
	if f.Finished() || f.Count(axle.Pending) != 2 {
		t.Error("a stopped run is finished")
	}
}

// What ran when an earlier attempt ended comes first: it may still be at work.
func TestFrontierResume(t *testing.T) {
	f := frontier(t, plan.Limits{Global: 1}, []axle.Record{
		{Step: "a", Status: axle.Unchanged}, {Step: "b", Status: axle.Failed}, {Step: "c", Status: axle.Skipped, SkippedFor: "b"},
		{Step: "d", Status: axle.Running}, {Step: "gone", Status: axle.Succeeded},
	}, step("a", "1", "x"), step("b", "1", "x", "a"), step("c", "1", "x", "b"), step("d", "1", "x", "a"))
	same(t, "starts", f.Next(0), []int{3})
	f.End(3, axle.Succeeded)
	same(t, "starts", f.Next(0), []int{1})
	f.End(1, axle.Succeeded)
	same(t, "starts", f.Next(0), []int{2})
}

// modelled is a frontier beside a model of it that is slow and obvious.
type modelled struct {
	*plan.Frontier
	steps  []axle.Step
	limits plan.Limits
	status []axle.Status
	height []int
	starts []int
}

func drawSteps(t *rapid.T) []axle.Step {
	n := rapid.IntRange(1, 30).Draw(t, "steps")
	steps := make([]axle.Step, n)
	for i := range steps {
		steps[i] = step(fmt.Sprintf("s%02d", i), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "account"), rapid.SampledFrom([]string{"x", "y"}).Draw(t, "region"))
		for j := range i {
			if rapid.IntRange(0, 6).Draw(t, "need") == 0 {
				steps[i].Needs = append(steps[i].Needs, steps[j].ID)
			}
		}
	}
	return rapid.Permutation(steps).Draw(t, "order")
}

func drawLimits(t *rapid.T) plan.Limits {
	limit := rapid.IntRange(0, 3)
	return plan.Limits{Global: limit.Draw(t, "global"), PerAccount: limit.Draw(t, "per account"), PerRegion: limit.Draw(t, "per region"), PerTarget: limit.Draw(t, "per target")}
}

func newModelled(t *rapid.T, steps []axle.Step, limits plan.Limits) *modelled {
	f, err := plan.NewFrontier(steps, limits, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &modelled{Frontier: f, steps: steps, limits: limits, status: make([]axle.Status, len(steps)), height: make([]int, len(steps)), starts: make([]int, len(steps))}
	for i := range steps {
		m.status[i] = axle.Pending
	}
	for range steps {
		for i := range steps {
			for _, on := range m.needs(i) {
				m.height[on] = max(m.height[on], m.height[i]+1)
			}
		}
	}
	return m
}

func (m *modelled) needs(i int) []int {
	var out []int
	for _, id := range m.steps[i].Needs {
		out = append(out, slices.IndexFunc(m.steps, func(s axle.Step) bool { return s.ID == id }))
	}
	return out
}

func (m *modelled) mayStart(i int) bool {
	if m.status[i] != axle.Pending {
		return false
	}
	for _, on := range m.needs(i) {
		if !m.status[on].OK() {
			return false
		}
	}
	var all, account, region, target int
	for j, s := range m.status {
		if s == axle.Running {
			a, r := m.steps[j].Account == m.steps[i].Account, m.steps[j].Region == m.steps[i].Region
			all++
			account += count(a)
			region += count(r)
			target += count(a && r)
		}
	}
	within := func(used, limit int) bool { return limit == 0 || used < limit }
	return within(all, m.limits.Global) && within(account, m.limits.PerAccount) && within(region, m.limits.PerRegion) && within(target, m.limits.PerTarget)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// next starts steps in both, and compares.
func (m *modelled) next(t *rapid.T, most int) {
	order := make([]int, len(m.steps))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return m.height[order[a]] > m.height[order[b]] })
	var want []int
	for _, i := range order {
		if (most == 0 || len(want) < most) && m.mayStart(i) {
			m.status[i] = axle.Running
			m.starts[i]++
			want = append(want, i)
		}
	}
	if got := m.Next(most); !slices.Equal(got, want) {
		t.Fatalf("next(%d) = %v, want %v", most, got, want)
	}
}

// end ends a step in both, and compares.
func (m *modelled) end(t *rapid.T, i int, st axle.Status) {
	m.status[i] = st
	to, ended := axle.Skipped, map[int]bool{i: !st.OK()}
	if st == axle.Cancelled {
		to = axle.Cancelled
	}
	var want []int
	for range m.steps {
		for j := range m.steps {
			if m.status[j] == axle.Pending && slices.ContainsFunc(m.needs(j), func(on int) bool { return ended[on] }) {
				m.status[j], ended[j] = to, true
				want = append(want, j)
			}
		}
	}
	slices.Sort(want)
	if got := m.End(i, st); !slices.Equal(got, want) {
		t.Fatalf("end(%d, %s) = %v, want %v", i, st, got, want)
	}
	for j := range want {
		if by, ok := m.Blame(want[j]); !ok || by != i {
			t.Fatalf("blame of %d is %d, want %d", want[j], by, i)
		}
	}
}

func (m *modelled) check(t *rapid.T) {
	counts := map[axle.Status]int{}
	for i, want := range m.status {
		counts[want]++
		if got := m.Status(i); got != want {
			t.Fatalf("step %d is %s, want %s", i, got, want)
		}
	}
	for _, st := range []axle.Status{axle.Pending, axle.Running, axle.Succeeded, axle.Unchanged, axle.Failed, axle.Skipped, axle.Cancelled} {
		if m.Count(st) != counts[st] {
			t.Fatalf("%d are %s, want %d", m.Count(st), st, counts[st])
		}
	}
	if done := counts[axle.Pending]+counts[axle.Running] == 0; m.Finished() != done {
		t.Fatalf("finished: %v, want %v", m.Finished(), done)
	}
}

func (m *modelled) running() []int {
	var out []int
	for i, s := range m.status {
		if s == axle.Running {
			out = append(out, i)
		}
	}
	return out
}

// Whatever happens in whatever order, the frontier does what the model does:
// needs first, limits kept, the descendants of failures and only they given up,
// and in the end each step has ended once.
func TestFrontierIsItsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModelled(t, drawSteps(t), drawLimits(t))
		ends := []axle.Status{axle.Succeeded, axle.Succeeded, axle.Unchanged, axle.Failed, axle.Cancelled}
		for !m.Finished() {
			running := m.running()
			if len(running) == 0 || rapid.Bool().Draw(t, "start") {
				m.next(t, rapid.IntRange(0, 3).Draw(t, "most"))
				if len(running) == 0 && len(m.running()) == 0 {
					t.Fatal("nothing runs and nothing starts, but the run isn't finished")
				}
			} else {
				m.end(t, rapid.SampledFrom(running).Draw(t, "which"), rapid.SampledFrom(ends).Draw(t, "how"))
			}
			m.check(t)
		}
		for i, n := range m.starts {
			_, blamed := m.Blame(i)
			if n != count(!blamed) {
				t.Fatalf("step %d, which is %s, was started %d times", i, m.status[i], n)
			}
		}
	})
}

// How a run ends depends on which steps fail, not on when.
func TestFrontierEndsTheSameInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps := drawSteps(t)
		fails := rapid.SliceOfN(rapid.IntRange(0, 4), len(steps), len(steps)).Draw(t, "fails")
		finish := func() string {
			m := newModelled(t, steps, drawLimits(t))
			for !m.Finished() {
				m.next(t, 0)
				i := rapid.SampledFrom(m.running()).Draw(t, "which")
				st := axle.Succeeded
				if fails[i] == 0 {
					st = axle.Failed
				}
				m.end(t, i, st)
			}
			return fmt.Sprint(m.status)
		}
		if a, b := finish(), finish(); a != b {
			t.Fatalf("two ends:\n%s\n%s", a, b)
		}
	})
}

// A run that was left and is resumed starts what hadn't ended well, only that,
// and ends as if it hadn't been left.
func TestFrontierResumesWhatIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModelled(t, drawSteps(t), drawLimits(t))
		for range rapid.IntRange(0, 2*len(m.steps)).Draw(t, "events") {
			m.next(t, 1)
			if running := m.running(); len(running) > 0 && rapid.Bool().Draw(t, "end") {
				m.end(t, rapid.SampledFrom(running).Draw(t, "which"), rapid.SampledFrom([]axle.Status{axle.Succeeded, axle.Failed}).Draw(t, "how"))
			}
		}
		var records []axle.Record
		for i, st := range m.status {
			records = append(records, axle.Record{Step: m.steps[i].ID, Status: st})
		}
		f, err := plan.NewFrontier(m.steps, m.limits, records)
		if err != nil {
			t.Fatal(err)
		}
		var started []string
		for !f.Finished() {
			for _, i := range f.Next(0) {
				started = append(started, m.steps[i].ID)
				f.End(i, axle.Succeeded)
			}
		}
		var want []string
		for i, st := range m.status {
			if !st.OK() {
				want = append(want, m.steps[i].ID)
			}
		}
		slices.Sort(started)
		slices.Sort(want)
		if !slices.Equal(started, want) {
			t.Fatalf("resumed %s, want %s", strings.Join(started, " "), strings.Join(want, " "))
		}
	})
}

// 10,000 accounts of 20 regions, with an account's limit: each step must cost
// little, however many wait.
func BenchmarkFrontier(b *testing.B) {
	var steps []axle.Step
	for a := range 10_000 {
		for r := range 20 {
			s := step(fmt.Sprintf("stack/n/%012d/r-%d", a, r), fmt.Sprintf("%012d", a), fmt.Sprintf("r-%d", r))
			if r > 0 {
				s.Needs = []string{fmt.Sprintf("stack/n/%012d/r-0", a)}
			}
			steps = append(steps, s)
		}
	}
	for b.Loop() {
		f, err := plan.NewFrontier(steps, plan.Limits{Global: 500, PerAccount: 2, PerRegion: 100}, nil)
		if err != nil {
			b.Fatal(err)
		}
		queue := f.Next(0)
		for len(queue) > 0 {
			f.End(queue[0], axle.Succeeded)
			queue = append(queue[1:], f.Next(0)...)
		}
		if !f.Finished() {
			b.Fatal("not finished")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(steps)), "ns/step")
}
