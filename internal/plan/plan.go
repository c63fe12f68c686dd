// Package plan turns a project, its templates and the accounts of an
// organization into an acyclic graph of steps, and keeps the pure state of a
// run over it (Frontier). It has no context, no clock and calls nothing: the
// same input gives the same plan. What it finds wrong has a position.
//
// The graph's edges are the references of the expressions: output("x", "K") in
// a parameter makes the step need the instance of x that the call resolves to.
// Beside them are what a template reads by itself (Fn::GetStackOutput), depends_on,
// the order within a peering, and the gates of a rollout.
package plan

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"axle"
)

// A Plan is all that a run needs: a plan loaded from the journal can be run
// without the files it was made from, except for secrets (see MissingSecrets).
type Plan struct {
	Project string `json:"project"`
	Command string `json:"command"` // deploy | destroy
	Env     string `json:"env,omitempty"`
	// Narrowed is what the user narrowed the targets by; nil for nothing.
	Narrowed []string `json:"narrowed,omitempty"`
	Hub      Hub      `json:"hub"`
	Vars     any      `json:"vars,omitempty"`
	// NoVars: the journal doesn't have Vars, since a secret is among them.
	NoVars bool `json:"no_vars,omitempty"`
	// Accounts are those of the steps, by id, as they were when planned.
	Accounts map[string]axle.Account `json:"accounts"`
	// Specs are shared by the steps of one name: "stack/<name>", "peering/<name>".
	Specs map[string]*axle.Spec `json:"specs"`
	// Templates are the bodies by digest.
	Templates map[string][]byte `json:"templates,omitempty"`
	// Artifacts are what the templates refer to, by the templates' digests.
	Artifacts map[string][]axle.Artifact `json:"artifacts,omitempty"`
	// Steps are in topological order; equal ranks by name, account and region.
	Steps []axle.Step `json:"steps"`
	// Rollouts are those of the stacks that have one, in the order of axle.yaml.
	Rollouts []Rollout `json:"rollouts,omitempty"`

	// Expires is until when what was prepared may be executed.
	Expires time.Time `json:"expires,omitzero"`

	secretVars bool     // a secret is made of Vars
	texts      sync.Map // expression -> *expr.Text
}

// Hub is the account and region that the others hang on.
type Hub struct {
	Account axle.Account `json:"account"`
	Region  string       `json:"region"`
}

// Kinds of steps that the plan makes beside those of a peering, and bootstrap.
const (
	KindStack   = "stack"
	KindOutputs = "outputs"   // reads the outputs of a stack that this run doesn't deploy
	KindSet     = "stack-set" // of bootstrap: the role of one account by way of the stack set
)

// StackStep is the id of a stack's step in a target.
func StackStep(stack string, t axle.Target) string { return KindStack + "/" + stack + "/" + t.String() }

func outputsStep(stack string, t axle.Target) string {
	return KindOutputs + "/" + stack + "/" + t.String()
}

// PeeringStep is the id of a part of a peering's connection.
func PeeringStep(name string, requester axle.Target, part string) string {
	return "peering/" + name + "/" + requester.String() + "/" + part
}

// Refer notes which artifacts the plan's templates refer to.
func (p *Plan) Refer(artifacts map[string][]axle.Artifact) {
	for digest := range p.Templates {
		if len(artifacts[digest]) == 0 {
			continue
		}
		if p.Artifacts == nil {
			p.Artifacts = map[string][]axle.Artifact{}
		}
		p.Artifacts[digest] = artifacts[digest]
	}
}

func specKey(s *axle.Step) string {
	if s.Kind == KindStack || s.Kind == KindOutputs {
		return "stack/" + s.Name
	}
	return "peering/" + s.Name
}

// Encode writes the plan for the journal. Secret literals are left out.
func (p *Plan) Encode() ([]byte, error) {
	body, err := p.Marshal()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil {
		return nil, fmt.Errorf("encode the plan: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("encode the plan: %w", err)
	}
	return b.Bytes(), nil
}

// Marshal writes the plan as JSON. Secret literals are left out.
func (p *Plan) Marshal() ([]byte, error) {
	body, err := json.Marshal(redacted(p))
	if err != nil {
		return nil, fmt.Errorf("encode the plan: %w", err)
	}
	return body, nil
}

// Decode reads what Encode wrote.
func Decode(data []byte) (*Plan, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode the plan: %w", err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("decode the plan: %w", err)
	}
	return Unmarshal(body)
}

