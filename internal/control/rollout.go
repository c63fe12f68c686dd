package control

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"axle"
	"axle/internal/action"
	"axle/internal/engine"
	"axle/internal/plan"
	"axle/internal/store"
)

// What a run's rollouts record beside its steps is in the same journal, under
// ids that no step has.
const (
	approvalRecord = "approval/" // + stack/wave: a person approved of what follows the wave
	beforeRecord   = "before/"   // + step: what its stack was like
	undoneRecord   = "undone/"   // + step: how often it was put back
	templateRecord = "template/" // + digest: the text of a template from before the run
)

// rollouts is what the rollouts of one run have recorded.
type rollouts struct {
	run string
	db  store.Store
	mu  sync.Mutex
	// approved and before are by the part of the record's id after its kind.
	approved map[string]bool
	before   map[string]action.Before
	undone   map[string]int
	bodies   map[string][]byte
}

func newRollouts(run string, db store.Store, earlier []axle.Record) (*rollouts, error) {
	r := &rollouts{run: run, db: db, approved: map[string]bool{}, before: map[string]action.Before{}, undone: map[string]int{}, bodies: map[string][]byte{}}
	for i := range earlier {
		rec := &earlier[i]
		value := rec.Result.Outputs["value"]
		if id, ok := strings.CutPrefix(rec.Step, approvalRecord); ok {
			r.approved[id] = true
		} else if id, ok := strings.CutPrefix(rec.Step, beforeRecord); ok {
			var b action.Before
			if err := json.Unmarshal([]byte(value), &b); err != nil {
				return nil, fmt.Errorf("what %s was like before run %s: %w", id, run, err)
			}
			r.before[id] = b
		} else if id, ok := strings.CutPrefix(rec.Step, undoneRecord); ok {
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("how often %s was put back in run %s: %w", id, run, err)
			}
			r.undone[id] = n
		} else if digest, ok := strings.CutPrefix(rec.Step, templateRecord); ok {
			body, err := unpackText(value)
			if err != nil {
				return nil, fmt.Errorf("template %s from before run %s: %w", digest, run, err)
			}
			r.bodies[digest] = body
		}
	}
	return r, nil
}

// Keep implements action.Keeper. NoEcho values aren't among the parameters:
// CloudFormation doesn't show them.
func (r *rollouts) Keep(ctx context.Context, step string, before action.Before, body []byte) error {
	value, err := json.Marshal(before)
	if err != nil {
		return err
	}
	records := []axle.Record{kept(beforeRecord+step, string(value))}
	r.mu.Lock()
	_, have := r.bodies[before.Template]
	r.mu.Unlock()
	if before.Exists && !have {
		packed, err := packText(body)
		if err != nil {
			return err
		}
		records = append(records, kept(templateRecord+before.Template, packed))
	}
	if err := r.db.Append(ctx, r.run, records); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before[step] = before
	if before.Exists {
		r.bodies[before.Template] = body
	}
	return nil
}

// kept is a record that isn't of a step.
func kept(id, value string) axle.Record {
	now := time.Now().UTC()
	return axle.Record{Step: id, Status: axle.Succeeded, Started: now, Finished: now, Result: axle.Result{Change: axle.None, Outputs: map[string]string{"value": value}}}
}

// Kept implements action.Keeper.
func (r *rollouts) Kept(step string) (action.Before, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.before[step]
	return b, ok
}

// Undone implements action.Keeper.
func (r *rollouts) Undone(step string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.undone[step]
}

// Undo implements action.Keeper.
func (r *rollouts) Undo(ctx context.Context, step string) (int, error) {
	n := r.Undone(step) + 1
	if err := r.db.Append(ctx, r.run, []axle.Record{kept(undoneRecord+step, strconv.Itoa(n))}); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.undone[step] = n
	return n, nil
}

// body is the text of a template from before the run.
func (r *rollouts) body(digest string) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.bodies[digest]
	return b, ok
}

func waveKey(stack string, wave int) string { return fmt.Sprintf("%s/%d", stack, wave) }

