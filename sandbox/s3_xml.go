package sandbox

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strconv"
	"time"
)

// s3Reply is an answer of S3: headers, and a document or a body.
type s3Reply struct {
	status int // 0 means 200
	header map[string]string
	doc    *element
	body   []byte
}

// answer wraps a reply as an operation's output.
func (r s3Reply) answer() (obj, error) { return obj{"": r}, nil }

// empty is the answer of operations that only work.
func empty() (obj, error) { return s3Reply{status: http.StatusNoContent}.answer() }

func (r s3Reply) write(w http.ResponseWriter) {
	for k, v := range r.header {
		if v != "" {
			w.Header().Set(k, v)
		}
	}
	body := r.body
	if r.doc != nil {
		w.Header().Set("Content-Type", "application/xml")
		var b bytes.Buffer
		b.WriteString(xml.Header)
		r.doc.attrs = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`
		r.doc.write(&b)
		body = b.Bytes()
	}
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	if status != http.StatusNoContent && w.Header().Get("Content-Length") == "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// element is an XML element with text or with children.
type element struct {
	name, text, attrs string
	kids              []*element
	raw               string // instead of both
}

// el makes an element. A child may be an *element, a list of them, or nil;
// anything else is its text.
func el(name string, content ...any) *element {
	e := &element{name: name}
	for _, c := range content {
		switch x := c.(type) {
		case nil:
		case *element:
			if x != nil {
				e.kids = append(e.kids, x)
			}
		case []*element:
			e.kids = append(e.kids, x...)
		case time.Time:
			e.text = x.UTC().Format(timeXML)
		default:
			e.text = scalar(x)
		}
	}
	return e
}

// given is an element that is left out when its text is empty.
func given(name, text string) *element {
	if text == "" {
		return nil
	}
	return el(name, text)
}

func (e *element) write(b *bytes.Buffer) {
	b.WriteString("<" + e.name + e.attrs + ">")
	if e.raw != "" {
		b.WriteString(e.raw)
	}
	_ = xml.EscapeText(b, []byte(e.text))
	for _, k := range e.kids {
		k.write(b)
	}
	b.WriteString("</" + e.name + ">")
}

// malformed is S3's answer to a document that it can't read.
func malformedXML() error {
	return fail("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

// readXML reads the request's document into v.
func (c *call) readXML(v any) error {
	if err := xml.Unmarshal(c.body(), v); err != nil {
		return malformedXML()
	}
	return nil
}
