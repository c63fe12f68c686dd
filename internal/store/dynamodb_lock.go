package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// watched is how long the heart of a holder must have been still, by the clock
// of the one who looks, before its lock is taken: however wrong the times are
// that are written, one that beats keeps its lock.
const watched = 3 * heartbeat

// grip is a lock that this store holds for a run.
type grip struct {
	project string
	token   string // no two holders have the same
}

// gripped is a lock as its item has it. One that was given back stays, as free.
type gripped struct {
	held
	token string
	beat  int64
	free  bool
}

// Lock is part of Store. Times are by AWS's clock, which every answer tells. A
// holder elsewhere that wasn't heard of for a minute is watched before its lock
// is taken, which takes a quarter of a minute.
func (s *DynamoDB) Lock(ctx context.Context, project string, by axle.Holder) (func() error, error) {
	doing := fmt.Sprintf("lock project %q", project)
	mine := held{Holder: by, process: look(by.PID)}
	g := grip{project, rand.Text()}
	dead := "" // the run that loses the lock
	for {
		if err := s.closed(); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		other, found, err := s.gripped(ctx, project)
		if err != nil {
			return nil, s.explain(doing, err)
		}
		if found && other.token == g.token { // an answer was lost
			break
		}
		dead = ""
		if found && !other.free {
			if err := other.refuses(project, s.now()); err != nil {
				return nil, err
			}
			if still, err := s.still(ctx, project, other); err != nil {
				return nil, s.explain(doing, err)
			} else if !still {
				continue
			}
			dead = other.Run
		}
		err = s.grab(ctx, g, mine, other, found)
		if err == nil {
			break
		}
		if !refusedCondition(err) { // else somebody was faster, or we were
			return nil, s.explain(doing, err)
		}
	}
	if err := s.interrupted(ctx, dead); err != nil {
		return nil, errors.Join(s.explain(doing, err), s.release(ctx, g))
	}
	s.mu.Lock()
	s.locks[by.Run] = g
	s.mu.Unlock()
	unlock := keep(ctx, &s.tasks, s.closing, project, mine, func(ctx context.Context) error { return s.beat(ctx, g) },
		func(ctx context.Context) error {
			s.mu.Lock()
			delete(s.locks, by.Run)
			s.mu.Unlock()
			return s.release(ctx, g)
		})
	return unlock, nil
}

// still says whether a holder that isn't alive by the times that it wrote is
// silent too. One whose process can be looked at from here needn't be watched.
func (s *DynamoDB) still(ctx context.Context, project string, other gripped) (bool, error) {
	if other.nearby() {
		return true, nil
	}
	if s.Watching != nil {
		s.Watching(project, other.Holder, s.now().Sub(other.Seen), watched)
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for range watched / heartbeat {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, ctx.Err()
		case <-s.closing:
			return false, errClosed
		}
		now, _, err := s.gripped(ctx, project)
		if err != nil || now.token != other.token || now.beat != other.beat || now.free {
			return false, err
		}
	}
	return true, nil
}

// grab takes a lock if it is as it was seen.
func (s *DynamoDB) grab(ctx context.Context, g grip, mine held, seen gripped, found bool) error {
	now := s.now()
	it := key(keyLock+g.project, "lock")
	maps.Copy(it, item{"run": text(mine.Run), "who": text(mine.Who), "host": text(mine.Host), "pid": count(int64(mine.PID)),
		"place": text(mine.place), "born": text(mine.born), "since": when(now), "seen": when(now), "beat": count(0), "token": text(g.token),
		"free": &types.AttributeValueMemberBOOL{Value: false}})
	in := &dynamodb.PutItemInput{TableName: &s.at.Table, Item: it, ConditionExpression: aws.String("attribute_not_exists(pk)")}
	if found {
		in.ConditionExpression = aws.String("#token = :token AND #beat = :beat AND #free = :free")
		in.ExpressionAttributeNames = map[string]string{"#token": "token", "#beat": "beat", "#free": "free"}
		in.ExpressionAttributeValues = item{":token": text(seen.token), ":beat": count(seen.beat), ":free": &types.AttributeValueMemberBOOL{Value: seen.free}}
	}
	_, err := s.db.PutItem(ctx, in)
	return err
}

// beat says that the holder is alive.
func (s *DynamoDB) beat(ctx context.Context, g grip) error {
	return s.whileHeld(ctx, g, "SET #seen = :now ADD #beat :one", item{":now": when(s.now()), ":one": count(1)}, "seen", "beat")
}

// release gives the lock back. The item stays, so that a release whose answer
// was lost can be done again.
func (s *DynamoDB) release(ctx context.Context, g grip) error {
	err := s.whileHeld(ctx, g, "SET #free = :yes", item{":yes": &types.AttributeValueMemberBOOL{Value: true}}, "free")
	if errors.Is(err, axle.ErrNotFound) {
		return err
	}
	return s.explain(fmt.Sprintf("give back the lock of project %q", g.project), err)
}

// whileHeld changes the lock's item if the lock is still ours. names are the
// attributes that the change names, with # before them.
func (s *DynamoDB) whileHeld(ctx context.Context, g grip, change string, values item, names ...string) error {
	values[":mine"] = text(g.token)
	named := map[string]string{"#token": "token"}
	for _, name := range names {
		named["#"+name] = name
	}
	out, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.at.Table, Key: key(keyLock+g.project, "lock"),
		UpdateExpression: &change, ConditionExpression: aws.String("#token = :mine"),
		ExpressionAttributeNames: named, ExpressionAttributeValues: values})
	if refusedCondition(err) {
		return axle.ErrNotFound
	}
	if err == nil {
		s.notice(out.ResultMetadata)
	}
	return err
}

// interrupted marks the run of a holder that lost its lock; "" is none.
func (s *DynamoDB) interrupted(ctx context.Context, run string) error {
	at, err := s.find(ctx, run)
	if errors.Is(err, axle.ErrNotFound) {
		return nil // or it died before it was recorded
	}
	if err != nil {
		return err
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.at.Table, Key: at.key(),
		UpdateExpression: aws.String("SET #status = :interrupted"), ConditionExpression: aws.String("#status = :running"),
		ExpressionAttributeNames:  map[string]string{"#status": "status"},
		ExpressionAttributeValues: item{":interrupted": text(string(axle.RunInterrupted)), ":running": text(string(axle.RunRunning))}})
	if refusedCondition(err) {
		return nil
	}
	return err
}

// Holder is part of Store.
func (s *DynamoDB) Holder(ctx context.Context, project string) (axle.Holder, bool, error) {
	g, found, err := s.gripped(ctx, project)
	return g.Holder, found && !g.free && g.alive(s.now()), s.explain(fmt.Sprintf("look at the lock of project %q", project), err)
}

func (s *DynamoDB) gripped(ctx context.Context, project string) (gripped, bool, error) {
	it, err := s.get(ctx, keyLock+project, "lock")
	if err != nil || it == nil {
		return gripped{}, false, err
	}
	free, _ := it["free"].(*types.AttributeValueMemberBOOL)
	return gripped{held: held{Holder: holderOf(it), process: process{place: words(it, "place"), born: words(it, "born")}},
		token: words(it, "token"), beat: number(it, "beat"), free: free != nil && free.Value}, true, nil
}

func refusedCondition(err error) bool {
	var refused *types.ConditionalCheckFailedException
	return errors.As(err, &refused)
}
