package sandbox

import (
	"encoding/json"
	"maps"
	"strings"
	"time"
)

// cfnState is what CloudFormation keeps in one account and region. Template
// bodies are in state.Templates, shared by all.
type cfnState struct {
	Stacks  map[string]*stack      `json:"stacks,omitempty"`  // by id, the deleted ones too
	Names   map[string]string      `json:"names,omitempty"`   // of those that aren't deleted: name -> id
	Exports map[string]stackExport `json:"exports,omitempty"` // by name
	Sets    map[string]*stackSet   `json:"sets,omitempty"`    // stack sets by id, the deleted ones too
}

type stackExport struct {
	Stack string `json:"stack"` // id
	Value string `json:"value"`
}

// stack is a stack. What an update replaces as a whole is its version.
type stack struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Status  string    `json:"status"`
	Reason  string    `json:"reason,omitempty"`
	Since   time.Time `json:"since"` // of the status
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated,omitzero"`
	Deleted time.Time `json:"deleted,omitzero"`
	stackVersion
	Protected       bool                      `json:"protected,omitempty"`
	DisableRollback bool                      `json:"disable_rollback,omitempty"`
	OnFailure       string                    `json:"on_failure,omitempty"`
	Timeout         int                       `json:"timeout,omitempty"` // minutes
	Policy          string                    `json:"policy,omitempty"`
	Resources       map[string]*stackResource `json:"resources,omitempty"`
	Outputs         []stackOutput             `json:"outputs,omitempty"`
	Imports         []string                  `json:"imports,omitempty"` // names of exports, sorted
	ChangeSets      map[string]*changeSet     `json:"change_sets,omitempty"`
	Leftovers       []*stackResource          `json:"leftovers,omitempty"` // of an update that wasn't rolled back
	Events          []stackEvent              `json:"events,omitempty"`    // oldest first
	Op              *stackOperation           `json:"operation,omitempty"`
	Last            *lastOperation            `json:"last,omitempty"`
	Drift           *driftDetection           `json:"drift,omitempty"`
	Parent          string                    `json:"parent,omitempty"`
	Root            string                    `json:"root,omitempty"`
	old             *stackView                // before the moment Since; nil for a new stack
}

// stackView is what a stale describe shows.
type stackView struct {
	status, reason string
	changeSet      string // executed last
	updated        time.Time
	outputs        []stackOutput
	version        stackVersion
}

func (st *stack) view() stackView {
	return stackView{status: st.Status, reason: st.Reason, changeSet: st.lastExecuted(), updated: st.Updated, outputs: st.Outputs, version: st.stackVersion}
}

// stackVersion is what a stack was last asked to be.
type stackVersion struct {
	Template     string                    `json:"template"`           // digest
	Original     string                    `json:"original,omitempty"` // the same before its transform, if it had one
	Parameters   map[string]stackParameter `json:"parameters,omitempty"`
	Tags         map[string]string         `json:"tags,omitempty"`
	Capabilities []string                  `json:"capabilities,omitempty"`
	Role         string                    `json:"role,omitempty"` // ARN of the service role
}

// original is the digest of the template as it was given.
func (v *stackVersion) original() string {
	if v.Original != "" {
		return v.Original
	}
	return v.Template
}

// stackResource is a resource of a stack. Properties are as evaluated, with
// dynamic references unresolved, so that no secret of theirs is kept.
type stackResource struct {
	ID         string          `json:"id"`
	Type       string          `json:"type"`
	PhysicalID string          `json:"physical_id,omitempty"`
	Status     string          `json:"status"`
	Reason     string          `json:"reason,omitempty"`
	Updated    time.Time       `json:"updated"`
	Props      json.RawMessage `json:"props,omitempty"`
	Shown      json.RawMessage `json:"shown,omitempty"` // the same with secrets masked, if there are any
	Attrs      json.RawMessage `json:"attrs,omitempty"`
	Tags       string          `json:"tags,omitempty"` // digest of the stack's tags it was made with
	Needs      []string        `json:"needs,omitempty"`
	Keep       string          `json:"keep,omitempty"`          // DeletionPolicy
	KeepOld    string          `json:"keep_replaced,omitempty"` // UpdateReplacePolicy
	Metadata   json.RawMessage `json:"metadata,omitempty"`
	Drift      *resourceDrift  `json:"drift,omitempty"`
}

type stackOutput struct {
	Key         string `json:"key"`
	Value       string `json:"value"`
	Description string `json:"description,omitempty"`
	Export      string `json:"export,omitempty"`
}

// lastOperation remembers the caller's token, for calls that are made twice.
type lastOperation struct {
	Op    string `json:"op"`
	Token string `json:"token,omitempty"`
	ID    string `json:"id"`
}

// templateShelf holds what all stacks share: parsed templates by digest, and
// the resource types. It is derived from the state.
type templateShelf struct {
	parsed map[string]*template
	types  map[string]provider
}

// types are the resource types that stacks can hold.
func (s *Sandbox) types() map[string]provider {
	if s.shelf.types == nil {
		s.shelf.types = providers()
		customTypes(s.shelf.types, s.customNames()...)
	}
	return s.shelf.types
}