// actions adds what rollouts do to the table of a run's actions.
func (r *rollouts) actions(ctx context.Context, w *Work, p *plan.Plan, table map[string]engine.Action) {
	if len(p.Rollouts) == 0 {
		return
	}
	table[plan.KindWave] = &action.Wave{Clients: w.cloud, Run: r.run, Dir: w.project.Dir, Accounts: p.Accounts,
		Approved: func(stack string, wave int) bool { return r.approved[waveKey(stack, wave)] }}
	if !slices.ContainsFunc(p.Rollouts, func(ro plan.Rollout) bool { return ro.Rollback }) {
		return
	}
	table[plan.KindRollback] = action.NewRollback(w.driverWith(ctx, w.cloud, p, r.db, r.body), r, r.run, w.recovery())
	table[plan.KindStack] = &rolledBackStacks{Action: table[plan.KindStack], plan: p,
		keeping: action.NewKeepingStack(w.driver(ctx, w.cloud, p, r.db), r, r.run, w.recovery(), w.outputGuard(p))}
}

// rolledBackStacks keeps what stacks were like before where a rollout may put
// them back, and only there: it costs calls.
type rolledBackStacks struct {
	engine.Action
	keeping *action.KeepingStack
	plan    *plan.Plan
}

func (a *rolledBackStacks) of(step *axle.Step) engine.Action {
	if slices.ContainsFunc(a.plan.Rollouts, func(ro plan.Rollout) bool { return ro.Rollback && ro.Stack == step.Name }) {
		return a.keeping
	}
	return a.Action
}

// Start implements engine.Action.
func (a *rolledBackStacks) Start(ctx context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error) {
	return a.of(step).Start(ctx, step, in)
}

// Check implements engine.Action.
func (a *rolledBackStacks) Check(ctx context.Context, step *axle.Step, token string) (axle.Progress, error) {
	return a.of(step).Check(ctx, step, token)
}

// Approve records that a person approves of a wave that a run waits with: its
// number, or stack/number where several stacks wait. The run isn't resumed.
func Approve(ctx context.Context, o Options, id, wave string) (*Done, error) {
	db, err := readStore(ctx, o)
	if err != nil {
		return nil, noRun(err, id, false)
	}
	defer db.Close()
	run, body, err := findRun(ctx, db, id, ownProject(o), false)
	if err != nil {
		return nil, err
	}
	p, err := plan.Decode(body)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", run.ID, err)
	}
	records, err := db.Records(ctx, run.ID)
	if err != nil {
		return nil, fmt.Errorf("read the records of run %s: %w", run.ID, err)
	}
	var found, waiting []string
	for _, st := range p.RolloutStates(records) {
		if st.State == plan.RolloutWaiting {
			name := waveKey(st.Stack, st.Wave+1)
			waiting = append(waiting, name)
			if wave == name || wave == fmt.Sprint(st.Wave+1) {
				found = append(found, waveKey(st.Stack, st.Wave))
			}
		}
	}
	switch {
	case len(found) == 1:
	case len(found) > 1:
		return nil, &axle.Failure{Code: "AmbiguousWave", Blocked: true, Message: fmt.Sprintf("wave %s of more than one stack waits for approval", wave), Hint: "say which: " + strings.Join(waiting, ", ")}
	case len(waiting) == 0:
		return nil, &axle.Failure{Code: "NothingToApprove", Blocked: true, Message: fmt.Sprintf("run %s waits for no approval", run.ID), Hint: "axle show " + run.ID + " tells where it stands"}
	default:
		return nil, &axle.Failure{Code: "UnknownWave", Blocked: true, Message: fmt.Sprintf("run %s doesn't wait for approval of wave %s", run.ID, wave), Hint: "it waits with " + strings.Join(waiting, ", ")}
	}
	by := holder(run.ID).Who
	if err := db.Append(ctx, run.ID, []axle.Record{kept(approvalRecord+found[0], by)}); err != nil {
		return nil, fmt.Errorf("record the approval: %w", err)
	}
	return Show(ctx, o, run.ID)
}

func packText(body []byte) (string, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(body); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func unpackText(packed string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// runInputs gives the gates of rollouts theirs, and other steps what inputs does.
func runInputs(p *plan.Plan, inputs stepInputs) stepInputs {
	return func(ctx context.Context, s *axle.Step, outputs func(string) (map[string]string, bool)) (axle.Inputs, error) {
		if s.Kind == plan.KindWave {
			return p.WaveInputs(s, outputs)
		}
		return inputs(ctx, s, outputs)
	}
}

// stepInputs gives a step's input values, as the engine asks for them.
type stepInputs = func(context.Context, *axle.Step, func(string) (map[string]string, bool)) (axle.Inputs, error)
