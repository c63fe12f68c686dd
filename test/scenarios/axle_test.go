//go:build scenarios

package scenarios

import (
	"bytes"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
)

// run is what the scenarios read of the JSON of a run.
type run struct {
	Run, Status string
	Counts      struct{ Succeeded, Failed, Skipped, Unchanged int }
	Rollouts    []struct {
		Stack, State string
		Wave, Of     int
	}
	Steps []struct {
		ID, Kind, Name, Account, Region, Status, Action, Note string
		Outputs                                               map[string]string
		Error                                                 *failure
	}
}

type failure struct{ Code, Message, Resource, Hint string }

// axle runs axle and wants an exit code.
func (w *world) axle(code int, args ...string) (stdout, stderr string) {
	w.t.Helper()
	stdout, stderr, got := w.command(axleBinary, args...)
	if got != code {
		w.t.Fatalf("axle %s: exit %d, want %d\n%s\n%s", strings.Join(args, " "), got, code, tail(stdout, 60), tail(stderr, 40))
	}
	return stdout, stderr
}

// run runs a command that changes something and reads its JSON.
func (w *world) run(code int, args ...string) run {
	w.t.Helper()
	stdout, _ := w.axle(code, append(args, "--yes", "--output", "json")...)
	return w.read(stdout)
}

// resume goes on with the latest run and reads its JSON.
func (w *world) resume(code int, args ...string) run {
	w.t.Helper()
	stdout, _ := w.axle(code, append([]string{"resume", "--output", "json"}, args...)...)
	return w.read(stdout)
}

// read reads the JSON of a run.
func (w *world) read(stdout string) run {
	w.t.Helper()
	var r run
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		w.t.Fatalf("%s: the JSON of a run: %v\n%s", w.name, err, stdout)
	}
	return r
}

// running is an axle at work.
type running struct {
	*exec.Cmd
	ended chan struct{}
	said  strings.Builder // with err, once it has ended
	err   error
}

// kill runs axle and kills it once so many calls of CloudFormation's were answered
// well: it gets no answer to the last of these, so that it can't go on meanwhile.
func (w *world) kill(call string, nth int64, args ...string) {
	w.t.Helper()
	w.hold(call, nth, func(r *running) {
		_ = r.Process.Kill()
		<-r.ended
	}, args...)
}

// during runs axle, and does something once so many calls of CloudFormation's were
// answered well: until that is done, it gets no answer to the last of these.
func (w *world) during(call string, nth int64, do func(), args ...string) {
	w.t.Helper()
	if r := w.hold(call, nth, func(*running) { do() }, args...); r.err != nil {
		w.t.Fatalf("%s: axle %s: %v\n%s", w.name, strings.Join(args, " "), w.why(r.err), tail(r.said.String(), 20))
	}
}

// hold runs axle through a proxy that keeps the answer to a call, and to all of its
// kind after it, until something is done. It returns when axle has ended.
func (w *world) hold(call string, nth int64, then func(*running), args ...string) *running {
	w.t.Helper()
	witness, err := url.Parse(w.vars["AWS_ENDPOINT_URL"])
	if err != nil {
		w.t.Fatal(err)
	}
	var calls atomic.Int64
	held, released := make(chan struct{}, 1), make(chan struct{})
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(witness)
			r.Out.Host = r.In.Host // which is signed
		},
		ErrorLog: log.New(io.Discard, "", 0), // of calls that nobody waits for any more
	}
	between := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // who called is gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !bytes.HasPrefix(body, []byte("Action="+call+"&")) {
			proxy.ServeHTTP(out, r)
			return
		}
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		if answer.Code == http.StatusOK && calls.Add(1) >= nth { // one that is throttled comes again
			select {
			case held <- struct{}{}:
			default: // it is known
			}
			<-released
		}
		maps.Copy(out.Header(), answer.Header())
		out.WriteHeader(answer.Code)
		_, _ = out.Write(answer.Body.Bytes()) // who called may be gone
	}))
	r := &running{Cmd: exec.CommandContext(w.serves, axleBinary, args...), ended: make(chan struct{})}
	vars := maps.Clone(w.vars)
	vars["AWS_ENDPOINT_URL"] = between.URL
	r.Dir, r.Env, r.Stderr = w.dir, cleanEnv(vars), &r.said
	if err := r.Start(); err != nil {
		between.Close()
		w.t.Fatalf("%s: start axle %s: %v", w.name, strings.Join(args, " "), err)
	}
	go func() {
		defer close(r.ended)
		r.err = r.Wait()
	}()
	defer func() {
		<-r.ended
		between.Close()
	}()
	defer close(released) // also when what is done in between gives up
	select {
	case <-held:
		then(r)
	case <-r.ended:
		w.t.Fatalf("%s: axle %s ended before call %d of %s was answered: %v\n%s", w.name, strings.Join(args, " "), nth, call, w.why(r.err), tail(r.said.String(), 20))
	}
	return r
}

// has checks that a text has a part.
func (w *world) has(what, text, part string) {
	w.t.Helper()
	if !strings.Contains(text, part) {
		w.t.Errorf("%s: %s has no %q:\n%s", w.name, what, part, tail(text, 20))
	}
}

// actions counts what the run did, by kind and action: "stack create" -> 7.
func (r run) actions() map[string]int {
	counts := map[string]int{}
	for _, s := range r.Steps {
		counts[s.Kind+" "+s.Action]++
	}
	return counts
}

// failures are those of the failed steps.
func (r run) failures() []failure {
	var out []failure
	for _, s := range r.Steps {
		if s.Error != nil && s.Status == "failed" {
			out = append(out, *s.Error)
		}
	}
	return out
}
