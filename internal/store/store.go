// Package store keeps what Axle records of its work: runs with their plans, the
// journal of their steps, the lock of a project, and digests of the templates
// last deployed. All of it is a record, never the truth about AWS; nothing in
// it is a resolved input or a credential. SQLite is the embedded store, PostgreSQL
// and DynamoDB with S3 are for teams; what every store must do is said by Store
// and proved by storetest.
package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"axle"
)

// Store is a journal of runs. Writes are durable when they return; a write
// whose context ends before may or may not have happened.
type Store interface {
	// CreateRun records a new run and its plan, which the store doesn't read.
	CreateRun(ctx context.Context, run axle.Run, plan []byte) error
	// Runs returns the newest runs of a project, the newest first; of all
	// projects if project is empty, any number if limit is 0.
	Runs(ctx context.Context, project string, limit int) ([]axle.Run, error)
	// Run returns a run and its plan by its id, by a prefix of the id that only
	// one run has, or the newest by the name "latest". The error is
	// axle.ErrNotFound or an *AmbiguousError.
	Run(ctx context.Context, id string) (axle.Run, []byte, error)
	// FinishRun records how a run stands: at its end, or with the zero time
	// that it is interrupted, or running again.
	FinishRun(ctx context.Context, id string, status axle.RunStatus, at time.Time) error
	// Append records how steps of a run stand; the last record of a step counts.
	Append(ctx context.Context, run string, records []axle.Record) error
	// Records returns the latest record of each step of a run, ordered by step.
	Records(ctx context.Context, run string) ([]axle.Record, error)

	// Lock takes a project for a run and holds it until unlock. When another
	// run that is alive has it, the error is an *axle.LockedError; one that is
	// not alive loses it, and is marked as interrupted. A holder that lost its
	// lock writes nothing any more for its run: the error of each write is an
	// *Error that says who has it now, and unlock returns one too.
	Lock(ctx context.Context, project string, by axle.Holder) (unlock func() error, err error)
	// Holder returns who holds a project's lock; false when nobody does who is
	// alive.
	Holder(ctx context.Context, project string) (axle.Holder, bool, error)

	// Remember records the digest of the template that a stack was last
	// deployed with, and the stack's LastUpdatedTime after that.
	Remember(ctx context.Context, stackID, digest string, updated time.Time) error
	// Digest returns what Remember recorded of a stack.
	Digest(ctx context.Context, stackID string) (digest string, updated time.Time, ok bool, err error)

	// Deployed says whether a template was deployed in a region before, as far
	// as Remember knows: CloudFormation has accepted it there.
	Deployed(ctx context.Context, digest, region string) (bool, error)

	// Try makes the calls that a run makes, so that nothing of them can be seen
	// in the store afterwards. The error says why no run could be recorded.
	Try(ctx context.Context) error

	Close() error
}

// AmbiguousError says that several runs have an id that begins so.
type AmbiguousError struct {
	Prefix string
	IDs    []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("run %q is ambiguous: it could be %s", e.Prefix, strings.Join(e.IDs, ", "))
}

// Error is a store that can't be used, with what to do about it.
type Error struct {
	Path    string
	Summary string
	Hint    string
	Err     error // may be nil
}

func (e *Error) Error() string {
	text := e.Path + ": " + e.Summary
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		text += "\n  hint: " + e.Hint
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }
