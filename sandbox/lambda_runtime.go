package sandbox

import (
	_ "embed"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The bootstraps of python3.* and nodejs* functions, and the modules with which
// those in templates answer CloudFormation.
var (
	//go:embed lambda_cfnresponse.py
	pythonAnswers string
	//go:embed lambda_cfnresponse.js
	nodeAnswers string
	//go:embed lambda_python.py
	pythonBootstrap string
	//go:embed lambda_node.mjs
	nodeBootstrap string
)

// runtimeAPI is what a function's process talks to, after "Using the Lambda
// runtime API for custom runtimes": it asks for the next event, and posts a
// response or an error.
type runtimeAPI struct {
	events chan *givenEvent
	broken chan []byte // the error of a start that failed
	gone   chan struct{}
	once   sync.Once

	mu      sync.Mutex
	current *givenEvent
}

// givenEvent is an event on its way to the process and back.
type givenEvent struct {
	run     *lambdaRun
	timeout time.Duration
	taken   chan struct{} // closed when the process has it
	answer  chan outcome
}

func newRuntimeAPI() *runtimeAPI {
	return &runtimeAPI{events: make(chan *givenEvent, 1), broken: make(chan []byte, 1), gone: make(chan struct{})}
}

// close lets no request wait any longer.
func (a *runtimeAPI) close() { a.once.Do(func() { close(a.gone) }) }

// offer has an event ready for the process.
func (a *runtimeAPI) offer(run *lambdaRun, timeout time.Duration) *givenEvent {
	e := &givenEvent{run: run, timeout: timeout, taken: make(chan struct{}), answer: make(chan outcome, 1)}
	a.events <- e
	return e
}

const runtimePath = "/2018-06-01/runtime/"

func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ours := strings.CutPrefix(r.URL.Path, runtimePath)
	parts := strings.Split(path, "/")
	switch {
	case ours && r.Method == http.MethodGet && path == "invocation/next":
		a.next(w, r)
	case ours && r.Method == http.MethodPost && path == "init/error":
		body, _ := io.ReadAll(io.LimitReader(r.Body, maxPayload))
		select {
		case a.broken <- body:
		default:
		}
		accepted(w)
	case ours && r.Method == http.MethodPost && len(parts) == 3 && parts[0] == "invocation" && (parts[2] == "response" || parts[2] == "error"):
		a.answered(w, r, parts[1], parts[2] == "error")
	default:
		refusedRuntime(w, http.StatusNotFound, "InvalidPath", "there is no "+r.Method+" "+r.URL.Path)
	}
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refusedRuntime(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(errorPayload(kind, message))
}

// next waits for an event.
func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	var e *givenEvent
	select {
	case e = <-a.events:
	case <-a.gone:
		refusedRuntime(w, http.StatusGone, "Runtime.Ended", "the environment is ended")
		return
	case <-r.Context().Done():
		return
	}
	a.mu.Lock()
	a.current = e
	a.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", e.run.id)
	h.Set("Lambda-Runtime-Invoked-Function-Arn", e.run.arn)
	h.Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(e.timeout).UnixMilli()))
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-"+strings.ReplaceAll(e.run.id, "-", "")[:8]+"-"+strings.ReplaceAll(e.run.id, "-", "")[8:]+";Sampled=0")
	if e.run.context != "" {
		h.Set("Lambda-Runtime-Client-Context", e.run.context)
	}
	close(e.taken)
	_, _ = w.Write(e.run.payload)
}

// answered takes the function's response or error.
func (a *runtimeAPI) answered(w http.ResponseWriter, r *http.Request, id string, failed bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+2))
	if err != nil {
		return // the process has gone
	}
	a.mu.Lock()
	e := a.current
	if e != nil && e.run.id == id {
		a.current = nil
	}
	a.mu.Unlock()
	if e == nil || e.run.id != id {
		refusedRuntime(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	e.answer <- outcome{body, failed}
	accepted(w)
}
