package sandbox

import (
	"strings"
	"testing"
)

// The cases are of the user guide's pages on event patterns, and of what its
// comparison operators are said to do.
func TestEventPatterns(t *testing.T) {
	const order = `{"id":"1","source":"shop","detail-type":"order","account":"1","time":"2026-01-01T00:00:00Z","region":"eu-west-1","resources":["arn:a","arn:b"],
		"detail":{"state":"new","total":12.5,"count":300,"vip":true,"coupon":null,"ip":"10.0.1.7","file":"in/2026/a.PNG","empty":[],
		"lines":[{"sku":"x","n":1},{"sku":"y","n":2}]}}`
	for _, test := range []struct {
		pattern string
		want    bool
	}{
		{`{"source":["shop"]}`, true},
		{`{"source":["other","shop"],"detail-type":["order"]}`, true},
		{`{"source":["shop"],"detail-type":["refund"]}`, false},
		{`{"resources":["arn:b"]}`, true},
		{`{"detail":{"vip":[true]}}`, true},
		{`{"detail":{"coupon":[null]}}`, true},
		{`{"detail":{"count":[300]}}`, true},
		{`{"detail":{"count":[300.0]}}`, false}, // numbers are compared as they are written
		{`{"detail":{"count":["300"]}}`, false},
		{`{"detail":{"state":[{"prefix":"ne"}]}}`, true},
		{`{"detail":{"state":[{"prefix":"NE"}]}}`, false},
		{`{"detail":{"state":[{"prefix":{"equals-ignore-case":"NE"}}]}}`, true},
		{`{"detail":{"file":[{"suffix":".png"}]}}`, false},
		{`{"detail":{"file":[{"suffix":{"equals-ignore-case":".png"}}]}}`, true},
		{`{"detail":{"file":[{"wildcard":"in/*/a.*"}]}}`, true},
		{`{"detail":{"file":[{"wildcard":"in/*/b.*"}]}}`, false},
		{`{"detail":{"file":[{"wildcard":"in/2026/a.PNG*"}]}}`, true},
		{`{"detail":{"file":[{"wildcard":"in\\*"}]}}`, false},
		{`{"detail":{"state":[{"equals-ignore-case":"NEW"}]}}`, true},
		{`{"detail":{"state":[{"anything-but":"new"}]}}`, false},
		{`{"detail":{"state":[{"anything-but":["old","gone"]}]}}`, true},
		{`{"detail":{"count":[{"anything-but":[1,2]}]}}`, true},
		{`{"detail":{"state":[{"anything-but":{"prefix":"n"}}]}}`, false},
		{`{"detail":{"state":[{"anything-but":{"suffix":["x","y"]}}]}}`, true},
		{`{"detail":{"state":[{"anything-but":{"wildcard":"*e*"}}]}}`, false},
		{`{"detail":{"missing":[{"anything-but":"x"}]}}`, false},
		{`{"detail":{"total":[{"numeric":[">",0,"<=",12.5]}]}}`, true},
		{`{"detail":{"total":[{"numeric":["<",12.5]}]}}`, false},
		{`{"detail":{"count":[{"numeric":["=",3e2]}]}}`, true},
		{`{"detail":{"state":[{"numeric":["=",1]}]}}`, false},
		{`{"detail":{"ip":[{"cidr":"10.0.0.0/16"}]}}`, true},
		{`{"detail":{"ip":[{"cidr":"10.1.0.0/16"}]}}`, false},
		{`{"detail":{"state":[{"cidr":"10.1.0.0/16"}]}}`, false},
		{`{"detail":{"state":[{"exists":true}]}}`, true},
		{`{"detail":{"coupon":[{"exists":true}]}}`, true},
		{`{"detail":{"missing":[{"exists":false}]}}`, true},
		{`{"detail":{"state":[{"exists":false}]}}`, false},
		{`{"detail":{"lines":[{"exists":true}]}}`, false}, // leaves only
		{`{"detail":{"empty":[{"exists":false}]}}`, true},
		{`{"detail":{"missing":{"deep":[{"exists":false}]}}}`, true},
		{`{"detail":{"missing":{"deep":[{"exists":true}]}}}`, false},
		{`{"detail":{"missing":["x",{"exists":false}]}}`, true},
		{`{"detail":{"lines":{"sku":["x"],"n":[1]}}}`, true},
		{`{"detail":{"lines":{"sku":["x"],"n":[2]}}}`, false}, // not of the same element
		{`{"detail":{"lines":{"sku":[{"exists":false}]}}}`, false},
		{`{"detail":{"state":[{"prefix":""}]}}`, true},
		{`{"$or":[{"source":["other"]},{"detail":{"state":["new"]}}]}`, true},
		{`{"$or":[{"source":["other"]},{"detail":{"state":["old"]}}]}`, false},
		{`{"source":["shop"],"detail":{"$or":[{"count":[{"numeric":[">",1000]}]},{"vip":[false]}]}}`, false},
	} {
		p, err := parsePattern(test.pattern)
		if err != nil {
			t.Errorf("%s: %v", test.pattern, err)
			continue
		}
		event, err := decodeEvent([]byte(order))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.matches(event); got != test.want {
			t.Errorf("%s: %v, want %v", test.pattern, got, test.want)
		}
	}
}

func TestBadEventPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		``:                                       "Invalid JSON",
		`{"a":["x"]} x`:                          "Invalid JSON",
		`{"a":["x"]}}`:                           "Invalid JSON",
		`[]`:                                     "Filter is not an object",
		`null`:                                   "Filter is not an object",
		`{}`:                                     "Empty objects are not allowed",
		`{"a":{}}`:                               "Empty objects are not allowed",
		`{"source":"shop"}`:                      `"source" must be an object or an array`,
		`{"a":[]}`:                               "Empty arrays are not allowed",
		`{"a":[["x"]]}`:                          "Match value must be String, number, true, false, or null",
		`{"a":[{}]}`:                             "Only one key allowed",
		`{"a":[{"prefix":"a","suffix":"b"}]}`:    "Only one key allowed",
		`{"a":[{"startswith":"a"}]}`:             "Unrecognized match type startswith",
		`{"a":[{"prefix":1}]}`:                   "prefix match pattern must be a string",
		`{"a":[{"wildcard":"a**b"}]}`:            "Consecutive wildcard characters at pos 1",
		`{"a":[{"wildcard":"a\\b"}]}`:            "Invalid escape character at pos 1",
		`{"a":[{"wildcard":"a\\"}]}`:             "Invalid escape character at pos 1",
		`{"a":[{"exists":"yes"}]}`:               "exists match pattern must be either true or false",
		`{"a":[{"cidr":"10.0.0.0"}]}`:            "Malformed CIDR",
		`{"a":[{"numeric":"=1"}]}`:               "must be an array",
		`{"a":[{"numeric":["=","1"]}]}`:          "Value of = must be numeric",
		`{"a":[{"numeric":["<",5,">",1]}]}`:      "Bad numeric range operator: >",
		`{"a":[{"numeric":["=",5,"<",7]}]}`:      "Bad numeric range operator: <",
		`{"a":[{"numeric":[">",5,"<",5]}]}`:      "Bottom must be less than top",
		`{"a":[{"numeric":[">",1,"<",5,"=",]}]}`: "Invalid JSON",
		`{"a":[{"numeric":[">",1,"<",5,"="]}]}`:  "Too many elements",
		`{"a":[{"numeric":[">",1,"<"]}]}`:        "Value of < must be numeric",
		`{"a":[{"anything-but":[]}]}`:            "Value of anything-but",
		`{"a":[{"anything-but":[true]}]}`:        "Inside anything but list",
		`{"a":[{"anything-but":{"prefix":""}}]}`: "Null prefix/suffix not allowed",
		`{"a":[{"anything-but":{"cidr":"x"}}]}`:  "Unsupported anything-but pattern",
		`{"a":[{"anything-but":{"like":"x"}}]}`:  "Unrecognized match type like",
		`{"$or":[{"a":["x"]},{}]}`:               "Empty objects are not allowed",
		strings.Repeat(`{"a":`, 11000):           "Invalid JSON",
	} {
		if _, err := parsePattern(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", pattern, err, want)
		}
	}
}

func FuzzEventPattern(f *testing.F) {
	f.Add(`{"a":[{"wildcard":"a*b"},{"numeric":[">",1]}],"$or":[{"b":["x"]},{"c":{"d":[{"exists":false}]}}]}`, `{"a":[1,"axb"],"c":[{"d":null}]}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := parsePattern(pattern)
		if err != nil {
			return
		}
		e, err := decodeEvent([]byte(event))
		if err != nil {
			return
		}
		if once := p.matches(e); p.matches(e) != once {
			t.Error("a pattern changes its mind")
		}
	})
}
