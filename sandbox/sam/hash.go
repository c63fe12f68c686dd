package sam

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// hashLength is how many digits of a hash go into a logical id.
const hashLength = 10

// hashed is a logical id with a hash of data; without data just the prefix.
func hashed(prefix string, data any) string {
	if !truthy(data) {
		return prefix
	}
	return prefix + digest(data)[:hashLength]
}

// digest is the SHA-1 of a text, or of a value's JSON.
func digest(data any) string {
	s, ok := textOf(data)
	if !ok {
		var b strings.Builder
		writeJSON(&b, data)
		s = b.String()
	}
	sum := sha1.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// writeJSON writes JSON as short as can be, maps sorted, in ASCII.
func writeJSON(b *strings.Builder, v any) {
	switch x := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		fmt.Fprint(b, x)
	case json.Number:
		b.WriteString(x.String())
	case []any:
		b.WriteByte('[')
		for i, e := range x {
			if i > 0 {
				b.WriteByte(',')
			}
			writeJSON(b, e)
		}
		b.WriteByte(']')
	case *Dict:
		keys := x.names()
		slices.Sort(keys)
		b.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			quoteJSON(b, k)
			b.WriteByte(':')
			writeJSON(b, x.vals[k])
		}
		b.WriteByte('}')
	default:
		s, _ := textOf(v)
		quoteJSON(b, s)
	}
}

func quoteJSON(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		case r < 0x20 || r > 0x7e && r != 0x7f:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}
