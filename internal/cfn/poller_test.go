package cfn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"axle"

	"github.com/aws/smithy-go"
)

// sky is a CloudFormation of stacks that take a while. It runs in a synctest
// bubble, so that time is exact.
type sky struct {
	mu      sync.Mutex
	start   time.Time
	takes   map[string]time.Duration // by stack id
	looks   map[string]int
	lists   int
	latency time.Duration
	refuse  func(n int) error // of the n-th call
	calls   int
}

func newSky(takes map[string]time.Duration) *sky {
	return &sky{start: time.Now(), takes: takes, looks: map[string]int{}, latency: 60 * time.Millisecond}
}

func (s *sky) call(ctx context.Context) error {
	if err := pause(ctx, s.latency); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.refuse != nil {
		return s.refuse(s.calls)
	}
	return nil
}

func (s *sky) stack(ctx context.Context, _ axle.Target, id string) (*Stack, error) {
	if err := s.call(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks[id]++
	status := "CREATE_IN_PROGRESS"
	if time.Since(s.start) >= s.takes[id] {
		status = "CREATE_COMPLETE"
	}
	return &Stack{ID: id, Name: id, Status: status}, nil
}

func (s *sky) busy(ctx context.Context, _ axle.Target) (map[string]bool, error) {
	if err := s.call(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists++
	out := map[string]bool{}
	for id, d := range s.takes {
		if time.Since(s.start) < d {
			out[id] = true
		}
	}
	return out, nil
}

func settled(_ context.Context, st *Stack, _ sight) (bool, error) {
	return st != nil && st.State() != Busy, nil
}

var throttle = &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}

func TestPollerLag(t *testing.T) {
	for _, takes := range []time.Duration{0, 3 * time.Second, 5 * time.Second, time.Minute, 20 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := newSky(map[string]time.Duration{"a": takes})
			if _, err := newPoller(s).await(t.Context(), axle.Target{}, "a", "k", settled); err != nil {
				t.Fatal(err)
			}
			if late := time.Since(s.start) - takes; late > max(takes/8, 700*time.Millisecond) {
				t.Errorf("%s: seen %s late after %d looks", takes, late, s.looks["a"])
			}
		})
	}
}

// TestPollerLearns: once one stack has shown how long its template takes, the
// others take two looks, now and then three.
func TestPollerLearns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPoller(nil)
		looks := 0
		for i := range 20 {
			s := newSky(map[string]time.Duration{"a": 5 * time.Second})
			p.look = s
			p.begin("a", "k")
			if _, err := p.await(t.Context(), axle.Target{}, "a", "k", settled); err != nil {
				t.Fatal(err)
			}
			if late := time.Since(s.start) - 5*time.Second; late > 600*time.Millisecond || i > 0 && s.looks["a"] > 3 {
				t.Errorf("round %d: %s late, %d looks", i, late, s.looks["a"])
			}
			if i > 0 {
				looks += s.looks["a"]
			}
		}
		if looks > 45 {
			t.Errorf("%d looks in 19 rounds", looks)
		}
	})
}

// TestPollerScout: of many that begin together in as many accounts, one finds
// out how long it takes; the others look then.
func TestPollerScout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(map[string]time.Duration{})
		for i := range 50 {
			s.takes[fmt.Sprint("s", i)] = 5 * time.Second
		}
		p := newPoller(s)
		var wg sync.WaitGroup
		for id := range s.takes {
			wg.Go(func() {
				if _, err := p.await(t.Context(), axle.Target{Account: id}, id, "k", settled); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if late := time.Since(s.start) - 5*time.Second; late > 700*time.Millisecond || s.calls > 75 {
			t.Errorf("%s late, %d calls", late, s.calls)
		}
	})
}

