package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// encodeJSON writes the answer of a JSON operation; times are seconds.
func encodeJSON(out obj) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(wireJSON(out)); err != nil {
		return []byte("{}")
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// wireJSON leaves out nil fields and replaces times, copying what it changes.
func wireJSON(v any) any {
	switch x := v.(type) {
	case obj:
		out := make(obj, len(x))
		for k, e := range x {
			if e != nil {
				out[k] = wireJSON(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = wireJSON(e)
		}
		return out
	case []obj:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = wireJSON(e)
		}
		return out
	case []string:
		if x == nil {
			return []string{}
		}
	case time.Time:
		return float64(x.UnixMilli()) / 1000
	}
	return v
}

// decodeJSON reads a JSON body; numbers keep their text.
func decodeJSON(body []byte) (params, error) {
	in := params{}
	if len(bytes.TrimSpace(body)) == 0 {
		return in, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&in); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more after the JSON document")
	}
	if in == nil { // the body was "null"
		in = params{}
	}
	return in, nil
}
