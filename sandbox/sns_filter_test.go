package sandbox

import (
	"strings"
	"testing"
)

// The policies are those that the developer guide explains: of attributes, and
// of bodies.
func TestFilterPolicies(t *testing.T) {
	attribute := func(kind, value string) any { return map[string]any{"DataType": kind, "StringValue": value} }
	p := &publication{Message: `{"store":{"town":"Ulm","shelves":[{"n":1},{"n":2}]},"price":10.0,"tags":["a","b"]}`, Attributes: map[string]any{
		"store": attribute("String", "shop-1"), "price": attribute("Number", "100"), "source": attribute("String", "10.1.2.3"), "interests": attribute("String.Array", `["rugby","tennis",7]`)}}
	for policy, want := range map[string]bool{
		`{"store":["shop-1"]}`:                            true,
		`{"store":["shop-2"]}`:                            false,
		`{"store":[{"prefix":"shop"}],"gone":["x"]}`:      false,
		`{"store":[{"suffix":"-1"}]}`:                     true,
		`{"store":[{"wildcard":"s*-1"}]}`:                 true,
		`{"store":[{"equals-ignore-case":"SHOP-1"}]}`:     true,
		`{"store":[{"anything-but":["shop-1"]}]}`:         false,
		`{"store":[{"anything-but":{"prefix":"order"}}]}`: true,
		`{"gone":[{"anything-but":["x"]}]}`:               false,
		`{"gone":[{"exists":false}]}`:                     true,
		`{"store":[{"exists":true}]}`:                     true,
		`{"price":[100.0]}`:                               true,
		`{"price":["100"]}`:                               false,
		`{"price":[{"numeric":[">",0,"<=",100]}]}`:        true,
		`{"interests":["soccer","rugby"]}`:                true,
		`{"interests":[7]}`:                               true,
		`{"interests":[{"anything-but":["rugby"]}]}`:      true, // of tennis
		`{"source":[{"cidr":"10.0.0.0/8"}]}`:              true,
		`{"source":[{"cidr":"11.0.0.0/8"}]}`:              false,
		`{"$or":[{"store":["x"]},{"price":[100]}]}`:       true,
		`{"$or":[{"store":["x"]},{"price":[99]}]}`:        false,
		`{}`:                                              true,
		`body {"store":{"town":["Ulm"]}}`:                 true,
		`body {"store":{"shelves":{"n":[2]}}}`:            true,
		`body {"store":{"shelves":{"n":[3]}}}`:            false,
		`body {"price":[10]}`:                             true,
		`body {"tags":[{"prefix":"b"}]}`:                  true,
		`body {"store":{"town":["Bonn"]},"price":[10]}`:   false,
		`body {"$or":[{"price":[9]},{"tags":["b","c"]}]}`: true,
	} {
		s := &subscription{}
		doc, body := strings.CutPrefix(policy, "body ")
		if body {
			_ = s.set("FilterPolicyScope", "MessageBody")
		}
		if err := s.set("FilterPolicy", doc); err != nil {
			t.Errorf("%s: %v", policy, err)
		} else if got := s.wants(p); got != want {
			t.Errorf("%s: %v, want %v", policy, got, want)
		}
	}
}

func TestBadFilterPolicies(t *testing.T) {
	for policy, want := range map[string]string{
		`{`:                               "",
		`{"a":"x"}`:                       "must be an object or an array",
		`{"a":{"b":["x"]}}`:               "nested",
		`{"a":[{"like":"x"}]}`:            "Unrecognized match type like",
		`{"a":[{"numeric":["=","one"]}]}`: "must be numeric",
		`{"a":[{"exists":"yes"}]}`:        "exists match pattern",
		`{"a":[{"prefix":1}]}`:            "prefix match pattern",
		`{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`:          "more than 5 keys",
		`{"a":[1,2,3,4,5,6,7,8,9,10,11,12],"b":[1,2,3,4,5,6,7,8,9,10,11,12,13]}`: "too complex",
	} {
		if err := (&subscription{}).set("FilterPolicy", policy); err == nil || !strings.Contains(err.Error(), "Invalid parameter: FilterPolicy: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", policy, err, want)
		}
	}
}
