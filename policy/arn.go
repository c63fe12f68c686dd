package policy

import "strings"

// arn is an ARN cut at its first five colons.
type arn struct {
	text  string
	parts [6]string
	ok    bool // it has six parts and begins with "arn"
}

func splitARN(s string) arn {
	a := arn{text: s}
	rest := s
	for i := 0; i < 5; i++ {
		colon := strings.IndexByte(rest, ':')
		if colon < 0 {
			return a
		}
		a.parts[i], rest = rest[:colon], rest[colon+1:]
	}
	a.parts[5] = rest
	a.ok = a.parts[0] == "arn"
	return a
}

// arnGlob is a compiled pattern for ARNs: each of the six parts is matched
// separately, and the wildcards of the first five don't cross a colon.
type arnGlob struct {
	whole glob
	parts [6]glob
	n     int // how many parts the pattern has
	// spills: a part other than the sixth ends in *, which in a Resource may
	// match beyond the colon.
	spills bool
	tokens []rune // of the whole, when it spills
	least  int    // how many bytes it matches at least
}

func compileARN(g glob) arnGlob {
	p := arnGlob{whole: g}
	rest := string(g)
	p.least = len(rest) - strings.Count(rest, string([]byte{anyRun}))
	for p.n < 6 {
		part, after, more := strings.Cut(rest, ":")
		if p.n == 5 || !more {
			part, more = rest, false
		}
		p.parts[p.n] = glob(part)
		p.n++
		if p.n < 6 && part != "" && part[len(part)-1] == anyRun {
			p.spills = true
		}
		if !more {
			break
		}
		rest = after
	}
	if p.spills {
		p.tokens = spillTokens(string(g))
	}
	return p
}

// match is ArnLike and ArnEquals: "Each of the six colon-delimited components
// of the ARN is checked separately".
func (p *arnGlob) match(a *arn) bool {
	if !a.ok || p.n != 6 {
		return false
	}
	// The last parts differ most often.
	for i := 5; i >= 0; i-- {
		if !p.parts[i].match(a.parts[i]) {
			return false
		}
	}
	return true
}

// matchResource is the Resource element: like match, and "if the * wildcard is
// the last character of a resource ARN segment, it can expand to match beyond
// the colon boundaries" (IAM User Guide, JSON policy elements: Resource).
func (p *arnGlob) matchResource(a *arn) bool {
	if len(p.whole) == 1 && p.whole[0] == anyRun {
		return true
	}
	if !a.ok {
		return string(p.whole) == a.text // such as "*" for an action without resources
	}
	return p.match(a) || (p.spills && p.least <= len(a.text) && matchSpilling(p.tokens, a.text))
}
