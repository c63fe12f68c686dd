package sandbox

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"sort"
	"strconv"
	"time"
)

// timeXML is how the XML protocols write a time.
const timeXML = "2006-01-02T15:04:05.000Z"

// encodeQuery writes the answer of a query protocol operation.
func encodeQuery(svc service, op string, out obj, id string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<%sResponse xmlns=%q>", op, svc.namespace)
	if out != nil {
		writeXML(&b, op+"Result", out, "member")
	}
	b.WriteString("<ResponseMetadata><RequestId>" + id + "</RequestId></ResponseMetadata>")
	fmt.Fprintf(&b, "</%sResponse>", op)
	return b.Bytes()
}

// encodeEC2 writes the answer of an EC2 operation.
func encodeEC2(svc service, op string, out obj, id string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	fmt.Fprintf(&b, "<%sResponse xmlns=%q><requestId>%s</requestId>", op, svc.namespace, id)
	writeFields(&b, out, "item")
	fmt.Fprintf(&b, "</%sResponse>", op)
	return b.Bytes()
}

// writeXML writes one value as an element; lists hold elements named item.
func writeXML(b *bytes.Buffer, name string, v any, item string) {
	if v == nil {
		return
	}
	b.WriteString("<" + name + ">")
	writeValue(b, v, item)
	b.WriteString("</" + name + ">")
}

func writeValue(b *bytes.Buffer, v any, item string) {
	switch x := v.(type) {
	case obj:
		writeFields(b, x, item)
	case params:
		writeFields(b, x, item)
	case []any:
		for _, e := range x {
			writeXML(b, item, e, item)
		}
	case []obj:
		for _, e := range x {
			writeXML(b, item, e, item)
		}
	case []string:
		for _, e := range x {
			writeXML(b, item, e, item)
		}
	case map[string]string:
		for _, k := range sortedKeys(x) {
			b.WriteString("<entry>")
			writeXML(b, "key", k, item)
			writeXML(b, "value", x[k], item)
			b.WriteString("</entry>")
		}
	case time.Time:
		b.WriteString(x.UTC().Format(timeXML))
	default:
		_ = xml.EscapeText(b, []byte(scalar(v)))
	}
}

func writeFields(b *bytes.Buffer, o obj, item string) {
	for _, k := range sortedKeys(o) {
		writeXML(b, k, o[k], item)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func scalar(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case int:
		return strconv.Itoa(x)
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
