package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"axle"
	"axle/internal/action"
	"axle/internal/diag"
	"axle/internal/plan"

	"golang.org/x/sync/errgroup"
)

// planFileVersion is that of the form of saved plans.
const planFileVersion = 1

// PlanFile is a saved plan: what was reviewed, and the world that it was made
// on. It has no secrets: these are read again when it is deployed.
type PlanFile struct {
	ID      string    `json:"plan"`
	Axle    string    `json:"axle"` // version
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
	Project string    `json:"project"`
	Env     string    `json:"env,omitempty"`
	Where   string    `json:"where,omitempty"`
	Regions []string  `json:"regions,omitempty"`
	// Organization, Caller and Endpoint are who and where one was.
	Organization string          `json:"organization,omitempty"`
	Caller       string          `json:"caller"`
	Endpoint     string          `json:"endpoint"`
	Plan         json.RawMessage `json:"steps"`
	// Reviewed is what was shown of the steps.
	Reviewed []axle.Record              `json:"reviewed"`
	States   map[string]axle.StackState `json:"stacks"`

	// Seal is the digest of all of it.
	Seal string `json:"-"`
}

// planHead is the first line of the file; the rest is the PlanFile.
type planHead struct {
	File    string `json:"file"`
	Version int    `json:"version"`
	Seal    string `json:"seal"`
}

func headOf(body []byte) (planHead, []byte) {
	sum := sha256.Sum256(fmt.Appendf(nil, "axle plan %d\n%s", planFileVersion, body))
	h := planHead{"axle plan", planFileVersion, "sha256:" + hex.EncodeToString(sum[:])}
	line, _ := json.Marshal(h) // of two strings and a number
	return h, append(line, '\n')
}

// seenSecrets remembers the values of secret inputs.
func (w *Work) seenSecrets(inputs stepInputs) (stepInputs, *sync.Map) {
	seen := new(sync.Map)
	if !w.opts.Save {
		return inputs, seen
	}
	return func(ctx context.Context, s *axle.Step, outputs func(string) (map[string]string, bool)) (axle.Inputs, error) {
		in, err := inputs(ctx, s, outputs)
		for name := range in.Secret {
			if v := in.Values[name]; v != "" {
				seen.Store(v, s.Name+", "+name)
			}
		}
		return in, err
	}, seen
}

// SavePlan writes a previewed plan to a file, sealed and valid for a time.
func (w *Work) SavePlan(ctx context.Context, preview *Preview, path string, validFor time.Duration) (*PlanFile, error) {
	steps, err := preview.Plan.Marshal()
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	f := &PlanFile{ID: preview.ID, Axle: w.opts.Version, Made: now, Expires: now.Add(validFor), Project: w.Project(), Env: preview.Plan.Env,
		Where: w.opts.Where, Regions: w.opts.Regions, Organization: w.org.ID, Caller: w.identity.Account, Endpoint: w.cloud.SnapshotKey(w.identity),
		Plan: steps, Reviewed: slices.Clone(preview.Records), States: preview.seen}
	if err := w.otherStates(ctx, preview); err != nil {
		return nil, err
	}
	for i := range f.Reviewed {
		r := &f.Reviewed[i]
		r.Result.Outputs, r.Token, r.Started, r.Finished = nil, "", time.Time{}, time.Time{}
	}
	body, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("save the plan: %w", err)
	}
	if whose := leaked(body, preview); whose != "" {
		return nil, &axle.Failure{Code: "SecretInPlan", Blocked: true, Message: fmt.Sprintf("the plan isn't saved: the secret value of %s is in it, in the clear", whose),
			Hint: "the same value stands in something that isn't secret: a template, a tag, another parameter, an output"}
	}
	head, line := headOf(body)
	f.Seal = head.Seal
	return f, writeWhole(path, append(line, body...))
}

// writeWhole replaces a file in one step, for its owner alone.
func writeWhole(path string, body []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".axle-plan-*")
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	defer os.Remove(tmp.Name()) //nolint:errcheck // it was renamed
	_, err = tmp.Write(body)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// leaked names the secret whose value is in the text. Short values are looked
// for as whole strings only: they are found anywhere.
func leaked(body []byte, preview *Preview) string {
	whose := ""
	preview.secrets.Range(func(value, name any) bool {
		text, err := json.Marshal(value)
		if err != nil {
			return true
		}
		if len(value.(string)) >= 8 {
			text = text[1 : len(text)-1]
		}
		if bytes.Contains(body, text) {
			whose = name.(string)
		}
		return whose == ""
	})
	return whose
}

