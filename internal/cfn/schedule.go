package cfn

import (
	"slices"
	"sync"
	"time"
)

// learner knows how long operations take, by what they are: the first look
// comes when it is worth while. Targets teach each other, since stacks of one
// template take about as long everywhere.
type learner struct {
	mu      sync.Mutex
	samples map[string][]time.Duration // the latest few
	scouts  map[string]chan struct{}   // by key: closed when the scout is back
}

const maxSamples = 3

// estimate is how long an operation takes, as far as is known.
type estimate struct {
	median time.Duration
	known  bool
	least  time.Duration
	steady bool // the latest differ little
}

// add notes an operation that was still running after lower and had ended
// after upper (both from its start; lower is 0 when the first look found it
// ended). One that fits what is well known teaches nothing: it must not drown
// what the scouts find.
func (l *learner) add(key string, lower, upper time.Duration) {
	sample, e := upper, l.estimate(key)
	switch {
	case e.known && lower <= e.median && e.median <= upper:
		if e.steady {
			return
		}
		sample = e.median
	case lower == 0 && upper <= time.Second:
		sample = 0 // at once, for all we can tell
	case !e.known && upper-lower > upper/4:
		sample = (lower + upper) / 2 // the end may have been long before it was seen
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.samples == nil {
		l.samples = map[string][]time.Duration{}
	}
	s := append(l.samples[key], sample)
	l.samples[key] = s[max(0, len(s)-maxSamples):]
}

func (l *learner) estimate(key string) estimate {
	l.mu.Lock()
	s := slices.Clone(l.samples[key])
	l.mu.Unlock()
	if len(s) == 0 {
		return estimate{}
	}
	slices.Sort(s)
	m := s[len(s)/2]
	return estimate{median: m, known: true, least: s[0], steady: len(s) > 1 && s[len(s)-1]-s[0] <= m/8}
}

// first is when to look first: a little before the end is expected, or where
// that is always the same, then.
func (e estimate) first() time.Duration {
	if e.steady {
		return e.least
	}
	return e.median * 8 / 10
}

// scout lets one of many that wait for such operations find out how long they
// take: it goes on at once, and calls done when it knows. The others go on when
// ready is closed.
func (l *learner) scout(key string) (ready <-chan struct{}, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.samples[key]) == 0 && l.scouts[key] != nil {
		return l.scouts[key], func() {}
	}
	now := make(chan struct{})
	close(now)
	if len(l.samples[key]) > 0 {
		return now, func() {}
	}
	if l.scouts == nil {
		l.scouts = map[string]chan struct{}{}
	}
	back := make(chan struct{})
	l.scouts[key] = back
	return now, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.scouts, key)
		close(back)
	}
}

// The gaps between two looks, when nothing is learnt: short in the beginning,
// then a tenth of the time that has passed, so that an end is seen late by a
// tenth at most. A scout, whose lag others inherit, looks a little sooner.
const (
	firstLook  = 100 * time.Millisecond // emulators have ended by then
	shortGap   = 500 * time.Millisecond
	longestGap = 30 * time.Second
	// followerLook is for those that wait while another stack of the same
	// template finds out how long it takes, should that one be slow itself. They
	// look at different times, up to three times that: the first that sees an
	// end tells all.
	followerLook = 10 * time.Second
)

// next is when to look, counted from the operation's start. last is when the
// last look was, and scout whether this operation shall find out how long such
// ones take, or whether they take less by now. Those that don't are spread, from
// 0 to 1, over their first wait.
func next(looks int, last time.Duration, e estimate, scout bool, spread float64) time.Duration {
	gap := min(max(last/10, shortGap), longestGap)
	switch {
	case e.known && looks == 0 && scout:
		return min(e.first(), e.median*95/100)
	case e.known && looks == 0:
		return e.first()
	case e.known && last < e.median:
		return max(e.median, last+shortGap/4)
	case e.known: // late: at first it can't be by much
		return last + min(max(last-e.median, shortGap/2), gap)
	case looks == 0 && scout:
		return firstLook
	case scout:
		return last + gap - shortGap/2
	case looks == 0:
		return followerLook + time.Duration(spread*2*float64(followerLook))
	}
	return last + min(last, 2*longestGap)
}