// template gives a parsed template by digest, of a body that was kept.
func (s *Sandbox) keptTemplate(digest string) *template {
	if t := s.shelf.parsed[digest]; t != nil {
		return t
	}
	t := parseTemplate(s.st.Templates[digest], s.types())
	put(&s.shelf.parsed, digest, t)
	return t
}

// keepTemplate parses a body and keeps it; one that is refused isn't kept.
func (s *Sandbox) keepTemplate(body string) (*template, error) {
	digest := digestOf(body)
	if _, kept := s.st.Templates[digest]; kept {
		return s.keptTemplate(digest), nil
	}
	t := parseTemplate(body, s.types())
	if t.err != nil {
		s.log.Debug("template refused", "error", t.err)
		return nil, t.err
	}
	put(&s.st.Templates, digest, body)
	put(&s.shelf.parsed, digest, t)
	return t, nil
}

// cloudformationOps are CloudFormation's operations.
func (s *Sandbox) cloudformationOps() map[string]operation {
	onStack := func(run func(*call) (obj, error)) operation {
		return operation{run: run, resources: stackARNs}
	}
	free := func(run func(*call) (obj, error)) operation { return operation{run: run} }
	ops := map[string]operation{
		"CreateStack":                 onStack(createStack),
		"UpdateStack":                 onStack(updateStack),
		"DeleteStack":                 onStack(deleteStack),
		"ContinueUpdateRollback":      onStack(continueUpdateRollback),
		"CancelUpdateStack":           onStack(cancelUpdateStack),
		"UpdateTerminationProtection": onStack(updateTerminationProtection),
		"SetStackPolicy":              onStack(setStackPolicy),
		"GetStackPolicy":              onStack(getStackPolicy),
		"DescribeStacks":              onStack(describeStacks),
		"DescribeStackEvents":         onStack(describeStackEvents),
		"DescribeStackResource":       onStack(describeStackResource),
		"DescribeStackResources":      onStack(describeStackResources),
		"ListStackResources":          onStack(listStackResources),
		"GetTemplate":                 onStack(getTemplate),
		"GetTemplateSummary":          onStack(getTemplateSummary),
		"CreateChangeSet":             onStack(createChangeSet),
		"DescribeChangeSet":           onStack(describeChangeSet),
		"ExecuteChangeSet":            onStack(executeChangeSet),
		"DeleteChangeSet":             onStack(deleteChangeSet),
		"ListChangeSets":              onStack(listChangeSets),
		"ListStacks":                  free(listStacks),
		"ListExports":                 free(listExports),
		"ListImports":                 free(listImports),
		"ValidateTemplate":            free(validateTemplate),
	}
	maps.Copy(ops, typeOps())
	maps.Copy(ops, driftOps())
	maps.Copy(ops, stackSetOps())
	return ops
}

// stackARNs is what a call needs permission on: the stack that it names, which
// may not exist yet, or a change set's.
func stackARNs(c *call) []string {
	name := c.In.str("StackName")
	if name == "" {
		if set := c.In.str("ChangeSetName"); strings.HasPrefix(set, "arn:") {
			if _, cs := c.changeSet(set); cs != nil {
				return []string{cs.Stack}
			}
			return []string{set}
		}
		return nil
	}
	if st := c.findStack(name); st != nil {
		return []string{st.ID}
	}
	if strings.HasPrefix(name, "arn:") {
		return []string{name}
	}
	return []string{c.arn("stack/" + name + "/*")}
}

// cfn is what CloudFormation keeps where the call is.
func (c *call) cfn() *cfnState { return &c.here().CFN }

// findStack finds a stack by name (not a deleted one) or by id.
func (c *call) findStack(nameOrID string) *stack {
	if strings.HasPrefix(nameOrID, "arn:") {
		return c.cfn().Stacks[nameOrID]
	}
	return c.cfn().Stacks[c.cfn().Names[nameOrID]]
}

// liveStack finds the stack that the call names and that isn't deleted.
func (c *call) liveStack() (*stack, error) {
	name := c.In.str("StackName")
	if name == "" {
		return nil, missing("stackName")
	}
	st := c.findStack(name)
	if st == nil || st.Status == "DELETE_COMPLETE" {
		return nil, invalid("Stack [%s] does not exist", name)
	}
	return st, nil
}

// missing is how the query protocol refuses a call without a required member.
func missing(member string) *apiError {
	return invalid("1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", member)
}

// busy says whether an operation on the stack is under way.
func (st *stack) busy() bool {
	return strings.HasSuffix(st.Status, "_IN_PROGRESS") && st.Status != "REVIEW_IN_PROGRESS"
}

// setStatus changes the stack's status and tells it as an event.
func (s *Sandbox) setStatus(st *stack, status, reason string) {
	now := s.now()
	if st.Status != "" && !now.Equal(st.Since) { // a stack that has just been made has no before
		was := st.view()
		st.old, st.Since = &was, now
	}
	st.Status, st.Reason = status, reason
	s.addEvent(st, stackEvent{Status: status, Reason: reason, PhysicalID: st.ID})
	if status == "DELETE_COMPLETE" {
		st.Deleted = now
	}
}
