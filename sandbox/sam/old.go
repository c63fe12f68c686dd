package sam

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The logical id of an API's deployment is a hash of the definition as Python 2
// printed it, with the maps in the order of its hash tables. The transform left
// Python 2 long ago and keeps the names; here are its table and its printing,
// after the description in CPython 2.7's Objects/dictnotes.txt.

// oldTable is a hash table of Python 2 with its keys only.
type oldTable struct {
	slots      []oldSlot
	used, fill int
}

type oldSlot struct {
	key   string
	state byte // 0 empty, 1 taken, 2 was taken
}

const oldSize = 8

func newOldTable() *oldTable { return &oldTable{slots: make([]oldSlot, oldSize)} }

// oldHash is the hash of a text in Python 2 on a 64-bit machine.
func oldHash(s string) uint64 {
	runes := []rune(s)
	if len(runes) == 0 {
		return 0
	}
	x := uint64(runes[0]) << 7
	for _, r := range runes {
		x = x*1000003 ^ uint64(r)
	}
	x ^= uint64(len(runes))
	if x == ^uint64(0) {
		x--
	}
	return x
}

// find gives the slot of a key: its own, or the one that it would take.
func (t *oldTable) find(key string) int {
	mask := uint64(len(t.slots) - 1)
	h := oldHash(key)
	free := -1
	for i, perturb := h, h; ; perturb >>= 5 {
		at := int(i & mask)
		switch s := t.slots[at]; {
		case s.state == 1 && s.key == key:
			return at
		case s.state == 0 && free >= 0:
			return free
		case s.state == 0:
			return at
		case s.state == 2 && free < 0:
			free = at
		}
		i = i<<2 + i + perturb + 1
	}
}

func (t *oldTable) add(key string) {
	at := t.find(key)
	switch t.slots[at].state {
	case 1:
		return
	case 0:
		t.fill++
	}
	t.used++
	t.slots[at] = oldSlot{key, 1}
	if t.fill*3 >= len(t.slots)*2 {
		t.resize(t.used * 4)
	}
}

func (t *oldTable) remove(key string) {
	if at := t.find(key); t.slots[at].state == 1 {
		t.slots[at] = oldSlot{state: 2}
		t.used--
	}
}

func (t *oldTable) resize(least int) {
	size := oldSize
	for size <= least {
		size <<= 1
	}
	keys := t.keys()
	*t = oldTable{slots: make([]oldSlot, size)}
	for _, k := range keys {
		t.add(k)
	}
}

// expect makes room for a number of keys that come at once.
func (t *oldTable) expect(more int) {
	if more > 0 && (t.fill+more)*3 >= len(t.slots)*2 {
		t.resize((t.used + more) * 2)
	}
}

func (t *oldTable) keys() []string {
	var out []string
	for _, s := range t.slots {
		if s.state == 1 {
			out = append(out, s.key)
		}
	}
	return out
}

// oldOrder gives all maps of a value the order of Python 2.
func oldOrder(v any) any {
	switch x := v.(type) {
	case []any:
		for i, e := range x {
			x[i] = oldOrder(e)
		}
	case *Dict:
		if x == nil {
			return v
		}
		keys := x.names()
		x.old = newOldTable()
		for _, k := range keys {
			x.old.add(k)
			x.vals[k] = oldOrder(x.vals[k])
		}
	}
	return v
}

// oldDict is made for maps in an API's definition.
func oldDict(pairs ...any) *Dict {
	d := NewDict()
	d.old = newOldTable()
	for i := 0; i+1 < len(pairs); i += 2 {
		d.own(pairs[i].(string), pairs[i+1])
	}
	return d
}

// oldText prints a value as Python 2 did.
func oldText(v any) string {
	var b strings.Builder
	writeOld(&b, v)
	return b.String()
}

func writeOld(b *strings.Builder, v any) {
	switch x := v.(type) {
	case nil:
		b.WriteString("None")
	case bool:
		if x {
			b.WriteString("True")
		} else {
			b.WriteString("False")
		}
	case json.Number:
		b.WriteString(x.String())
		if digits := strings.TrimPrefix(x.String(), "-"); !strings.ContainsAny(digits, ".eE") &&
			(len(digits) > 19 || len(digits) == 19 && digits > "9223372036854775807") {
			b.WriteByte('L')
		}
	case word:
		b.WriteString(quoteOld(string(x), unicode.IsPrint))
	case string:
		b.WriteString("u" + quoteOld(x, ascii))
	case []any:
		b.WriteByte('[')
		for i, e := range x {
			if i > 0 {
				b.WriteString(", ")
			}
			writeOld(b, e)
		}
		b.WriteByte(']')
	case *Dict:
		b.WriteByte('{')
		for i, k := range x.names() {
			if i > 0 {
				b.WriteString(", ")
			}
			if x.ours[k] {
				b.WriteString(quoteOld(k, unicode.IsPrint) + ": ")
			} else {
				b.WriteString("u" + quoteOld(k, ascii) + ": ")
			}
			writeOld(b, x.vals[k])
		}
		b.WriteByte('}')
	default:
		fmt.Fprint(b, x)
	}
}

func ascii(r rune) bool { return r < 0x7f }

// quoteOld quotes a text; what the author wrote in ASCII, as Python 2 did, what
// the transform added as later ones do.
func quoteOld(s string, plain func(rune) bool) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b := []byte{quote}
	for _, r := range s {
		switch {
		case r == rune(quote) || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r >= 0x20 && plain(r):
			b = utf8.AppendRune(b, r)
		case r <= 0xff:
			b = fmt.Appendf(b, `\x%02x`, r)
		case r > 0xffff:
			b = fmt.Appendf(b, `\U%08x`, r)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return string(append(slices.Clip(b), quote))
}
