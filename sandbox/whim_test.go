package sandbox_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"axle/sandbox"
)

// An operation counts as often as it was meant, however often an unkind sandbox
// throttled it; what a fault throttles counts.
func TestWhimsAreNotCounted(t *testing.T) {
	for _, tt := range []struct {
		opts sandbox.Options
		all  bool
	}{
		{sandbox.Options{Unkind: true, Seed: 1}, false},
		{sandbox.Options{Faults: parseFaults(t, "faults: [{kind: throttle, service: sts, nth: 3}]")}, true},
	} {
		b := newBox(t, tt.opts)
		client := sts.NewFromConfig(b.top)
		const meant = 300
		served := 0
		for range meant {
			if _, err := client.GetCallerIdentity(context.Background(), &sts.GetCallerIdentityInput{}); err == nil {
				served++
			}
		}
		want := served
		if tt.all {
			want = meant
		}
		if got := b.Calls()["sts:GetCallerIdentity"]; served == meant || got != want {
			t.Errorf("%d of %d were served, and %d counted, want %d", served, meant, got, want)
		}
	}
}
