package sandbox

import (
	"testing"
	"time"
)

// rootOf is a call to CloudFormation by an account's root user, in a sandbox that
// nobody else changes until the test ends.
func rootOf(t *testing.T, opts Options) *call {
	t.Helper()
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	s.lock()
	t.Cleanup(func() {
		s.unlock()
		_ = s.Close()
	})
	account := sortedKeys(s.st.Org.Members)[0]
	return s.callAs(identity{Account: account, ARN: "arn:aws:iam::" + account + ":root", Type: "root"}, "cloudformation", "eu-west-1")
}

// TestStaleStatus: what an unkind sandbox shows late is what a stack was before,
// and a stack that has just been made was nothing.
func TestStaleStatus(t *testing.T) {
	c := rootOf(t, Options{Accounts: 1, Unkind: true})
	st := c.newStack("new", "")
	st.Since = st.Since.Add(-time.Millisecond) // the clock went on in between
	c.setStatus(st, "CREATE_IN_PROGRESS", "")
	if got := c.visible(st).status; got != "CREATE_IN_PROGRESS" {
		t.Errorf("a new stack is shown as %q", got)
	}
	st.Since = c.now().Add(-time.Minute)
	c.setStatus(st, "CREATE_COMPLETE", "")
	st.Since = c.now().Add(time.Minute) // however slow this test is, it has just been
	if got := c.visible(st).status; got != "CREATE_IN_PROGRESS" {
		t.Errorf("just after its end it is shown as %q", got)
	}
}

// TestStaleChangeSet: what a stack was before a change set was executed, it was by the
// one before.
func TestStaleChangeSet(t *testing.T) {
	c := rootOf(t, Options{Accounts: 1})
	st := c.newStack("s", "")
	c.setStatus(st, "CREATE_COMPLETE", "")
	st.Since = st.Since.Add(-time.Minute)
	one := &changeSet{ID: c.arn("changeSet/one/1"), Name: "one", Stack: st.ID, Status: "CREATE_COMPLETE", Execution: "EXECUTE_COMPLETE"}
	two := &changeSet{ID: c.arn("changeSet/two/2"), Name: "two", Stack: st.ID, Type: "UPDATE", Status: "CREATE_COMPLETE", Execution: "AVAILABLE"}
	st.ChangeSets = map[string]*changeSet{one.ID: one, two.ID: two}
	c.In = params{"ChangeSetName": two.ID}
	if _, err := executeChangeSet(c); err != nil {
		t.Fatal(err)
	}
	if st.old == nil || st.old.status != "CREATE_COMPLETE" || st.old.changeSet != one.ID || st.view().changeSet != two.ID {
		t.Errorf("before the execution it is shown as %+v, then by %s", st.old, st.view().changeSet)
	}
}
