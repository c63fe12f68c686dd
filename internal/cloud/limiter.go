package cloud

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"axle"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
)

// stack is the SDK's chain of middlewares of one call.
type stack = middleware.Stack

const (
	// look is the time after which the rate is judged again; firstLook is after
	// the first throttle, when calls are sent as they come.
	look      = time.Second
	firstLook = look / 4
	// heed is how much of the part that was throttled the rate loses, once in
	// each look: a rate that is too high comes down in a few looks, and
	// throttles that have nothing to do with our rate don't bring it to a halt.
	// Where most calls are throttled, the rate becomes that of the others.
	heed = 0.7
	// growth is what each second without a throttle adds, as a part of the
	// rate that was throttled last: back in some ten seconds, then probing.
	growth = 0.05
	// slowGrowth is what each second adds at least, in calls a second.
	slowGrowth = 0.2
	// first is the least rate that a first look leaves: a few throttles of an
	// API that is hardly used say little.
	first = 5.0
	// slowest is the least rate, in calls a second.
	slowest = 0.2
	// freeAt lifts the limit once the rate has grown to this many times the
	// rate that was throttled last.
	freeAt = 4
)

// lane holds the limits of one account and region, by API.
type lane struct {
	mu     sync.Mutex
	limits map[string]*limit
}

func newLane() *lane { return &lane{} }

func (l *lane) limit(api string) *limit {
	l.mu.Lock()
	defer l.mu.Unlock()
	if x := l.limits[api]; x != nil {
		return x
	}
	if l.limits == nil {
		l.limits = map[string]*limit{}
	}
	x := newLimit()
	l.limits[api] = x
	return x
}

// Throttled is an API, such as S3:PutObject, that AWS wanted fewer calls of when it
// was called last in an account and region; "" when there is none.
func (c *Cloud) Throttled(t axle.Target) (api string) {
	found, ok := c.lanes.Load(t)
	if !ok {
		return ""
	}
	l := found.(*lane)
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, x := range l.limits {
		if x.slowed() && (api == "" || name < api) {
			api = name
		}
	}
	return api
}

// limit is the rate of one API: none until AWS throttles for more than a look;
// then a part of what was under way, growing back while all goes well.
type limit struct {
	turn gate // held by the one who is next, while it waits

	mu sync.Mutex
	// rate is in calls a second; 0: no limit.
	rate    float64
	ceiling float64   // the rate that was throttled last
	grown   time.Time // when growth was last added
	next    time.Time // when the next call may go
	// The look under way: when it began, and the calls that were sent since and
	// have ended.
	began          time.Time
	ended, refused int
	slow           bool // the last answer was a throttle
}

func newLimit() *limit { return &limit{turn: newGate()} }

// wait returns when the call may go. Those who wait queue up, and only the
// first looks at the rate, so that a rate that shrinks binds all of them.
func (l *limit) wait(ctx context.Context) error {
	if l.free() {
		return nil
	}
	if err := l.turn.enter(ctx); err != nil {
		return err
	}
	defer l.turn.leave()
	for {
		pause := l.claim(time.Now())
		if pause <= 0 {
			return nil
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// free lets a call go at once if there is no limit.
func (l *limit) free() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rate == 0
}

// claim takes the next slot, or returns how long it is until then.
func (l *limit) claim(now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.grow(now)
	if pause := l.next.Sub(now); pause > 0 && l.rate > 0 {
		return pause
	}
	if l.rate > 0 {
		l.next = now.Add(time.Duration(float64(time.Second) / l.rate))
	}
	return 0
}

func (l *limit) grow(now time.Time) {
	if l.rate == 0 {
		return
	}
	if since := now.Sub(l.grown); since > 0 {
		l.rate += max(l.ceiling*growth, slowGrowth) * since.Seconds()
		l.grown = now
	}
	if l.rate > freeAt*l.ceiling {
		l.rate = 0
	}
}

// throttled notes that a call which was sent at sent was throttled, and shrinks
// the rate once a look is over. Until then it stays: of many throttles at once
// each would shrink it otherwise, and each call waits by itself before it is
// tried again. Calls that were on their way when the look began tell nothing new.
func (l *limit) throttled(sent, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow = true
	if l.began.IsZero() || l.rate == 0 && now.Sub(l.began) > 3*look {
		l.judged(now) // the first one for long
	}
	if sent.Before(l.began) {
		return
	}
	l.ended++
	l.refused++
	since := now.Sub(l.began)
	if since < firstLook || l.rate != 0 && since < look {
		return
	}
	least := slowest
	if l.rate != 0 {
		l.grow(now)
	}
	if l.rate == 0 {
		l.rate, least = float64(l.ended)/since.Seconds(), first
	}
	l.ceiling = max(l.rate, least)
	part := float64(l.refused) / float64(l.ended)
	if part <= 0.5 {
		part *= heed
	}
	l.rate = max(l.rate*(1-part), least)
	l.judged(now)
}

func (l *limit) slowed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.slow
}

// judged begins another look.
func (l *limit) judged(now time.Time) {
	l.began, l.grown = now, now
	l.ended, l.refused = 0, 0
}

// passed notes a call that wasn't throttled.
func (l *limit) passed(sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slow = false
	if !l.began.IsZero() && !sent.Before(l.began) {
		l.ended++
	}
}

// watch puts a watcher under the SDK's retries of one call, so that it sees
// each attempt, and before the credentials are looked up.
func (p *pair) watch(s *stack) error {
	return s.Finalize.Insert(&watcher{pair: p}, "Retry", middleware.After)
}

// watcher waits for the lane before each attempt and learns from its outcome.
type watcher struct {
	pair    *pair
	renewed int // how often the session was, in this call
}

func (w *watcher) ID() string { return "axle:watch" }

func (w *watcher) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	middleware.FinalizeOutput, middleware.Metadata, error,
) {
	// The SDK asks for the credentials again when it signs; by then they are in
	// the cache, and of this generation.
	if _, err := w.pair.source.Retrieve(ctx); err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, err
	}
	api := awsmiddleware.GetServiceID(ctx) + ":" + awsmiddleware.GetOperationName(ctx)
	limit := w.pair.lane.limit(api)
	if err := limit.wait(ctx); err != nil {
		return middleware.FinalizeOutput{}, middleware.Metadata{}, err
	}
	sent := time.Now()
	generation := w.pair.source.generation()
	out, meta, err := next.HandleFinalize(ctx, in)
	if log := w.pair.log; log.Enabled(ctx, slog.LevelDebug) {
		log.Debug("called", "api", api, "account", w.pair.target.Account, "region", w.pair.target.Region,
			"took", time.Since(sent).Round(time.Millisecond), "error", err)
	}
	if isThrottle(err) {
		limit.throttled(sent, time.Now())
	} else {
		limit.passed(sent)
	}
	switch {
	case err == nil, isCredential(err): // or no call was made
	case isExpired(err) && w.renewed < maxRenewals:
		// A revoked or expired session: with new credentials it may go. A call
		// that waits out throttles may see more than one come and go.
		w.renewed++
		w.pair.source.drop(generation)
		err = &renewedError{err}
	}
	return out, meta, err
}

// maxRenewals bounds how often one call gets new credentials: where those don't
// help either, the clock or a policy is wrong.
const maxRenewals = 4

// renewedError makes the SDK try again with new credentials.
type renewedError struct{ err error }

func (e *renewedError) Error() string        { return e.err.Error() }
func (e *renewedError) Unwrap() error        { return e.err }
func (e *renewedError) RetryableError() bool { return true }
