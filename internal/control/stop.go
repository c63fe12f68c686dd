package control

import "context"

// UntilStopped gives a context that ends at a soft stop too: for what comes before a
// run begins to act. Nothing has to come to a safe point there.
func UntilStopped(ctx context.Context, stop <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
