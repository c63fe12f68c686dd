package control

import (
	"context"
	"errors"
	"fmt"

	"axle"
	"axle/internal/apps/doctor"
	"axle/internal/store"
)

// journalFinding says whether a run could be recorded: the journal is opened and
// written as a run does it, and nobody else is at work.
func (w *Work) journalFinding(ctx context.Context) doctor.Finding {
	f := doctor.Finding{Check: doctor.CheckJournal, State: doctor.OK, Proof: "call"}
	err := w.tryJournal(ctx)
	if err == nil {
		return f
	}
	f.State, f.Side, f.Cause = doctor.Blocked, doctor.SideJournal, err.Error()
	var unusable *store.Error
	var failure *axle.Failure
	switch {
	case errors.As(err, &unusable):
		bare := *unusable
		bare.Hint = ""
		f.Cause, f.Fix = bare.Error(), unusable.Hint
	case errors.As(err, &failure):
		f.Cause, f.Fix = failure.Message, failure.Hint
	}
	return f
}

func (w *Work) tryJournal(ctx context.Context) error {
	db, err := openStore(ctx, w.opts)
	if err != nil {
		return err
	}
	defer db.Close()
	holder, held, err := db.Holder(ctx, w.Project())
	if err != nil {
		return fmt.Errorf("look at the lock: %w", err)
	}
	if held {
		return lockedFailure(&axle.LockedError{Project: w.Project(), Holder: holder})
	}
	return db.Try(ctx)
}
