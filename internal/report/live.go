package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"axle"
	"axle/internal/plan"

	"github.com/charmbracelet/x/ansi"
)

// Live shows a run while it goes on. On a terminal it is a block that is drawn
// anew: one line for each stack or peering, with counts and what runs now.
// Elsewhere it is plain lines: each ended step of a small run, and of a large
// one a line for a group whenever a part more of it is through. Failures are
// always told at once, each cause once.
type Live struct {
	w       io.Writer
	st      Style
	preview bool                       // nothing is done: it is found out what would be
	size    func() (width, height int) // nil: not a terminal
	started time.Time

	mu     sync.Mutex
	groups []*liveGroup
	byName map[string]*liveGroup
	causes map[string]int
	small  bool
	drawn  int // lines of the block on the screen
	status string
	stop   chan struct{}
	done   sync.WaitGroup
}

type liveGroup struct {
	name                 string
	total, ended         int
	ok, unchanged        int
	failed, skipped      int
	running              []string
	wave, waves          int // come to, and how many; 0 without a rollout
	told                 int // parts of the group told on a log
	firstSeen, lastEnded time.Time
}

// NewLive shows the run of steps on w. size gives the size of the terminal; nil
// when w isn't one. now is the time that the run, or its preview, begins.
func NewLive(w io.Writer, st Style, steps []axle.Step, preview bool, size func() (int, int), now time.Time) *Live {
	l := &Live{w: w, st: st, preview: preview, size: size, started: now, causes: map[string]int{},
		small: len(steps) <= 60, stop: make(chan struct{})}
	l.groups, l.byName = groupsOf(steps)
	if size != nil {
		l.done.Go(l.redraw)
	}
	return l
}

// groupsOf counts the steps by stack or peering, in their order.
func groupsOf(steps []axle.Step) (groups []*liveGroup, byName map[string]*liveGroup) {
	byName = map[string]*liveGroup{}
	for i := range steps {
		name := groupName(steps[i].Kind, steps[i].Name)
		g := byName[name]
		if g == nil {
			g = &liveGroup{name: name}
			byName[name] = g
			groups = append(groups, g)
		}
		g.total++
		g.waves = max(g.waves, steps[i].Wave)
	}
	return groups, byName
}

// redraw draws the block several times a second until Close.
func (l *Live) redraw() {
	ticker := time.NewTicker(120 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case now := <-ticker.C:
			l.mu.Lock()
			l.draw(now)
			l.mu.Unlock()
		}
	}
}

// Close ends the view; on a terminal the last state of the block is wiped.
func (l *Live) Close() {
	if l.size == nil {
		return
	}
	close(l.stop)
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.erase()
}

// Say sets what is under the block, such as "stopping; ...", or prints it.
func (l *Live) Say(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size == nil {
		fmt.Fprintln(l.w, line)
		return
	}
	l.status = line
}

// Started says that a step began.
func (l *Live) Started(s *axle.Step, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.byName[groupName(s.Kind, s.Name)]
	if l.gate(s) || g == nil {
		return
	}
	g.wave = max(g.wave, s.Wave)
	if g.firstSeen.IsZero() {
		g.firstSeen = at
	}
	g.running = append(g.running, place(s))
}

// Retrying says that a step is tried again after a transient failure.
func (l *Live) Retrying(s *axle.Step, why *axle.Failure, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := "retry" + fold(why.Message, s.AccountName)
	if l.causes[key]++; l.causes[key] == 1 {
		l.print(fmt.Sprintf("%s %s in %s: %s; trying again in %s", l.st.warn.Render("…"), groupName(s.Kind, s.Name), place(s), why.Message, duration(wait)))
		if why.Hint != "" {
			l.print("  hint: " + why.Hint)
		}
	}
}

// Progressed says what a step is at, such as what it waits for.
func (l *Live) Progressed(s *axle.Step, note string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Kind == plan.KindWave {
		l.print(fmt.Sprintf("%s rollout of %s: %s", l.st.mark(axle.Running), s.Name, note))
		return
	}
	key := "progress" + fold(note, s.AccountName)
	if l.causes[key]++; l.causes[key] == 1 {
		l.print(fmt.Sprintf("%s %s in %s: %s", l.st.warn.Render("…"), groupName(s.Kind, s.Name), place(s), note))
	}
}

// Ended says how a step ended.
func (l *Live) Ended(s *axle.Step, r axle.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.byName[groupName(s.Kind, s.Name)]
	if l.gate(s) || g == nil {
		if r.Status == axle.Failed {
			l.failure(s, r)
		} else if s.Kind == plan.KindRollback && r.Status.OK() {
			l.print(fmt.Sprintf("%s %s %s put back", l.st.mark(r.Status), s.Name, place(s)))
		}
		return
	}
	if r.Failure != nil && r.Failure.Code == axle.CodeRolledBack { // counted before, as done
		g.ok, g.failed = g.ok-1, g.failed+1
		return
	}
	if i := slices.Index(g.running, place(s)); i >= 0 {
		g.running = slices.Delete(g.running, i, i+1)
	}
	g.ended++
	g.lastEnded = r.Finished
	switch r.Status {
	case axle.Succeeded:
		g.ok++
	case axle.Unchanged:
		g.unchanged++
	case axle.Failed:
		g.failed++
		l.failure(s, r)
	default:
		g.skipped++
	}
	if l.size == nil {
		l.tell(g, s, r)
	}
}

// gate says whether a step is one that a rollout added: these aren't counted.
func (l *Live) gate(s *axle.Step) bool { return s.Kind == plan.KindWave || s.Kind == plan.KindRollback }

// failure prints a failure whose cause wasn't printed yet.
func (l *Live) failure(s *axle.Step, r axle.Record) {
	if r.Failure == nil {
		return
	}
	key := r.Failure.Code + fold(r.Failure.Message, s.AccountName)
	if l.causes[key]++; l.causes[key] > 1 {
		return
	}
	where := groupName(s.Kind, s.Name) + " in " + place(s)
	if s.Kind == plan.KindWave {
		where = "rollout of " + s.Name
	}
	l.print(fmt.Sprintf("%s %s: %s", l.st.bad.Render("✗"), where, failureText(r.Failure)))
}

// print writes a line that stays, above the block.
func (l *Live) print(line string) {
	l.erase()
	fmt.Fprintln(l.w, line)
}

// tell writes plain lines, where there is no terminal to draw on.
func (l *Live) tell(g *liveGroup, s *axle.Step, r axle.Record) {
	if l.small {
		if r.Status == axle.Failed {
			return // told with its cause
		}
		word := string(r.Status)
		if r.Status == axle.Succeeded {
			word = pastTense(r.Result.Change)
		}
		switch {
		case !l.preview || !r.Status.OK():
		case r.Result.Change != axle.None:
			word = "to " + string(r.Result.Change)
		case len(r.Result.After) > 0:
			word = "known after " + strings.Join(r.Result.After, ", ")
		}
		took := ""
		if s.Wave > 0 && g.waves > 1 && !l.preview {
			took = fmt.Sprintf(" (wave %d of %d)", s.Wave, g.waves)
		}
		if d := r.Finished.Sub(r.Started); !r.Started.IsZero() && d >= 10*time.Millisecond {
			took = " in " + duration(d) + took
		}
		fmt.Fprintf(l.w, "%s %s %s %s%s\n", l.st.mark(r.Status), g.name, place(s), word, took)
		return
	}
	if r.Status == axle.Skipped && g.ended < g.total {
		return // what couldn't begin is counted when the group is through
	}
	parts := 4
	if g.total >= 100 {
		parts = 10
	}
	if part := g.ended * parts / g.total; part > g.told || g.ended == g.total {
		g.told = part
		fmt.Fprintf(l.w, "%s %s %d/%d%s\n", l.st.mark(groupStatus(g)), g.name, g.ended, g.total, g.counts())
	}
}

func groupStatus(g *liveGroup) axle.Status {
	switch {
	case g.failed > 0:
		return axle.Failed
	case g.ended < g.total && len(g.running) > 0:
		return axle.Running
	case g.ended < g.total:
		return axle.Pending
	case g.skipped > 0:
		return axle.Skipped
	case g.ok == 0:
		return axle.Unchanged
	}
	return axle.Succeeded
}

