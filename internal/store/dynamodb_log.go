package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// maxItem is what an item holds of records, compressed: DynamoDB takes 400 KB
// with the names and the rest. More of it goes into the bucket.
const maxItem = 350 << 10

// runLog is what this store knows of a run's records. Whoever writes has turn.
type runLog struct {
	turn chan struct{}
	next int64 // the number of the next Append; 0 when it must be looked up
}

func (s *DynamoDB) log(run string) *runLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.logs[run]
	if l == nil {
		l = &runLog{turn: make(chan struct{}, 1)}
		s.logs[run] = l
	}
	return l
}

// Append is part of Store: one write, whatever the number of records. Those of
// one process wait for each other; the engine sends what has come meanwhile
// together.
func (s *DynamoDB) Append(ctx context.Context, run string, records []axle.Record) error {
	if len(records) == 0 {
		return nil
	}
	doing := "journal of run " + run
	body, err := json.Marshal(records)
	if err == nil {
		body, err = pack(body)
	}
	if err != nil {
		return fmt.Errorf("%s: encode: %w", doing, err)
	}
	l := s.log(run)
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", doing, ctx.Err())
	case <-s.closing:
		return fmt.Errorf("%s: %w", doing, errClosed)
	}
	defer func() { <-l.turn }()
	return s.explain(doing, s.append(ctx, l, run, body))
}

// append writes the next item of a run's log.
func (s *DynamoDB) append(ctx context.Context, l *runLog, run string, body []byte) (err error) {
	if l.next == 0 {
		if l.next, err = s.next(ctx, run); err != nil {
			l.next = 0
			return err
		}
	}
	id := text(rand.Text())
	content := item{"records": &types.AttributeValueMemberB{Value: body}}
	if len(body) > maxItem {
		object, err := s.upload(ctx, run, body)
		if err != nil {
			return err
		}
		content = item{"object": text(object)}
	}
	for {
		it := key(keyRun+run, ordinal(l.next))
		it["id"] = id
		maps.Copy(it, content)
		err := s.transact(ctx, run, s.putNew(it))
		switch {
		case err == nil:
			l.next++
			return nil
		case !errors.Is(err, errTaken):
			l.next = 0 // it may have been written or not
			return err
		}
		there, err := s.get(ctx, keyRun+run, ordinal(l.next))
		if err != nil {
			l.next = 0
			return err
		}
		l.next++
		if words(there, "id") == words(it, "id") {
			return nil // it is this one: an answer was lost
		}
	}
}

// next is the number after the last of a run's log.
func (s *DynamoDB) next(ctx context.Context, run string) (int64, error) {
	if _, err := s.find(ctx, run); err != nil {
		return 0, err
	}
	in := partition(keyRun + run)
	in.ScanIndexForward, in.Limit, in.ProjectionExpression = aws.Bool(false), aws.Int32(1), aws.String("sk")
	last := int64(0)
	err := s.query(ctx, in, func(it item) (bool, error) {
		n, err := strconv.ParseInt(words(it, "sk"), 10, 64)
		last = n
		return false, err
	})
	return last + 1, err
}

// Records is part of Store.
func (s *DynamoDB) Records(ctx context.Context, run string) ([]axle.Record, error) {
	records, err := s.records(ctx, run)
	return records, s.explain("read the journal of run "+run, err)
}

func (s *DynamoDB) records(ctx context.Context, run string) ([]axle.Record, error) {
	if _, err := s.find(ctx, run); err != nil {
		return nil, err
	}
	latest := map[string]axle.Record{}
	err := s.query(ctx, partition(keyRun+run), func(it item) (bool, error) {
		body := octets(it, "records")
		if object := words(it, "object"); object != "" {
			var err error
			if body, err = s.download(ctx, object); err != nil {
				return false, err
			}
		}
		var records []axle.Record
		body, err := unpack(body)
		if err == nil {
			err = json.Unmarshal(body, &records)
		}
		if err != nil {
			return false, fmt.Errorf("what was written as number %s can't be read: %w", words(it, "sk"), err)
		}
		for _, r := range records {
			r.Started, r.Finished = r.Started.UTC(), r.Finished.UTC()
			latest[r.Step] = r
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	out := make([]axle.Record, 0, len(latest))
	for _, r := range latest {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b axle.Record) int { return cmp.Compare(a.Step, b.Step) })
	return out, nil
}