// otherStates adds the stacks whose outputs the plan only reads, and the
// peerings; not what the preview couldn't look at, which isn't done either.
func (w *Work) otherStates(ctx context.Context, preview *Preview) error {
	blocked := map[string]bool{}
	for i := range preview.Records {
		blocked[preview.Records[i].Step] = !preview.Records[i].Status.OK()
	}
	states, errs := w.states(ctx, preview.Plan, func(s *axle.Step) bool { return s.Kind != plan.KindStack && !blocked[s.ID] })
	if ids := slices.Sorted(maps.Keys(errs)); len(ids) > 0 {
		return errs[ids[0]]
	}
	maps.Copy(preview.seen, states)
	return nil
}

// states reads the stacks and peerings of steps, many at once.
func (w *Work) states(ctx context.Context, p *plan.Plan, chosen func(*axle.Step) bool) (map[string]axle.StackState, map[string]error) {
	driver, peering := w.driver(ctx, w.cloud, p, nil), action.NewPeeringPreview(w.cloud)
	var mu sync.Mutex
	out, failed := map[string]axle.StackState{}, map[string]error{}
	var g errgroup.Group
	g.SetLimit(w.limits().Global)
	for i := range p.Steps {
		s := &p.Steps[i]
		if !chosen(s) {
			continue
		}
		g.Go(func() error {
			var state axle.StackState
			var err error
			if s.Kind == plan.KindStack || s.Kind == plan.KindOutputs {
				state, err = action.State(ctx, driver, s, true)
			} else {
				state, err = peering.State(ctx, s)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[s.ID] = err
			} else {
				out[s.ID] = state
			}
			return nil
		})
	}
	_ = g.Wait() // the steps' errors are kept by step
	return out, failed
}

// ReadPlanFile reads a saved plan that nobody has changed and that is still valid.
func ReadPlanFile(path string) (*PlanFile, error) {
	f, err := readPlanFile(path)
	if err == nil && time.Now().After(f.Expires) {
		return nil, &axle.Failure{Code: "PlanExpired", Blocked: true, Message: fmt.Sprintf("%s was valid until %s", path, f.Expires.Format(time.RFC3339)), Hint: "plan again; --valid-for says for how long"}
	}
	return f, err
}

func readPlanFile(path string) (*PlanFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, configError(diag.Pos{File: path}, "axle plan --save FILE makes one", "no plan can be read: %v", unwrapPath(err))
	}
	line, body, _ := bytes.Cut(text, []byte("\n"))
	var head planHead
	if json.Unmarshal(line, &head) != nil || head.File != "axle plan" {
		return nil, configError(diag.Pos{File: path}, "axle plan --save FILE makes one", "this is no plan that axle has saved")
	}
	if head.Version != planFileVersion {
		return nil, &axle.Failure{Code: "PlanVersion", Blocked: true, Message: fmt.Sprintf("%s has the form %d of saved plans, and this axle knows %d", path, head.Version, planFileVersion),
			Hint: "deploy it with the version that saved it, or plan again"}
	}
	if _, want := headOf(body); !bytes.Equal(want, append(slices.Clone(line), '\n')) {
		return nil, &axle.Failure{Code: "PlanTampered", Blocked: true, Message: path + " isn't what axle plan has saved: its seal doesn't fit", Hint: "somebody has edited it, or a part is missing; plan again"}
	}
	f := &PlanFile{Seal: head.Seal}
	if err := json.Unmarshal(body, f); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, nil
}

