package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

const (
	// pollTrouble is how long a mapping waits after it couldn't read its source
	// or the function couldn't be invoked.
	pollTrouble = 500 * time.Millisecond
	// pollLongest is how long a mapping sleeps when nothing wakes it.
	pollLongest = time.Minute
	// queuePollers is how many batches of a queue are worked on at once, unless
	// the mapping says otherwise.
	queuePollers = 5
)

// wake has the mapping's poller look again.
func (m *eventMapping) wake() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// resumeMappings starts the pollers of a saved state.
func (s *Sandbox) resumeMappings() {
	for _, a := range s.st.Accounts {
		for _, r := range a.Regions {
			for _, m := range r.Lambda.Mappings {
				m.changed = make(chan struct{})
				s.watch(m)
			}
		}
	}
}

// watch reads the mapping's source until the mapping is deleted or the sandbox
// closed. It sleeps while there is nothing to do.
func (s *Sandbox) watch(m *eventMapping) {
	s.done.Go(func() {
		for {
			s.lock()
			if s.closed || m.state(s.now()) == "" {
				s.unlock()
				return
			}
			changed := m.changed
			arrival, until := s.look(m)
			s.unlock()
			t := time.NewTimer(time.Until(until))
			select {
			case <-arrival:
			case <-changed:
			case <-t.C:
			case <-s.stop:
			}
			t.Stop()
		}
	})
}

// look starts what can be started, and says what to wait for.
func (s *Sandbox) look(m *eventMapping) (arrival <-chan struct{}, until time.Time) {
	now := s.now()
	switch {
	case now.Before(m.Until):
		return nil, m.Until
	case now.Before(m.NotBefore):
		return nil, m.NotBefore
	case m.Disabled:
		return nil, now.Add(pollLongest)
	}
	if m.ofStream() {
		return s.lookAtStream(m)
	}
	return s.lookAtQueue(m)
}

// hold puts the mapping off after trouble, longer each time.
func (s *Sandbox) hold(m *eventMapping, why error) (<-chan struct{}, time.Time) {
	if result := "PROBLEM: " + why.Error(); m.trouble == 0 || result != m.Result {
		m.Result = result
		s.log.Warn("Lambda: an event source mapping has trouble: "+why.Error(), "mapping", m.ID, "source", m.Source, "function", m.Function.arn())
	}
	m.trouble++
	m.NotBefore = s.now().Add(backoff(pollTrouble, m.trouble))
	return nil, m.NotBefore
}

// lookAtQueue starts invocations while there are messages and pollers.
func (s *Sandbox) lookAtQueue(m *eventMapping) (<-chan struct{}, time.Time) {
	limit := queuePollers
	if m.Concurrency > 0 {
		limit = m.Concurrency
	}
	for {
		q, f := s.queueByARN(m.Source), s.functionAt(m.Function)
		switch {
		case q == nil:
			return s.hold(m, noQueue())
		case f == nil || f.version(m.Function.Qualifier) == nil:
			return s.hold(m, noFunction(m.Function))
		case s.now().Before(f.version(m.Function.Qualifier).Pending):
			return nil, f.version(m.Function.Qualifier).Pending
		case m.running >= limit:
			return nil, s.now().Add(pollLongest) // the end of one wakes
		}
		c := &call{Sandbox: s, Region: q.Region, Account: s.account(q.Owner), In: params{}}
		ready, next := s.receivable(q)
		if len(ready) == 0 {
			if next.IsZero() {
				next = s.now().Add(pollLongest)
			}
			return c.arrival(q), next
		}
		if full := ready[0].Visible.Add(time.Duration(m.Window) * time.Second); m.Window > 0 && len(ready) < m.Batch && s.now().Before(full) {
			return c.arrival(q), full
		}
		if some, err := s.takeBatch(m, q, f); err != nil {
			return s.hold(m, err)
		} else if !some {
			return c.arrival(q), s.now().Add(pollTrouble)
		}
	}
}

// takeBatch receives messages as the function's role and begins an invocation
// with them. It says whether there were any.
func (s *Sandbox) takeBatch(m *eventMapping, q *queue, f *lambdaFunction) (bool, error) {
	as, err := s.asFunction(f.version(m.Function.Qualifier).Role, f.Name, "sqs", q.Region)
	if err != nil {
		return false, err
	}
	var messages []params
	size, largest := 0, queueRanges["MaximumMessageSize"][1]
	for len(messages) < m.Batch && size+largest <= maxPayload { // a batch is an invocation, and fits into one
		most := min(10, m.Batch-len(messages))
		if !q.fifo() { // the rest of a group that is being worked on has to wait
			most = min(most, (maxPayload-size)/largest)
		}
		out, err := as.direct("sqs", "ReceiveMessage", q.Region, params{"QueueUrl": s.queueURL(q), "MaxNumberOfMessages": most,
			"AttributeNames": []any{"All"}, "MessageAttributeNames": []any{"All"}})
		if err != nil {
			return false, err
		}
		got, _ := out["Messages"].([]obj)
		for _, message := range got {
			messages, size = append(messages, message), size+len(text(message["Body"]))
		}
		if len(got) == 0 {
			break
		}
	}
	var records []obj
	for _, message := range messages {
		record := queueRecord(message, q)
		if m.wants(record) {
			records = append(records, record)
		} else if err := as.deleteMessages(q, []params{message}); err != nil {
			return false, err
		}
	}
	if len(records) == 0 {
		return len(messages) > 0, nil
	}
	payload, err := json.Marshal(obj{"Records": records})
	if err != nil {
		return false, err
	}
	run, err := s.startLambda(f, m.Function, s.uuid(), payload, "")
	if err != nil {
		return false, err // the messages come back when their time is up
	}
	m.running++
	m.trouble = 0
	s.done.Go(func() {
		<-run.done
		s.lock()
		defer s.unlock()
		m.running--
		s.endBatch(m, q, as, messages, run)
		m.wake()
	})
	return true, nil
}

