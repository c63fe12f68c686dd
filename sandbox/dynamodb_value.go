package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"axle/internal/late"
)

// typed gives the type and the content of an attribute value, which is an
// object with one member named as its type.
func typed(v any) (kind string, content any) {
	m := asParams(v)
	if len(m) != 1 {
		return "", nil
	}
	for k, c := range m {
		kind, content = k, c
	}
	return kind, content
}

func valueOf(kind string, content any) map[string]any { return map[string]any{kind: content} }

var numberForm = late.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?$`)

// number reads a number exactly; nil for what isn't one in DynamoDB's range.
func number(s string) *big.Rat {
	if len(s) > 200 || !numberForm.MatchString(s) {
		return nil
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 { // a larger exponent would make a number of that many digits
		if e, ok := new(big.Int).SetString(strings.TrimPrefix(s[i+1:], "+"), 10); !ok || e.CmpAbs(big.NewInt(300)) > 0 {
			return nil
		}
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil
	}
	return r
}

// numberText is a number as DynamoDB gives it back: without zeros at the ends.
func numberText(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(330), "0")
}

// checkValue refuses what isn't an attribute value, and gives it as it is
// kept: numbers in their shortest form.
func checkValue(v any) (map[string]any, error) {
	kind, content := typed(v)
	bad := func(why string) (map[string]any, error) {
		return nil, fail("ValidationException", "One or more parameter values were invalid: %s", why)
	}
	switch kind {
	case "S", "B":
		if _, ok := content.(string); !ok {
			return bad("a value of type " + kind + " isn't text")
		}
	case "N":
		r := number(text(content))
		if r == nil {
			return nil, fail("ValidationException", "A value provided cannot be converted into a number")
		}
		content = numberText(r)
		if err := checkNumber(text(content)); err != nil {
			return nil, err
		}
	case "BOOL", "NULL":
		if _, ok := content.(bool); !ok {
			return bad("a value of type " + kind + " isn't true or false")
		}
	case "SS", "NS", "BS":
		return checkSet(kind, content)
	case "L":
		list, ok := content.([]any)
		if !ok {
			return bad("a value of type L isn't a list")
		}
		out := make([]any, len(list))
		for i, e := range list {
			kept, err := checkValue(e)
			if err != nil {
				return nil, err
			}
			out[i] = kept
		}
		content = out
	case "M":
		kept, err := checkItem(asParams(content))
		if err != nil {
			return nil, err
		}
		content = kept
	default:
		return nil, fail("ValidationException", "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	return valueOf(kind, content), nil
}

// checkNumber: DynamoDB keeps 38 digits, and magnitudes from 1e-130 to below 1e126.
func checkNumber(shortest string) error {
	whole, rest, _ := strings.Cut(strings.TrimPrefix(shortest, "-"), ".")
	switch {
	case len(whole) > 126:
		return fail("ValidationException", "Number overflow. Attempting to store a number with magnitude larger than supported range")
	case strings.Trim(whole, "0") == "" && len(rest)-len(strings.TrimLeft(rest, "0")) >= 130 && strings.Trim(rest, "0") != "":
		return fail("ValidationException", "Number underflow. Attempting to store a number with magnitude smaller than supported range")
	case len(strings.Trim(whole+rest, "0")) > 38:
		return fail("ValidationException", "Attempting to store more than 38 significant digits in a Number")
	}
	return nil
}

// checkSet: a set isn't empty and holds nothing twice.
func checkSet(kind string, content any) (map[string]any, error) {
	list, _ := content.([]any)
	if len(list) == 0 {
		return nil, fail("ValidationException", "One or more parameter values were invalid: An %s set may not be empty", map[string]string{"SS": "string", "NS": "number", "BS": "binary"}[kind])
	}
	var out []any
	seen := map[any]bool{}
	for _, e := range list {
		kept, err := checkValue(valueOf(kind[:1], e))
		if err != nil {
			return nil, err
		}
		if seen[kept[kind[:1]]] {
			return nil, fail("ValidationException", "One or more parameter values were invalid: Input collection %s contains duplicates.", text(e))
		}
		seen[kept[kind[:1]]] = true
		out = append(out, kept[kind[:1]])
	}
	return valueOf(kind, out), nil
}

// checkItem checks all attributes of an item or a map.
func checkItem(in params) (dynamoItem, error) {
	out := dynamoItem{}
	for _, name := range sortedKeys(in) {
		v, err := checkValue(in[name])
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// compareValues orders two scalars of one type; ok is false for others.
func compareValues(a, b any) (order int, ok bool) {
	ka, va := typed(a)
	kb, vb := typed(b)
	if ka != kb {
		return 0, false
	}
	switch ka {
	case "S":
		return strings.Compare(text(va), text(vb)), true
	case "N":
		x, y := number(text(va)), number(text(vb))
		if x == nil || y == nil {
			return 0, false
		}
		return x.Cmp(y), true
	case "B":
		return bytes.Compare(plain(va), plain(vb)), true
	}
	return 0, false
}

// plain are the bytes of a binary value.
func plain(v any) []byte {
	b, err := base64.StdEncoding.DecodeString(text(v))
	if err != nil {
		return nil
	}
	return b
}

// equalValues: the order within sets doesn't matter.
func equalValues(a, b any) bool {
	if order, ok := compareValues(a, b); ok {
		return order == 0
	}
	return canonicalValue(a) == canonicalValue(b)
}

func canonicalValue(v any) string {
	kind, content := typed(v)
	if list, ok := content.([]any); ok && len(kind) == 2 {
		sorted := make([]string, len(list))
		for i, e := range list {
			sorted[i] = text(e)
		}
		slices.Sort(sorted)
		content = sorted
	}
	b, _ := json.Marshal(valueOf(kind, content))
	return string(b)
}

// keyOfItem is the text under which an item is kept: the values of its key.
func (t *dynamoTable) keyOfItem(item dynamoItem) string {
	var parts []string
	for _, name := range t.Keys.names() {
		parts = append(parts, canonicalValue(item[name]))
	}
	return strings.Join(parts, "\x00")
}

// size is roughly what the items take.
func (t *dynamoTable) size() int {
	n := 0
	for _, item := range t.Items {
		n += itemSize(item)
	}
	return n
}

// itemSize is what DynamoDB counts of an item (Developer Guide, "Item sizes and
// formats").
func itemSize(item dynamoItem) int {
	n := 0
	for name, v := range item {
		n += len(name) + valueSize(v)
	}
	return n
}

func valueSize(v any) int {
	kind, content := typed(v)
	list, _ := content.([]any)
	n := 0
	switch kind {
	case "S":
		return len(text(content))
	case "B":
		return len(plain(content))
	case "N":
		return 1 + (len(strings.Trim(text(content), "-0."))+1)/2
	case "M":
		return 3 + len(asParams(content)) + itemSize(dynamoItem(asParams(content)))
	case "L":
		for _, e := range list {
			n += 1 + valueSize(e)
		}
		return 3 + n
	case "SS", "NS", "BS":
		for _, e := range list {
			n += valueSize(valueOf(kind[:1], e))
		}
		return n
	}
	return 1
}

// checkKeys refuses an item without the attributes of the table's key, or with
// others than their types, there and in the keys of indexes.
func (t *dynamoTable) checkKeys(item dynamoItem) error {
	for _, name := range t.Keys.names() {
		v, ok := item[name]
		if !ok {
			return invalidTable("Missing the key %s in the item", name)
		}
		kind, content := typed(v)
		if kind != t.Types[name] {
			return invalidTable("Type mismatch for key %s expected: %s actual: %s", name, t.Types[name], kind)
		}
		if text(content) == "" {
			return invalidTable("The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", name)
		}
		if size := valueSize(v); name == t.Keys.Hash && size > 2048 {
			return invalidTable("Size of hashkey has exceeded the maximum size limit of2048 bytes") // as AWS says it
		} else if name == t.Keys.Range && size > 1024 {
			return invalidTable("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
		}
	}
	for _, k := range t.indexKeys() {
		for _, name := range k.names() {
			if kind, _ := typed(item[name]); kind != "" && kind != t.Types[name] {
				return invalidTable("Type mismatch for Index Key %s Expected: %s Actual: %s", name, t.Types[name], kind)
			}
		}
	}
	return nil
}

// readKey reads a Key, which has the attributes of the table's key and no
// others.
func (t *dynamoTable) readKey(in params) (dynamoItem, error) {
	key, err := checkItem(in)
	if err != nil {
		return nil, err
	}
	if len(key) != len(t.Keys.names()) || t.checkKeys(key) != nil {
		return nil, fail("ValidationException", "The provided key element does not match the schema")
	}
	return key, nil
}

// keyPart is the key of an item.
func keyPart(item dynamoItem, keys ...dynamoKeys) dynamoItem {
	out := dynamoItem{}
	for _, k := range keys {
		for _, name := range k.names() {
			if v, ok := item[name]; ok {
				out[name] = v
			}
		}
	}
	return out
}
