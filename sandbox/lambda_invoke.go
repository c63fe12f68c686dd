package sandbox

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// invocation is a request to run a function on behalf of another service.
type invocation struct {
	Function string // ARN, with a qualifier or without
	Payload  []byte // a JSON document
	// Principal is the service that asks, such as "sns.amazonaws.com", for the
	// resource SourceARN of SourceAccount. The function's policy must let it;
	// Context are further condition keys.
	Principal, SourceARN, SourceAccount string
	Context                             map[string][]string
	// Who, if set, asks in its own name: the role that a service was given, or
	// the caller whose credentials it uses.
	Who *identity
	// Async events are queued and their result is nobody's: a failure is tried
	// again, and then goes where the function's configuration says.
	Async bool
}

// invocationResult is what came of an invocation that wasn't refused.
type invocationResult struct {
	Payload []byte // a JSON document: the result, or the error
	Error   string // "Unhandled" when the function failed
	Log     []byte // the end of what it printed
	Version string // that ran
}

// The sizes of what goes in and out.
const (
	maxPayload      = 6 << 20
	maxAsyncPayload = 1 << 20
)

// invokeLambda runs a function and waits for what comes of it, unless it is
// asynchronous. The lock must not be held. An error is a refusal (*apiError):
// no such function, no permission, too many at once. A function that fails is
// a result with Error set.
func (s *Sandbox) invokeLambda(ctx context.Context, in invocation) (invocationResult, error) {
	s.lock()
	if in.Async {
		defer s.unlock()
		return invocationResult{}, s.queueLambda(in)
	}
	f, r, err := s.mayInvoke(in)
	if err == nil && len(in.Payload) > maxPayload {
		err = tooLarge(maxPayload)
	}
	var run *lambdaRun
	if err == nil {
		run, err = s.startLambda(f, r, s.uuid(), in.Payload, "")
	}
	s.unlock()
	if err != nil {
		return invocationResult{}, err
	}
	select {
	case <-run.done:
		return run.result, run.err
	case <-ctx.Done():
		return invocationResult{}, ctx.Err()
	}
}

// queueLambda is the asynchronous invokeLambda for those who hold the lock.
func (s *Sandbox) queueLambda(in invocation) error {
	f, r, err := s.mayInvoke(in)
	if err != nil {
		return err
	}
	return s.queueEvent(f, r, s.uuid(), in.Payload)
}

// mayInvoke finds the function of an invocation, and refuses a service that
// the function's policy doesn't let in.
func (s *Sandbox) mayInvoke(in invocation) (*lambdaFunction, functionRef, error) {
	who := identity{Account: in.SourceAccount, ARN: in.Principal, Type: "service"}
	if in.Who != nil {
		who = *in.Who
	}
	c := s.callAs(who, "lambda", arnRegion(in.Function))
	if c.Op = "Invoke"; c.Account == nil { // closed meanwhile
		return nil, functionRef{}, refuse(services["lambda"], unknownKey, "")
	}
	r, err := c.readFunction(in.Function, "")
	if err != nil {
		return nil, r, err
	}
	a := c.functionAccess("InvokeFunction", r)
	if in.Who == nil {
		for k, v := range c.sourceKeys(in.SourceARN, in.SourceAccount) {
			a.Context[k] = v
		}
	}
	for k, v := range in.Context {
		a.Context[k] = v
	}
	if err := c.check(a); err != nil {
		return nil, r, err
	}
	f := s.functionAt(r)
	if f == nil {
		return nil, r, noFunction(r)
	}
	return f, r, nil
}

func invokeAccess(c *call) ([]access, error) {
	if c.running != nil { // it was let in when it began
		return nil, nil
	}
	r, err := c.readFunction(c.In.str("FunctionName"), c.In.str("Qualifier"))
	return []access{c.functionAccess("InvokeFunction", r)}, err
}

