package engine

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Retry says how often and how long a step is tried whose error is transient.
// Zero fields take their defaults.
type Retry struct {
	// Starts is how often a step is started at most; default 10.
	Starts int
	// Window is how long a step's calls may fail in a row before the step has
	// failed; default 15 minutes. Checks have only this bound: a throttled look
	// at work that goes on is no reason to give it up.
	Window time.Duration
	// First and Most bound the wait between two tries, which doubles from one
	// to the other; defaults 1 s and 30 s.
	First, Most time.Duration
	// Except are transient errors that the run doesn't wait for; nil: none.
	Except func(error) bool
	// Random returns numbers in [0, 1); default math/rand.
	Random func() float64
}

func (p Retry) withDefaults() Retry {
	if p.Starts <= 0 {
		p.Starts = 10
	}
	if p.Window <= 0 {
		p.Window = 15 * time.Minute
	}
	if p.First <= 0 {
		p.First = time.Second
	}
	if p.Most <= 0 {
		p.Most = 30 * time.Second
	}
	if p.Random == nil {
		p.Random = rand.Float64
	}
	return p
}

// wait is how long to wait after n failures in a row: between half of the
// doubled time and all of it, so that steps that failed together don't come
// back together.
func (p Retry) wait(n int) time.Duration {
	d := p.First
	for ; n > 1 && d < p.Most; n-- {
		d *= 2
	}
	d = min(d, p.Most)
	return d/2 + time.Duration(p.Random()*float64(d/2))
}

// again says whether a step is tried again after an error.
func (p Retry) again(err error) bool {
	return transient(err) && (p.Except == nil || !p.Except(err))
}

// transient says whether the chain of err says that trying again may help.
func transient(err error) bool {
	var t interface{ Transient() bool }
	return errors.As(err, &t) && t.Transient()
}
