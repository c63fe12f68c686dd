package axle

import (
	"errors"
	"fmt"
	"time"
)

// RunStatus says how a run stands.
type RunStatus string

// The statuses of a run.
const (
	RunRunning     RunStatus = "running"
	RunInterrupted RunStatus = "interrupted"
	RunSucceeded   RunStatus = "succeeded"
	RunFailed      RunStatus = "failed"
	RunPartial     RunStatus = "partial"
	RunCancelled   RunStatus = "cancelled"
	RunBlocked     RunStatus = "blocked"
	RunPrepared    RunStatus = "prepared" // its change sets wait to be executed
)

// Run is one deploy or destroy, as the journal knows it.
type Run struct {
	ID       string    `json:"run"`
	Project  string    `json:"project"`
	Env      string    `json:"env,omitempty"`
	Command  string    `json:"command"` // deploy | destroy | execute
	Status   RunStatus `json:"status"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`
	Steps    int       `json:"steps"`
}

// Record is the latest that the journal knows of one step of a run.
type Record struct {
	Step     string    `json:"step"` // id
	Status   Status    `json:"status"`
	Token    string    `json:"token,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`
	Result   Result    `json:"result"`
	Failure  *Failure  `json:"failure,omitempty"`
	// SkippedFor is the id of the failed step that this one needed.
	SkippedFor string `json:"skipped_for,omitempty"`
}

// Holder is who works on a project: the owner of its lock.
type Holder struct {
	Run   string    `json:"run"`
	Who   string    `json:"who"` // user@host
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	Seen  time.Time `json:"seen"` // last heartbeat
}

// LockedError says that another run of the project is at work.
type LockedError struct {
	Project string
	Holder  Holder
	// Silent is how long a holder elsewhere hasn't been heard of, which may be
	// dead: it loses the lock after Free. 0 for one that is seen to be alive.
	Silent, Free time.Duration
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("project %q is being worked on by run %s of %s (pid %d) since %s",
		e.Project, e.Holder.Run, e.Holder.Who, e.Holder.PID, e.Holder.Since.Format(time.RFC3339))
}

// ErrNotFound says that a run, a stack or a record doesn't exist.
var ErrNotFound = errors.New("not found")
