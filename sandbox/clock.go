package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"runtime/debug"
	"strconv"
	"time"
)

// timer is scheduled work.
type timer struct {
	*time.Timer
}

// lock and unlock guard the state; unlock first runs what after(0) left, and tells
// who writes the state of changes.
func (s *Sandbox) lock() { s.mu.Lock() }

func (s *Sandbox) unlock() {
	for len(s.queue) > 0 {
		fn := s.queue[0]
		s.queue = s.queue[1:]
		fn()
	}
	if s.st.Changes != s.seen {
		s.seen = s.st.Changes
		s.touch()
	}
	s.mu.Unlock()
}

// now is the sandbox's time, in UTC and milliseconds as AWS shows it.
func (s *Sandbox) now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// after runs fn under the lock, d from now. With d <= 0 it runs when the
// present request is done, before anybody sees the state. Work with the same
// key replaces earlier work that hasn't run; an empty key replaces nothing.
// Scheduled work isn't part of a saved state: whoever schedules takes it up
// again when the state is loaded (see resumes).
func (s *Sandbox) after(d time.Duration, key string, fn func()) {
	if key == "" {
		key = "#" + strconv.FormatInt(s.serial(), 10)
	}
	s.cancel(key)
	if s.closed {
		return
	}
	t := &timer{}
	s.timers[key] = t
	run := func() {
		if s.timers[key] != t || s.closed { // replaced or cancelled meanwhile
			return
		}
		delete(s.timers, key)
		s.st.Changes++
		defer func() { // with the lock held for ever, nobody would be answered any more
			if r := recover(); r != nil {
				s.log.Error("panic", "work", key, "panic", r, "stack", string(debug.Stack()))
			}
		}()
		fn()
	}
	if d <= 0 {
		t.Timer = time.NewTimer(0)
		t.Stop()
		s.queue = append(s.queue, run)
		return
	}
	t.Timer = time.AfterFunc(d, func() {
		s.lock()
		defer s.unlock()
		run()
	})
}

// cancel drops scheduled work.
func (s *Sandbox) cancel(key string) {
	if t := s.timers[key]; t != nil {
		t.Stop()
		delete(s.timers, key)
	}
}

func (s *Sandbox) serial() int64 {
	s.st.Serial++
	return s.st.Serial
}

// id gives n hexadecimal digits that no earlier call gave: a function of the
// seed and a counter that is saved with the state.
func (s *Sandbox) id(n int) string {
	var in [16]byte
	binary.BigEndian.PutUint64(in[:8], uint64(s.opts.Seed))
	binary.BigEndian.PutUint64(in[8:], uint64(s.serial()))
	sum := sha256.Sum256(in[:])
	return hex.EncodeToString(sum[:])[:min(n, 64)]
}

// uuid is an id in the form of a UUID.
func (s *Sandbox) uuid() string {
	h := s.id(32)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}

// key is an identifier of upper-case letters and digits, as IAM has them:
// AKIA..., AROA....
func (s *Sandbox) key(prefix string, n int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	raw, _ := hex.DecodeString(s.id(64))
	out := []byte(prefix)
	for i := 0; len(out) < n; i++ {
		out = append(out, alphabet[raw[i%len(raw)]%32])
	}
	return string(out)
}

// random is a seeded number in [0,1).
func (s *Sandbox) random() float64 { return s.rand.Float64() }
