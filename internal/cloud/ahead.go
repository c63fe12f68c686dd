package cloud

import (
	"context"
	"sync"
	"sync/atomic"
)

// firstAhead and mostAhead are how many accounts are entered at once before anybody
// asks: a few, and one more for each that has been entered. A journal in a file is
// open before the first answer, and the calls of its run shall not queue behind many;
// one in a database takes some round trips.
const (
	firstAhead = 4
	mostAhead  = 16
)

// EnterAhead begins to enter accounts, in their order, a few and never more than
// atOnce at a time, while the caller is busy with something else. Who needs
// credentials then finds them, or waits for the call that is under way; refusals
// are told to them alone. stop ends it: when it returns, no call of this is under
// way.
func (c *Cloud) EnterAhead(ctx context.Context, accounts []string, atOnce int) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var next atomic.Int64
	var entering sync.WaitGroup
	enter := func() bool {
		i := int(next.Add(1)) - 1
		if i >= len(accounts) || ctx.Err() != nil {
			return false
		}
		_, _ = c.target(accounts[i]).Retrieve(ctx) // who needs it asks again
		return true
	}
	most := int64(min(mostAhead, atOnce, len(accounts)))
	var workers atomic.Int64
	var work func()
	work = func() {
		for enter() {
			if workers.Add(1) <= most {
				entering.Go(work)
			}
		}
	}
	for range min(firstAhead, most) {
		workers.Add(1)
		c.proof.begin() // from now on: Certain waits for the first
		entering.Go(func() {
			enter()
			c.proof.end(false)
			work()
		})
	}
	return func() {
		cancel()
		entering.Wait()
	}
}
