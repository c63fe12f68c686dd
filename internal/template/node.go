package template

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"axle/internal/diag"
)

// NodeKind is the sort of a Node.
type NodeKind uint8

// The sorts of nodes.
const (
	NullNode NodeKind = iota
	ScalarNode
	ListNode
	MapNode
)

// Node is a value of a template with its place, with intrinsics evaluated as
// far as the World is known. A nil Node answers nothing to everything.
type Node struct {
	Kind NodeKind
	// Text of a scalar. What isn't known stays as ${Name} or ${Resource.Attr}.
	Text string
	Tag  string // of a scalar: !!str, !!int, !!float, !!bool
	// Known: nothing in it or below it is unknown.
	Known bool
	// Refs are the names that a scalar was made of.
	Refs  []Reference
	Items []*Node // of a list
	Keys  []Key   // of a map, in the order of the text
	// Else is the other branch of an Fn::If whose condition isn't known. In a
	// list both branches are items.
	Else *Node
	// Optional: the other branch, or one below it, is AWS::NoValue.
	Optional bool
	Pos      diag.Pos
	// branched: a list with items that a condition chooses, which isn't known.
	branched bool
	// Func is the outermost intrinsic that it was written with, such as "Sub".
	Func string
}

// Key is one entry of a map.
type Key struct {
	Name  string
	Pos   diag.Pos
	Value *Node
}

// Get follows names through maps; nil where one isn't there.
func (n *Node) Get(path ...string) *Node {
	for _, name := range path {
		if n == nil {
			return nil
		}
		var next *Node
		for _, k := range n.Keys {
			if k.Name == name {
				next = k.Value
			}
		}
		n = next
	}
	return n
}

// Entries are the entries of a map.
func (n *Node) Entries() []Key {
	if n == nil {
		return nil
	}
	return n.Keys
}

// Str is a scalar's text.
func (n *Node) Str() string {
	if n == nil || n.Kind != ScalarNode {
		return ""
	}
	return n.Text
}

// List are a list's items; a single value is a list of one.
func (n *Node) List() []*Node {
	switch {
	case n == nil || n.Kind == NullNode:
		return nil
	case n.Kind == ListNode:
		return n.Items
	}
	return []*Node{n}
}

// Place is where the node is, or nowhere.
func (n *Node) Place() diag.Pos {
	if n == nil {
		return diag.Pos{}
	}
	return n.Pos
}

// JSON is the value as JSON; the unknown stays ${...}.
func (n *Node) JSON() []byte {
	var b bytes.Buffer
	n.write(&b)
	return b.Bytes()
}

func (n *Node) write(b *bytes.Buffer) {
	switch {
	case n == nil || n.Kind == NullNode:
		b.WriteString("null")
	case n.Kind == ScalarNode:
		n.writeScalar(b)
	case n.Kind == ListNode:
		b.WriteByte('[')
		for i, item := range n.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	default:
		b.WriteByte('{')
		for i, k := range n.Keys {
			if i > 0 {
				b.WriteByte(',')
			}
			writeText(b, k.Name)
			b.WriteByte(':')
			k.Value.write(b)
		}
		b.WriteByte('}')
	}
}

func (n *Node) writeScalar(b *bytes.Buffer) {
	switch n.Tag {
	case "!!bool":
		if v, err := strconv.ParseBool(n.Text); err == nil {
			b.WriteString(strconv.FormatBool(v))
			return
		}
	case "!!int", "!!float":
		if json.Valid([]byte(n.Text)) {
			b.WriteString(n.Text)
			return
		}
	}
	writeText(b, n.Text)
}

func writeText(b *bytes.Buffer, s string) {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)         // a string to memory can't fail
	b.Truncate(b.Len() - 1) // the encoder's newline
}

// At finds the node at a path such as Statement[0].Condition.StringEquals, or
// the nearest above it. Names may have dots in them. An index of what isn't a
// list is the value itself, as IAM reads it.
func (n *Node) At(path string) *Node {
	for n != nil && path != "" {
		var next *Node
		if rest, ok := strings.CutPrefix(path, "["); ok {
			number, after, _ := strings.Cut(rest, "]")
			i, err := strconv.Atoi(number)
			items := n.List()
			if err != nil || i < 0 || i >= len(items) {
				return n
			}
			next, path = items[i], after
		} else {
			var longest string
			for _, k := range n.Keys {
				after, ok := strings.CutPrefix(path, k.Name)
				if ok && len(k.Name) >= len(longest) && (after == "" || after[0] == '.' || after[0] == '[') {
					next, longest = k.Value, k.Name
				}
			}
			path = path[len(longest):]
		}
		if next == nil {
			return n
		}
		n, path = next, strings.TrimPrefix(path, ".")
	}
	return n
}
