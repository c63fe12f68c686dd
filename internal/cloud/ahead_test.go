package cloud

import (
	"fmt"
	"net/url"
	"testing"
)

func TestEnterAhead(t *testing.T) {
	w := newWire(t)
	c := w.cloud(t, Access{For: all(spoke("axle-spoke"))})
	var accounts []string
	for i := range 2 * mostAhead {
		accounts = append(accounts, fmt.Sprintf("%012d", 1+i))
	}
	held, free := make(chan struct{}, len(accounts)), make(chan struct{})
	w.refuse = func(_, action string, _ url.Values) (string, string) {
		if action == "AssumeRole" {
			held <- struct{}{}
			<-free
		}
		return "", ""
	}
	defer close(free)
	stop := c.EnterAhead(t.Context(), accounts, 3)
	for range 3 {
		<-held
	}
	stop()
	if n := w.count("AKIDBASE AssumeRole"); n != 3 {
		t.Errorf("%d accounts were entered, want %d at once and no other after the stop", n, 3)
	}
	for key, s := range c.sessions {
		if !s.gate.tryEnter() {
			t.Errorf("%s is still being entered after the stop", key.arn)
		}
	}
}
