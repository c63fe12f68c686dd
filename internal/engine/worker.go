package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"axle"
)

// worker drives one step from its start to its end, or until it is to be left.
type worker struct {
	*run
	n        int
	step     *axle.Step
	action   Action
	token    string
	begun    bool // there is something to check
	attempts int  // starts, those of earlier attempts of the run included
	starts   int  // starts by this worker
	secrets  []string
	asked    bool // for the inputs

	failures int       // in a row
	since    time.Time // of the first of them
}

// errLeave says that the run is being left.
var errLeave = errors.New("run is being left")

func (w *worker) work() message {
	for {
		p, err := w.call()
		if err == nil && p.Done {
			return w.done(p.Result)
		}
		var wait time.Duration
		if err == nil {
			w.failures = 0
			wait, err = p.Again, w.keep(p)
		} else {
			wait, err = w.retry(err)
		}
		if err == nil {
			err = w.pause(wait)
		}
		if errors.Is(err, errLeave) {
			return message{kind: wasLeft, step: w.n, token: w.token, attempts: w.attempts}
		}
		if errors.Is(err, axle.ErrWaiting) {
			return message{kind: isWaiting, step: w.n, token: w.token, attempts: w.attempts}
		}
		if err != nil {
			return w.failed(err)
		}
	}
}

// call starts or checks. A panic of the action is an error of the step.
func (w *worker) call() (p axle.Progress, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &axle.Failure{
				Code:    "Panic",
				Message: fmt.Sprintf("a bug in Axle's %s action: %v", w.step.Kind, v),
				Hint:    "please report this with the version and what you did; the other steps are not affected",
				Err:     &PanicError{Value: v, Stack: debug.Stack()},
			}
		}
	}()
	if w.begun {
		p, err = w.action.Check(w.calls, w.step, w.token)
	} else {
		w.attempts++
		w.starts++
		var in axle.Inputs
		if in, err = w.inputs(w.calls); err == nil {
			p, err = w.action.Start(w.calls, w.step, in)
		}
	}
	if err != nil && w.calls.Err() != nil {
		err = errLeave
	}
	return p, err
}

// PanicError is the cause in the failure of a step whose action panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

func (w *worker) inputs(ctx context.Context) (axle.Inputs, error) {
	w.asked = true
	if w.o.Inputs == nil {
		return axle.Inputs{}, nil
	}
	in, err := w.o.Inputs(ctx, w.step, w.output)
	if err != nil {
		return in, fmt.Errorf("inputs: %w", err)
	}
	w.secrets = w.secrets[:0]
	for name := range in.Secret {
		if v := in.Values[name]; in.Secret[name] && len(v) > 3 {
			w.secrets = append(w.secrets, v)
		}
	}
	return in, nil
}

// keep makes a new token durable.
func (w *worker) keep(p axle.Progress) error {
	w.begun = true
	if p.Result.Note != "" {
		w.events.send(Event{Kind: Progressed, Step: w.step, Note: w.clean(p.Result.Note)})
	}
	if p.Token == w.token {
		return nil
	}
	w.token = p.Token
	ack := make(chan error, 1)
	w.inbox.put(message{kind: saveToken, step: w.n, token: w.token, attempts: w.attempts, ack: ack})
	select {
	case err := <-ack:
		if err != nil {
			return errLeave
		}
		return nil
	case <-w.whole.Done():
		return errLeave
	}
}

// retry says how long to wait before the next try, or returns the error that
// the step ends with.
func (w *worker) retry(err error) (time.Duration, error) {
	lost := w.begun && errors.Is(err, axle.ErrNotFound)
	if !lost && !w.o.Retry.again(err) {
		return 0, err
	}
	if w.failures == 0 {
		w.since = time.Now()
	}
	w.failures++
	if lost {
		w.begun = false
	}
	if time.Since(w.since) >= w.o.Retry.Window || (!w.begun && w.starts >= w.o.Retry.Starts) {
		return 0, err
	}
	if lost && w.starts == 0 {
		return 0, nil // left by an earlier attempt of the run
	}
	wait := w.o.Retry.wait(w.failures)
	w.events.send(Event{Kind: Retrying, Step: w.step, Failure: w.failure(err), Wait: wait})
	return wait, nil
}

// pause waits, unless the run is being left.
func (w *worker) pause(d time.Duration) error {
	if d <= 0 {
		if w.stopped() || w.whole.Err() != nil {
			return errLeave
		}
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-w.stopping:
	case <-w.whole.Done():
	}
	return errLeave
}

func (w *worker) done(res axle.Result) message {
	status := axle.Succeeded
	if res.Change == axle.None {
		status = axle.Unchanged
	}
	return message{kind: hasEnded, step: w.n, token: w.token, attempts: w.attempts, status: status, result: res.Cleaned(w.clean)}
}

func (w *worker) failed(err error) message {
	return message{kind: hasEnded, step: w.n, token: w.token, attempts: w.attempts, status: axle.Failed, failure: w.failure(err)}
}

// failure is err as a record keeps it, without the values of secret inputs.
func (w *worker) failure(err error) *axle.Failure {
	var f axle.Failure
	if cause, ok := errors.AsType[*axle.Failure](err); ok {
		f = *cause
	} else {
		f = axle.Failure{Code: "Error", Message: err.Error(), Err: err}
	}
	f.Message, f.Resource, f.Hint = w.clean(f.Message), w.clean(f.Resource), w.clean(f.Hint)
	return &f
}

// clean takes secret inputs out of a text. A step that is gone on with hasn't asked
// for its inputs yet.
func (w *worker) clean(text string) string {
	if text != "" && !w.asked {
		_, _ = w.inputs(w.whole) // only to know what must not be shown
	}
	for _, s := range w.secrets {
		text = strings.ReplaceAll(text, s, "(secret)")
	}
	return text
}
