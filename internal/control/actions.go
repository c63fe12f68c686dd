package control

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"axle"
	"axle/internal/action"
	"axle/internal/cfn"
	"axle/internal/cloud"
	"axle/internal/engine"
	"axle/internal/plan"
	"axle/internal/store"

	"golang.org/x/sync/errgroup"
)

// inlineTemplate is the largest template in bytes that goes along in a call.
const inlineTemplate = 51200

// actions is the table of kinds for a run.
func (w *Work) actions(ctx context.Context, p *plan.Plan, run string, db store.Store) map[string]engine.Action {
	return withPeering(w.stackActions(ctx, w.cloud, p, run, db), action.NewPeering(w.cloud))
}

// withPeering has one action for all parts of a peering.
func withPeering(table map[string]engine.Action, peering engine.Action) map[string]engine.Action {
	for _, kind := range []string{axle.KindPeeringRequest, axle.KindPeeringAccept, axle.KindPeeringRoutes, axle.KindPeeringDNS} {
		table[kind] = peering
	}
	return table
}

// runActions are those of a run: of one that was prepared, executing that and
// nothing else.
func (w *Work) runActions(ctx context.Context, p *plan.Plan, run string, db store.Store) map[string]engine.Action {
	if p.Command == commandExecute {
		return map[string]engine.Action{plan.KindStack: action.NewStackExecute(w.driver(ctx, w.cloud, p, db), run)}
	}
	return w.actions(ctx, p, run, db)
}

// stackActions are the actions on stacks, through a door that need not be the
// project's own.
func (w *Work) stackActions(ctx context.Context, c *cloud.Cloud, p *plan.Plan, run string, db store.Store) map[string]engine.Action {
	driver := w.driver(ctx, c, p, db)
	stack := action.NewStack(driver, run)
	stack.Recovery, stack.Guard = w.recovery(), w.outputGuard(p)
	return map[string]engine.Action{
		plan.KindStack:   stack,
		plan.KindOutputs: action.NewOutputs(driver),
	}
}

// previewActions look and change nothing.
func (w *Work) previewActions(ctx context.Context, p *plan.Plan) map[string]engine.Action {
	driver := w.driver(ctx, w.cloud, p, nil)
	stack := action.NewStackPreview(driver, w.run)
	stack.Digests, stack.Began = w.opts.Save, w.began
	stack.Recovery, stack.Guard = w.recovery(), w.outputGuard(p)
	table := map[string]engine.Action{plan.KindStack: stack, plan.KindOutputs: action.NewOutputs(driver)}
	return withPeering(table, action.NewPeeringPreview(w.cloud))
}

// recovery is what the user allows, with the defaults filled in.
func (w *Work) recovery() action.Recovery {
	r := w.opts.Recovery
	if r.OtherTime <= 0 {
		r.OtherTime = action.OtherTime
	}
	return r
}

func (w *Work) driver(ctx context.Context, c *cloud.Cloud, p *plan.Plan, db store.Store) *cfn.Driver {
	return w.driverWith(ctx, c, p, db, nil)
}

// driverWith is driver with templates beside those of the plan.
func (w *Work) driverWith(ctx context.Context, c *cloud.Cloud, p *plan.Plan, db store.Store, more func(digest string) ([]byte, bool)) *cfn.Driver {
	t := w.templatesOf(c, p, more)
	t.all = db != nil
	return w.driverOn(ctx, c, p, db, t)
}

// driverOn is driver with the templates given.
func (w *Work) driverOn(ctx context.Context, c *cloud.Cloud, p *plan.Plan, db store.Store, t *templates) *cfn.Driver {
	var memory cfn.Memory
	if db != nil {
		memory = &digests{ctx, db}
	}
	d := cfn.New(c, t, memory)
	d.Reverts = p.Command == "revert"
	d.Adopts = p.Command == "adopt"
	d.Verify, d.Continues = w.opts.Verify, w.opts.Recovery.Continue
	d.Partition = w.identity.Partition
	return d
}

// readers are who must be able to read artifacts: the targets.
func (w *Work) readers(p *plan.Plan) cloud.Readers {
	r := cloud.Readers{Organization: w.org.ID}
	for id := range p.Accounts {
		r.Accounts = append(r.Accounts, id)
	}
	return r
}

