package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// runPlace is where a run's item is: runs of a project are in the order of their
// beginning.
type runPlace struct {
	project string
	number  int64 // from 1; none has 0
}

func (p runPlace) key() item { return key(keyProject+p.project, ordinal(p.number)) }

// CreateRun is part of Store.
func (s *DynamoDB) CreateRun(ctx context.Context, run axle.Run, plan []byte) error {
	packed, err := pack(plan)
	if err != nil {
		return fmt.Errorf("create run %s: compress its plan: %w", run.ID, err)
	}
	return s.explain("create run "+run.ID, s.createRun(ctx, run, packed))
}

func (s *DynamoDB) createRun(ctx context.Context, run axle.Run, plan []byte) error {
	object, err := s.upload(ctx, run.ID, plan)
	if err != nil {
		return err
	}
	counter, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.at.Table, Key: key(keyStore, keyStore),
		UpdateExpression:         aws.String("SET #schema = if_not_exists(#schema, :schema) ADD #runs :one"),
		ExpressionAttributeNames: map[string]string{"#schema": "schema", "#runs": "runs"}, ReturnValues: types.ReturnValueUpdatedNew,
		ExpressionAttributeValues: item{":schema": count(tableSchema), ":one": count(1)}})
	if err != nil {
		return err
	}
	at := runPlace{run.Project, number(counter.Attributes, "runs")}
	pointer := key(keyRuns, run.ID)
	pointer["project"], pointer["number"] = text(at.project), count(at.number)
	it := at.key()
	maps.Copy(it, item{"run": text(run.ID), "project": text(run.Project), "env": text(run.Env), "command": text(run.Command), "status": text(string(run.Status)),
		"started": when(run.Started), "finished": when(run.Finished), "steps": count(int64(run.Steps)), "plan": text(object)})
	err = s.transact(ctx, run.ID, s.putNew(pointer), s.putNew(it))
	if errors.Is(err, errTaken) {
		if there, ferr := s.find(ctx, run.ID); ferr == nil && there == at {
			return nil // it is this one: an answer was lost
		}
		return errors.New("a run of this id exists already")
	}
	return err
}

// putNew writes an item where none is.
func (s *DynamoDB) putNew(it item) types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{TableName: &s.at.Table, Item: it, ConditionExpression: aws.String("attribute_not_exists(pk)")}}
}

// find finds where a run is by its id.
func (s *DynamoDB) find(ctx context.Context, id string) (runPlace, error) {
	if id == "" || len(id) > maxRunID {
		return runPlace{}, axle.ErrNotFound
	}
	it, err := s.get(ctx, keyRuns, id)
	if err == nil && it == nil {
		err = axle.ErrNotFound
	}
	return runPlace{words(it, "project"), number(it, "number")}, err
}

// maxRunID is more than the id of any run has; DynamoDB takes no key of more
// than 1024 bytes.
const maxRunID = 500

// Runs is part of Store.
func (s *DynamoDB) Runs(ctx context.Context, project string, limit int) ([]axle.Run, error) {
	runs, err := s.runs(ctx, project, limit)
	return runs, s.explain("list runs", err)
}

