package axle

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A Step is the smallest thing that a run does: one (kind, name) in one target.
// It is idempotent: run twice, it has the effect of once.
type Step struct {
	ID          string `json:"id"`   // stack/spoke-network/222222222222/eu-west-1
	Kind        string `json:"kind"` // a key of the table of actions
	Name        string `json:"name"` // of the stack or peering in axle.yaml
	Account     string `json:"account"`
	AccountName string `json:"account_name,omitempty"`
	Region      string `json:"region"`
	// Wave is the wave of its stack's rollout that the step is in, from 1; 0 for
	// steps of no rollout.
	Wave int `json:"wave,omitempty"`
	// Delete turns the step around: what it would make is removed.
	Delete bool `json:"delete,omitempty"`
	// Needs are the steps that must have succeeded before; sorted, no doubles.
	Needs []string `json:"needs,omitempty"`
	// Spec is what is the same for all steps of this name, and shared by them.
	Spec *Spec `json:"-"`
	// Input is what differs from target to target: a stack's parameters by
	// name, a peering's VPCs and so on.
	Input map[string]Value `json:"input,omitempty"`
	// Reads are outputs of other stacks that the template reads by itself, with
	// Fn::GetStackOutput.
	Reads []Ref `json:"reads,omitempty"`
	// Review is what a person has seen of this step before the run; nil when
	// nobody has.
	Review *Review `json:"review,omitempty"`
}

// Target is where the step acts.
func (s *Step) Target() Target { return Target{s.Account, s.Region} }

// Where names the step's target for people, such as "dev (222222222222) eu-west-1".
func (s *Step) Where() string {
	return Account{ID: s.Account, Name: s.AccountName}.Label() + " " + s.Region
}

// Kinds of the steps that make up a peering, in their order.
const (
	KindPeeringRequest = "peering-request"
	KindPeeringAccept  = "peering-accept"
	KindPeeringRoutes  = "peering-routes"
	KindPeeringDNS     = "peering-dns"
)

// Spec is the part of a step that all targets share: one field for each family
// of kinds.
type Spec struct {
	Stack   *StackSpec   `json:"stack,omitempty"`
	Peering *PeeringSpec `json:"peering,omitempty"`
	Wave    *WaveSpec    `json:"wave,omitempty"`
}

// Protection says whether a stack whose termination protection is now as given
// has to be changed, and to what.
func (s *StackSpec) Protection(now bool) (want, change bool) {
	if s.Protect == nil {
		return now, false
	}
	return *s.Protect, *s.Protect != now
}

// StackSpec is a stack of axle.yaml as CloudFormation wants it.
type StackSpec struct {
	Project      string            `json:"project"`
	Stack        string            `json:"stack"`      // its name in axle.yaml
	StackName    string            `json:"stack_name"` // its name in CloudFormation
	Template     string            `json:"template"`   // digest, "sha256:..."
	Tags         map[string]string `json:"tags,omitempty"`
	Capabilities []string          `json:"capabilities,omitempty"`
	// Protect sets termination protection on or off; nil leaves it as it is.
	Protect       *bool  `json:"protect,omitempty"`
	ExecutionRole string `json:"execution_role,omitempty"`
	// Defaults are the template's parameters that axle.yaml doesn't set and
	// that have a default.
	Defaults map[string]string `json:"defaults,omitempty"`
	// NoEcho names the template's parameters that are never shown.
	NoEcho []string `json:"no_echo,omitempty"`
	// Outputs are the names of the template's outputs, sorted; nil when a macro may
	// make some, or the template isn't known.
	Outputs []string `json:"outputs"`
	// Opaque says why the template's text doesn't tell whether a stack is
	// unchanged (a transform, nested stacks, dynamic references, ...); empty
	// when it does.
	Opaque string `json:"opaque,omitempty"`
}

// PeeringSpec is a peering of axle.yaml.
type PeeringSpec struct {
	Project string `json:"project"`
	Peering string `json:"peering"`
	DNS     bool   `json:"dns,omitempty"`
}

