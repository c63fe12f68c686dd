package sandbox

import "context"

// invocation is a request to run a function on behalf of another service.
type invocation struct {
	Function string // ARN, with a qualifier or without
	Payload  []byte // a JSON document
	// Principal is the service that asks, such as "sns.amazonaws.com", for the
	// resource SourceARN of SourceAccount. The function's policy must let it;
	// Context are further condition keys.
	Principal, SourceARN, SourceAccount string
	Context                             map[string][]string
	// Async events are queued and their result is nobody's: a failure is tried
	// again, and then goes where the function's configuration says.
	Async bool
}

// invocationResult is what came of an invocation that wasn't refused.
type invocationResult struct {
	Payload []byte // a JSON document: the result, or the error
	Error   string // "Handled" or "Unhandled" when the function failed
	Log     []byte // the end of what it printed
	Version string // that ran
}

// invokeLambda runs a function and waits for what comes of it, unless it is
// asynchronous. The lock must not be held. An error is a refusal (*apiError):
// no such function, no permission, too many at once. A function that fails is
// a result with Error set.
func (s *Sandbox) invokeLambda(ctx context.Context, in invocation) (invocationResult, error) {
	s.lock()
	defer s.unlock()
	return invocationResult{}, s.queueLambda(in)
}

// queueLambda is the asynchronous invokeLambda for those who hold the lock.
func (s *Sandbox) queueLambda(in invocation) error {
	return &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Function not found: " + in.Function}
}
