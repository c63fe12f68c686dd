// Package sandbox is an AWS organization in one process: one listener, all
// services, all accounts and regions, told apart by credentials and SigV4 scope.
// Only functions of Lambda are processes of their own, which end with it.
// It is for demos, tests and rehearsals, is as unkind as AWS when asked to be,
// and refuses what it doesn't know with the service's own error. Its answers have
// the shapes of the service models that botocore ships (conformance_test.go); what
// they say follows the services' API references and guides. It knows nothing of
// the rest of Axle.
package sandbox

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Sandbox is the organization with everything in it. One lock guards the whole
// state: handlers run under it, are short, and never wait; latency and stack
// durations pass outside of it.
type Sandbox struct {
	opts   Options
	log    *slog.Logger
	ops    map[string]map[string]operation // service -> operation name -> how
	mu     sync.Mutex
	st     *state
	rand   *rand.Rand
	timers map[string]*timer // scheduled work by key
	queue  []func()          // what runs before the lock is given back
	calls  map[string]int
	index  *orgIndex // derived from st.Org; nil when it must be made anew
	guard  *guard    // compiled policies
	limits *limiter
	shelf  templateShelf // parsed templates and resource types
	faults []*faultState
	seen   int64         // st.Changes when last told to who writes the state
	dirty  chan struct{} // the state has changed since it was written
	swept  int           // number of credentials left after the last sweep
	closed bool
	// endpoint is where the last request came to: what queue URLs begin with.
	endpoint string
	arrivals map[string]chan struct{} // closed when a queue, by ARN, gets a message
	lambdas  *lambdas                 // processes of functions
	stop     chan struct{}
	done     sync.WaitGroup
}

// Options say how large, slow and nasty the sandbox is. The zero value is fast
// and kind, with a management account and no others.
type Options struct {
	Accounts     int           // this many generated member accounts
	Organization *OrgFile      // or these
	State        string        // file that keeps the state; read by New if it is there
	Latency      time.Duration // added to every response
	StackTime    time.Duration // how long a stack operation takes in all
	Limits       string        // "", or request rates per account, region and API: "aws", or a part of AWS's such as "aws/10"
	Faults       []Fault       // scheduled faults
	Unkind       bool          // propagation delays, stale describes, pages of two, an occasional throttle
	Seed         int64         // of everything random
	Log          *slog.Logger
}