// WaveSpec is what must come true after a wave of a rollout before the next one
// begins: in this order the pause, the health checks, the approval.
type WaveSpec struct {
	Stack  string `json:"stack"`
	Wave   int    `json:"wave"` // from 1
	Of     int    `json:"of"`
	Canary bool   `json:"canary,omitempty"`
	// Pause is how long to wait after the wave.
	Pause time.Duration `json:"pause,omitempty"`
	// Alarms: CloudWatch alarms, given as inputs, must be in OK.
	Alarms bool `json:"alarms,omitempty"`
	// Command must exit 0.
	Command []string `json:"command,omitempty"`
	// Timeout bounds each health check.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Approval: a person must have approved the next wave.
	Approval bool `json:"approval,omitempty"`
}

// WaveName names a wave of a rollout for people: "the canary", "wave 2 of 4".
func WaveName(wave, of int, canary bool) string {
	if canary {
		return "the canary"
	}
	return fmt.Sprintf("wave %d of %d", wave, of)
}

// A Value is an input of a step: a literal, or an expression over outputs of
// other steps. The references are the edges of the graph.
type Value struct {
	// Literal is the value, when there are no Refs and no Expr.
	Literal string `json:"literal,omitempty"`
	// Expr is the scalar as written in axle.yaml, with its ${{ }} parts. Empty
	// with Refs set: the value is that one output (or list of outputs).
	Expr string `json:"expr,omitempty"`
	Refs []Ref  `json:"refs,omitempty"`
	// Secret values are never shown, journaled or logged.
	Secret bool `json:"secret,omitempty"`
	// Withheld: this was read from the journal, which doesn't have the secret.
	Withheld bool `json:"withheld,omitempty"`
}

// A Ref is one output() or outputs() of an expression, resolved to steps.
type Ref struct {
	// Call is the call's text as it stands in the expression.
	Call string `json:"call,omitempty"`
	// Steps has one id; for outputs() any number, ordered by account, region.
	Steps []string `json:"steps"`
	Key   string   `json:"key"`
	List  bool     `json:"list,omitempty"`
}

// Inputs are a step's values once they are known.
type Inputs struct {
	Values map[string]string
	// Unknown has the inputs whose value isn't known yet, with the names of
	// the stacks after which it will be. Only a preview has any.
	Unknown map[string][]string
	// Secret names the values that must not be shown.
	Secret map[string]bool
}

// ImportInput begins the names of inputs that say which existing resource a
// stack takes in: axle:import:LogicalId|Type|Key.
const ImportInput = "axle:import:"

// HeldInput is an input of a deletion that says why it must not happen.
const HeldInput = "axle:held"

// Status says where a step is in a run.
type Status string

// A step ends in exactly one of the last five.
const (
	Pending   Status = "pending"
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Unchanged Status = "unchanged"
	Failed    Status = "failed"
	Skipped   Status = "skipped"
	Cancelled Status = "cancelled"
)

// Ended says whether the status is final.
func (s Status) Ended() bool { return s != Pending && s != Running && s != "" }

// OK says whether what needs the step may go on.
func (s Status) OK() bool { return s == Succeeded || s == Unchanged }

// Change is the effect of a step: create, update, replace, delete or none.
type Change string

// What a step does to the world.
const (
	Create  Change = "create"
	Update  Change = "update"
	Replace Change = "replace" // an update that replaces at least one resource
	Delete  Change = "delete"
	None    Change = "none"
)

// Result is what a step that ended well did and found.
type Result struct {
	Change  Change            `json:"action"`
	Outputs map[string]string `json:"outputs,omitempty"`
	// Changes tells the single changes, for a preview and for the record.
	Changes []ResourceChange `json:"changes,omitempty"`
	// Note is a line for people, such as "deleted ROLLBACK_COMPLETE first".
	Note string `json:"note,omitempty"`
	// Warning is what went wrong without failing the step, such as a resource
	// that an update couldn't delete afterwards.
	Warning string `json:"warning,omitempty"`
	// Stale are the values that aren't any more what the stack reads (previews).
	Stale []StaleInput `json:"stale,omitempty"`
	// Prepared finds the change set that was left to be executed.
	Prepared string `json:"prepared,omitempty"`
	// After names the stacks whose outputs are needed to know more (previews).
	After []string `json:"after,omitempty"`
}