// TestPollerWaves: as many as may run at once begin together, again and again.
// From the second wave on all but the scout look once, and are hardly late.
func TestPollerWaves(t *testing.T) {
	for _, takes := range []time.Duration{5 * time.Second, 30 * time.Second, 10 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			p := newPoller(nil)
			for wave := range 4 {
				s := newSky(map[string]time.Duration{})
				for i := range 16 {
					s.takes[fmt.Sprint("s", i)] = takes
				}
				p.look = s
				var wg sync.WaitGroup
				for id := range s.takes {
					p.begin(id, "k")
					wg.Go(func() {
						if _, err := p.await(t.Context(), axle.Target{Account: id}, id, "k", settled); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if late := time.Since(s.start) - takes; late > max(takes/8, 700*time.Millisecond) || wave > 0 && s.calls > 20 {
					t.Errorf("%s, wave %d: %s late, %d calls", takes, wave, late, s.calls)
				}
			}
		})
	}
}

// TestPollerSlowScout: when the one that finds out is an exception, another
// that looks meanwhile tells the others.
func TestPollerSlowScout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(map[string]time.Duration{"scout": time.Hour})
		p := newPoller(s)
		p.begin("scout", "k")
		for i := range 20 {
			id := fmt.Sprint("s", i)
			s.takes[id] = 12 * time.Second
			p.begin(id, "k")
		}
		var wg sync.WaitGroup
		for id, takes := range s.takes {
			wg.Go(func() {
				if _, err := p.await(t.Context(), axle.Target{Account: id}, id, "k", settled); err != nil {
					t.Error(err)
				}
				if late := time.Since(s.start) - takes; id != "scout" && late > 20*time.Second {
					t.Errorf("%s: %s late", id, late)
				}
			})
		}
		wg.Wait()
	})
}

func TestPollerLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(map[string]time.Duration{})
		for i := range 30 {
			s.takes[fmt.Sprint("s", i)] = time.Duration(30+i) * time.Second
		}
		p := newPoller(s)
		var wg sync.WaitGroup
		for id, takes := range s.takes {
			wg.Go(func() {
				if _, err := p.await(t.Context(), axle.Target{Account: "1"}, id, id, settled); err != nil {
					t.Error(err)
				}
				if late := time.Since(s.start) - takes; late > takes/7 {
					t.Errorf("%s: %s late", id, late)
				}
			})
		}
		wg.Wait()
		single := 0
		for _, n := range s.looks {
			single += n
		}
		if single > 60 || s.lists > 100 {
			t.Errorf("%d lists, %d single looks", s.lists, single)
		}
		if len(p.pairs) != 0 || len(p.ops) != 0 || len(p.scouts) != 0 {
			t.Errorf("left: %d pairs, %d operations, %d scouts", len(p.pairs), len(p.ops), len(p.scouts))
		}
	})
}

