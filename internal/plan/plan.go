// Package plan turns a project, its templates and the accounts of an
// organization into an acyclic graph of steps, and keeps the pure state of a
// run over it (Frontier). It has no context, no clock and calls nothing: the
// same input gives the same plan. What it finds wrong has a position.
//
// The graph's edges are the references of the expressions: output("x", "K") in
// a parameter makes the step need the instance of x that the call resolves to.
package plan

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"axle"
	"axle/internal/diag"
	"axle/internal/expr"
)

// A Plan is all that a run needs: a plan loaded from the journal can be run
// without the files it was made from, except for secrets (see MissingSecrets).
type Plan struct {
	Project string `json:"project"`
	Command string `json:"command"` // deploy | destroy
	Env     string `json:"env,omitempty"`
	Hub     Hub    `json:"hub"`
	Vars    any    `json:"vars,omitempty"`
	// NoVars: the journal doesn't have Vars, since a secret is among them.
	NoVars bool `json:"no_vars,omitempty"`
	// Accounts are those of the steps, by id, as they were when planned.
	Accounts map[string]axle.Account `json:"accounts"`
	// Specs are shared by the steps of one name: "stack/<name>", "peering/<name>".
	Specs map[string]*axle.Spec `json:"specs"`
	// Templates are the bodies by digest.
	Templates map[string][]byte `json:"templates,omitempty"`
	// Steps are in topological order; equal ranks by name, account and region.
	Steps []axle.Step `json:"steps"`

	secretVars bool     // a secret is made of Vars
	texts      sync.Map // expression -> *expr.Text
}

// Hub is the account and region that the others hang on.
type Hub struct {
	Account axle.Account `json:"account"`
	Region  string       `json:"region"`
}

// Kinds of steps that the plan makes.
const (
	KindStack   = "stack"
	KindOutputs = "outputs" // reads the outputs of a stack that this run doesn't deploy
	KindRequest = "peering-request"
	KindAccept  = "peering-accept"
	KindRoutes  = "peering-routes"
	KindDNS     = "peering-dns"
)

// StackStep is the id of a stack's step in a target.
func StackStep(stack string, t axle.Target) string { return KindStack + "/" + stack + "/" + t.String() }

func outputsStep(stack string, t axle.Target) string {
	return KindOutputs + "/" + stack + "/" + t.String()
}

func peeringStep(name string, requester axle.Target, part string) string {
	return "peering/" + name + "/" + requester.String() + "/" + part
}

func specKey(s *axle.Step) string {
	if s.Kind == KindStack || s.Kind == KindOutputs {
		return "stack/" + s.Name
	}
	return "peering/" + s.Name
}

// Encode writes the plan for the journal. Secret literals are left out.
func (p *Plan) Encode() ([]byte, error) {
	kept := *redacted(p)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(&kept); err != nil {
		return nil, fmt.Errorf("encode the plan: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("encode the plan: %w", err)
	}
	return b.Bytes(), nil
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
	out := &Plan{Project: p.Project, Command: p.Command, Env: p.Env, Hub: p.Hub, Vars: p.Vars, NoVars: p.NoVars,
		Accounts: p.Accounts, Specs: p.Specs, Templates: p.Templates, Steps: p.Steps}
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

// Inputs evaluates a step's values. outputs gives the outputs of a step, or
// false when they aren't known; what depends on those is Unknown.
func (p *Plan) Inputs(s *axle.Step, outputs func(step string) (map[string]string, bool)) (axle.Inputs, error) {
	in := axle.Inputs{Values: make(map[string]string, len(s.Input))}
	for name, v := range s.Input {
		if v.Secret {
			if in.Secret == nil {
				in.Secret = map[string]bool{}
			}
			in.Secret[name] = true
		}
		value, after, err := p.value(s, v, outputs)
		switch {
		case err != nil:
			return in, inputError(name, s, err)
		case len(after) > 0:
			if in.Unknown == nil {
				in.Unknown = map[string][]string{}
			}
			in.Unknown[name] = after
		default:
			in.Values[name] = value
		}
	}
	return in, nil
}

// inputError says which input of which step an error is about; that of an
// expression names the target itself.
func inputError(name string, s *axle.Step, err error) error {
	var inside diag.Diagnostic
	if errors.As(err, &inside) {
		return fmt.Errorf("%s of %s: %w", name, s.Name, err)
	}
	return fmt.Errorf("%s of %s in %s: %w", name, s.Name, s.Where(), err)
}

func (p *Plan) value(s *axle.Step, v axle.Value, outputs func(string) (map[string]string, bool)) (value string, after []string, err error) {
	if v.Withheld {
		return "", nil, errors.New("it is secret, so the journal doesn't have it, and axle.yaml doesn't give it any more")
	}
	if len(v.Refs) == 0 && v.Expr == "" {
		return v.Literal, nil, nil
	}
	look := &lookup{refs: v.Refs, outputs: outputs}
	if v.Expr == "" {
		got, known, err := look.ref(v.Refs[0])
		if err != nil || !known {
			return "", look.after(), err
		}
		text, _ := got.(string)
		return text, nil, nil
	}
	text, err := p.text(v.Expr)
	if err != nil {
		return "", nil, err
	}
	sc := p.scope(p.Accounts[s.Account], s.Region)
	value, ok, err := text.Eval(sc, look)
	if err != nil {
		return "", nil, err
	}
	if !ok {
		return "", look.after(), nil
	}
	return value, nil, nil
}

// text compiles an expression once for the plan.
func (p *Plan) text(source string) (*expr.Text, error) {
	if t, ok := p.texts.Load(source); ok {
		return t.(*expr.Text), nil
	}
	t, problems := expr.CompileText(source, diag.Pos{}, expr.Names{})
	if err := problems.Err(); err != nil {
		return nil, err
	}
	p.texts.Store(source, t)
	return t, nil
}

func (p *Plan) scope(account axle.Account, region string) expr.Scope {
	return expr.Scope{Account: account, Region: region, HubAccount: p.Hub.Account, HubRegion: p.Hub.Region, Vars: p.Vars, Env: p.Env}
}

// lookup answers an expression's calls from the outputs of steps.
type lookup struct {
	refs    []axle.Ref
	outputs func(string) (map[string]string, bool)
	waiting []string // stacks whose outputs weren't known
}

func (l *lookup) Call(source, fn string, _ []string, _ map[string]string) (any, bool, error) {
	for _, r := range l.refs {
		if r.Call == source {
			return l.ref(r)
		}
	}
	return nil, false, fmt.Errorf("%s isn't resolved in this plan", source)
}

func (l *lookup) ref(r axle.Ref) (any, bool, error) {
	values := make([]string, 0, len(r.Steps))
	for _, step := range r.Steps {
		out, known := l.outputs(step)
		if !known {
			l.waiting = append(l.waiting, stepName(step))
			continue
		}
		v, ok := out[r.Key]
		if !ok {
			return nil, false, &MissingOutputError{Step: step, Key: r.Key}
		}
		values = append(values, v)
	}
	if len(values) < len(r.Steps) {
		return nil, false, nil
	}
	if r.List {
		return values, true, nil
	}
	return values[0], true, nil
}

func (l *lookup) after() []string {
	slices.Sort(l.waiting)
	return slices.Compact(l.waiting)
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