// Cleaned returns the result with all of its texts for people put through clean,
// which takes secrets out. Outputs stay as they are: others need them.
func (r Result) Cleaned(clean func(string) string) Result {
	r.Note, r.Warning = clean(r.Note), clean(r.Warning)
	r.Changes = slices.Clone(r.Changes)
	for i := range r.Changes {
		r.Changes[i] = r.Changes[i].cleaned(clean)
	}
	return r
}

// Review is what was shown of a step before the run.
type Review struct {
	// Known is false when there could be no change set, as when inputs weren't
	// known: only the template was seen.
	Known   bool             `json:"known"`
	Change  Change           `json:"action"`
	Changes []ResourceChange `json:"changes,omitempty"`
	// State is the stack that the review is about; nil when whatever is there
	// may be worked on.
	State *StackState `json:"state,omitempty"`
	// Prepared finds the change set that is to be executed, and nothing else.
	Prepared string `json:"prepared,omitempty"`
	// Refused says why the step isn't part of what was agreed to.
	Refused string `json:"refused,omitempty"`
}

// Unreviewed returns the dangerous changes that r doesn't show. A nil Review
// means that nobody asked for one: everything passes.
func (r *Review) Unreviewed(changes []ResourceChange) []ResourceChange {
	if r == nil {
		return nil
	}
	var out []ResourceChange
	for _, c := range changes {
		if !c.Dangerous() {
			continue
		}
		if !slices.ContainsFunc(r.Changes, func(s ResourceChange) bool {
			return s.LogicalID == c.LogicalID && s.Action == c.Action && s.Replacement == c.Replacement
		}) {
			out = append(out, c)
		}
	}
	return out
}

// Other returns the first change that isn't as it was reviewed, when the review
// knew all of them and is of one state of the stack: a saved plan does what it
// shows, and nothing else.
func (r *Review) Other(changes []ResourceChange) *ResourceChange {
	if r == nil || r.State == nil || !r.Known {
		return nil
	}
	for i := range changes {
		c := &changes[i]
		if !slices.ContainsFunc(r.Changes, func(s ResourceChange) bool {
			return s.LogicalID == c.LogicalID && s.Action == c.Action && s.Replacement == c.Replacement && slices.Equal(s.Properties, c.Properties)
		}) {
			return c
		}
	}
	return nil
}

// Failure is why a step failed, for people and for folding. It is the only
// error whose text reaches a report as it is.
type Failure struct {
	Code     string `json:"code"` // AWS's error code or one of ours, such as AccessDenied, ResourceFailed, NotOurs
	Message  string `json:"message"`
	Resource string `json:"resource,omitempty"` // logical id, or what it is about
	Hint     string `json:"hint,omitempty"`
	// Blocked: refused before anything was touched.
	Blocked bool `json:"blocked,omitempty"`
	// Err is the cause, for errors.As; never shown.
	Err error `json:"-"`
}

func (f *Failure) Error() string { return f.Message }
func (f *Failure) Unwrap() error { return f.Err }

// Progress is what starting or checking a step has come to.
type Progress struct {
	// Token finds the work again after a crash; journaled when it changes.
	Token string
	// Done: Result is valid, and the step is over.
	Done   bool
	Result Result
	// Again is how long to wait before the next check; 0: check at once (the
	// action itself waits).
	Again time.Duration
}

// Codes of failures that are a rollout's.
const (
	CodeHalted     = "Halted"     // of a skipped step: its rollout has halted
	CodeRolledBack = "RolledBack" // of a step that was put back
	CodeUnhealthy  = "Unhealthy"  // of the gate after a wave
)

// ErrWaiting says that a step waits for what a run can't bring about itself,
// such as a person's approval. The run goes on with other steps, and when there
// are none ends as interrupted; a resumed one looks again.
var ErrWaiting = errors.New("waiting")
