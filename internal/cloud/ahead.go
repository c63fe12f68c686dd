package cloud

import (
	"context"
	"sync/atomic"
)

// mostAhead is how many accounts are entered at once before anybody asks.
const mostAhead = 16

// EnterAhead begins to enter accounts, in their order, a few and never more than
// atOnce at a time, while the caller is busy with something else. Who needs credentials then finds them, or waits for the
// call that is under way; refusals are told to them alone. Once stop is called
// no other account is begun.
func (c *Cloud) EnterAhead(ctx context.Context, accounts []string, atOnce int) (stop func()) {
	var next atomic.Int64
	for range min(mostAhead, atOnce, len(accounts)) {
		go func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(accounts) {
					return
				}
				_, _ = c.target(accounts[i]).Retrieve(ctx) // who needs it asks again
			}
		}()
	}
	return func() { next.Store(int64(len(accounts))) }
}
