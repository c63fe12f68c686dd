package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"axle"
	"axle/internal/artifact"
	"axle/internal/cloud"
	"axle/internal/diag"
	"axle/internal/plan"
	"axle/internal/store"
	"axle/internal/template"

	"golang.org/x/sync/errgroup"
)

// pack is the project's templates with their local paths packaged, once for a
// use case. Those without local paths are the same as before.
func (w *Work) pack(ctx context.Context) (map[string]*template.Template, error) {
	if w.packed != nil {
		return w.packed, nil
	}
	if !w.hasLocals() {
		w.packed = w.templates
		return w.packed, nil
	}
	at, err := w.artifactPlaces(ctx)
	if err != nil {
		return nil, err
	}
	packager := artifact.New(at, stateDir(w.opts.File))
	packed, artifacts := map[string]*template.Template{}, map[string][]axle.Artifact{}
	done := map[*template.Template]*artifact.Packaged{}
	var problems diag.List
	for i := range w.project.Stacks {
		name := w.project.Stacks[i].Name
		t := w.templates[name]
		if t == nil {
			continue
		}
		out, seen := done[t]
		if !seen {
			var more diag.List
			out, more = packager.Pack(ctx, t)
			problems = append(problems, more...)
			done[t] = out
		}
		if out != nil {
			packed[name] = out.Template
			artifacts[out.Digest] = out.Artifacts
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	w.Warnings = append(w.Warnings, packager.Warnings()...)
	w.packager, w.packed, w.refers = packager, packed, artifacts
	return packed, nil
}

// hasLocals says whether a template of the project has local paths.
func (w *Work) hasLocals() bool {
	for _, t := range w.templates {
		if len(t.Locals()) > 0 {
			return true
		}
	}
	return false
}

// places are the hub's buckets, as templates name them: with the region of the
// stack, so that one text is right in every region.
type places struct{ account, region, here, home string }

func (w *Work) artifactPlaces(ctx context.Context) (*places, error) {
	if w.hub.Account.ID == "" {
		return nil, &axle.Failure{Code: "NoHub", Blocked: true, Message: "templates refer to files of this machine, and there is no hub whose bucket could hold them",
			Hint: "add hub: {account: ..., region: ...} to axle.yaml"}
	}
	p := &places{account: w.hub.Account.ID, region: w.hub.Region}
	var err error
	if p.home, err = w.cloud.ArtifactURL(ctx, p.account, p.region, p.region, ""); err == nil {
		p.here, err = w.cloud.ArtifactURL(ctx, p.account, p.region, "${AWS::Region}", "")
	}
	return p, err
}

// Bucket implements artifact.Places.
func (p *places) Bucket(home bool) string {
	if home {
		return cloud.ArtifactBucket(p.account, p.region)
	}
	return cloud.ArtifactBucket(p.account, "${AWS::Region}")
}

// URL implements artifact.Places.
func (p *places) URL(key string, home bool) string {
	if home {
		return p.home + key
	}
	return p.here + key
}

// buckets are the artifact buckets that a use case works with, so that each is
// looked at once.
type buckets struct {
	mu   sync.Mutex
	open map[bucketKey]*cloud.Artifacts
}

type bucketKey struct {
	cloud           *cloud.Cloud
	region, readers string
}

func (b *buckets) get(c *cloud.Cloud, hub axle.Target, readers cloud.Readers, key string) *cloud.Artifacts {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := bucketKey{c, hub.Region, key}
	if b.open[k] == nil {
		b.open[k] = c.Artifacts(hub, readers)
	}
	return b.open[k]
}

// regions are those of the buckets so far.
func (b *buckets) regions() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for k := range b.open {
		out = append(out, k.region)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// readersKey is the same for the same readers.
func readersKey(r cloud.Readers) string {
	if r.Organization != "" {
		return r.Organization
	}
	return strings.Join(slices.Sorted(slices.Values(r.Accounts)), " ")
}

// templatesOf gives the templates of a plan to a driver.
func (w *Work) templatesOf(c *cloud.Cloud, p *plan.Plan, more func(digest string) ([]byte, bool)) *templates {
	t := &templates{plan: p, more: more, cloud: c, hub: axle.Target{Account: w.hub.Account.ID, Region: w.hub.Region}, readers: w.readers(p), buckets: w.buckets}
	t.readersKey = readersKey(t.readers)
	if w.packager != nil {
		t.contents = w.packager.Open
	}
	return t
}

// bucket is the artifact bucket of a region.
func (t *templates) bucket(region string) *cloud.Artifacts {
	return t.buckets.get(t.cloud, axle.Target{Account: t.hub.Account, Region: region}, t.readers, t.readersKey)
}

// Store implements cfn.Templates: what the template refers to is in the bucket,
// and can be read from there in the target, before a change set is made.
func (t *templates) Store(ctx context.Context, spec *axle.StackSpec, at axle.Target) error {
	for i := range t.plan.Artifacts[spec.Template] {
		a := &t.plan.Artifacts[spec.Template][i]
		if !t.all && !a.Early {
			continue
		}
		bucket, err := t.put(ctx, a, at.Region)
		if err != nil {
			return err
		}
		if spec.ExecutionRole != "" && !a.Early { // CloudFormation reads it as that
			if err := bucket.Settled(); err != nil {
				return err
			}
			continue
		}
		err = bucket.Prove(ctx, a.Key, t.account(at))
		if err != nil && !(t.later && !a.Early && cloud.LacksPermission(err)) {
			return err
		}
	}
	return nil
}

// account is the target's, with its name.
func (t *templates) account(at axle.Target) axle.Account {
	if a, ok := t.plan.Accounts[at.Account]; ok {
		return a
	}
	return axle.Account{ID: at.Account}
}

// put stores an artifact for a region, once.
func (t *templates) put(ctx context.Context, a *axle.Artifact, region string) (*cloud.Artifacts, error) {
	if a.Home {
		region = t.hub.Region
	}
	bucket := t.bucket(region)
	err := bucket.Put(ctx, a.Key, func() (io.ReadSeekCloser, error) {
		if t.contents != nil {
			body, err := t.contents(a.Key)
			if !errors.Is(err, axle.ErrNotFound) {
				return body, err
			}
		}
		return nil, &axle.Failure{Code: "ArtifactGone", Resource: a.Key, Blocked: true,
			Message: fmt.Sprintf("%s isn't in bucket %s, and what it was made of has changed: %s", a.Key, bucket.Bucket(), strings.Join(a.Sources, "; ")),
			Hint:    "axle deploy plans anew, with what is there now"}
	})
	return bucket, err
}

// stock stores all that the plan's stacks refer to, before anything is touched:
// what can't be stored fails the run at once, and not halfway. db tells what was
// deployed before, whose artifacts are there; nil: all is looked at.
func (w *Work) stock(ctx context.Context, p *plan.Plan, db store.Store) error {
	type item struct{ digest, region string }
	seen := map[item]bool{}
	t := w.templatesOf(w.cloud, p, nil)
	type file struct {
		*axle.Artifact
		region string
	}
	var files []file
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind != plan.KindStack || s.Delete || s.Spec == nil || len(p.Artifacts[s.Spec.Stack.Template]) == 0 {
			continue
		}
		at := item{s.Spec.Stack.Template, s.Region}
		if seen[at] {
			continue
		}
		seen[at] = true
		if db != nil {
			if known, err := db.Deployed(ctx, at.digest, at.region); err == nil && known {
				continue // the stacks that change all the same look again
			}
		}
		for j := range p.Artifacts[at.digest] {
			files = append(files, file{&p.Artifacts[at.digest][j], at.region})
		}
	}
	var stored atomic.Int64
	defer w.whileWaiting(func() string { return t.storing(int(stored.Load()), len(files)) })()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, f := range files {
		g.Go(func() error {
			_, err := t.put(ctx, f.Artifact, f.region)
			if f, ok := errors.AsType[*axle.Failure](err); ok { // nothing was touched
				own := *f
				own.Blocked = true
				return &own
			}
			if err == nil {
				stored.Add(1)
			}
			return err
		})
	}
	return g.Wait()
}

// storing says how far storing is, and what it waits for.
func (t *templates) storing(stored, files int) string {
	line := fmt.Sprintf("Storing what stacks are made of in bucket %s", cloud.ArtifactBucket(t.hub.Account, t.hub.Region))
	throttled := ""
	regions := t.buckets.regions()
	if len(regions) > 1 {
		line = "Storing what stacks are made of in the hub's buckets in " + strings.Join(regions, ", ")
	}
	for _, region := range regions {
		if api := t.cloud.Throttled(axle.Target{Account: t.hub.Account, Region: region}); api != "" {
			throttled = "; AWS throttles " + api + " in " + region + ", which is tried again"
		}
	}
	return fmt.Sprintf("%s: %d of %d so far%s", line, stored, files, throttled)
}

// The times after which the user is told of a wait: when it begins to look as if
// nothing happened, and from then on.
const (
	waitToTell  = 5 * time.Second
	waitToRenew = 30 * time.Second
)

// whileWaiting tells the user of a wait, if it lasts, until what it returns is
// called.
func (w *Work) whileWaiting(line func() string) (over func()) {
	if w.opts.Say == nil {
		return func() {}
	}
	done := make(chan struct{})
	var teller sync.WaitGroup
	teller.Go(func() {
		next := time.NewTimer(waitToTell)
		defer next.Stop()
		for {
			select {
			case <-done:
				return
			case <-next.C:
				w.opts.Say(line())
				next.Reset(waitToRenew)
			}
		}
	})
	return func() {
		close(done)
		teller.Wait()
	}
}

// sameCode refuses a saved plan whose local files have changed since.
func (w *Work) sameCode(ctx context.Context, p *plan.Plan) error {
	if len(p.Artifacts) == 0 {
		return nil
	}
	if _, err := w.pack(ctx); err != nil {
		return err
	}
	var moved []string
	for _, list := range p.Artifacts {
		for _, a := range list {
			if w.packager == nil || !w.packager.Has(a.Key) {
				moved = append(moved, a.Sources...)
			}
		}
	}
	if len(moved) == 0 {
		return nil
	}
	slices.Sort(moved)
	return &axle.Failure{Code: "Moved", Blocked: true, Hint: "plan again, look at it, and deploy that",
		Message: "local files have changed since the plan was made; nothing was touched\n  " + strings.Join(slices.Compact(moved), "\n  ")}
}

// missingLocals are the local paths of templates at which nothing is.
func missingLocals(templates map[string]*template.Template) diag.List {
	var problems diag.List
	seen := map[*template.Template]bool{}
	for _, name := range sortedNames(templates) {
		if t := templates[name]; !seen[t] {
			seen[t] = true
			problems = append(problems, artifact.Missing(t)...)
		}
	}
	return problems
}
