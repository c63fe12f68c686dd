package sandbox

import (
	"strings"
	"time"
)

// due is when a schedule is due after it was last; ok is false when it is done.
func (e *schedulerEntry) due() (at time.Time, ok bool) {
	set := params(e.Settings)
	when, err := parseSchedule(set.str("ScheduleExpression"), false)
	if err != nil {
		return at, false
	}
	if when.zone, err = time.LoadLocation(set.str("ScheduleExpressionTimezone")); err != nil {
		return at, false
	}
	switch {
	case !when.once.IsZero():
		return when.next(e.Last) // whatever the dates
	case when.every > 0:
		if at = e.Start; at.IsZero() {
			at = e.Modified
		}
		if !at.After(e.Last) {
			at = at.Add((e.Last.Sub(at)/when.every + 1) * when.every)
		}
		ok = true
	default:
		from := e.Last
		if from.Before(e.Start) {
			from = e.Start.Add(-time.Nanosecond)
		}
		at, ok = when.next(from)
	}
	return at, ok && (e.End.IsZero() || at.Before(e.End))
}

// arm sets the time at which a schedule is due next.
func (s *Sandbox) arm(e *schedulerEntry) {
	s.cancel(e.timer())
	at, ok := e.due()
	if !ok || e.Settings["State"] != "ENABLED" {
		return
	}
	s.after(max(at.Sub(s.now()), time.Nanosecond), e.timer(), func() {
		st := &s.account(e.Owner).region(e.Region).Scheduler
		if st.Schedules[e.Name] != e {
			return
		}
		c := s.callAs(identity{Account: e.Owner, ARN: schedulerService, Type: "service"}, "scheduler", e.Region)
		if err := c.runSchedule(e, at); err != nil {
			s.log.Warn("Scheduler: the target isn't invoked: "+err.Error(), "schedule", e.arn(), "target", asParams(e.Settings["Target"]).str("Arn"))
		}
		e.Last = at
		if _, again := e.due(); !again && e.Settings["ActionAfterCompletion"] == "DELETE" {
			delete(st.Schedules, e.Name)
			return
		}
		s.arm(e)
	})
}

// runSchedule invokes the target as the role that it names. What can't be
// invoked goes to the dead-letter queue, if the target has one.
func (c *call) runSchedule(e *schedulerEntry, at time.Time) error {
	t := params(asParams(e.Settings["Target"]))
	execution := c.uuid()
	stamp := at.UTC().Format("2006-01-02T15:04:05Z")
	input := strings.NewReplacer("<aws.scheduler.schedule-arn>", e.arn(), "<aws.scheduler.scheduled-time>", stamp,
		"<aws.scheduler.execution-id>", execution, "<aws.scheduler.attempt-number>", "1").Replace(t.str("Input"))
	if input == "" {
		b, err := plainJSON(map[string]any{"version": "0", "id": execution, "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": e.Owner,
			"time": stamp, "region": e.Region, "resources": []string{e.arn()}, "detail": "{}"})
		if err != nil {
			return err
		}
		input = string(b)
	}
	id, err := c.roleFor(t.str("RoleArn"), schedulerService, e.source(), "AWSScheduler")
	if err != nil {
		return err
	}
	as := c.as(id, nil)
	if err = as.invokeTarget(t, input, execution); err == nil {
		return nil
	}
	if dead := c.queueByARN(t.obj("DeadLetterConfig").str("Arn")); dead != nil {
		if as.sendAs(dead, "", "", input) == nil {
			return nil
		}
	}
	return err
}

// invokeTarget gives an input to a target as the caller.
func (c *call) invokeTarget(t params, input, id string) error {
	arn := t.str("Arn")
	parts := strings.SplitN(arn, ":", 6)
	switch parts[2] {
	case "sqs":
		q := c.queueByARN(arn)
		if q == nil {
			return noQueue()
		}
		return c.sendAs(q, t.obj("SqsParameters").str("MessageGroupId"), id, input)
	case "sns":
		_, err := c.direct("sns", "Publish", parts[3], params{"TopicArn": arn, "Message": input})
		return err
	case "events":
		bridge := t.obj("EventBridgeParameters")
		_, err := c.direct("events", "PutEvents", c.Region, params{"Entries": []any{map[string]any{"EventBusName": arn,
			"DetailType": bridge.str("DetailType"), "Source": bridge.str("Source"), "Detail": input}}})
		return err
	}
	return c.runFunction(arn, []byte(input))
}

// resumeSchedules takes up all schedules. Those that come again leave out what
// would have been due meanwhile.
func (s *Sandbox) resumeSchedules() {
	for _, id := range sortedKeys(s.st.Accounts) {
		for _, name := range sortedKeys(s.st.Accounts[id].Regions) {
			st := s.st.Accounts[id].Regions[name].Scheduler
			for _, schedule := range sortedKeys(st.Schedules) {
				e := st.Schedules[schedule]
				if !strings.HasPrefix(params(e.Settings).str("ScheduleExpression"), "at(") {
					e.Last = s.now()
				}
				s.arm(e)
			}
		}
	}
}
