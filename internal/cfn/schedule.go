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
}

const maxSamples = 3

// estimate is how long an operation takes, as far as is known.
type estimate struct {
	median time.Duration
	known  bool
	steady bool // the latest differ little
}

// add notes an operation that was still running after lower and had ended
// after upper (both from its start; lower is 0 when the first look found it
// ended).
func (l *learner) add(key string, lower, upper time.Duration) {
	sample := upper
	if e := l.estimate(key); e.known { // what is known, as far as it fits, and a little less:
		sample = max(lower, min(e.median, upper)*98/100) // no look before it would ever tell that it is too much
	}
	if lower == 0 && upper <= time.Second {
		sample = 0 // at once, for all we can tell
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
	return estimate{median: m, known: true, steady: len(s) > 1 && s[len(s)-1]-s[0] <= m/8}
}

// first is when to look first: a little before the end is expected, or where
// that is always the same, then.
func (e estimate) first() time.Duration {
	if e.steady {
		return e.median
	}
	return e.median * 8 / 10
}

// The gaps between two looks, when nothing is learnt: short in the beginning,
// then a tenth of the time that has passed, so that an end is seen late by a
// tenth at most.
const (
	firstLook  = 500 * time.Millisecond
	shortGap   = 500 * time.Millisecond
	longestGap = 30 * time.Second
	// followerLook is for those that wait while another stack of the same
	// template finds out how long it takes.
	followerLook = 3 * time.Second
)

// next is when to look, counted from the operation's start. last is when the
// last look was, and scout whether this operation shall find out how long such
// ones take.
func next(looks int, last time.Duration, e estimate, scout bool) time.Duration {
	gap := min(max(last/10, shortGap), longestGap)
	switch {
	case e.known && looks == 0:
		return e.first()
	case e.known && last < e.median:
		return max(e.median*102/100, last+shortGap/2)
	case e.known: // late: at first it can't be by much
		return last + min(max(last-e.median, shortGap/2), gap)
	case looks > 0 && scout:
		return last + gap
	case looks == 0 && scout:
		return firstLook
	case looks == 0:
		return followerLook
	}
	return last + max(2*gap, followerLook)
}
