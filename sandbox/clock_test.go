package sandbox

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// A mistake in scheduled work is told in the log; the sandbox goes on.
func TestScheduledWorkMayPanic(t *testing.T) {
	var log bytes.Buffer
	s, err := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ran := false
	func() {
		defer func() { _ = recover() }() // as net/http does
		s.lock()
		defer s.unlock()
		s.after(0, "broken", func() { panic("a mistake") })
		s.after(0, "fine", func() { ran = true })
	}()
	if !s.mu.TryLock() {
		t.Fatal("the lock is held for ever")
	}
	s.mu.Unlock()
	defer s.Close()
	if !ran || !strings.Contains(log.String(), "a mistake") {
		t.Errorf("ran: %v, log: %s", ran, log.String())
	}
}
