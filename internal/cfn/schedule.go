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

const maxSamples = 5

// add notes an operation that was still running after lower and had ended
// after upper (both from its start; lower is 0 when the first look found it
// ended).
func (l *learner) add(key string, lower, upper time.Duration) {
	sample := upper
	if m, ok := l.median(key); ok {
		sample = max(lower, min(m, upper)) // what is known, as far as it fits
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

func (l *learner) median(key string) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.samples[key]) == 0 {
		return 0, false
	}
	s := slices.Clone(l.samples[key])
	slices.Sort(s)
	return s[len(s)/2], true
}

// first is when to look first.
func (l *learner) first(key string, unknown time.Duration) time.Duration {
	if m, ok := l.median(key); ok {
		return m * 8 / 10
	}
	return unknown
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
// last look was, median how long such operations take if known, and scout
// whether this one shall find that out.
func next(looks int, last, median time.Duration, known, scout bool) time.Duration {
	gap := min(max(last/10, shortGap), longestGap)
	switch {
	case known && looks == 0:
		return median * 8 / 10
	case known && last < median:
		return max(median*102/100, last+shortGap/2)
	case known, looks > 0 && scout:
		return last + gap
	case looks == 0 && scout:
		return firstLook
	case looks == 0:
		return followerLook
	}
	return last + max(2*gap, followerLook)
}
