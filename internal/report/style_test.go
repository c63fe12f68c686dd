package report

import (
	"io"
	"testing"
)

// A command that is told to run next is of the same axle.yaml and environment,
// and can be copied into a shell.
func TestNext(t *testing.T) {
	for _, tt := range []struct{ file, env, next, again string }{
		{"axle.yaml", "", "axle resume r1", "axle deploy --stale"},
		{"infra/axle.yaml", "", "axle -f infra/axle.yaml resume r1", "axle -f infra/axle.yaml deploy --stale"},
		{"axle.yaml", "prod", "axle resume r1", "axle deploy --stale --env prod"},
		{"it's größer/a b.yaml", "", `axle -f 'it'\''s größer/a b.yaml' resume r1`, `axle -f 'it'\''s größer/a b.yaml' deploy --stale`},
	} {
		st := NewStyle(io.Discard, false).For(tt.file, tt.env)
		if got := st.Next("resume r1"); got != tt.next {
			t.Errorf("%s: %s", tt.file, got)
		}
		if got := st.again("deploy --stale"); got != tt.again {
			t.Errorf("%s: %s", tt.file, got)
		}
	}
}
