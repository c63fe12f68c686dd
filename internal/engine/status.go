package engine

import "axle"

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
