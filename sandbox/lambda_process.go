package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// processSpec is what a function's process is started with.
type processSpec struct {
	key, runtime, endpoint string
	timeout                time.Duration
	memory                 int // MB
	until                  time.Time
	env                    map[string]string
	code                   []byte
	layers                 [][]byte
	task, opt              string // folders
	args                   []string
	broken                 []byte // the error of each invocation, when there is nothing to start
}

// lambdaProcess is a process that runs one version's invocations, one at a
// time, over the runtime API: a server of its own that it asks for events.
type lambdaProcess struct {
	*processSpec
	log     *slog.Logger
	cmd     *exec.Cmd
	dir     string // its temporary files
	api     *runtimeAPI
	server  *http.Server
	output  *outputTail
	exited  chan struct{} // closed when the process has ended
	how     error         // how it did
	ended   sync.Once
	work    sync.WaitGroup
	warm    bool        // it has asked for an event
	timer   *time.Timer // ends it when nobody asks for it; the sandbox's lock guards it, and retired
	retired bool        // the version has changed: it isn't used again
}

// startProcess starts the process and its runtime API on a free port of
// loopback.
func startProcess(spec *processSpec, log *slog.Logger) (*lambdaProcess, error) {
	p := &lambdaProcess{processSpec: spec, log: log, api: newRuntimeAPI(), exited: make(chan struct{}), output: newOutputTail()}
	if spec.broken != nil {
		close(p.exited)
		return p, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.server = &http.Server{Handler: p.api, ReadHeaderTimeout: startTime}
	p.work.Go(func() { _ = p.server.Serve(l) }) // it ends when it is closed
	if err := p.start(l.Addr().String()); err != nil {
		p.api.close()
		_ = p.server.Close()
		p.work.Wait()
		_ = os.RemoveAll(p.dir)
		return nil, err
	}
	return p, nil
}

// start executes what the spec says. The process gets nothing of the sandbox's
// own environment but where programs are.
func (p *lambdaProcess) start(address string) error {
	var err error
	if p.dir, err = os.MkdirTemp(filepath.Dir(p.task), "tmp-"); err != nil {
		return err
	}
	env := map[string]string{"AWS_LAMBDA_RUNTIME_API": address, "LAMBDA_TASK_ROOT": p.task, "LAMBDA_RUNTIME_DIR": filepath.Dir(p.task),
		"PATH": os.Getenv("PATH"), "TMPDIR": p.dir, "HOME": p.dir, "PYTHONPATH": p.task, "PYTHONDONTWRITEBYTECODE": "1", "NODE_PATH": filepath.Join(p.task, "node_modules")}
	if p.opt != "" {
		env["PATH"] = filepath.Join(p.opt, "bin") + string(os.PathListSeparator) + env["PATH"]
		env["PYTHONPATH"] += string(os.PathListSeparator) + filepath.Join(p.opt, "python")
		env["NODE_PATH"] += string(os.PathListSeparator) + filepath.Join(p.opt, "nodejs", "node_modules")
		env["LD_LIBRARY_PATH"] = filepath.Join(p.opt, "lib")
	}
	for k, v := range p.env {
		env[k] = v
	}
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Dir = p.task
	for _, k := range sortedKeys(env) {
		p.cmd.Env = append(p.cmd.Env, k+"="+env[k])
	}
	ownGroup(p.cmd)
	from, to, err := os.Pipe()
	if err != nil {
		return err
	}
	p.cmd.Stdout, p.cmd.Stderr = to, to
	err = p.cmd.Start()
	_ = to.Close()
	if err != nil {
		_ = from.Close()
		return err
	}
	p.work.Go(func() { p.output.read(from, p.log.With("function", p.key)) })
	p.work.Go(func() {
		p.how = p.cmd.Wait()
		close(p.exited)
		_ = killGroup(p.cmd) // what it left behind, which may hold on to its output
	})
	return nil
}

// dead says whether the process ended while nobody used it.
func (p *lambdaProcess) dead() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// end kills the process with all that it started, and waits until it is gone.
func (p *lambdaProcess) end() {
	p.ended.Do(func() {
		if p.cmd == nil {
			return
		}
		p.api.close()
		if !p.dead() { // else its number may be another's by now
			_ = killGroup(p.cmd)
		}
		_ = p.server.Close()
		<-p.exited
		p.output.end()
		p.work.Wait()
		_ = os.RemoveAll(p.dir)
	})
}

// invoke gives the process an event and waits for its answer. alive says
// whether the process can take another one.
func (p *lambdaProcess) invoke(run *lambdaRun, stop <-chan struct{}) (result invocationResult, alive bool) {
	started := time.Now()
	p.output.begin(run, p.warm)
	payload, alive := p.exchange(run, stop)
	p.output.finish(run.id, time.Since(started), p.memory)
	result = invocationResult{Version: run.v.Version, Log: p.output.tail(), Payload: payload.body}
	if payload.failed {
		result.Error = "Unhandled"
	} else if len(payload.body) > maxPayload {
		result.Error = "Unhandled"
		result.Payload = errorPayload("Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxPayload))
	}
	return result, alive
}

// outcome is what a function answers, or the document of its error.
type outcome struct {
	body   []byte
	failed bool
}

func (p *lambdaProcess) exchange(run *lambdaRun, stop <-chan struct{}) (outcome, bool) {
	if p.broken != nil {
		return outcome{p.broken, true}, false
	}
	limit := time.NewTimer(startTime)
	defer limit.Stop()
	late := func(after time.Duration) (outcome, bool) {
		p.end()
		return outcome{errorPayload("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", run.id, after.Seconds())), true}, false
	}
	given := p.api.offer(run, p.timeout)
	select { // until it asks for an event
	case <-given.taken:
		p.warm = true
	case body := <-p.api.broken:
		p.end()
		return outcome{body, true}, false
	case <-p.exited:
		return p.gone(run), false
	case <-limit.C:
		return late(startTime)
	case <-stop:
		return outcome{errorPayload("Sandbox.Stopped", "The sandbox is being stopped."), true}, false
	}
	limit.Reset(p.timeout)
	select {
	case o := <-given.answer:
		return o, true
	case <-p.exited:
		select {
		case o := <-given.answer: // its last word
			return o, false
		default:
			return p.gone(run), false
		}
	case <-limit.C:
		return late(p.timeout)
	case <-stop:
		return outcome{errorPayload("Sandbox.Stopped", "The sandbox is being stopped."), true}, false
	}
}

// gone is the error of a process that ended without an answer. What it said of
// its failure to start goes first.
func (p *lambdaProcess) gone(run *lambdaRun) outcome {
	select {
	case body := <-p.api.broken:
		return outcome{body, true}
	default:
	}
	why := "Runtime exited without providing a reason"
	if p.how != nil {
		why = "Runtime exited with error: " + p.how.Error()
	}
	return outcome{errorPayload("Runtime.ExitError", "RequestId: "+run.id+" Error: "+why), true}
}

// maxTail is how much of the output Lambda gives back with a result.
const maxTail = 4096

// outputTail keeps what a process printed during an invocation.
type outputTail struct {
	mu      sync.Mutex
	text    []byte
	reader  *os.File
	over    bool // the process has ended: what is in the pipe is the last of it
	drained chan struct{}
}

func newOutputTail() *outputTail { return &outputTail{drained: make(chan struct{}, 1)} }

// read takes the output until its end; each line goes to the log as well. A
// deadline, which finish sets, means that all there is has been read.
func (o *outputTail) read(from *os.File, log *slog.Logger) {
	o.mu.Lock()
	if o.reader = from; o.over {
		_ = from.SetReadDeadline(time.Now().Add(drainTime))
	}
	o.mu.Unlock()
	defer from.Close() //nolint:errcheck // read to its end
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			for line := range bytes.Lines(buf[:n]) {
				log.Info(strings.TrimRight(string(line), "\r\n"))
			}
			o.add(buf[:n])
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && o.goesOn():
			o.drained <- struct{}{}
		default:
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
				log.Debug("output", "error", err)
			}
			o.mu.Lock()
			o.reader = nil
			o.mu.Unlock()
			return
		}
	}
}