func (s *DynamoDB) runs(ctx context.Context, project string, limit int) ([]axle.Run, error) {
	projects := []string{project}
	if project == "" {
		var err error
		if projects, err = s.projects(ctx); err != nil {
			return nil, err
		}
	}
	type numbered struct {
		axle.Run
		number string
	}
	var all []numbered
	for _, p := range projects {
		in := partition(keyProject + p)
		in.ScanIndexForward = aws.Bool(false)
		if limit > 0 {
			in.Limit = aws.Int32(int32(min(limit, 1000)))
		}
		n := 0
		err := s.query(ctx, in, func(it item) (bool, error) {
			n++
			all = append(all, numbered{runOf(it), words(it, "sk")})
			return limit <= 0 || n < limit, nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b numbered) int { return cmp.Compare(b.number, a.number) })
	if limit > 0 && len(all) > limit {
		all = all[:limit]
	}
	var runs []axle.Run
	for _, r := range all {
		runs = append(runs, r.Run)
	}
	return runs, nil
}

// projects are those that have runs.
func (s *DynamoDB) projects(ctx context.Context) ([]string, error) {
	var names []string
	err := s.query(ctx, partition(keyRuns), func(it item) (bool, error) {
		if p := words(it, "project"); !slices.Contains(names, p) {
			names = append(names, p)
		}
		return true, nil
	})
	return names, err
}

func runOf(it item) axle.Run {
	return axle.Run{ID: words(it, "run"), Project: words(it, "project"), Env: words(it, "env"), Command: words(it, "command"),
		Status: axle.RunStatus(words(it, "status")), Started: point(it, "started"), Finished: point(it, "finished"), Steps: int(number(it, "steps"))}
}

// Run is part of Store.
func (s *DynamoDB) Run(ctx context.Context, id string) (axle.Run, []byte, error) {
	at, err := s.named(ctx, id)
	if err != nil {
		return axle.Run{}, nil, s.explain(fmt.Sprintf("find run %q", id), err)
	}
	it, err := s.get(ctx, keyProject+at.project, ordinal(at.number))
	if err == nil && it == nil {
		err = axle.ErrNotFound
	}
	if err != nil {
		return axle.Run{}, nil, s.explain(fmt.Sprintf("find run %q", id), err)
	}
	run := runOf(it)
	packed, err := s.download(ctx, words(it, "plan"))
	if err != nil {
		return run, nil, s.explain("read the plan of run "+run.ID, err)
	}
	plan, err := unpack(packed)
	if err != nil {
		return run, nil, fmt.Errorf("read the plan of run %s: %w", run.ID, err)
	}
	return run, plan, nil
}

// named finds a run by id, by "latest" or by prefix, in this order.
func (s *DynamoDB) named(ctx context.Context, id string) (runPlace, error) {
	if id == "latest" || id == "" {
		runs, err := s.runs(ctx, "", 1)
		if err != nil || len(runs) == 0 {
			return runPlace{}, cmp.Or(err, axle.ErrNotFound)
		}
		return s.find(ctx, runs[0].ID)
	}
	if len(id) > maxRunID {
		return runPlace{}, axle.ErrNotFound
	}
	var runs []axle.Run
	var places []runPlace
	in := partition(keyRuns)
	in.KeyConditionExpression = aws.String("pk = :pk AND begins_with(sk, :id)")
	in.ExpressionAttributeValues[":id"] = text(id)
	in.Limit = aws.Int32(10)
	err := s.query(ctx, in, func(it item) (bool, error) { // the shortest, which is the id itself, comes first
		runs = append(runs, axle.Run{ID: words(it, "sk")})
		places = append(places, runPlace{words(it, "project"), number(it, "number")})
		return len(runs) < 10, nil
	})
	if err == nil {
		_, err = oneOf(runs, id)
	}
	if err != nil {
		return runPlace{}, err
	}
	return places[0], nil
}

// FinishRun is part of Store.
func (s *DynamoDB) FinishRun(ctx context.Context, id string, status axle.RunStatus, at time.Time) error {
	doing := "record the status of run " + id
	place, err := s.find(ctx, id)
	if err == nil {
		err = s.transact(ctx, id, types.TransactWriteItem{Update: &types.Update{TableName: &s.at.Table, Key: place.key(),
			UpdateExpression: aws.String("SET #status = :status, #finished = :at"), ConditionExpression: aws.String("attribute_exists(pk)"),
			ExpressionAttributeNames:  map[string]string{"#status": "status", "#finished": "finished"},
			ExpressionAttributeValues: item{":status": text(string(status)), ":at": when(at)}}})
	}
	if errors.Is(err, errTaken) {
		err = axle.ErrNotFound
	}
	return s.explain(doing, err)
}

// Remember is part of Store.
func (s *DynamoDB) Remember(ctx context.Context, stackID, digest string, updated time.Time) error {
	doing := "remember the template of stack " + stackID
	if err := s.closed(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	it := key(keyStack+stackID, "template")
	it["digest"], it["updated"] = text(digest), when(updated)
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.at.Table, Item: it}); err != nil {
		return s.explain(doing, err)
	}
	arn := strings.SplitN(stackID, ":", 6)
	if len(arn) != 6 || arn[2] != "cloudformation" {
		return nil
	}
	// A template is in many accounts: that it is in a region is written once.
	there := digest + " " + arn[3]
	s.mu.Lock()
	known := s.known[there]
	s.mu.Unlock()
	if known {
		return nil
	}
	if _, err := s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: &s.at.Table, Item: key(keyDigest+digest, arn[3])}); err != nil {
		return s.explain(doing, err)
	}
	s.mu.Lock()
	s.known[there] = true
	s.mu.Unlock()
	return nil
}

// Digest is part of Store.
func (s *DynamoDB) Digest(ctx context.Context, stackID string) (string, time.Time, bool, error) {
	it, err := s.get(ctx, keyStack+stackID, "template")
	if err != nil || it == nil {
		return "", time.Time{}, false, s.explain("look up the template of stack "+stackID, err)
	}
	return words(it, "digest"), point(it, "updated"), true, nil
}

// Deployed is part of Store.
func (s *DynamoDB) Deployed(ctx context.Context, digest, region string) (bool, error) {
	it, err := s.get(ctx, keyDigest+digest, region)
	return it != nil, s.explain("look whether template "+digest+" was deployed in "+region, err)
}

// upload puts what an item can't hold into the bucket, under a key that nothing
// else has.
func (s *DynamoDB) upload(ctx context.Context, run string, body []byte) (object string, err error) {
	if err := s.closed(); err != nil {
		return "", err
	}
	object = s.at.Table + "/" + run + "/" + rand.Text() + ".gz"
	return object, s.put(ctx, object, body)
}

func (s *DynamoDB) put(ctx context.Context, object string, body []byte) error {
	_, err := s.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.at.Bucket, Key: &object, Body: bytes.NewReader(body), ExpectedBucketOwner: &s.account})
	return s.explainBucket("write "+object, err)
}

func (s *DynamoDB) download(ctx context.Context, object string) ([]byte, error) {
	doing := "read " + object
	out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.at.Bucket, Key: &object, ExpectedBucketOwner: &s.account})
	if err != nil {
		return nil, s.explainBucket(doing, err)
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return body, s.explainBucket(doing, err)
}
