// Package sandbox is an AWS organization in one process: one listener, all
// services, all accounts and regions, told apart by credentials and SigV4 scope.
// It is for demos, tests and rehearsals, is as unkind as AWS when asked to be,
// and refuses what it doesn't know with the service's own error. It knows
// nothing of the rest of Axle.
package sandbox

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Sandbox is the organization with everything in it. One lock guards the whole
// state: handlers run under it, are short, and never wait; latency and stack
// durations pass outside of it.
type Sandbox struct {
	opts Options
	log  *slog.Logger
	ops  map[string]map[string]operation // service -> operation name -> how
	mu   sync.Mutex
	st   *state
}

// Options say how large, slow and nasty the sandbox is. The zero value is fast
// and kind, with a management account and no others.
type Options struct {
	Accounts     int           // this many generated member accounts
	Organization *OrgFile      // or these
	Latency      time.Duration // added to every response
	StackTime    time.Duration // how long a stack operation takes in all
	Limits       string        // "" or "aws": request rates per account, region and API
	Faults       []Fault       // scheduled faults
	Unkind       bool          // propagation delays, stale describes, pages of two, an occasional throttle
	Seed         int64         // of everything random
	Log          *slog.Logger
}

// state is everything that --state keeps: plain data, no pointers to elsewhere.
type state struct {
	Org      orgState             `json:"org"`
	Accounts map[string]*account  `json:"accounts"` // by id
	Keys     map[string]*identity `json:"keys"`     // by access key id
	Serial   int64                `json:"serial"`   // source of ids
}

// account is all that one account holds.
type account struct {
	ID      string             `json:"id"`
	IAM     iamState           `json:"iam"`
	S3      s3State            `json:"s3"`
	Regions map[string]*region `json:"regions"`
	OptedIn map[string]bool    `json:"opted_in,omitempty"`
}

// region is what one account holds in one region.
type region struct {
	CFN cfnState `json:"cfn"`
	EC2 ec2State `json:"ec2"`
	SNS snsState `json:"sns"`
	SSM ssmState `json:"ssm"`
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
	Account  string            `json:"account"`
	ARN      string            `json:"arn"`            // arn:aws:iam::..:user/x, or arn:aws:sts::..:assumed-role/r/session
	Type     string            `json:"type"`           // root | user | role | service
	Role     string            `json:"role,omitempty"` // name of the role, for sessions
	UserID   string            `json:"user_id"`
	Secret   string            `json:"secret"`
	Token    string            `json:"token,omitempty"`
	Expires  time.Time         `json:"expires,omitzero"`
	Policies []string          `json:"policies,omitempty"` // session policies, as JSON
	SourceID string            `json:"source_identity,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
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
	HTTP *http.Request // for REST protocols
	Body []byte
	// Via is the service that calls on behalf of Who ("cloudformation"), for
	// aws:CalledVia; empty for the caller itself.
	Via string
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

// params is a decoded input with readers that never panic.
type params map[string]any