// templates gives the plan's templates to the driver; the large ones through a
// bucket of the hub account in the target's region, where what they refer to is
// too.
type templates struct {
	plan       *plan.Plan
	more       func(digest string) ([]byte, bool) // may be nil
	cloud      *cloud.Cloud
	hub        axle.Target
	readers    cloud.Readers
	readersKey string
	buckets    *buckets
	contents   func(key string) (io.ReadSeekCloser, error) // may be nil
	// all: what is read when a change set is executed is stored too. later: by
	// somebody else, who may read what we may not.
	all, later bool
}

// Body implements cfn.Templates.
func (t *templates) Body(digest string) ([]byte, error) {
	body, ok := t.plan.Templates[digest]
	if !ok && t.more != nil {
		body, ok = t.more(digest)
	}
	if !ok {
		return nil, fmt.Errorf("template %s isn't part of the plan", digest)
	}
	return body, nil
}

// URL implements cfn.Templates.
func (t *templates) URL(ctx context.Context, digest string, at axle.Target) (string, error) {
	body, err := t.Body(digest)
	if err != nil {
		return "", err
	}
	if t.hub.Account == "" {
		return "", &axle.Failure{Code: "NoHub", Blocked: true, Message: fmt.Sprintf("a template of %d bytes is too large to be sent along (%d), and there is no hub whose bucket could hold it", len(body), inlineTemplate),
			Hint: "add hub: {account: ..., region: ...} to axle.yaml"}
	}
	bucket, key := t.bucket(at.Region), axle.ArtifactTemplates+"/"+strings.TrimPrefix(digest, "sha256:")+".yaml"
	if err := bucket.Put(ctx, key, func() (io.ReadSeekCloser, error) { return inMemory{bytes.NewReader(body)}, nil }); err != nil {
		return "", err
	}
	if err := bucket.Prove(ctx, key, t.account(at)); err != nil {
		return "", err
	}
	return bucket.URL(ctx, key)
}

// inMemory is content that needs no closing.
type inMemory struct{ io.ReadSeeker }

// Close implements io.Closer.
func (inMemory) Close() error { return nil }

// digests is the store as the driver's memory. What can't be read or written is
// as if it had never been recorded: a call more, nothing wrong.
type digests struct {
	ctx context.Context // of the run: a memory is asked in passing
	db  store.Store
}

// Digest implements cfn.Memory.
func (d *digests) Digest(stackID string) (string, time.Time, bool) {
	digest, updated, ok, err := d.db.Digest(d.ctx, stackID)
	return digest, updated, ok && err == nil
}

// Remember implements cfn.Memory.
func (d *digests) Remember(stackID, digest string, updated time.Time) {
	_ = d.db.Remember(d.ctx, stackID, digest, updated) // see above
}

// validate has CloudFormation look at every template, once in each region that
// it wasn't deployed in before, before anything is made. A target that can't be entered isn't the template's
// fault: another one is tried, and the deploy itself will say why.
func (w *Work) validate(ctx context.Context, p *plan.Plan, db store.Store) error {
	type place struct{ digest, region string }
	where := map[place][]*axle.Step{}
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind == plan.KindStack && !s.Delete {
			at := place{s.Spec.Stack.Template, s.Region}
			if len(where[at]) < 3 {
				where[at] = append(where[at], s)
			}
		}
	}
	driver := w.driver(ctx, w.cloud, p, nil)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for at, steps := range where {
		if known, err := db.Deployed(ctx, at.digest, at.region); err == nil && known {
			continue // accepted before; a record that can't be read costs a call
		}
		g.Go(func() error {
			for _, s := range steps {
				err := driver.Validate(ctx, s.Target(), at.digest)
				if err == nil {
					return nil
				}
				if cfn.IsInvalidTemplate(err) {
					return w.refusedTemplate(s, err)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// refusedTemplate says whose template CloudFormation refuses.
func (w *Work) refusedTemplate(s *axle.Step, err error) error {
	f := *asFailure(err)
	f.Err = err
	file := ""
	if stack, ok := w.project.Stack(s.Name); ok {
		file = " (" + cloud.Unsigned(stack.Template.Value) + ")"
	}
	f.Message = fmt.Sprintf("stack %q%s in %s: %s", s.Name, file, s.Region, f.Message)
	return &f
}