// TestPollerThrottled: looks that are throttled come later, and are no failure.
func TestPollerThrottled(t *testing.T) {
	for _, many := range []int{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			s := newSky(map[string]time.Duration{})
			for i := range many {
				s.takes[fmt.Sprint("s", i)] = 10 * time.Second
			}
			s.refuse = func(n int) error {
				if n%3 != 0 {
					return throttle
				}
				return nil
			}
			p := newPoller(s)
			var wg sync.WaitGroup
			for id := range s.takes {
				wg.Go(func() {
					if _, err := p.await(t.Context(), axle.Target{}, id, "k", settled); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if late := time.Since(s.start) - 10*time.Second; late > time.Minute {
				t.Errorf("%d: %s late", many, late)
			}
		})
	}
}

// TestPollerTimesOut: a connection that took too long is a look that comes later,
// and doesn't end the lists.
func TestPollerTimesOut(t *testing.T) {
	_, late := (&net.Dialer{Timeout: time.Nanosecond}).Dial("tcp", "127.0.0.1:1")
	if !errors.Is(late, context.DeadlineExceeded) {
		t.Fatalf("this isn't what the test is about: %v", late)
	}
	synctest.Test(t, func(t *testing.T) {
		s := newSky(map[string]time.Duration{})
		for i := range 2 * listFrom {
			s.takes[fmt.Sprint("s", i)] = 30 * time.Second
		}
		s.refuse = func(n int) error {
			if n <= 2*listFrom {
				return late
			}
			return nil
		}
		p := newPoller(s)
		var wg sync.WaitGroup
		for id := range s.takes {
			wg.Go(func() {
				if _, err := p.await(t.Context(), axle.Target{}, id, "k", settled); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s.lists == 0 {
			t.Error("each stack was looked at by itself to the end")
		}
	})
}

func TestPollerRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(map[string]time.Duration{"a": time.Hour})
		s.refuse = func(int) error { return &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"} }
		p := newPoller(s)
		if _, err := p.await(t.Context(), axle.Target{}, "a", "k", settled); codeOf(err) != "AccessDenied" {
			t.Errorf("got %v", err)
		}
		if len(p.ops) != 0 || len(p.scouts) != 0 {
			t.Error("the operation is still watched")
		}
		s.refuse = func(int) error { return throttle }
		if _, err := p.await(t.Context(), axle.Target{}, "a", "k", settled); !throttled(err) {
			t.Errorf("throttled for ever: %v", err)
		}
	})
}

// TestPollerTurns: who waits in turns of 20 s sees the end as soon as who
// waits in one go; and when the one that decides leaves, another goes on.
func TestPollerTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(map[string]time.Duration{"a": 5 * time.Minute, "b": 5 * time.Minute})
		p := newPoller(s)
		var wg sync.WaitGroup
		for id, turn := range map[string]time.Duration{"a": 20 * time.Second, "b": 7 * time.Second} {
			wg.Go(func() {
				for {
					ctx, cancel := context.WithTimeout(t.Context(), turn)
					_, err := p.await(ctx, axle.Target{}, id, id, settled)
					cancel()
					if err == nil {
						break
					}
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Error(err)
						break
					}
				}
				if late := time.Since(s.start) - 5*time.Minute; late > 40*time.Second {
					t.Errorf("%s: %s late after %d looks", id, late, s.looks[id])
				}
			})
		}
		wg.Wait()
		if s.looks["a"] > 70 {
			t.Errorf("%d looks", s.looks["a"])
		}
	})
}

func TestPollerCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(map[string]time.Duration{"a": time.Hour, "b": time.Hour})
		p := newPoller(s)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, id := range []string{"a", "b"} {
			wg.Go(func() {
				if _, err := p.await(ctx, axle.Target{}, id, id, settled); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
		time.Sleep(time.Minute) // the bubble's
		cancel()
		wg.Wait()
		if passed := time.Since(s.start); passed > time.Minute+time.Second {
			t.Errorf("returned after %s", passed)
		}
	})
}

// TestPollerUnanswered: behind a connection that swallows everything each caller's
// time runs out during its look. That is told, isn't for ever, and is forgotten with
// the first answer.
func TestPollerUnanswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSky(map[string]time.Duration{"a": 40 * time.Minute})
		p := newPoller(s)
		turn := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := p.await(ctx, axle.Target{}, "a", "k", settled)
			return err
		}
		if err := turn(); !errors.Is(err, context.DeadlineExceeded) || p.ops["a"].why != nil {
			t.Fatalf("a stack that takes long: %v, %v", err, p.ops["a"].why)
		}
		s.latency = time.Hour
		var err error
		for turns := 0; err == nil || errors.Is(err, context.DeadlineExceeded); turns++ {
			if err = turn(); turns == 1 && !errors.Is(p.ops["a"].why, ErrUnanswered) {
				t.Errorf("told after two turns: %v", p.ops["a"].why)
			}
			if turns > 40 {
				t.Fatal("it is waited for without end")
			}
		}
		if !errors.Is(err, ErrUnanswered) {
			t.Error(err)
		}
		s.latency = 60 * time.Millisecond
		if err := turn(); !errors.Is(err, context.DeadlineExceeded) || p.ops["a"].why != nil {
			t.Errorf("after an answer: %v, %v", err, p.ops["a"].why)
		}
	})
}
