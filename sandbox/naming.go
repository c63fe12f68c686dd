package sandbox

import "axle/internal/late"

// naming is how something may be named: a pattern of ASCII letters, and how
// many. A pattern that counts to 255 by itself is compiled into thousands of
// steps.
type naming struct {
	pattern  *late.Regexp
	min, max int
}

// MatchString says whether s is such a name.
func (n naming) MatchString(s string) bool {
	return len(s) >= n.min && len(s) <= n.max && n.pattern.MatchString(s)
}