// New makes the organization, or loads it from Options.State.
func New(opts Options) (*Sandbox, error) {
	limits, err := newLimiter(opts.Limits)
	if err != nil {
		return nil, err
	}
	s := &Sandbox{
		opts:   opts,
		log:    opts.Log,
		timers: map[string]*timer{},
		calls:  map[string]int{},
		rand:   rand.New(rand.NewPCG(uint64(opts.Seed), 0x5a4db0c5)),
		stop:   make(chan struct{}),
		dirty:  make(chan struct{}, 1),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.guard = newGuard()
	s.limits = limits
	s.lambdas = newLambdas()
	for _, f := range opts.Faults {
		s.faults = append(s.faults, &faultState{Fault: f})
	}
	s.register()
	if err := s.load(); err != nil {
		return nil, err
	}
	if s.st == nil {
		st, err := s.found()
		if err != nil {
			return nil, err
		}
		s.st = st
	}
	s.lock()
	for _, resume := range s.resumes() {
		resume()
	}
	s.unlock()
	s.keepSaving()
	return s, nil
}

// Close stops scheduled work, ends the functions' processes and, with Options.State, writes the state.
func (s *Sandbox) Close() error {
	s.lock()
	if s.closed {
		s.unlock()
		return errors.New("sandbox is closed already")
	}
	s.closed = true
	for _, t := range s.timers {
		t.Stop()
	}
	s.unlock()
	close(s.stop)
	s.done.Wait()
	return errors.Join(s.endLambdas(), s.Save())
}

// Credentials are those of an administrator of the management account.
func (s *Sandbox) Credentials() (accessKey, secret string) {
	s.lock()
	defer s.unlock()
	id := s.st.Keys[s.st.Admin]
	return s.st.Admin, id.Secret
}

// Calls counts the requests served so far, by "service:Operation". Calls that
// one service makes of another are not in it, nor are those that an unkind sandbox
// throttled by whim: there is one again for each of them.
func (s *Sandbox) Calls() map[string]int {
	s.lock()
	defer s.unlock()
	out := make(map[string]int, len(s.calls))
	for k, v := range s.calls {
		out[k] = v
	}
	return out
}

// register fills the table of operations: a line for each service.
func (s *Sandbox) register() {
	s.ops = map[string]map[string]operation{
		"sts":            s.stsOps(),
		"iam":            s.iamOps(),
		"organizations":  s.organizationsOps(),
		"account":        s.accountOps(),
		"tagging":        s.taggingOps(),
		"ssm":            s.ssmOps(),
		"cloudformation": s.cloudformationOps(),
		"ec2":            s.ec2Ops(),
		"sns":            s.snsOps(),
		"sqs":            s.sqsOps(),
		"dynamodb":       s.dynamodbOps(),
		"kms":            s.kmsOps(),
		"secretsmanager": s.secretsOps(),
		"s3":             s.s3Ops(),
		"servicequotas":  s.quotaOps(),
		"lambda":         s.lambdaOps(),
		"monitoring":     s.cloudwatchOps(),
		"events":         s.eventsOps(),
		"scheduler":      s.schedulerOps(),
		"apigateway":     s.restAPIOps(),
		"apigatewayv2":   s.httpAPIOps(),
	}
}

// resumes are the hooks that take up pending work after New, the lock held.
func (s *Sandbox) resumes() []func() {
	return []func(){s.resumeOrganizations, s.resumeAccounts, s.resumeCloudformation, s.resumeStackSets, s.resumeEvents, s.resumeSchedules, s.resumeMappings}
}

// state is everything that --state keeps: plain data, no pointers to elsewhere.
type state struct {
	Org      orgState             `json:"org"`
	Accounts map[string]*account  `json:"accounts"`          // by id
	Keys     map[string]*identity `json:"keys"`              // by access key id
	Buckets  map[string]string    `json:"buckets,omitempty"` // the account that has a bucket's name
	APIs     map[string]place     `json:"apis,omitempty"`    // where an API is, by its id
	Serial   int64                `json:"serial"`            // source of ids
	Admin    string               `json:"admin"`             // access key id of the management account's administrator
	// Templates are CloudFormation's template bodies by digest, shared by all stacks.
	Templates map[string]string `json:"templates,omitempty"`
	// Layers are packages of layers that were deleted while functions have them, by ARN.
	Layers map[string][]byte `json:"layers,omitempty"`
	// Custom are the requests to custom resources that aren't answered.
	Custom map[string]*customRequest `json:"custom,omitempty"`
	// Clusters are the fake Kubernetes clusters, by name.
	Clusters map[string]*cluster `json:"clusters,omitempty"`
	Changes  int64               `json:"-"` // counts requests that may have changed something
}

// account is all that one account holds.
type account struct {
	ID      string             `json:"id"`
	IAM     iamState           `json:"iam"`
	S3      s3State            `json:"s3"`
	Regions map[string]*region `json:"regions"`
	OptedIn map[string]bool    `json:"opted_in,omitempty"`
	Quotas  map[string]float64 `json:"quotas,omitempty"` // raised, by code or region/code
	// Switching holds regions on their way: ENABLING or DISABLING.
	Switching map[string]string `json:"switching,omitempty"`
}

// region is what one account holds in one region.
//
// A part that keeps maps makes them on first use.
type region struct {
	CFN cfnState `json:"cfn"`
	EC2 ec2State `json:"ec2"`
	KMS kmsState `json:"kms"`
	SNS snsState `json:"sns"`
	SQS sqsState `json:"sqs"`
	SSM ssmState `json:"ssm"`

	Alarms  alarmState  `json:"alarms"`
	Dynamo  dynamoState `json:"dynamodb"`
	Events  eventState  `json:"events"`
	HTTP    httpState   `json:"apigatewayv2"`
	REST    restState   `json:"apigateway"`
	Lambda  lambdaState `json:"lambda"`
	Secrets secretState `json:"secrets"`

	Scheduler schedulerState `json:"scheduler"`
}

// region returns the account's part in a region, making it on first use.
func (a *account) region(name string) *region {
	r := a.Regions[name]
	if r == nil {
		r = &region{}
		a.Regions[name] = r
	}
	return r
}

// identity is who a set of credentials stands for.
type identity struct {
	Account    string            `json:"account"`
	ARN        string            `json:"arn"`            // arn:aws:iam::..:user/x, or arn:aws:sts::..:assumed-role/r/session
	Type       string            `json:"type"`           // root | user | role | service | web
	Role       string            `json:"role,omitempty"` // name of the role, for sessions
	User       string            `json:"user,omitempty"` // name of the user, for their keys
	UserID     string            `json:"user_id"`
	Secret     string            `json:"secret"`
	Token      string            `json:"token,omitempty"`
	Expires    time.Time         `json:"expires,omitzero"`
	Policies   []string          `json:"policies,omitempty"` // session policies, as JSON
	SourceID   string            `json:"source_identity,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Transitive []string          `json:"transitive,omitempty"` // keys of tags that the next session inherits
	Inactive   bool              `json:"inactive,omitempty"`
	Federated  string            `json:"federated,omitempty"` // ARN of the identity provider that vouched
	Created    time.Time         `json:"created,omitzero"`
}

// call is one request: authenticated, decoded, and running under the lock.
type call struct {
	*Sandbox
	Service, Op string
	Region      string
	Account     *account // of the caller
	Who         *identity
	// In is the decoded input. Query protocols: nested maps and slices made
	// from "A.member.1.B" or EC2's "A.1.B" (names as on the wire, list items in
	// []any, leaves strings). JSON protocols: the JSON object as it is.
	In   params
	HTTP *http.Request // for REST protocols; nil in a call that another service makes
	// Status is that of a success, for REST with JSON; 0 means 200.
	Status int
	Body   []byte
	// ID is the request id of the response.
	ID string
	// Via is the service that calls on behalf of Who ("cloudformation"), for
	// aws:CalledVia; empty for the caller itself.
	Via string
	// pause, if an operation sets it, puts the answer off; until is how long it
	// may be put off in all.
	pause *pause
	until time.Time
	// running is the invocation of a function that the call waits for.
	running *lambdaRun
}

// obj is an output: field name on the wire -> string, bool, int, float64,
// time.Time, obj, []any, []obj, []string or nil (left out). One encoder per
// protocol turns it into XML (lists: member, or item for EC2) or JSON.
type obj = map[string]any

// operation is how one API operation is served.
type operation struct {
	// run does it. It returns an *apiError for what AWS refuses.
	run func(*call) (obj, error)
	// action is the IAM action; "" means service:Op.
	action string
	// resources are the ARNs that the caller needs the action on; nil means "*".
	resources func(*call) []string
	// access, if set, replaces action and resources: everything that the caller
	// needs, with the resources' owners and policies. An error refuses the call.
	access func(*call) ([]access, error)
	// open operations need no permission (sts:GetCallerIdentity), or check it
	// themselves (sts:AssumeRole).
	open bool
}

// apiError is a refusal in a service's own words.
type apiError struct {
	Status  int    // HTTP; 0 means 400
	Code    string // as on the wire
	Message string
	Extra   obj // further members of the error
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// fail makes the service's own error.
func fail(code, format string, args ...any) *apiError {
	return &apiError{Code: code, Message: fmt.Sprintf(format, args...)}
}
