package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxSize is how many bytes of a policy document are read. The longest that AWS
// takes are an OpenSearch domain's access policy (100 KB), and key policies (32
// KB); this leaves room for ten times that, or for much white space.
const MaxSize = 1 << 20

// Parse compiles a policy document. It is lenient where IAM is: one value may
// stand for a list of one, numbers and booleans for strings. Everything else
// that IAM refuses is an error: unknown elements and operators, doubled keys,
// values of the wrong shape. The first mistake is returned, as a *ParseError.
func Parse(src []byte) (*Policy, error) {
	if len(src) > MaxSize {
		return nil, &ParseError{Line: 1, Col: 1, Problem: fmt.Sprintf("the document has %d bytes, more than the %d that are read; AWS's own longest limit is 100 KB", len(src), MaxSize)}
	}
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	r := &reader{src: src, dec: dec}
	p, err := r.policy()
	if err == nil {
		r.advance()
		if _, extra := dec.Token(); extra != io.EOF {
			err = r.fail("there is text after the policy's end")
		}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// reader walks the tokens of a document and knows where it is.
type reader struct {
	src  []byte
	dec  *json.Decoder
	path []string
	at   pos // where the last token begins
}

// pos is a place in the document; offset leads, line and col follow.
type pos struct {
	offset    int
	line      int // from 0
	lineStart int
}

func (r *reader) fail(format string, args ...any) error {
	return r.failAt(r.at, strings.Join(r.path, ""), format, args...)
}

func (r *reader) failAt(at pos, path, format string, args ...any) error {
	return &ParseError{Line: at.line + 1, Col: utf8.RuneCount(r.src[at.lineStart:min(at.offset, len(r.src))]) + 1, Path: abridge(path), Problem: fmt.Sprintf(format, args...)}
}

// advance moves the place to where the next token begins.
func (r *reader) advance() {
	from, to := r.at.offset, int(r.dec.InputOffset())
	for to < len(r.src) && strings.IndexByte(" \t\r\n,:", r.src[to]) >= 0 {
		to++
	}
	for i := from; i < to; i++ {
		if r.src[i] == '\n' {
			r.at.line++
			r.at.lineStart = i + 1
		}
	}
	r.at.offset = to
}

func (r *reader) token() (json.Token, error) {
	r.advance()
	t, err := r.dec.Token()
	if err != nil {
		var syntax *json.SyntaxError
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, r.fail("the document ends too early")
		case errors.As(err, &syntax):
			return nil, r.fail("not JSON: %s", syntax.Error())
		}
		return nil, r.fail("not JSON: %v", err)
	}
	return t, nil
}

// object calls element for each key of an object; the object's brace may have
// been read already. Doubled keys are errors.
func (r *reader) object(opened bool, element func(key string) error) error {
	if !opened {
		t, err := r.token()
		if err != nil {
			return err
		}
		if t != json.Delim('{') {
			return r.fail("expected an object, found %s", describe(t))
		}
	}
	depth := len(r.path)
	seen := map[string]bool{}
	for r.dec.More() {
		t, err := r.token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return r.fail("expected a key, found %s", describe(t))
		}
		prefix := "."
		if depth == 0 {
			prefix = ""
		}
		r.path = append(r.path, prefix+key)
		if seen[key] {
			return r.fail("%q appears twice", key)
		}
		seen[key] = true
		if err := element(key); err != nil {
			return err
		}
		r.path = r.path[:depth]
	}
	_, err := r.token()
	return err
}

// list calls item for each member of a list, or once for what isn't a list;
// first is the token that the item begins with.
func (r *reader) list(item func(first json.Token) error) error {
	t, err := r.token()
	if err != nil {
		return err
	}
	if t != json.Delim('[') {
		return item(t)
	}
	depth := len(r.path)
	for i := 0; r.dec.More(); i++ {
		r.path = append(r.path, "["+strconv.Itoa(i)+"]")
		t, err := r.token()
		if err != nil {
			return err
		}
		if err := item(t); err != nil {
			return err
		}
		r.path = r.path[:depth]
	}
	_, err = r.token()
	return err
}

// strings reads a string or a list of them.
func (r *reader) strings() ([]string, error) {
	var out []string
	err := r.list(func(t json.Token) error {
		switch v := t.(type) {
		case string:
			out = append(out, v)
		case json.Number:
			out = append(out, v.String())
		case bool:
			out = append(out, strconv.FormatBool(v))
		default:
			return r.fail("expected a string, found %s", describe(t))
		}
		return nil
	})
	return out, err
}

func (r *reader) string() (string, error) {
	t, err := r.token()
	if err != nil {
		return "", err
	}
	s, ok := t.(string)
	if !ok {
		return "", r.fail("expected a string, found %s", describe(t))
	}
	return s, nil
}

func describe(t json.Token) string {
	switch v := t.(type) {
	case json.Delim:
		switch v {
		case '{':
			return "an object"
		case '[':
			return "a list"
		}
		return fmt.Sprintf("%q", rune(v))
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	}
	return "null"
}

func (r *reader) policy() (*Policy, error) {
	p := &Policy{}
	var raws []rawStatement
	found := false
	err := r.object(false, func(key string) (err error) {
		switch key {
		case "Version":
			p.Version, err = r.string()
			if err == nil && p.Version != "2012-10-17" && p.Version != "2008-10-17" {
				err = r.fail(`Version is "2012-10-17" or "2008-10-17", not %q`, abridge(p.Version))
			}
		case "Id":
			p.ID, err = r.string()
		case "Statement":
			found = true
			err = r.list(func(t json.Token) error {
				if t != json.Delim('{') {
					return r.fail("expected a statement, found %s", describe(t))
				}
				raw, err := r.statement()
				raw.path = strings.Join(r.path, "")
				raws = append(raws, raw)
				return err
			})
		default:
			err = r.fail("unknown element%s", suggest(key, policyElements))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, r.fail("Statement is missing")
	}
	// Compiled only now: Version, which decides on variables, may come last.
	p.Statements = make([]Statement, len(raws))
	for i := range raws {
		s, problem := raws[i].compile(r, p.Version == "2012-10-17")
		if problem != nil {
			return nil, problem
		}
		p.Statements[i] = s
	}
	return p, nil
}

var (
	policyElements    = []string{"Version", "Id", "Statement"}
	statementElements = []string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}
)

// suggest names the candidate that was probably meant.
func suggest(got string, candidates []string) string {
	for _, c := range candidates {
		if strings.EqualFold(got, c) || oneEditApart(lower(got), lower(c)) {
			return fmt.Sprintf(" (did you mean %q?)", c)
		}
	}
	return ""
}

// oneEditApart says whether a becomes b by one insertion, deletion,
// replacement, or exchange of neighbours.
func oneEditApart(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	if len(a) < len(b) {
		return a[i:] == b[i+1:]
	}
	if i == len(a) {
		return true
	}
	return a[i+1:] == b[i+1:] ||
		(i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:])
}
