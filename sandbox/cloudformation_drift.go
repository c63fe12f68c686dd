package sandbox

import (
	"maps"
	"slices"
	"time"
)

// driftDetection is the last drift detection of a stack. It is worked out when
// somebody asks for it after its time.
type driftDetection struct {
	ID      string    `json:"id"`
	Status  string    `json:"status"` // DETECTION_IN_PROGRESS, DETECTION_COMPLETE, DETECTION_FAILED
	Reason  string    `json:"reason,omitempty"`
	Drift   string    `json:"drift,omitempty"` // IN_SYNC, DRIFTED
	Drifted int       `json:"drifted,omitempty"`
	Started time.Time `json:"started"`
	Until   time.Time `json:"until"`
	Only    []string  `json:"only,omitempty"` // logical ids
	Who     identity  `json:"who"`
}

// resourceDrift is what was found of one resource.
type resourceDrift struct {
	Status   string         `json:"status"` // IN_SYNC, MODIFIED, DELETED
	Expected string         `json:"expected"`
	Actual   string         `json:"actual,omitempty"`
	Changed  map[string]any `json:"changed,omitempty"` // property -> as it is; null when it isn't there
	Time     time.Time      `json:"time"`
}

func driftOps() map[string]operation {
	onStack := func(run func(*call) (obj, error)) operation { return operation{run: run, resources: stackARNs} }
	return map[string]operation{
		"DetectStackDrift":                  onStack(detectStackDrift),
		"DescribeStackResourceDrifts":       onStack(describeStackResourceDrifts),
		"DescribeStackDriftDetectionStatus": {run: describeStackDriftDetectionStatus},
	}
}

// driftable refuses in states in which CloudFormation detects no drift.
func (st *stack) driftable() error {
	switch st.Status {
	case "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED", "IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE":
		return nil
	}
	return invalid("Drift detection cannot be performed on stack [%s] while in [%s] state.", st.ID, st.Status)
}

func detectStackDrift(c *call) (obj, error) {
	st, err := c.liveStack()
	if err != nil {
		return nil, err
	}
	if err := st.driftable(); err != nil {
		return nil, err
	}
	c.finishDrift(st)
	if st.Drift != nil && st.Drift.Status == "DETECTION_IN_PROGRESS" {
		return nil, invalid("Drift detection is already in progress for stack [%s]", st.ID)
	}
	delay := min(c.opts.StackTime/20, 2*time.Second)
	if c.opts.Unkind {
		delay = max(delay, 20*time.Millisecond)
	}
	who := *c.Who
	who.Secret, who.Token = "", ""
	st.Drift = &driftDetection{ID: c.uuid(), Status: "DETECTION_IN_PROGRESS", Started: c.now(), Until: c.now().Add(delay),
		Only: c.In.strs("LogicalResourceIds"), Who: who}
	return obj{"StackDriftDetectionId": st.Drift.ID}, nil
}

// finishDrift works a detection out whose time has come, as who asked for it.
func (c *call) finishDrift(st *stack) {
	d := st.Drift
	if d == nil || d.Status != "DETECTION_IN_PROGRESS" || c.now().Before(d.Until) {
		return
	}
	as := c.callAs(d.Who, "cloudformation", c.Region)
	as.Account = c.Account
	d.Status, d.Drift, d.Drifted = "DETECTION_COMPLETE", "IN_SYNC", 0
	for _, id := range slices.Sorted(maps.Keys(st.Resources)) {
		if len(d.Only) > 0 && !slices.Contains(d.Only, id) {
			continue
		}
		found, err := as.drift(st, st.Resources[id])
		if err != nil {
			d.Status, d.Reason = "DETECTION_FAILED", "Failed to detect drift on resource ["+id+"]: "+message(err)
			continue
		}
		if st.Resources[id].Drift = found; found != nil && found.Status != "IN_SYNC" {
			d.Drift = "DRIFTED"
			d.Drifted++
		}
	}
}

