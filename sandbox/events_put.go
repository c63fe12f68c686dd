package sandbox

import (
	"encoding/json"
	"strings"
	"time"
)

// event is an event as rules match it and targets get it.
type event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       string          `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
}

// maxEntries and maxEntriesSize are EventBridge's limits of one PutEvents.
const (
	maxEntries     = 10
	maxEntriesSize = 1 << 20
)

// putEventsAccess is events:PutEvents on every bus that an entry names.
func putEventsAccess(c *call) ([]access, error) {
	var needs []access
	for _, e := range c.In.list("Entries") {
		needs = append(needs, c.putAccess(e.str("EventBusName"), e.str("Source"), e.str("DetailType")))
	}
	if len(needs) == 0 {
		needs = append(needs, c.putAccess("", "", ""))
	}
	return needs, nil
}

func (c *call) putAccess(bus, source, detailType string) access {
	a := c.onBusAccess(bus, "PutEvents", "")
	a.Context = map[string][]string{}
	if source != "" {
		a.Context["events:source"] = []string{source}
	}
	if detailType != "" {
		a.Context["events:detail-type"] = []string{detailType}
	}
	return a
}

// putEvents takes each entry by itself. As in AWS, one for a bus that isn't
// there is taken too, and reaches nobody.
func putEvents(c *call) (obj, error) {
	entries := c.In.list("Entries")
	size := 0
	for _, e := range entries {
		size += entrySize(e)
	}
	switch {
	case c.In.has("EndpointId"):
		return nil, invalidEvent("The sandbox has no global endpoints.")
	case len(entries) == 0 || len(entries) > maxEntries:
		return nil, invalidEvent("1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and %d", maxEntries)
	case size >= maxEntriesSize:
		return nil, invalidEvent("Total size of the entries in the request is over the limit.")
	}
	failed, list := 0, []obj{}
	for _, in := range entries {
		e, code, why := c.eventOf(in)
		if e == nil {
			failed++
			list = append(list, obj{"ErrorCode": code, "ErrorMessage": why})
			continue
		}
		list = append(list, obj{"EventId": e.ID})
		if b := c.busNamed(in.str("EventBusName")); b != nil {
			c.eventsFor(b).route(b, e, false)
		} else {
			c.log.Warn("EventBridge: an event is for a bus that isn't there", "bus", in.str("EventBusName"), "event", e.ID)
		}
	}
	return obj{"FailedEntryCount": failed, "Entries": list}, nil
}

// entrySize counts as EventBridge does.
func entrySize(e params) int {
	n := len(e.str("Source")) + len(e.str("DetailType")) + len(e.str("Detail"))
	if e.has("Time") {
		n += 14
	}
	for _, r := range e.strs("Resources") {
		n += len(r)
	}
	return n
}

// eventOf makes an event of an entry, or says why it is none.
func (c *call) eventOf(in params) (e *event, code, why string) {
	for _, name := range []string{"Source", "DetailType", "Detail"} {
		if in.str(name) == "" {
			return nil, "InvalidArgument", "Parameter " + name + " is not valid. Reason: " + name + " is a required argument."
		}
	}
	if strings.HasPrefix(in.str("Source"), "aws.") {
		return nil, "NotAuthorizedForSourceException", "Not authorized for the source."
	}
	detail := []byte(in.str("Detail"))
	if _, err := decodeEvent(detail); err != nil || !json.Valid(detail) {
		return nil, "MalformedDetail", "Detail is malformed."
	}
	at := c.now()
	if in.has("Time") {
		at = time.UnixMilli(int64(in.float("Time") * 1000)).UTC()
	}
	return &event{Version: "0", ID: c.uuid(), DetailType: in.str("DetailType"), Source: in.str("Source"), Account: c.Account.ID,
		Time: at.Format(time.RFC3339), Region: c.Region, Resources: append([]string{}, in.strs("Resources")...), Detail: detail}, "", ""
}

// eventsFor is EventBridge on its own behalf, where a bus is.
func (s *Sandbox) eventsFor(b *eventBus) *call {
	return s.callAs(identity{Account: b.Owner, ARN: "events.amazonaws.com", Type: "service"}, "events", b.Region)
}

// route gives an event to the targets of all rules of a bus that want it. One
// that came from another bus isn't sent on to a third.
func (c *call) route(b *eventBus, e *event, came bool) {
	text, err := plainJSON(e)
	if err != nil {
		return
	}
	doc, err := decodeEvent(text)
	if err != nil {
		return
	}
	for _, name := range sortedKeys(b.Rules) {
		r := b.Rules[name]
		if r.State == "DISABLED" || r.Pattern == "" {
			continue
		}
		if p, err := parsePattern(r.Pattern); err == nil && p.matches(doc) {
			c.trigger(b, r, e, text, came)
		}
	}
}

// trigger gives an event to all targets of a rule.
func (c *call) trigger(b *eventBus, r *eventRule, e *event, text []byte, came bool) {
	for _, id := range sortedKeys(r.Targets) {
		t := params(r.Targets[id])
		d := &eventDelivery{bus: b, rule: r, target: t, event: e, came: came}
		var err error
		if d.input, err = inputOf(t, text, b.ruleARN(r.Name), r.Name, c.now().Format(time.RFC3339)); err == nil {
			err = c.deliverEvent(d)
		}
		if err != nil && !c.giveUpOnEvent(d, err) {
			c.log.Warn("EventBridge: event isn't delivered: "+err.Error(), "rule", b.ruleARN(r.Name), "target", t.str("Arn"), "event", e.ID)
		}
	}
}

// timer is the key of the scheduled work for a rule.
func (b *eventBus) timer(r *eventRule) string { return "events " + b.ruleARN(r.Name) }

// scheduleRule sets the time at which a rule with a schedule is due next.
func (s *Sandbox) scheduleRule(b *eventBus, r *eventRule) {
	s.cancel(b.timer(r))
	if r.Schedule == "" || r.State == "DISABLED" {
		return
	}
	when, err := parseSchedule(r.Schedule, true)
	if err != nil {
		return
	}
	now := s.now()
	at, ok := when.next(now)
	if !ok {
		return
	}
	s.after(at.Sub(now), b.timer(r), func() {
		if b.Rules[r.Name] != r {
			return
		}
		e := &event{Version: "0", ID: s.uuid(), DetailType: "Scheduled Event", Source: "aws.events", Account: b.Owner,
			Time: at.UTC().Format(time.RFC3339), Region: b.Region, Resources: []string{b.ruleARN(r.Name)}, Detail: json.RawMessage("{}")}
		if text, err := plainJSON(e); err == nil {
			s.eventsFor(b).trigger(b, r, e, text, false)
		}
		s.scheduleRule(b, r)
	})
}

// resumeEvents takes up the schedules of all rules.
func (s *Sandbox) resumeEvents() {
	for _, id := range sortedKeys(s.st.Accounts) {
		for _, name := range sortedKeys(s.st.Accounts[id].Regions) {
			if b := s.st.Accounts[id].Regions[name].Events.Buses["default"]; b != nil {
				for _, rule := range sortedKeys(b.Rules) {
					s.scheduleRule(b, b.Rules[rule])
				}
			}
		}
	}
}
