package action

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"axle"
	"axle/internal/cfn"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// keeperHere keeps in memory what a run records of stacks.
type keeperHere struct {
	world  *stackWorld
	mu     sync.Mutex
	before map[string]Before
	undone map[string]int
}

func (k *keeperHere) Keep(_ context.Context, step string, before Before, body []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.before[step] = before
	k.world.mu.Lock()
	defer k.world.mu.Unlock()
	k.world.bodies[before.Template] = body
	return nil
}

func (k *keeperHere) Kept(step string) (Before, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, ok := k.before[step]
	return b, ok
}

func (k *keeperHere) Undo(_ context.Context, step string) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.undone[step]++
	return k.undone[step], nil
}

func (k *keeperHere) Undone(step string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.undone[step]
}

// TestRollbackStates deploys over a stack in each status and puts it back: a stack
// that was there before the run is there after it, whatever the run made of it.
// Of statuses that pass, one stands for all; retained resources are left out: an
// update can't make what is there already.
func TestRollbackStates(t *testing.T) {
	// Nothing that counts was there before:
	made := map[types.StackStatus]bool{"REVIEW_IN_PROGRESS": true, "ROLLBACK_COMPLETE": true, "DELETE_COMPLETE": true}
	for _, rule := range cfn.Rules {
		way := climb[rule.Status]
		if way.slow && rule.Status != "CREATE_IN_PROGRESS" || strings.HasPrefix(string(rule.Status), "IMPORT_") {
			continue
		}
		t.Run(string(rule.Status), func(t *testing.T) {
			t.Parallel()
			onItsClock(t, func(t *testing.T) { putsBack(t, rule.Status, made[rule.Status]) })
		})
	}
}

// putsBack deploys over a stack in a status, and undoes that. made says that nothing
// that counts was there before.
func putsBack(t *testing.T, status types.StackStatus, made bool) {
	l := climbs(t, status)
	w, target := l.stackWorld, axle.Target{Account: l.account(), Region: "eu-west-1"}
	before, err := w.driver().Describe(t.Context(), target, l.name)
	if err != nil && !errors.Is(err, axle.ErrNotFound) {
		t.Fatal(err)
	}
	keeper := &keeperHere{world: w, before: map[string]Before{}, undone: map[string]int{}}
	step := w.step("x", ladderTemplate, nil)
	back := *step
	back.ID, back.Kind = "rollback/"+step.ID, "rollback"
	_, refused := w.do(NewKeepingStack(w.driver(), keeper, "r1", Recovery{OtherTime: time.Minute}, nil), step, values("Title", "ours"))
	_, err = w.do(NewRollback(w.driver(), keeper, "r1", Recovery{}), &back, axle.Inputs{})
	after, gone := w.driver().Describe(t.Context(), target, l.name)
	switch {
	case made:
		if err != nil || !errors.Is(gone, axle.ErrNotFound) {
			t.Errorf("the stack that the run made is %+v, %v; put back: %v", after, gone, err)
		}
	case gone != nil || after.ID != before.ID:
		t.Errorf("a stack in %s (deploy: %v) is gone after it was put back (%v)", status, refused, err)
	case refused != nil && before.State() != cfn.Busy && (err != nil || after.Status != before.Status):
		t.Errorf("a stack in %s, which deploy refused (%v), is in %s after it was put back (%v)", status, refused, after.Status, err)
	case refused == nil && (err != nil || after.Parameters["Title"] == "ours"):
		t.Errorf("a stack in %s keeps what the run gave it: %+v (%v)", status, after, err)
	}
}
