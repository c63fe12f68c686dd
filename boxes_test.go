package axle_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"

	"axle/sandbox"

	"github.com/rogpeppe/go-internal/testscript"
)

// boxList finds a script's sandbox by its address: scripts run in parallel.
type boxList struct {
	mu    sync.Mutex
	boxes map[string]*served
}

func newBoxes() *boxList { return &boxList{boxes: map[string]*served{}} }

func (l *boxList) put(url string, box *served) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.boxes[url] = box
}

func (l *boxList) get(url string) *served {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.boxes[url]
}

// served is a script's sandbox. It can hold answers back: whoever waits for one
// stays where it is for as long as the script needs it there, on any machine.
type served struct {
	*sandbox.Sandbox
	mu   sync.Mutex
	held string        // the SERVICE:OPERATION, or ""
	from int           // the first call whose answer is held
	free chan struct{} // closed when they go
}

func (s *served) hold(call string, from int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held, s.from, s.free = call, from, make(chan struct{})
}

func (s *served) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held != "" {
		s.held = ""
		close(s.free)
	}
}

// wait lets the answer to a call go, or the one who waits for it.
func (s *served) wait(ctx context.Context, call string) {
	s.mu.Lock()
	held, free := s.held == call && s.Calls()[call] >= s.from, s.free
	s.mu.Unlock()
	if held {
		select {
		case <-free:
		case <-ctx.Done():
		}
	}
}

// ServeHTTP implements http.Handler.
func (s *served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // who called is gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	s.mu.Lock()
	call := s.held
	s.mu.Unlock()
	if _, op, _ := strings.Cut(call, ":"); call != "" && bytes.Contains(body, []byte("Action="+op+"&")) {
		w = heldWriter{w, func() { s.wait(r.Context(), call) }}
	}
	s.Sandbox.ServeHTTP(w, r)
}

// heldWriter waits before it answers.
type heldWriter struct {
	http.ResponseWriter
	wait func()
}

// WriteHeader implements http.ResponseWriter.
func (w heldWriter) WriteHeader(status int) {
	w.wait()
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w heldWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func cmdHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hold SERVICE:OP N")
	}
	boxes.get(ts.Getenv("AWS_ENDPOINT_URL")).hold(args[0], sum(ts, args[1]))
}

func cmdRelease(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: release")
	}
	boxes.get(ts.Getenv("AWS_ENDPOINT_URL")).release()
}
