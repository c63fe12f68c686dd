package action

import (
	"slices"
	"strings"
	"testing"

	"axle"
	"axle/sandbox"
)

// TestStackDenied refuses each call of a stack's life in turn: the step ends
// with the refusal, also when it is the last one: a preview that may not take
// away what it made says so.
func TestStackDenied(t *testing.T) {
	t.Parallel()
	stages := []struct {
		preview, delete bool
		title           string
	}{
		{preview: true, title: "one"}, {title: "one"}, {preview: true, title: "two"}, {title: "two"}, {preview: true, delete: true}, {delete: true},
	}
	run := func(w *stackWorld, i int) (axle.Result, error) {
		step := w.step("topic", topicTemplate, nil)
		step.Delete = stages[i].delete
		if stages[i].preview {
			return w.do(NewStackPreview(w.driver(), "r1"), step, values("Title", stages[i].title))
		}
		return w.do(NewStack(w.driver(), "r1"), step, values("Title", stages[i].title))
	}
	before := func(t *testing.T, i int) *stackWorld {
		w := newStackWorld(t, sandbox.Options{})
		for k := range i {
			if _, err := run(w, k); err != nil {
				t.Fatalf("stage %d: %v", k, err)
			}
		}
		w.called()
		return w
	}
	for i := range stages {
		all := before(t, i)
		if _, err := run(all, i); err != nil {
			t.Fatalf("stage %d: %v", i, err)
		}
		calls := all.called()
		if !slices.Contains(calls, "DescribeStacks") {
			t.Fatalf("stage %d calls %v", i, calls)
		}
		for n, call := range calls {
			if slices.Contains(calls[:n], call) && call != "DescribeStacks" {
				continue
			}
			w := before(t, i)
			seen := 0
			w.onCall = func(string) { // the n-th, and what is called alike after it
				if seen++; seen > n {
					w.mu.Lock()
					w.deny = call
					w.mu.Unlock()
				}
			}
			res, err := run(w, i)
			if err == nil || !strings.Contains(err.Error(), "AccessDenied: not authorized to perform: cloudformation:"+call) {
				t.Errorf("stage %d without %s, call %d of %v: %+v, %v", i, call, n, calls, res, err)
			}
		}
	}
}