// endBatch deletes the messages that the function has dealt with.
func (s *Sandbox) endBatch(m *eventMapping, q *queue, as *call, messages []params, run *lambdaRun) {
	if run.err != nil || run.result.Error != "" {
		m.Result = "PROBLEM: Function call failed"
		s.log.Warn("Lambda: a batch failed", "source", m.Source, "function", m.Function.arn(), "error", string(run.result.Payload))
		return
	}
	ids := map[string]bool{}
	for _, message := range messages {
		ids[message.str("MessageId")] = true
	}
	failed, ok := m.failures(run.result.Payload, ids)
	if !ok {
		m.Result = "PROBLEM: the function's batchItemFailures can't be read"
		s.log.Warn("Lambda: a batch failed: its batchItemFailures can't be read", "function", m.Function.arn(), "answer", string(run.result.Payload))
		return
	}
	m.Result = "OK"
	var done []params
	for _, message := range messages {
		if !failed[message.str("MessageId")] {
			done = append(done, message)
		}
	}
	if err := as.deleteMessages(q, done); err != nil {
		m.Result = "PROBLEM: " + err.Error()
		s.log.Warn("Lambda: messages can't be deleted: "+err.Error(), "source", m.Source, "function", m.Function.arn())
	}
}

// failures are the records that a function says it failed with; ok is false
// when its answer can't be read, which fails all of them.
func (m *eventMapping) failures(answer []byte, ids map[string]bool) (failed map[string]bool, ok bool) {
	failed = map[string]bool{}
	if !m.Items {
		return failed, true
	}
	var doc struct {
		Failures []struct {
			Item *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if string(answer) == "null" || len(answer) == 0 {
		return failed, true
	}
	if json.Unmarshal(answer, &doc) != nil {
		return nil, false
	}
	for _, f := range doc.Failures {
		if f.Item == nil || !ids[*f.Item] {
			return nil, false
		}
		failed[*f.Item] = true
	}
	return failed, true
}

// deleteMessages deletes by tens.
func (c *call) deleteMessages(q *queue, messages []params) error {
	for len(messages) > 0 {
		n := min(10, len(messages))
		var entries []any
		for i, message := range messages[:n] {
			entries = append(entries, map[string]any{"Id": fmt.Sprint(i), "ReceiptHandle": message.str("ReceiptHandle")})
		}
		if _, err := c.direct("sqs", "DeleteMessageBatch", q.Region, params{"QueueUrl": c.queueURL(q), "Entries": entries}); err != nil {
			return err
		}
		messages = messages[n:]
	}
	return nil
}

// queueRecord is a message as functions get it.
func queueRecord(message params, q *queue) obj {
	attributes := obj{}
	for name, v := range message.obj("MessageAttributes") {
		a := asParams(v)
		shown := obj{"dataType": a.str("DataType"), "stringListValues": []any{}, "binaryListValues": []any{}}
		if a.has("BinaryValue") {
			shown["binaryValue"] = a.str("BinaryValue")
		} else {
			shown["stringValue"] = a.str("StringValue")
		}
		attributes[name] = shown
	}
	record := obj{"messageId": message.str("MessageId"), "receiptHandle": message.str("ReceiptHandle"), "body": message.str("Body"),
		"attributes": message["Attributes"], "messageAttributes": attributes, "md5OfBody": message.str("MD5OfBody"),
		"eventSource": "aws:sqs", "eventSourceARN": q.arn(), "awsRegion": q.Region}
	if sum := message.str("MD5OfMessageAttributes"); sum != "" {
		record["md5OfMessageAttributes"] = sum
	}
	return record
}

// wants says whether one of the mapping's filters, if it has any, lets the
// record through. A body that is JSON is looked into.
func (m *eventMapping) wants(record obj) bool {
	if len(m.Filters) == 0 {
		return true
	}
	seen := obj{}
	for k, v := range record {
		seen[k] = v
	}
	if body, ok := record["body"].(string); ok && strings.HasPrefix(strings.TrimSpace(body), "{") && json.Valid([]byte(body)) {
		seen["body"] = json.RawMessage(body)
	}
	doc, err := json.Marshal(seen)
	if err != nil {
		return false
	}
	event, err := decodeEvent(doc)
	if err != nil {
		return false
	}
	for _, f := range m.Filters {
		if p, err := parsePattern(f); err == nil && p.matches(event) {
			return true
		}
	}
	return false
}