// drift compares one resource with its template; nil for types that can't be.
func (c *call) drift(st *stack, r *stackResource) (*resourceDrift, error) {
	props, _, known, gone, err := c.liveState(st, r)
	if err != nil || !known {
		return nil, err
	}
	d := &resourceDrift{Status: "IN_SYNC", Expected: string(r.shown()), Time: c.now()}
	if d.Expected == "" {
		d.Expected = "{}"
	}
	if gone {
		d.Status = "DELETED"
		return d, nil
	}
	is := decode(r.Props)
	d.Changed = driftedProps(r, props)
	for name, v := range d.Changed {
		d.Status = "MODIFIED"
		if v == nil {
			delete(is, name)
		} else {
			is[name] = v
		}
	}
	d.Actual = c.masked(st, canonical(map[string]any(is)))
	return d, nil
}

func (c *call) driftObj(st *stack, r *stackResource) obj {
	o := obj{"StackId": st.ID, "LogicalResourceId": r.ID, "PhysicalResourceId": r.PhysicalID, "ResourceType": r.Type,
		"StackResourceDriftStatus": r.Drift.Status, "Timestamp": r.Drift.Time, "ExpectedProperties": r.Drift.Expected,
		"ActualProperties": optional(r.Drift.Actual), "PropertyDifferences": []obj{}}
	var list []obj
	expected := decode(r.Props)
	for _, name := range slices.Sorted(maps.Keys(r.Drift.Changed)) {
		diff := obj{"PropertyPath": "/" + name, "ExpectedValue": unquoted(c.masked(st, canonical(expected[name]))), "ActualValue": "null", "DifferenceType": "REMOVE"}
		if v := r.Drift.Changed[name]; v != nil {
			diff["ActualValue"], diff["DifferenceType"] = unquoted(c.masked(st, canonical(v))), "NOT_EQUAL"
		}
		list = append(list, diff)
	}
	if list != nil {
		o["PropertyDifferences"] = list
	}
	return o
}

func describeStackDriftDetectionStatus(c *call) (obj, error) {
	id := c.In.str("StackDriftDetectionId")
	if id == "" {
		return nil, missing("stackDriftDetectionId")
	}
	for _, st := range c.cfn().Stacks {
		if st.Drift == nil || st.Drift.ID != id {
			continue
		}
		c.finishDrift(st)
		d := st.Drift
		out := obj{"StackId": st.ID, "StackDriftDetectionId": id, "DetectionStatus": d.Status, "Timestamp": d.Started,
			"DetectionStatusReason": optional(d.Reason), "StackDriftStatus": optional(d.Drift)}
		if d.Status != "DETECTION_IN_PROGRESS" {
			out["DriftedStackResourceCount"] = d.Drifted
		}
		return out, nil
	}
	return nil, invalid("Stack drift detection [%s] does not exist", id)
}

func describeStackResourceDrifts(c *call) (obj, error) {
	st, err := c.liveStack()
	if err != nil {
		return nil, err
	}
	c.finishDrift(st)
	if st.Drift == nil {
		return nil, invalid("Drift detection has not been run on stack [%s]", st.ID)
	}
	filter := c.In.strs("StackResourceDriftStatusFilters")
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(st.Resources)) {
		if d := st.Resources[id].Drift; d != nil && (len(filter) == 0 || slices.Contains(filter, d.Status)) {
			ids = append(ids, id)
		}
	}
	page, next, ok := paginate(c.Sandbox, ids, same, c.In.str("NextToken"), 100)
	if !ok {
		return nil, badToken(c)
	}
	out := []obj{}
	for _, id := range page {
		out = append(out, c.driftObj(st, st.Resources[id]))
	}
	return obj{"StackResourceDrifts": out, "NextToken": optional(next)}, nil
}

// driftInformation is what describing a resource says of its drift.
func (r *stackResource) driftInformation() obj {
	if r.Drift == nil {
		return obj{"StackResourceDriftStatus": "NOT_CHECKED"}
	}
	return obj{"StackResourceDriftStatus": r.Drift.Status, "LastCheckTimestamp": r.Drift.Time}
}

// driftInformation is what describing a stack says of its drift.
func (st *stack) driftInformation() obj {
	if st.Drift == nil || st.Drift.Status != "DETECTION_COMPLETE" {
		return obj{"StackDriftStatus": "NOT_CHECKED"}
	}
	return obj{"StackDriftStatus": st.Drift.Drift, "LastCheckTimestamp": st.Drift.Started}
}