func (g *liveGroup) counts() string {
	var parts []string
	for _, c := range []struct {
		n    int
		word string
	}{{g.unchanged, "unchanged"}, {g.failed, "failed"}, {g.skipped, "skipped"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.word))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// place is where a step is, short enough for a line.
func place(s *axle.Step) string {
	name := s.AccountName
	if name == "" {
		name = s.Account
	}
	where := name + " " + s.Region
	if s.Kind == plan.KindStack || s.Kind == plan.KindOutputs || s.Kind == plan.KindRollback {
		return where
	}
	// The steps of a peering on the accepter's side are told apart by the requester.
	parts := strings.Split(s.ID, "/")
	if len(parts) == 5 && parts[2] != s.Account {
		return where + " for " + parts[2]
	}
	return where
}

func (l *Live) erase() {
	if l.drawn > 0 {
		fmt.Fprintf(l.w, "\x1b[%dA\x1b[J", l.drawn)
		l.drawn = 0
	}
}

// draw paints the block: as many groups as the screen has room for, those that
// run or failed first; under them the totals, and what was said last.
func (l *Live) draw(now time.Time) {
	width, height := l.size()
	if width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	var said []string
	if l.status != "" {
		said = strings.Split(ansi.Wrap(l.status, max(width-1, 1), ""), "\n")
		said = said[:min(len(said), max(height-2, 0))]
	}
	shown := slices.Clone(l.groups)
	if room := max(height-3-len(said), 0); len(shown) > room { // under them the foot and the cursor
		slices.SortStableFunc(shown, func(a, b *liveGroup) int { return weight(b) - weight(a) })
		shown = shown[:room]
	}
	ended, total, running := 0, 0, 0
	for _, g := range l.groups {
		ended, total, running = ended+g.ended, total+g.total, running+len(g.running)
	}
	lines := l.groupLines(shown, width)
	lines = append(lines, fmt.Sprintf("%s  %d of %d steps, %d running", duration(now.Sub(l.started).Truncate(100*time.Millisecond)), ended, total, running))
	for _, line := range said {
		lines = append(lines, l.st.warn.Render(line))
	}
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(ansi.Truncate(line, width-1, "…") + "\n")
	}
	l.erase()
	io.WriteString(l.w, b.String())
	l.drawn = len(lines)
}

// groupLines are the lines of groups. They have bars where the screen is wide
// enough for the numbers beside them.
func (l *Live) groupLines(shown []*liveGroup, width int) []string {
	nameWidth, countWidth := 0, 0
	counts := make([]string, len(shown))
	for i, g := range shown {
		counts[i] = fmt.Sprintf("%d/%d%s", g.ended, g.total, g.counts())
		nameWidth, countWidth = max(nameWidth, utf8.RuneCountInString(g.name)), max(countWidth, len(counts[i]))
	}
	lines := make([]string, len(shown))
	for i, g := range shown {
		now := ""
		if n := len(g.running); n > 0 {
			now = "  " + strings.Join(g.running[:min(n, 3)], ", ")
			if n > 3 {
				now += fmt.Sprintf(" and %d more", n-3)
			}
		}
		if g.waves > 1 && g.wave > 0 && !l.preview {
			now = fmt.Sprintf("  wave %d/%d", g.wave, g.waves) + now
		}
		through := ""
		if nameWidth+barWidth+countWidth+4 < width {
			through = bar(g.ended, g.total) + " "
		}
		lines[i] = fmt.Sprintf("%s %-*s %s%s%s", l.st.mark(groupStatus(g)), nameWidth, g.name, through, counts[i], l.st.dim.Render(now))
	}
	return lines
}

func weight(g *liveGroup) int {
	switch {
	case g.failed > 0:
		return 3
	case len(g.running) > 0:
		return 2
	case g.ended < g.total:
		return 1
	}
	return 0
}

const barWidth = 16

func bar(n, total int) string {
	full := barWidth
	if total > 0 {
		full = n * barWidth / total
	}
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}
