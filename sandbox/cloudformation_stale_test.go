package sandbox

import (
	"testing"
	"time"
)

// TestStaleStatus: what an unkind sandbox shows late is what a stack was before,
// and a stack that has just been made was nothing.
func TestStaleStatus(t *testing.T) {
	s, err := New(Options{Accounts: 1, Unkind: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	s.lock()
	defer s.unlock()
	account := sortedKeys(s.st.Org.Members)[0]
	c := s.callAs(identity{Account: account, ARN: "arn:aws:iam::" + account + ":root", Type: "root"}, "cloudformation", "eu-west-1")
	st := c.newStack("new", "")
	st.Since = st.Since.Add(-time.Millisecond) // the clock went on in between
	c.setStatus(st, "CREATE_IN_PROGRESS", "")
	if got := c.visible(st).status; got != "CREATE_IN_PROGRESS" {
		t.Errorf("a new stack is shown as %q", got)
	}
	st.Since = s.now().Add(-time.Minute)
	c.setStatus(st, "CREATE_COMPLETE", "")
	st.Since = s.now().Add(time.Minute) // however slow this test is, it has just been
	if got := c.visible(st).status; got != "CREATE_IN_PROGRESS" {
		t.Errorf("just after its end it is shown as %q", got)
	}
}