// invoke runs a function: at once, as an event, or not at all (DryRun).
func invoke(c *call) (obj, error) {
	if c.running != nil {
		return c.invoked()
	}
	f, r, err := c.namedFunction()
	if err != nil {
		return nil, err
	}
	kind := c.header("X-Amz-Invocation-Type")
	payload, err := checkPayload(c.body(), kind == "Event")
	if err != nil {
		return nil, err
	}
	switch kind {
	case "DryRun":
		if _, err := c.qualified(f, r); err != nil {
			return nil, err
		}
		return rawReply{status: 204}.answer()
	case "Event":
		id := c.ID
		if c.HTTP == nil { // of another service's request, which may invoke more than once
			id = c.uuid()
		}
		if err := c.queueEvent(f, r, id, payload); err != nil {
			return nil, err
		}
		return rawReply{status: 202}.answer()
	case "", "RequestResponse":
	default:
		return nil, breaks(kind, "invocationType", "Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
	}
	if c.HTTP == nil {
		return nil, invalidLambda("Another service invokes functions as events, or by invokeLambda, which can wait.")
	}
	if c.running, err = c.startLambda(f, r, c.ID, payload, c.header("X-Amz-Client-Context")); err != nil {
		return nil, err
	}
	c.pause = &pause{ready: c.running.done, until: c.now().Add(time.Hour)} // it ends itself
	return nil, nil
}

// invoked answers when the function has run.
func (c *call) invoked() (obj, error) {
	run := c.running
	select {
	case <-run.done:
	default: // the sandbox is being closed
		return nil, &apiError{Status: 500, Code: "ServiceException", Message: "The sandbox is being stopped."}
	}
	if run.err != nil {
		return nil, run.err
	}
	header := map[string]string{"X-Amz-Executed-Version": run.result.Version, "X-Amz-Function-Error": run.result.Error,
		"Content-Type": "application/json"}
	if c.header("X-Amz-Log-Type") == "Tail" {
		header["X-Amz-Log-Result"] = base64.StdEncoding.EncodeToString(run.result.Log)
	}
	return rawReply{header: header, body: run.result.Payload}.answer()
}

// checkPayload refuses what isn't JSON or is too large; nothing is {}.
func checkPayload(payload []byte, async bool) ([]byte, error) {
	limit := maxPayload
	if async {
		limit = maxAsyncPayload
	}
	switch {
	case len(payload) == 0:
		return []byte("{}"), nil
	case len(payload) > limit:
		return nil, tooLarge(limit)
	case !json.Valid(payload):
		var v any
		return nil, fail("InvalidRequestContentException", "Could not parse request body into json: %v", json.Unmarshal(payload, &v))
	}
	return payload, nil
}

func tooLarge(limit int) error {
	return &apiError{Status: http.StatusRequestEntityTooLarge, Code: "RequestTooLargeException", Message: "Request must be smaller than " + text(limit) + " bytes for the InvokeFunction operation"}
}

// errorPayload is the document of an error that isn't the function's own.
func errorPayload(kind, format string) []byte {
	return []byte(documentText(map[string]any{"errorType": kind, "errorMessage": format}))
}

// lambdaEvent is an event in Lambda's queue.
type lambdaEvent struct {
	ref      functionRef
	payload  []byte
	id       string
	attempts int // that failed
	refusals int // when Lambda couldn't take it
	at       time.Time
}

// queueEvent takes an event for a function. Events aren't part of a saved state.
func (s *Sandbox) queueEvent(f *lambdaFunction, r functionRef, id string, payload []byte) error {
	if f.version(r.Qualifier) == nil {
		return noFunction(r)
	}
	e := &lambdaEvent{ref: r, payload: payload, id: id, at: s.now()}
	s.after(0, "", func() { s.runEvent(e) })
	return nil
}

// runEvent starts an event. While Lambda can't take it, it stays in the queue.
func (s *Sandbox) runEvent(e *lambdaEvent) {
	f := s.functionAt(e.ref)
	if f == nil {
		s.log.Warn("Lambda: an event is lost: its function is gone", "function", e.ref.arn())
		return
	}
	run, err := s.startLambda(f, e.ref, e.id, e.payload, "")
	var refused *apiError
	busy := errors.As(err, &refused) && (refused.Status == 429 || refused.Status == 409)
	switch {
	case busy && f.Reserved != nil && *f.Reserved == 0: // it will never be less busy
		s.eventFailed(f, e, notRun(err), "ZeroReservedConcurrency")
		return
	case busy && s.now().Sub(e.at) < f.eventAge(e.ref.Qualifier):
		e.refusals++
		s.after(backoff(eventPause, e.refusals), "", func() { s.runEvent(e) })
		return
	case busy:
		s.eventFailed(f, e, notRun(err), "EventAgeExceeded")
		return
	case err != nil:
		s.eventFailed(f, e, notRun(err), "RetriesExhausted")
		return
	}
	s.done.Go(func() {
		<-run.done
		s.lock()
		defer s.unlock()
		result := run.result
		if run.err != nil {
			result = notRun(run.err)
		}
		s.eventDone(e, result)
	})
}

// notRun is what becomes of an event that Lambda doesn't run.
func notRun(err error) invocationResult {
	return invocationResult{Error: "Unhandled", Payload: errorPayload("Lambda.Refused", err.Error())}
}

// How long an event waits that Lambda can't take, and at most; and how long
// until a failed one is tried again, which is a minute in AWS.
const (
	eventPause = 100 * time.Millisecond
	eventAge   = 6 * time.Hour
	eventRetry = 200 * time.Millisecond
)

// backoff doubles a pause for each time before, up to ten seconds.
func backoff(first time.Duration, times int) time.Duration {
	return min(first<<min(times-1, 10), 10*time.Second)
}

// eventDone tries an event again that failed, up to twice, unless it is too old.
func (s *Sandbox) eventDone(e *lambdaEvent, result invocationResult) {
	f := s.functionAt(e.ref)
	switch {
	case f == nil || s.closed:
	case result.Error == "":
		s.eventSucceeded(f, e, result)
	case e.attempts < f.retries(e.ref.Qualifier) && s.now().Sub(e.at) >= f.eventAge(e.ref.Qualifier):
		s.eventFailed(f, e, result, "EventAgeExceeded")
	case e.attempts < f.retries(e.ref.Qualifier):
		e.attempts++
		s.after(eventRetry*time.Duration(e.attempts), "", func() { s.runEvent(e) })
	default:
		s.eventFailed(f, e, result, "RetriesExhausted")
	}
}
