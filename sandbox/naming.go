package sandbox

import (
	"regexp"
	"sync"
)

// naming is how something may be named: a pattern of ASCII letters, and how
// many. A pattern that counts to 255 by itself is compiled into thousands of
// steps, whenever the program starts.
type naming struct {
	pattern  func() *regexp.Regexp
	min, max int
}

func named(pattern string, least, most int) naming {
	return naming{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) }), least, most}
}

// MatchString says whether s is such a name.
func (n naming) MatchString(s string) bool {
	return len(s) >= n.min && len(s) <= n.max && n.pattern().MatchString(s)
}