// Unmarshal reads what Marshal wrote.
func Unmarshal(body []byte) (*Plan, error) {
	p := new(Plan)
	if err := json.Unmarshal(body, p); err != nil {
		return nil, fmt.Errorf("decode the plan: %w", err)
	}
	for i := range p.Steps {
		p.Steps[i].Spec = p.Specs[specKey(&p.Steps[i])]
	}
	return p, nil
}

// redacted copies the plan without its secrets, and without the vars that any of
// them is made of.
func redacted(p *Plan) *Plan {
	out := &Plan{Project: p.Project, Command: p.Command, Env: p.Env, Narrowed: p.Narrowed, Hub: p.Hub, Vars: p.Vars, NoVars: p.NoVars,
		Accounts: p.Accounts, Specs: p.Specs, Templates: p.Templates, Artifacts: p.Artifacts, Expires: p.Expires, Steps: p.Steps, Rollouts: p.Rollouts}
	if p.secretVars {
		out.Vars, out.NoVars = nil, true
	}
	if !slices.ContainsFunc(p.Steps, hasSecret) {
		return out
	}
	out.Steps = slices.Clone(p.Steps)
	for i := range out.Steps {
		s := &out.Steps[i]
		if !hasSecret(*s) {
			continue
		}
		s.Input = maps.Clone(s.Input)
		for k, v := range s.Input {
			if v.Secret {
				v.Literal, v.Expr, v.Withheld = "", "", true
				s.Input[k] = v
			}
		}
	}
	return out
}

func hasSecret(s axle.Step) bool {
	for _, v := range s.Input {
		if v.Secret {
			return true
		}
	}
	return false
}

// MissingSecrets says whether the plan was loaded from the journal, which never
// holds secrets, and has some: they must be filled in from a plan made anew.
func (p *Plan) MissingSecrets() bool {
	return p.NoVars || slices.ContainsFunc(p.Steps, func(s axle.Step) bool {
		for _, v := range s.Input {
			if v.Withheld {
				return true
			}
		}
		return false
	})
}

// FillSecrets takes the secrets of a plan made anew from the files. One that the
// files don't have any more stays missing: Inputs says so when it is needed.
func (p *Plan) FillSecrets(fresh *Plan) {
	if p.NoVars {
		p.Vars, p.NoVars, p.secretVars = fresh.Vars, false, true
	}
	byID := make(map[string]*axle.Step, len(fresh.Steps))
	for i := range fresh.Steps {
		byID[fresh.Steps[i].ID] = &fresh.Steps[i]
	}
	for i := range p.Steps {
		from := byID[p.Steps[i].ID]
		if from == nil {
			continue
		}
		for k, v := range p.Steps[i].Input {
			if again, ok := from.Input[k]; ok && v.Withheld {
				p.Steps[i].Input[k] = again
			}
		}
	}
}

// MissingOutputError says that a deployed stack doesn't have an output that
// its template declares (its condition is false) or once declared.
type MissingOutputError struct{ Step, Key string }

func (e *MissingOutputError) Error() string {
	return fmt.Sprintf("%s has no output %q (a condition of its template may leave it out)", e.Step, e.Key)
}

// stepName is the name part of a step's id.
func stepName(id string) string {
	start := 0
	for i := range len(id) {
		if id[i] == '/' {
			if start > 0 {
				return id[start:i]
			}
			start = i + 1
		}
	}
	return id
}

// Arrange sorts steps so that what is needed comes first. The error is a
// *GraphError when they need each other in a circle.
func Arrange(steps []axle.Step) ([]axle.Step, error) { return order(steps) }

// order sorts the steps so that what is needed comes first. The error is a
// *GraphError.
func order(steps []axle.Step) ([]axle.Step, error) {
	index, err := indexSteps(steps)
	if err != nil {
		return nil, err
	}
	g, _, err := newGraph(steps, index)
	if err != nil {
		return nil, err
	}
	places, _ := g.sort()
	sorted := make([]axle.Step, len(steps))
	for to, from := range places {
		sorted[to] = steps[from]
	}
	return sorted, nil
}