// goesOn takes a deadline away, unless it is the last.
func (o *outputTail) goesOn() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.over {
		_ = o.reader.SetReadDeadline(time.Time{})
	}
	return !o.over
}

// end has the reader take what is there and stop: a process that left the
// group may hold on to the pipe.
func (o *outputTail) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over = true; o.reader != nil {
		_ = o.reader.SetReadDeadline(time.Now().Add(drainTime))
	}
}

func (o *outputTail) add(text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, text...)
	if len(o.text) > 2*maxTail {
		o.text = bytes.Clone(o.text[len(o.text)-maxTail:])
	}
}

// begin starts the output of an invocation. That of a start belongs to the first.
func (o *outputTail) begin(run *lambdaRun, warm bool) {
	if warm {
		o.mu.Lock()
		o.text = nil
		o.mu.Unlock()
	}
	o.add([]byte("START RequestId: " + run.id + " Version: " + run.v.Version + "\n"))
}

// drainTime is how long the reader may take to be woken by what is in the pipe.
const drainTime = 2 * time.Millisecond

// finish reads what was printed before the answer, and ends the output.
func (o *outputTail) finish(id string, took time.Duration, memory int) {
	o.mu.Lock()
	reader := o.reader
	if reader != nil {
		_ = reader.SetReadDeadline(time.Now().Add(drainTime))
	}
	o.mu.Unlock()
	if reader != nil {
		select {
		case <-o.drained:
		case <-time.After(100 * drainTime): // it has come to its end meanwhile
		}
	}
	ms := float64(took.Microseconds()) / 1000
	o.add(fmt.Appendf(nil, "END RequestId: %s\nREPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\t\n", id, id, ms, int(ms)+1, memory))
}

func (o *outputTail) tail() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.text[max(0, len(o.text)-maxTail):])
}
