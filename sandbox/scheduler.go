package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// schedulerState is what EventBridge Scheduler keeps of one account and region.
// There is one group of schedules, the default one.
type schedulerState struct {
	Schedules map[string]*schedulerEntry `json:"schedules,omitempty"` // by name
}

// schedulerEntry is a schedule. Settings are the fields as they are shown.
type schedulerEntry struct {
	Name     string         `json:"name"`
	Owner    string         `json:"owner"`
	Region   string         `json:"region"`
	Settings map[string]any `json:"settings"`
	Start    time.Time      `json:"start,omitzero"`
	End      time.Time      `json:"end,omitzero"`
	Created  time.Time      `json:"created"`
	Modified time.Time      `json:"modified"`
	Last     time.Time      `json:"last"` // when it was due last, or just before it was set up
}

// schedulerRoutes are the operations of EventBridge Scheduler.
const schedulerRoutes = `
POST   /schedules/{Name}        200 CreateSchedule
GET    /schedules/{Name}        200 GetSchedule
PUT    /schedules/{Name}        200 UpdateSchedule
DELETE /schedules/{Name}        200 DeleteSchedule
GET    /schedules               200 ListSchedules
`

const schedulerService = "scheduler.amazonaws.com"

func (s *Sandbox) schedulerOps() map[string]operation {
	schedule := func(c *call) []string {
		return []string{c.arn("schedule/" + c.scheduleGroup() + "/" + c.In.str("Name"))}
	}
	return map[string]operation{
		"CreateSchedule": {run: createSchedule, resources: schedule},
		"GetSchedule":    {run: getSchedule, resources: schedule},
		"UpdateSchedule": {run: updateSchedule, resources: schedule},
		"DeleteSchedule": {run: deleteSchedule, resources: schedule},
		"ListSchedules":  {run: listSchedules, resources: func(c *call) []string { return []string{c.arn("schedule/*/*")} }},
	}
}

// scheduleGroup is the group that a call names, in the body or in the query.
func (c *call) scheduleGroup() string {
	return c.In.or("GroupName", c.In.or("groupName", "default"))
}

func badSchedule(format string, args ...any) error {
	return fail("ValidationException", format, args...)
}

func noSchedule(format string, args ...any) error {
	return &apiError{Status: 404, Code: "ResourceNotFoundException", Message: fail("", format, args...).Message}
}

func (e *schedulerEntry) arn() string {
	return "arn:aws:scheduler:" + e.Region + ":" + e.Owner + ":schedule/default/" + e.Name
}

// source is the ARN for which the Scheduler takes a role: the group's.
func (e *schedulerEntry) source() string {
	return "arn:aws:scheduler:" + e.Region + ":" + e.Owner + ":schedule-group/default"
}

func (e *schedulerEntry) timer() string { return "scheduler " + e.arn() }

// scheduleNamed finds the schedule that a call names.
func (c *call) scheduleNamed() (*schedulerEntry, error) {
	if g := c.scheduleGroup(); g != "default" {
		return nil, noSchedule("Schedule group %s does not exist.", g)
	}
	if e := c.here().Scheduler.Schedules[c.In.str("Name")]; e != nil {
		return e, nil
	}
	return nil, noSchedule("Schedule %s does not exist.", c.In.str("Name"))
}

// scheduleSettings are the fields that a schedule keeps as they are given.
var scheduleSettings = []string{"ActionAfterCompletion", "Description", "FlexibleTimeWindow", "KmsKeyArn", "ScheduleExpression",
	"ScheduleExpressionTimezone", "State", "Target"}

// setSchedule takes what CreateSchedule and UpdateSchedule say: all of it anew.
func (c *call) setSchedule(e *schedulerEntry) error {
	in := c.In
	when, err := parseSchedule(in.str("ScheduleExpression"), false)
	if err != nil {
		return badSchedule("Invalid Schedule Expression %s.", in.str("ScheduleExpression"))
	}
	zone, err := time.LoadLocation(in.or("ScheduleExpressionTimezone", "UTC"))
	if err != nil || strings.EqualFold(in.str("ScheduleExpressionTimezone"), "local") {
		return badSchedule("Invalid Schedule Expression Timezone %s.", in.str("ScheduleExpressionTimezone"))
	}
	if when.cron == nil && when.once.IsZero() { // rates have none
		zone = time.UTC
	}
	window, state := in.obj("FlexibleTimeWindow"), in.or("State", "ENABLED")
	minutes := window.int("MaximumWindowInMinutes", 0)
	switch mode := window.str("Mode"); {
	case mode != "OFF" && mode != "FLEXIBLE":
		return badSchedule("1 validation error detected: Value '%s' at 'flexibleTimeWindow.mode' failed to satisfy constraint: Member must satisfy enum value set: [OFF, FLEXIBLE]", mode)
	case mode == "FLEXIBLE" && (minutes < 1 || minutes > 1440), mode == "OFF" && window.has("MaximumWindowInMinutes"):
		return badSchedule("Invalid FlexibleTimeWindow.")
	case state != "ENABLED" && state != "DISABLED":
		return badSchedule("1 validation error detected: Value '%s' at 'state' failed to satisfy constraint: Member must satisfy enum value set: [ENABLED, DISABLED]", state)
	}
	start, err := scheduleDate(in["StartDate"])
	end, err2 := scheduleDate(in["EndDate"])
	if err != nil || err2 != nil || !start.IsZero() && !end.IsZero() && !end.After(start) {
		return badSchedule("The StartDate and the EndDate of a schedule must be times, the EndDate later.")
	}
	if err := c.checkScheduleTarget(e, in.obj("Target")); err != nil {
		return err
	}
	set, _ := scheduleWire("", map[string]any(pick(in, scheduleSettings...))).(map[string]any)
	set["State"], set["ScheduleExpressionTimezone"] = state, zone.String()
	if set["ActionAfterCompletion"] == nil {
		set["ActionAfterCompletion"] = "NONE"
	}
	e.Settings, e.Start, e.End, e.Modified = set, start, end, c.now()
	e.Last = e.Modified.Add(-time.Millisecond) // a rate is due at once
	return nil
}

