package action

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"axle"
	"axle/internal/cfn"
)

// A stack step's token says how far it has come: the phase, and what is needed
// to go on from there without its inputs.
const (
	phaseWait      = "wait"      // for somebody else's operation; then it starts anew
	phaseChangeSet = "changeset" // asked for
	phaseLooked    = "looked"    // the same; what it does in nested stacks was compared with the review
	phaseExecute   = "execute"   // the change set was executed
	phaseContinue  = "continue"  // the rollback of an update goes on; then it starts anew
	phaseDoomed    = "doomed"    // to be deleted
	phaseDelete    = "delete"    // being deleted
)

type phase struct {
	name   string
	op     cfn.Operation
	change axle.Change // what the step's result will say
	note   string
	// since is, of phaseWait, when the waiting began; of a deletion or a
	// continued rollback, when it was decided, which makes it a request of its own.
	since time.Time
}

// String is the token: phase:stack|change set|kind|since|change|note. ARNs
// have no bars. A deletion has no change set, but resources to retain.
func (p phase) String() string {
	var since int64
	if !p.since.IsZero() {
		since = p.since.UnixNano()
	}
	second := p.op.ChangeSet
	if p.op.Kind == axle.Delete {
		second = strings.Join(p.op.Retain, ",")
	}
	return p.name + ":" + strings.Join([]string{p.op.StackID, second, string(p.op.Kind),
		strconv.FormatInt(since, 10), string(p.change), p.note}, "|")
}

func parsePhase(token string) (phase, error) {
	name, rest, _ := strings.Cut(token, ":")
	f := strings.SplitN(rest, "|", 6)
	switch name {
	case phaseWait, phaseChangeSet, phaseLooked, phaseExecute, phaseContinue, phaseDoomed, phaseDelete:
	default:
		f = nil
	}
	if len(f) != 6 {
		return phase{}, fmt.Errorf("stack step has the unknown token %q", token)
	}
	since, err := strconv.ParseInt(f[3], 10, 64)
	if err != nil {
		return phase{}, fmt.Errorf("stack step has the unknown token %q: %w", token, err)
	}
	p := phase{name: name, change: axle.Change(f[4]), note: f[5],
		op: cfn.Operation{StackID: f[0], ChangeSet: f[1], Kind: axle.Change(f[2])}}
	if p.op.Kind == axle.Delete {
		p.op.ChangeSet = ""
		if f[1] != "" {
			p.op.Retain = strings.Split(f[1], ",")
		}
	}
	if since != 0 {
		p.since = time.Unix(0, since)
		if name != phaseWait {
			p.op.Request = f[3]
		}
	}
	return p, nil
}

// waitFor waits for what somebody else does to a stack.
func waitFor(st *cfn.Stack) axle.Progress {
	return axle.Progress{Token: phase{name: phaseWait, op: cfn.Operation{StackID: st.ID}, since: time.Now()}.String(),
		Result: axle.Result{Note: "waiting: stack " + st.Name + " is in " + st.Status}}
}
