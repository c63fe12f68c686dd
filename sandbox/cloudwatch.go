package sandbox

import (
	"slices"
	"strings"
	"time"
)

// alarmState is what CloudWatch keeps of one account and region. The sandbox has
// no metrics: an alarm's state is what its treatment of missing data makes of
// none, until SetAlarmState says otherwise.
type alarmState struct {
	Alarms map[string]*alarm `json:"alarms,omitempty"` // by name
}

// alarm is a metric alarm.
type alarm struct {
	Name    string            `json:"name"`
	Set     map[string]any    `json:"set"` // the settings, as PutMetricAlarm took them
	State   string            `json:"state"`
	Reason  string            `json:"reason"`
	Tags    map[string]string `json:"tags,omitempty"`
	Updated time.Time         `json:"updated"` // settings
	Changed time.Time         `json:"changed"` // state
}

// alarmSettings are the fields that PutMetricAlarm takes and DescribeAlarms
// gives back.
var alarmSettings = []string{"AlarmDescription", "ActionsEnabled", "OKActions", "AlarmActions", "InsufficientDataActions", "MetricName",
	"Namespace", "Statistic", "ExtendedStatistic", "Dimensions", "Period", "Unit", "EvaluationPeriods", "DatapointsToAlarm", "Threshold",
	"ComparisonOperator", "TreatMissingData", "EvaluateLowSampleCountPercentile", "Metrics", "ThresholdMetricId"}

// missingAlarmData are the states of an alarm without data, by how it treats that.
var missingAlarmData = map[string]string{"notBreaching": "OK", "breaching": "ALARM", "": "INSUFFICIENT_DATA", "missing": "INSUFFICIENT_DATA", "ignore": "INSUFFICIENT_DATA"}

var (
	alarmStates      = []string{"OK", "ALARM", "INSUFFICIENT_DATA"}
	alarmComparisons = []string{"GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
		"LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold"}
)

func (s *Sandbox) cloudwatchOps() map[string]operation {
	return map[string]operation{
		"PutMetricAlarm":      {run: putMetricAlarm, access: putAlarmAccess},
		"DescribeAlarms":      {run: describeAlarms, resources: func(c *call) []string { return []string{c.alarmARN("*")} }},
		"SetAlarmState":       {run: setAlarmState, access: onAlarms("AlarmName")},
		"DeleteAlarms":        {run: deleteAlarms, access: onAlarms("AlarmNames")},
		"TagResource":         {run: tagAlarm, access: onAlarms("ResourceARN")},
		"UntagResource":       {run: untagAlarm, access: onAlarms("ResourceARN")},
		"ListTagsForResource": {run: listAlarmTags, access: onAlarms("ResourceARN")},
	}
}

func (c *call) alarmARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return "arn:aws:cloudwatch:" + c.Region + ":" + c.Account.ID + ":alarm:" + name
}

// alarms are those of the caller's account and region.
func (c *call) alarms() *alarmState {
	st := &c.Account.region(c.Region).Alarms
	if st.Alarms == nil {
		st.Alarms = map[string]*alarm{}
	}
	return st
}

// onAlarms is the permission on the alarms named in a field.
func onAlarms(field string) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		names := c.In.strs(field)
		if len(names) == 0 {
			names = []string{c.In.str(field)}
		}
		needs := make([]access, len(names))
		for i, n := range names {
			a := access{Action: "cloudwatch:" + c.Op, Resource: c.alarmARN(n), Context: requestTags(c.In.tags("Tags"))}
			if found := c.alarms().Alarms[n[strings.LastIndexByte(n, ':')+1:]]; found != nil {
				for k, v := range found.Tags {
					a.Context["aws:ResourceTag/"+k] = []string{v}
				}
			}
			needs[i] = a
		}
		return needs, nil
	}
}

// putAlarmAccess: tags at the creation need cloudwatch:TagResource too.
func putAlarmAccess(c *call) ([]access, error) {
	needs, err := onAlarms("AlarmName")(c)
	if tags := c.In.tags("Tags"); err == nil && len(tags) > 0 {
		needs = append(needs, access{Action: "cloudwatch:TagResource", Resource: needs[0].Resource, Context: requestTags(tags)})
	}
	return needs, err
}

func badAlarm(format string, args ...any) error { return fail("ValidationError", format, args...) }

func putMetricAlarm(c *call) (obj, error) {
	name := c.In.str("AlarmName")
	switch {
	case name == "" || len(name) > 255:
		return nil, badAlarm("1 validation error detected: Value '%s' at 'alarmName' failed to satisfy constraint: Member must have length between 1 and 255", name)
	case !slices.Contains(alarmComparisons, c.In.str("ComparisonOperator")):
		return nil, badAlarm("1 validation error detected: Value '%s' at 'comparisonOperator' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
			c.In.str("ComparisonOperator"), strings.Join(alarmComparisons, ", "))
	case c.In.int("EvaluationPeriods", 0) < 1:
		return nil, badAlarm("1 validation error detected: Value at 'evaluationPeriods' failed to satisfy constraint: Member must have value greater than or equal to 1")
	case c.In.has("Metrics") == c.In.has("MetricName"):
		return nil, badAlarm("Exactly one of MetricName and Metrics must be specified")
	case c.In.has("MetricName") && !c.In.has("Statistic") && !c.In.has("ExtendedStatistic"):
		return nil, badAlarm("The parameter Statistic or ExtendedStatistic is required")
	}
	empty, known := missingAlarmData[c.In.str("TreatMissingData")]
	if !known {
		return nil, badAlarm("TreatMissingData can't be %s", c.In.str("TreatMissingData"))
	}
	set := map[string]any{}
	for _, k := range alarmSettings {
		if c.In.has(k) {
			set[k] = c.In[k]
		}
	}
	now := c.now()
	a := c.alarms().Alarms[name]
	if a == nil { // tags are taken at the creation only, and a change leaves the state
		a = &alarm{Name: name, State: empty, Reason: "Unchecked: Initial alarm creation", Tags: c.In.tags("Tags"), Changed: now}
		c.alarms().Alarms[name] = a
	}
	a.Set, a.Updated = set, now
	return obj{}, nil
}

