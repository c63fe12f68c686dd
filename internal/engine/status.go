package engine

import (
	"axle"
	"axle/internal/plan"
)

// counted are the records that say how a run stands: gates that were passed and
// rollbacks that were made, or weren't called for, are no success of the run.
func counted(steps []axle.Step, records []axle.Record) []axle.Record {
	own := func(i int) bool {
		extra := steps[i].Kind == plan.KindWave || steps[i].Kind == plan.KindRollback
		return extra && (records[i].Status == "" || records[i].Status.OK())
	}
	for i := range steps {
		if !own(i) {
			continue
		}
		kept := append([]axle.Record(nil), records[:i]...)
		for k := i + 1; k < len(steps); k++ {
			if !own(k) {
				kept = append(kept, records[k])
			}
		}
		return kept
	}
	return records
}

// Status says how a run stands whose steps have these records.
func Status(records []axle.Record) axle.RunStatus {
	var ok, failed, blocked, cancelled, touched int
	for i := range records {
		r := &records[i]
		switch {
		case !r.Status.Ended():
			return axle.RunInterrupted
		case r.Status.OK():
			ok++
			if r.Status == axle.Succeeded && r.Result.Change != axle.None {
				touched++
			}
		case r.Status == axle.Failed && r.Failure != nil && r.Failure.Blocked:
			blocked++
		case r.Status == axle.Failed:
			failed++
		case r.Status == axle.Cancelled:
			cancelled++
		}
	}
	switch {
	case cancelled > 0:
		return axle.RunCancelled
	case failed+blocked == 0:
		return axle.RunSucceeded
	case failed == 0 && touched == 0:
		return axle.RunBlocked
	case ok == 0:
		return axle.RunFailed
	}
	return axle.RunPartial
}
