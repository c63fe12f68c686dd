package cloud

import (
	"context"
	"sync"
	"sync/atomic"
)

// mostAhead is how many accounts are entered at once before anybody asks.
const mostAhead = 16

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
	for range min(mostAhead, atOnce, len(accounts)) {
		c.proof.begin() // from now on: Certain waits for the first
		entering.Go(func() {
			more := enter()
			c.proof.end(false)
			for more {
				more = enter()
			}
		})
	}
	return func() {
		cancel()
		entering.Wait()
	}
}
