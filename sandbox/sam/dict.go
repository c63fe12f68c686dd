package sam

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

// Dict is a map that keeps the order of its keys, as templates' authors wrote
// them: the names of API deployments depend on it.
type Dict struct {
	keys []string
	vals map[string]any
	// old, if set, gives the keys in the order of Python 2, which made the first
	// deployments' names, so that the names of later ones stay comparable.
	old *oldTable
	// ours are the keys that the transform added; all other are the author's.
	ours map[string]bool
}

// word is a text of the transform's own inside of an API's definition, told
// apart from the author's texts for the names of deployments only.
type word string

// NewDict makes an empty map.
func NewDict() *Dict { return &Dict{vals: map[string]any{}} }

// made is a map of the transform's own: keys and values in turn.
func made(pairs ...any) *Dict {
	d := NewDict()
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i].(string), pairs[i+1])
	}
	return d
}

// Set puts a value, a new key after the others.
func (d *Dict) Set(key string, v any) {
	if _, has := d.vals[key]; !has {
		d.keys = append(d.keys, key)
		if d.old != nil {
			d.old.add(key)
		}
	}
	d.vals[key] = v
}

// own is Set for a key of the transform's own.
func (d *Dict) own(key string, v any) {
	if !d.has(key) {
		if d.ours == nil {
			d.ours = map[string]bool{}
		}
		d.ours[key] = true
	}
	d.Set(key, v)
}

// set is Set, but nil is left out.
func (d *Dict) set(key string, v any) {
	if v != nil {
		d.Set(key, v)
	}
}

func (d *Dict) get(key string) any {
	if d == nil {
		return nil
	}
	return d.vals[key]
}

func (d *Dict) has(key string) bool {
	if d == nil {
		return false
	}
	_, ok := d.vals[key]
	return ok
}

func (d *Dict) dict(key string) *Dict { return asDict(d.get(key)) }

func (d *Dict) list(key string) []any {
	l, _ := d.get(key).([]any)
	return l
}

func (d *Dict) text(key string) string {
	s, _ := textOf(d.get(key))
	return s
}

func (d *Dict) drop(key string) {
	if !d.has(key) {
		return
	}
	delete(d.vals, key)
	delete(d.ours, key)
	d.keys = slices.DeleteFunc(d.keys, func(k string) bool { return k == key })
	if d.old != nil {
		d.old.remove(key)
	}
}

// names are the keys in the order of iteration.
func (d *Dict) names() []string {
	switch {
	case d == nil:
		return nil
	case d.old != nil:
		return d.old.keys()
	}
	return slices.Clone(d.keys)
}

func (d *Dict) len() int {
	if d == nil {
		return 0
	}
	return len(d.vals)
}

// only gives the key and value of a map that has just one.
func (d *Dict) only() (string, any, bool) {
	if d.len() != 1 {
		return "", nil, false
	}
	return d.keys[0], d.vals[d.keys[0]], true
}

// update puts all of another map's members into this one.
func (d *Dict) update(other *Dict) {
	if d.old != nil && d != other {
		d.old.expect(other.len())
	}
	for _, k := range other.names() {
		if other.ours[k] {
			d.own(k, other.vals[k])
		} else {
			d.Set(k, other.vals[k])
		}
	}
}

// shallow is a copy that shares the members.
func (d *Dict) shallow() *Dict {
	out := NewDict()
	if d.old != nil {
		out.old = newOldTable()
	}
	out.update(d)
	return out
}

func asDict(v any) *Dict {
	d, _ := v.(*Dict)
	return d
}

func textOf(v any) (string, bool) {
	switch x := v.(type) {
	case string:
		return x, true
	case word:
		return string(x), true
	}
	return "", false
}

// clone copies a value with all that it holds.
func clone(v any) any {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = clone(e)
		}
		return out
	case *Dict:
		out := NewDict()
		if x.old != nil {
			out.old = newOldTable()
		}
		for _, k := range x.names() {
			if x.ours[k] {
				out.own(k, clone(x.vals[k]))
			} else {
				out.Set(k, clone(x.vals[k]))
			}
		}
		return out
	}
	return v
}

// truthy is Python's notion of a value that says something.
func truthy(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case string:
		return x != ""
	case word:
		return x != ""
	case json.Number:
		f, err := x.Float64()
		return err != nil || f != 0
	case []any:
		return len(x) > 0
	case *Dict:
		return x.len() > 0
	}
	return true
}

// Plain turns ordered maps into ordinary ones.
func Plain(v any) any {
	switch x := v.(type) {
	case *Dict:
		out := make(map[string]any, len(x.vals))
		for k, e := range x.vals {
			out[k] = Plain(e)
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = Plain(e)
		}
		return out
	case word:
		return string(x)
	}
	return v
}

// maxDepth bounds the nesting of what is read, and with it all recursion.
const maxDepth = 200

var errDeep = errors.New("nested too deeply")

// ReadJSON reads a JSON text; maps keep their order, numbers their text.
func ReadJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := readValue(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("text after the value")
	}
	return v, nil
}

func readValue(d *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDeep
	}
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t {
	case json.Delim('{'):
		out := NewDict()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			out.Set(key.(string), v)
		}
		_, err := d.Token()
		return out, err
	case json.Delim('['):
		out := []any{}
		for d.More() {
			v, err := readValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		_, err := d.Token()
		return out, err
	}
	return t, nil
}
