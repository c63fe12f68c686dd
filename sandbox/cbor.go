package sandbox

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// The newer protocol of CloudWatch, Smithy's RPC v2: maps in CBOR, the operation
// in the path. The same services answer older SDKs in JSON.
const rpcProtocol = "rpc-v2-cbor"

// spokenCBOR says whether a request is in that protocol.
func spokenCBOR(r *http.Request) bool { return r.Header.Get("Smithy-Protocol") == rpcProtocol }

// rpcOperation is the operation in the path /service/NAME/operation/OP.
func rpcOperation(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) == 4 && parts[0] == "service" && parts[2] == "operation" {
		return parts[3]
	}
	return ""
}

// decodeCBOR reads a body; numbers keep their text, as in JSON.
func decodeCBOR(body []byte) (params, error) {
	if len(body) == 0 {
		return params{}, nil
	}
	v, err := cbor.Decode(body)
	if err != nil {
		return nil, err
	}
	m, ok := v.(cbor.Map)
	if !ok {
		return nil, fmt.Errorf("the body is no map")
	}
	in, _ := fromCBOR(m).(map[string]any)
	return in, nil
}

func fromCBOR(v cbor.Value) any {
	switch x := v.(type) {
	case cbor.Map:
		out := make(map[string]any, len(x))
		for k, e := range x {
			if e := fromCBOR(e); e != nil {
				out[k] = e
			}
		}
		return out
	case cbor.List:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = fromCBOR(e)
		}
		return out
	case cbor.String:
		return string(x)
	case cbor.Slice:
		return string(x)
	case cbor.Bool:
		return bool(x)
	case cbor.Uint:
		return json.Number(strconv.FormatUint(uint64(x), 10))
	case cbor.NegInt:
		return json.Number("-" + strconv.FormatUint(uint64(x), 10))
	case cbor.Float32:
		return json.Number(strconv.FormatFloat(float64(x), 'f', -1, 32))
	case cbor.Float64:
		return json.Number(strconv.FormatFloat(float64(x), 'f', -1, 64))
	case *cbor.Tag:
		return fromCBOR(x.Value)
	}
	return nil
}

// encodeCBOR writes an answer; times are tagged seconds.
func encodeCBOR(out obj) []byte { return cbor.Encode(toCBOR(out)) }

func toCBOR(v any) cbor.Value {
	switch x := v.(type) {
	case map[string]any:
		out := cbor.Map{}
		for k, e := range x {
			if e != nil {
				out[k] = toCBOR(e)
			}
		}
		return out
	case []any:
		out := make(cbor.List, len(x))
		for i, e := range x {
			out[i] = toCBOR(e)
		}
		return out
	case []obj:
		out := make(cbor.List, len(x))
		for i, e := range x {
			out[i] = toCBOR(e)
		}
		return out
	case []string:
		out := make(cbor.List, len(x))
		for i, e := range x {
			out[i] = cbor.String(e)
		}
		return out
	case string:
		return cbor.String(x)
	case bool:
		return cbor.Bool(x)
	case int:
		if x < 0 {
			return cbor.NegInt(uint64(-x))
		}
		return cbor.Uint(uint64(x))
	case float64:
		return cbor.Float64(x)
	case json.Number:
		if n, err := strconv.ParseInt(x.String(), 10, 64); err == nil && math.Abs(float64(n)) < 1<<53 {
			return toCBOR(int(n))
		}
		f, _ := x.Float64()
		return cbor.Float64(f)
	case time.Time:
		return &cbor.Tag{ID: 1, Value: cbor.Float64(float64(x.UnixMilli()) / 1000)}
	}
	return &cbor.Nil{}
}

// sendCBOR answers with a body in this protocol.
func sendCBOR(h http.Header, out obj) []byte {
	h.Set("Content-Type", "application/cbor")
	h.Set("Smithy-Protocol", rpcProtocol)
	return encodeCBOR(out)
}
