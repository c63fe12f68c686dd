package control

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"axle/internal/apps/access"
)

// AccessScope says which policies an answer rests on.
type AccessScope uint8

// The scopes.
const (
	LiveAccess      AccessScope = iota // what is there
	PlannedAccess                      // what will be there after the deploy
	TemplatesAccess                    // what the templates say, and nothing else
)

// OpenAccess opens the facts of an organization for questions about access. For
// live policies axle.yaml isn't needed.
func OpenAccess(ctx context.Context, o Options, haveFile bool, scope AccessScope) (*Work, *access.Facts, error) {
	switch scope {
	case TemplatesAccess:
		return openTemplates(ctx, o)
	case PlannedAccess:
		w, err := Open(ctx, o)
		if err != nil {
			return nil, nil, err
		}
		facts, err := w.AccessAfterDeploy(ctx)
		return w, facts, err
	}
	w, err := OpenOrg(ctx, o, haveFile)
	if err != nil {
		return nil, nil, err
	}
	facts, err := w.facts(ctx, nil)
	return w, facts, err
}

// AccessAfterDeploy are the facts as they will be: what the project's templates
// declare overrides what is there.
func (w *Work) AccessAfterDeploy(ctx context.Context) (*access.Facts, error) {
	planned, err := w.planned(ctx, w.identity.Partition)
	if err != nil {
		return nil, err
	}
	return w.facts(ctx, planned)
}

func (w *Work) facts(ctx context.Context, planned *access.Planned) (*access.Facts, error) {
	now := time.Now()
	source, err := w.source(ctx, w.live(now))
	if err != nil {
		return nil, err
	}
	return access.New(w.org, source, planned, now), nil
}

// source reads with the access roles and, where these may not, as bootstrap gets
// in: by the caller's own credentials and the role that Organizations makes.
func (w *Work) source(ctx context.Context, live *access.Live) (access.Source, error) {
	entry, err := w.entry(ctx, DefaultEntryRole)
	if err != nil {
		return nil, err
	}
	return &access.Either{First: live, Then: &access.Live{Cloud: entry, Org: w.org, Home: live.Home, Cache: live.Cache}}, nil
}

// live reads facts from the accounts, and keeps them for a while.
func (w *Work) live(now time.Time) *access.Live {
	cache := &access.Cache{Dir: filepath.Join(stateDir(w.opts.File), "access"), Key: w.cloud.SnapshotKey(w.identity) + " as " + w.identity.ARN + " by " + w.project.Access.Role.Value,
		Age: snapshotAge, Since: lastRun(w.opts.File), Refresh: w.opts.Refresh, Now: now}
	return &access.Live{Cloud: w.cloud, Org: w.org, Home: w.Region(), Cache: cache}
}

// lastRun is when the project's journal was last written: a deploy changes roles
// and policies.
func lastRun(file string) time.Time {
	var last time.Time
	for _, name := range []string{"axle.db", "axle.db-wal", lastRunFile} {
		if info, err := os.Stat(filepath.Join(stateDir(file), name)); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// openTemplates needs no AWS when the organization is in a file.
func openTemplates(ctx context.Context, o Options) (*Work, *access.Facts, error) {
	w, err := Load(o)
	if err != nil {
		return nil, nil, err
	}
	partition := "aws"
	if src := w.project.Organization; src.Kind == "file" && !w.needsCloud() {
		err = w.readOrganization()
	} else if err = w.connect(ctx, w.needsTags(), true); err == nil {
		partition = w.identity.Partition
		err = w.fetchTemplates(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	planned, err := w.planned(ctx, partition)
	if err != nil {
		return nil, nil, err
	}
	return w, access.New(w.org, access.Nothing{}, planned, time.Now()), nil
}

// AccountLabel names an account for people.
func (w *Work) AccountLabel(id string) string {
	if a, ok := w.org.Account(id); ok {
		return a.Label()
	}
	return id
}
