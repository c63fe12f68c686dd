package sandbox

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// expire drops messages that are older than the queue keeps them.
func (s *Sandbox) expire(q *queue) {
	days, err := strconv.Atoi(q.Attributes["MessageRetentionPeriod"])
	if err != nil {
		days = 345600
	}
	oldest := s.now().Add(-time.Duration(days) * time.Second)
	q.Messages = slices.DeleteFunc(q.Messages, func(m *queueMessage) bool { return m.Sent.Before(oldest) })
}

// receivable are the messages that can be received now, and when the next one
// could be. A message of a FIFO queue waits until those before it in its group
// are deleted.
func (s *Sandbox) receivable(q *queue) (ready []*queueMessage, next time.Time) {
	now, blocked := s.now(), map[string]bool{}
	for _, m := range q.Messages {
		if q.fifo() && blocked[m.group()] {
			continue
		}
		if m.Visible.After(now) {
			blocked[m.group()] = true
			if next.IsZero() || m.Visible.Before(next) {
				next = m.Visible
			}
			continue
		}
		ready = append(ready, m)
	}
	return ready, next
}

// receiveMessage takes up to ten messages, which others don't see for a while.
// With a wait time it answers when there is one, or at the end.
func receiveMessage(c *call, q *queue) (obj, error) {
	attributes := params{}
	for k, v := range c.shownQueue(q) {
		attributes[k] = v
	}
	most, hidden := c.In.int("MaxNumberOfMessages", 1), c.In.int("VisibilityTimeout", attributes.int("VisibilityTimeout", 30))
	wait := c.In.int("WaitTimeSeconds", attributes.int("ReceiveMessageWaitTimeSeconds", 0))
	switch {
	case most < 1 || most > 10:
		return nil, invalidQueueValue(c.In.str("MaxNumberOfMessages"), "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
	case hidden < 0 || hidden > 43200:
		return nil, invalidQueueValue(c.In.str("VisibilityTimeout"), "VisibilityTimeout", "Must be between 0 and 43200, if provided.")
	case wait < 0 || wait > 20:
		return nil, invalidQueueValue(c.In.str("WaitTimeSeconds"), "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
	}
	c.giveUp(q)
	ready, next := c.receivable(q)
	if c.opts.Unkind && !q.fifo() {
		ready = c.disorder(ready, wait > 0)
	}
	if len(ready) == 0 {
		c.wait(q, next, time.Duration(wait)*time.Second)
		return obj{}, nil
	}
	ready = ready[:min(most, len(ready))]
	for _, m := range ready {
		if m.Key == "" {
			continue
		}
		if _, err := c.useKeys(q.Owner, m.Key, "sqs", map[string]string{"aws:sqs:arn": q.arn()}, "kms:Decrypt"); err != nil {
			return nil, queueKeyError(err)
		}
	}
	out := make([]obj, 0, len(ready))
	for _, m := range ready {
		if m.Receives++; m.Receives == 1 {
			m.First = c.now()
		}
		m.Visible = c.now().Add(time.Duration(hidden) * time.Second)
		out = append(out, c.showMessage(m))
	}
	return obj{"Messages": out}, nil
}

// wait asks to be run again when there may be something to receive.
func (c *call) wait(q *queue, next time.Time, limit time.Duration) {
	if c.until.IsZero() {
		c.until = c.now().Add(limit)
	}
	if c.closed || c.HTTP == nil || !c.now().Before(c.until) {
		return
	}
	until := c.until
	if !next.IsZero() && next.Before(until) {
		until = next
	}
	c.pause = &pause{ready: c.arrival(q), until: until}
}

// giveUp moves messages that were received too often to the dead-letter queue.
func (c *call) giveUp(q *queue) {
	target, receives := redrive(q.Attributes["RedrivePolicy"])
	dead := c.queueByARN(target)
	if dead == nil {
		return
	}
	now := c.now()
	q.Messages = slices.DeleteFunc(q.Messages, func(m *queueMessage) bool {
		if m.Receives < receives || m.Visible.After(now) {
			return false
		}
		m.System["DeadLetterQueueSourceArn"] = q.arn()
		dead.Messages = append(dead.Messages, m)
		c.arrived(dead)
		return true
	})
}

// disorder is what a standard queue may do: give messages in any order, and,
// unless the receiver waits, only some of them.
func (c *call) disorder(ready []*queueMessage, all bool) []*queueMessage {
	out := slices.Clone(ready)
	c.rand.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	if !all && len(out) > 1 {
		out = out[:1+int(c.random()*float64(len(out)))]
	}
	return out
}

// showMessage is a message with those of its attributes that were asked for.
func (c *call) showMessage(m *queueMessage) obj {
	out := obj{"MessageId": m.ID, "ReceiptHandle": m.handle(), "Body": m.Body, "MD5OfBody": md5Hex([]byte(m.Body))}
	system := map[string]string{"SentTimestamp": text(int(m.Sent.UnixMilli())), "ApproximateReceiveCount": text(m.Receives),
		"ApproximateFirstReceiveTimestamp": text(int(m.First.UnixMilli()))}
	for k, v := range m.System {
		system[k] = v
	}
	wanted, shown := append(c.In.strs("AttributeNames"), c.In.strs("MessageSystemAttributeNames")...), obj{}
	for k, v := range system {
		if slices.Contains(wanted, "All") || slices.Contains(wanted, k) {
			shown[k] = v
		}
	}
	if len(shown) > 0 {
		out["Attributes"] = shown
	}
	chosen := map[string]any{}
	for _, pattern := range c.In.strs("MessageAttributeNames") {
		prefix, wide := strings.CutSuffix(strings.TrimSuffix(pattern, "*"), ".")
		for k, v := range m.Attributes {
			if pattern == "All" || k == pattern || wide && strings.HasPrefix(k, prefix) {
				chosen[k] = v
			}
		}
	}
	if len(chosen) > 0 {
		out["MessageAttributes"], out["MD5OfMessageAttributes"] = chosen, attributesDigest(chosen)
	}
	return out
}