// scheduleWire gives numbers the type that they have on the wire.
func scheduleWire(name string, v any) any {
	switch x := v.(type) {
	case params:
		return scheduleWire(name, map[string]any(x))
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = scheduleWire(k, e)
		}
		return out
	case string:
		if n, err := strconv.Atoi(x); err == nil && strings.HasPrefix(name, "Maximum") {
			return n
		}
	}
	return v
}

// scheduleDate reads seconds, or a time as templates write it.
func scheduleDate(v any) (time.Time, error) {
	switch x := v.(type) {
	case nil:
		return time.Time{}, nil
	case string:
		return time.Parse(time.RFC3339, x)
	case json.Number:
		f, err := x.Float64()
		return time.UnixMilli(int64(f * 1000)).UTC(), err
	}
	return time.Time{}, errSchedule
}

// checkScheduleTarget refuses targets that the sandbox doesn't have, and roles
// that the Scheduler may not take.
func (c *call) checkScheduleTarget(e *schedulerEntry, t params) error {
	arn, role := t.str("Arn"), t.str("RoleArn")
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return badSchedule("Provided Arn is not in correct format.")
	}
	if !slices.Contains([]string{"lambda", "sqs", "sns", "events"}, parts[2]) {
		return badSchedule("The sandbox's schedules invoke Lambda functions, SQS queues, SNS topics and event buses only, not %s.", arn)
	}
	bridge := t.obj("EventBridgeParameters")
	if parts[2] == "events" && (bridge.str("DetailType") == "" || bridge.str("Source") == "") {
		return badSchedule("EventBridgeParameters are required for target %s.", arn)
	}
	if strings.HasSuffix(arn, ".fifo") && parts[2] == "sqs" && t.obj("SqsParameters").str("MessageGroupId") == "" {
		return badSchedule("SqsParameters are required for target %s.", arn)
	}
	if len(t.str("Input")) > 256<<10 {
		return badSchedule("The input of a schedule has 256 KB at most.")
	}
	if !strings.HasPrefix(role, "arn:") || !strings.Contains(role, ":role/") {
		return badSchedule("RoleArn is required for target %s, and must be the ARN of a role.", arn)
	}
	if err := c.mayPass(role, schedulerService); err != nil {
		return err
	}
	if c.roleNamed(role, schedulerService, e.source()) == nil {
		return badSchedule("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")
	}
	return nil
}

func createSchedule(c *call) (obj, error) {
	e, err := c.scheduleNamed()
	if err == nil {
		return nil, &apiError{Status: 409, Code: "ConflictException", Message: "Schedule " + e.Name + " already exists."}
	}
	if c.scheduleGroup() != "default" {
		return nil, err
	}
	e = &schedulerEntry{Name: c.In.str("Name"), Owner: c.Account.ID, Region: c.Region, Created: c.now()}
	if !ruleName.MatchString(e.Name) {
		return nil, badSchedule("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$", e.Name)
	}
	if err := c.setSchedule(e); err != nil {
		return nil, err
	}
	put(&c.here().Scheduler.Schedules, e.Name, e)
	c.arm(e)
	return obj{"ScheduleArn": e.arn()}, nil
}

func updateSchedule(c *call) (obj, error) {
	e, err := c.scheduleNamed()
	if err != nil {
		return nil, err
	}
	if err := c.setSchedule(e); err != nil {
		return nil, err
	}
	c.arm(e)
	return obj{"ScheduleArn": e.arn()}, nil
}

func getSchedule(c *call) (obj, error) {
	e, err := c.scheduleNamed()
	if err != nil {
		return nil, err
	}
	out := obj{"Arn": e.arn(), "GroupName": "default", "Name": e.Name, "CreationDate": e.Created, "LastModificationDate": e.Modified}
	for k, v := range e.Settings {
		out[k] = v
	}
	for k, at := range map[string]time.Time{"StartDate": e.Start, "EndDate": e.End} {
		if !at.IsZero() {
			out[k] = at
		}
	}
	return out, nil
}

func deleteSchedule(c *call) (obj, error) {
	e, err := c.scheduleNamed()
	if err != nil {
		return nil, err
	}
	c.cancel(e.timer())
	delete(c.here().Scheduler.Schedules, e.Name)
	return obj{}, nil
}

func listSchedules(c *call) (obj, error) {
	all := c.here().Scheduler.Schedules
	var names []string
	for _, name := range sortedKeys(all) {
		state := c.In.str("State")
		if strings.HasPrefix(name, c.In.str("NamePrefix")) && (state == "" || state == all[name].Settings["State"]) && c.In.or("ScheduleGroup", "default") == "default" {
			names = append(names, name)
		}
	}
	page, next, ok := paginate(c.Sandbox, names, same, c.In.str("NextToken"), min(max(c.In.int("MaxResults", 100), 1), 100))
	if !ok {
		return nil, badSchedule("Invalid NextToken.")
	}
	list := []obj{}
	for _, name := range page {
		e := all[name]
		list = append(list, obj{"Arn": e.arn(), "GroupName": "default", "Name": name, "State": e.Settings["State"], "CreationDate": e.Created,
			"LastModificationDate": e.Modified, "Target": obj{"Arn": asParams(e.Settings["Target"]).str("Arn")}})
	}
	return obj{"Schedules": list, "NextToken": optional(next)}, nil
}
