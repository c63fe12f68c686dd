package policy

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// What a change of a policy lets through is named: where nothing is, nobody gets
// what they hadn't.
func TestWideningMissesNothing(t *testing.T) {
	everything, err := Parse([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			principals := rapid.Bool().Draw(t, "principals")
			before := drawDoc(t, principals)
			after := doc{Version: before.Version, Statement: slices.Clone(before.Statement)}
			other := drawDoc(t, principals)
			for i := range after.Statement { // the same with some changes
				if rapid.Bool().Draw(t, "change") && i < len(other.Statement) {
					s := &after.Statement[i]
					switch rapid.IntRange(0, 4).Draw(t, "what") {
					case 0:
						s.Condition = other.Statement[i].Condition
					case 1:
						s.Resource, s.NotRes = other.Statement[i].Resource, other.Statement[i].NotRes
					case 2:
						s.Action, s.NotAction = other.Statement[i].Action, other.Statement[i].NotAction
					case 3:
						s.Principal = other.Statement[i].Principal
					default:
						*s = other.Statement[i]
					}
				}
			}
			if rapid.IntRange(0, 3).Draw(t, "fewer") == 0 && len(after.Statement) > 0 {
				after.Statement = after.Statement[1:]
			}
			was, is := before.compile(t), after.compile(t)
			if len(Widening(was, is)) > 0 {
				continue
			}
			s := drawSituation(t)
			allowed := func(p *Policy) bool {
				if principals { // the caller's own side allows all: an account that is named lets it in
					return Evaluate(s.req, &Policies{Identity: []*Policy{everything}, Resource: p}).Allowed()
				}
				return Evaluate(s.req, &Policies{Identity: []*Policy{p}}).Allowed()
			}
			if allowed(is) && !allowed(was) {
				t.Fatalf("%+v\nmay %s on %s\nbefore %+v\nafter  %+v", s.req.Principal, s.req.Action, s.req.Resource, before, after)
			}
		}
	})
}
