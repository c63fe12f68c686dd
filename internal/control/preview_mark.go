package control

import (
	"context"
	"os"
	"path/filepath"

	"axle/internal/plan"
)

// markPrefix begins the names of the marks of plans that are at work: a file
// each, beside the journal. One that is still there when the next plan begins is
// of a plan that was cut off: then all stacks are looked at for what it left,
// which costs a call each.
const markPrefix = "planning-"

// whole says that a plan has all that the project wants.
func (w *Work) whole(p *plan.Plan) bool {
	return p.Command == "deploy" && len(p.Narrowed) == 0 && !w.opts.Stale
}

// mark says that a plan is at work, and whether one before it was cut off. done
// takes the mark away, unless the plan was cut off too; with those from before,
// when all of the project has been looked at.
func (w *Work) mark(whole bool) (cutOff bool, done func(ctx context.Context, err error)) {
	dir := stateDir(w.opts.File)
	earlier, _ := filepath.Glob(filepath.Join(dir, markPrefix+"*")) // the pattern is right
	mine := filepath.Join(dir, markPrefix+w.run)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(mine, nil, 0o600)
	}
	if err != nil {
		w.warn("it isn't noted here that a plan is at work: %v; what it leaves when it is cut off may stay", err)
	}
	return len(earlier) > 0, func(ctx context.Context, err error) {
		if err != nil || ctx.Err() != nil {
			return
		}
		over := []string{mine}
		if whole {
			over = append(over, earlier...)
		}
		for _, path := range over {
			_ = os.Remove(path) // costs the next plan some calls
		}
	}
}