func describeAlarms(c *call) (obj, error) {
	names, prefix := c.In.strs("AlarmNames"), c.In.str("AlarmNamePrefix")
	if len(names) > 0 && prefix != "" {
		return nil, badAlarm("AlarmNames and AlarmNamePrefix can't be given together")
	}
	if len(names) > 100 {
		return nil, badAlarm("1 validation error detected: Value at 'alarmNames' failed to satisfy constraint: Member must have length less than or equal to 100")
	}
	out := obj{"MetricAlarms": []obj{}, "CompositeAlarms": []obj{}}
	if kinds := c.In.strs("AlarmTypes"); len(kinds) > 0 && !slices.Contains(kinds, "MetricAlarm") {
		return out, nil
	}
	var found []*alarm
	all := c.alarms().Alarms
	for _, name := range sortedKeys(all) {
		a := all[name]
		if len(names) > 0 && !slices.Contains(names, name) || !strings.HasPrefix(name, prefix) ||
			c.In.str("StateValue") != "" && c.In.str("StateValue") != a.State {
			continue
		}
		found = append(found, a)
	}
	page, next, ok := paginate(c.Sandbox, found, func(a *alarm) string { return a.Name }, c.In.str("NextToken"), min(max(c.In.int("MaxRecords", 50), 1), 100))
	if !ok {
		return nil, fail("InvalidNextToken", "The next token specified is invalid.")
	}
	list := make([]obj, len(page))
	for i, a := range page {
		list[i] = c.alarmShape(a)
	}
	out["MetricAlarms"] = list
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}

// alarmNumbers are the settings that are numbers on the wire.
var alarmNumbers = []string{"Period", "EvaluationPeriods", "DatapointsToAlarm"}

func (c *call) alarmShape(a *alarm) obj {
	set := params(a.Set)
	out := obj{"AlarmName": a.Name, "AlarmArn": c.alarmARN(a.Name), "AlarmConfigurationUpdatedTimestamp": a.Updated,
		"StateValue": a.State, "StateReason": a.Reason, "StateUpdatedTimestamp": a.Changed, "StateTransitionedTimestamp": a.Changed,
		"ActionsEnabled": !set.has("ActionsEnabled") || set.bool("ActionsEnabled")}
	for _, k := range alarmSettings {
		switch {
		case k == "ActionsEnabled":
		case slices.Contains(alarmNumbers, k) && set.has(k):
			out[k] = set.int(k, 0)
		case k == "Threshold" && set.has(k):
			out[k] = set.float(k)
		case set.has(k):
			out[k] = set[k]
		case strings.HasSuffix(k, "Actions"), k == "Dimensions":
			out[k] = []any{}
		}
	}
	return out
}

func (c *call) alarmNamed(name string) (*alarm, error) {
	a := c.alarms().Alarms[name]
	if a == nil {
		return nil, fail("ResourceNotFound", "Alarm %s does not exist", name)
	}
	return a, nil
}

func setAlarmState(c *call) (obj, error) {
	a, err := c.alarmNamed(c.In.str("AlarmName"))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(alarmStates, c.In.str("StateValue")) {
		return nil, badAlarm("1 validation error detected: Value '%s' at 'stateValue' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
			c.In.str("StateValue"), strings.Join(alarmStates, ", "))
	}
	if a.State != c.In.str("StateValue") {
		a.Changed = c.now()
	}
	a.State, a.Reason = c.In.str("StateValue"), c.In.str("StateReason")
	return obj{}, nil
}

// deleteAlarms removes all or none.
func deleteAlarms(c *call) (obj, error) {
	names := c.In.strs("AlarmNames")
	for _, name := range names {
		if _, err := c.alarmNamed(name); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		delete(c.alarms().Alarms, name)
	}
	return obj{}, nil
}

// alarmByARN finds the alarm of an ARN in the caller's account and region.
func (c *call) alarmByARN() (*alarm, error) {
	arn := c.In.str("ResourceARN")
	if a := c.alarms().Alarms[arn[strings.LastIndexByte(arn, ':')+1:]]; a != nil && c.alarmARN(a.Name) == arn {
		return a, nil
	}
	return nil, fail("ResourceNotFoundException", "Resource %s does not exist", arn)
}

func tagAlarm(c *call) (obj, error) {
	a, err := c.alarmByARN()
	if err != nil {
		return nil, err
	}
	for k, v := range c.In.tags("Tags") {
		if a.Tags == nil {
			a.Tags = map[string]string{}
		}
		a.Tags[k] = v
	}
	return obj{}, nil
}

func untagAlarm(c *call) (obj, error) {
	a, err := c.alarmByARN()
	if err != nil {
		return nil, err
	}
	for _, k := range c.In.strs("TagKeys") {
		delete(a.Tags, k)
	}
	return obj{}, nil
}

func listAlarmTags(c *call) (obj, error) {
	a, err := c.alarmByARN()
	if err != nil {
		return nil, err
	}
	list := []obj{}
	for _, k := range sortedKeys(a.Tags) {
		list = append(list, obj{"Key": k, "Value": a.Tags[k]})
	}
	return obj{"Tags": list}, nil
}
