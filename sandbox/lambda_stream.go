package sandbox

import (
	"encoding/json"
	"time"
)

// streamActions are what a function's role needs to read a stream.
var streamActions = []string{"GetRecords", "GetShardIterator", "DescribeStream", "ListStreams"}

// checkStreamSource refuses a stream that isn't there, or that the function's
// role can't read.
func (c *call) checkStreamSource(m *eventMapping, v *functionVersion) error {
	t := c.streamAt(m.Source)
	if t == nil || t.Account != c.Account.ID || t.Region != c.Region {
		return invalidLambda("Stream not found: %s", m.Source)
	}
	as, err := c.asFunction(v.Role, m.Function.Name, "dynamodb", c.Region)
	if err != nil {
		return err
	}
	for _, op := range streamActions {
		a := access{Action: "dynamodb:" + op, Resource: m.Source}
		if op == "ListStreams" {
			a.Resource = "*"
		}
		if as.check(a) != nil {
			return invalidLambda("Cannot access stream %s. Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM.", m.Source)
		}
	}
	return nil
}

// lookAtStream begins an invocation with the records after the mapping's
// position. Those of a shard are worked on in order, one batch after the other.
func (s *Sandbox) lookAtStream(m *eventMapping) (<-chan struct{}, time.Time) {
	t, f := s.streamAt(m.Source), s.functionAt(m.Function)
	later := s.now().Add(pollLongest)
	switch {
	case m.running > 0:
		return nil, later // its end wakes
	case t == nil:
		return s.hold(m, fail("ResourceNotFoundException", "Stream not found: %s", m.Source))
	case f == nil || f.version(m.Function.Qualifier) == nil:
		return s.hold(m, noFunction(m.Function))
	}
	most := m.Batch
	if m.Size > 0 {
		most = m.Size
	}
	as, err := s.asFunction(f.version(m.Function.Qualifier).Role, f.Name, "dynamodb", t.Region)
	if err == nil {
		err = as.check(access{Action: "dynamodb:GetRecords", Resource: m.Source})
	}
	if err != nil {
		return s.hold(m, err)
	}
	found := t.Stream.after(m.Position, most)
	if len(found) == 0 {
		return t.Stream.arrival(), later
	}
	if full := found[0].At.Add(time.Duration(m.Window) * time.Second); m.Window > 0 && len(found) < m.Batch && s.now().Before(full) {
		return t.Stream.arrival(), full
	}
	var records []obj
	for _, r := range found {
		record := t.shownRecord(r)
		record["eventSourceARN"] = m.Source
		if m.wants(record) {
			records = append(records, record)
		}
	}
	if len(records) == 0 {
		m.Position = found[len(found)-1].Number
		return nil, s.now()
	}
	if err := s.runRecords(m, f, found, records); err != nil {
		return s.hold(m, err)
	}
	return nil, later
}

// runRecords begins an invocation, after which the mapping goes on.
func (s *Sandbox) runRecords(m *eventMapping, f *lambdaFunction, found []streamRecord, records []obj) error {
	payload, err := json.Marshal(obj{"Records": wireJSON(records)})
	if err != nil {
		return err
	}
	run, err := s.startLambda(f, m.Function, s.uuid(), payload, "")
	if err != nil {
		return err
	}
	m.running++
	m.trouble = 0
	s.done.Go(func() {
		<-run.done
		s.lock()
		defer s.unlock()
		m.running--
		if !s.closed {
			s.endRecords(m, found, run)
		}
		m.wake()
	})
	return nil
}

// endRecords moves the mapping on: behind the batch, or before the first record
// that the function failed with, which is tried again.
func (s *Sandbox) endRecords(m *eventMapping, found []streamRecord, run *lambdaRun) {
	last := found[len(found)-1].Number
	failed, first := run.err != nil || run.result.Error != "", found[0].Number
	if !failed {
		ids := map[string]bool{}
		for _, r := range found {
			ids[streamNumber(r.Number)] = true
		}
		items, ok := m.failures(run.result.Payload, ids)
		failed = !ok || len(items) > 0
		for i := len(found) - 1; ok && i >= 0; i-- {
			if items[streamNumber(found[i].Number)] {
				first = found[i].Number
			}
		}
	}
	if !failed {
		m.Position, m.Failures, m.Size, m.Result = last, 0, 0, "OK"
		return
	}
	m.Result = "PROBLEM: Function call failed"
	if first > found[0].Number { // what came before is done
		m.Position, m.Failures = first-1, 0
	}
	m.Failures++
	m.NotBefore = s.now().Add(min(time.Duration(m.Failures)*eventRetry, 10*time.Second))
	old := m.MaxAge > 0 && s.now().Sub(found[0].At) > time.Duration(m.MaxAge)*time.Second
	switch {
	case !old && (m.Retries < 0 || m.Failures <= m.Retries):
		if m.Bisect && len(found) > 1 {
			m.Size = (len(found) + 1) / 2
		}
	default:
		s.log.Warn("Lambda: a batch of a stream is given up", "mapping", m.ID, "source", m.Source, "error", string(run.result.Payload))
		s.giveUpRecords(m, found, run)
		m.Position, m.Failures, m.Size, m.NotBefore = last, 0, 0, time.Time{}
	}
}

// giveUpRecords tells the mapping's destination where in the stream the batch is.
func (s *Sandbox) giveUpRecords(m *eventMapping, found []streamRecord, run *lambdaRun) {
	f := s.functionAt(m.Function)
	if m.OnFailure == "" || f == nil || f.version(m.Function.Qualifier) == nil {
		return
	}
	first, last := found[0], found[len(found)-1]
	record := documentText(map[string]any{"version": "1.0", "timestamp": s.now().Format(timeXML),
		"requestContext":  map[string]any{"requestId": run.id, "functionArn": m.Function.arn(), "condition": "RetryAttemptsExhausted", "approximateInvokeCount": m.Failures},
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": run.v.Version, "functionError": run.result.Error},
		"DDBStreamBatchInfo": map[string]any{"shardId": streamShard, "startSequenceNumber": streamNumber(first.Number), "endSequenceNumber": streamNumber(last.Number),
			"approximateArrivalOfFirstRecord": first.At.Format(timeXML), "approximateArrivalOfLastRecord": last.At.Format(timeXML), "batchSize": len(found), "streamArn": m.Source}})
	s.send(f, f.version(m.Function.Qualifier), m.OnFailure, []byte(record), nil)
}