// ShowPlan is a saved plan as it was reviewed, also when its time is over. It
// needs no credentials.
func ShowPlan(path string) (*Preview, error) {
	f, err := readPlanFile(path)
	if err != nil {
		return nil, err
	}
	p, err := plan.Unmarshal(f.Plan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Preview{ID: f.ID, Plan: p, Records: f.Reviewed, States: f.States, Saved: f}, nil
}

// OpenPlan opens the project for a saved plan, and makes sure that it is for
// here. What axle.yaml says of stacks now doesn't matter: the file rules.
func OpenPlan(ctx context.Context, o Options, path string) (*Work, *Preview, error) {
	f, err := ReadPlanFile(path)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range []struct{ flag, given, planned string }{{"--env", o.Env, f.Env}, {"--where", o.Where, f.Where},
		{"--region", strings.Join(o.Regions, ","), strings.Join(f.Regions, ",")}} {
		if c.given != "" && c.given != c.planned {
			return nil, nil, configError(diag.Pos{File: c.flag}, "leave it out: the file says what is deployed", "%s was planned with %s %q, not %q", path, c.flag, c.planned, c.given)
		}
	}
	o.Env, o.Where, o.Regions = f.Env, f.Where, f.Regions
	p, err := plan.Unmarshal(f.Plan)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	w, err := load(o, p.MissingSecrets() || len(p.Artifacts) > 0)
	if err != nil {
		return nil, nil, err
	}
	if w.Project() != f.Project {
		return nil, nil, &axle.Failure{Code: "OtherProject", Blocked: true, Message: fmt.Sprintf("%s is of project %q, and %s is of %q", path, f.Project, o.File, w.Project())}
	}
	if err := w.connect(ctx, w.needsTags(), true); err != nil {
		return nil, nil, err
	}
	for _, c := range []struct{ what, now, planned string }{{"organization", w.org.ID, f.Organization}, {"account", w.identity.Account, f.Caller},
		{"partition, account or endpoint", w.cloud.SnapshotKey(w.identity), f.Endpoint}} {
		if c.now != c.planned {
			return nil, nil, &axle.Failure{Code: "OtherPlace", Blocked: true, Message: fmt.Sprintf("%s was made in another %s: %q, and this is %q", path, c.what, c.planned, c.now),
				Hint: "use the credentials and the AWS_ENDPOINT_URL that it was planned with"}
		}
	}
	if err := w.sameCode(ctx, p); err != nil {
		return nil, nil, err
	}
	if p.MissingSecrets() {
		if err := w.fetchTemplates(ctx); err != nil {
			return nil, nil, err
		}
		fresh, err := w.build(ctx, p.Command == "destroy")
		if err != nil {
			return nil, nil, err
		}
		p.FillSecrets(fresh)
	}
	return w, &Preview{ID: f.ID, Plan: p, Records: f.Reviewed, States: f.States, Saved: f}, nil
}

// MovedError says that the world isn't what a plan was made on. Nothing was
// touched.
type MovedError struct{ Moved []Moved }

// Moved is a stack or peering that isn't what a plan was made on.
type Moved struct {
	Step        string `json:"step"`
	Name        string `json:"name"`
	Account     string `json:"account"`
	AccountName string `json:"account_name,omitempty"`
	Region      string `json:"region"`
	What        string `json:"what"`
}

func (e *MovedError) Error() string {
	var b strings.Builder
	b.WriteString("the world has moved since the plan was made; nothing was touched")
	for i, m := range e.Moved {
		if i == 20 && len(e.Moved) > 22 {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Moved)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %s in %s %s %s", m.Name, axle.Account{ID: m.Account, Name: m.AccountName}.Label(), m.Region, m.What)
	}
	return b.String()
}

// As makes it a failure that is blocked, for those that don't know it better.
func (e *MovedError) As(target any) bool {
	f, ok := target.(**axle.Failure)
	if ok {
		*f = &axle.Failure{Code: "Moved", Message: e.Error(), Hint: "plan again, look at it, and deploy that", Blocked: true}
	}
	return ok
}

// unmoved reads every stack and peering of a saved plan again, before any is
// touched.
func (w *Work) unmoved(ctx context.Context, saved *Preview) error {
	p := saved.Plan
	known := func(s *axle.Step) bool { _, ok := saved.States[s.ID]; return ok }
	now, failed := w.states(ctx, p, known)
	if err := ctx.Err(); err != nil {
		return err
	}
	var moved []Moved
	said := map[string]bool{} // by peering connection, whose steps see the same
	for i := range p.Steps {
		s := &p.Steps[i]
		if !known(s) {
			continue
		}
		what := saved.States[s.ID].Moved(now[s.ID])
		if err := failed[s.ID]; err != nil {
			what = "can't be read: " + err.Error()
		}
		of := s.ID
		if s.Kind != plan.KindStack && s.Kind != plan.KindOutputs {
			of = path.Dir(s.ID)
		}
		if what != "" && !said[of+what] {
			said[of+what] = true
			moved = append(moved, Moved{s.ID, s.Name, s.Account, s.AccountName, s.Region, what})
		}
	}
	if len(moved) > 0 {
		return &MovedError{moved}
	}
	return nil
}

// letGo of the states that the run itself has changed: a step that has begun is
// gone on with, but for one that found its stack moved.
func letGo(p *plan.Plan, records []axle.Record) {
	begun := map[string]bool{}
	for i := range records {
		r := &records[i]
		begun[r.Step] = (r.Attempts > 0 || r.Status == axle.Running) && (r.Failure == nil || r.Failure.Code != "Moved")
	}
	for i := range p.Steps {
		if s := &p.Steps[i]; s.Review != nil && begun[s.ID] {
			s.Review.State = nil
		}
	}
}
