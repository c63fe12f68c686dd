package sandbox

import (
	"encoding/json"
	"testing"
)

// Whatever an expression says, reading and applying it ends in a result or in
// DynamoDB's own error, and leaves the item as it was.
func FuzzDynamoDBExpressions(f *testing.F) {
	for _, seed := range []string{
		"a = :s AND NOT (b.c[0] < :n OR size(l) <> :n)", "attribute_exists(a) AND contains(l, :s)", "n BETWEEN :n AND :n", "a IN (:s, :n)",
		"begins_with(a, :s)", "SET a = if_not_exists(b, :n) + :n, l[1] = :s REMOVE m.k, l[0]", "ADD n :n, s :ss DELETE s :ss", "SET #a.k = list_append(l, :l)", "a.b[2].#a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		in := params{"ConditionExpression": src, "UpdateExpression": src, "ProjectionExpression": src, "ExpressionAttributeNames": map[string]any{"#a": "m"},
			"ExpressionAttributeValues": map[string]any{":s": valueOf("S", "x"), ":n": valueOf("N", "1"), ":ss": valueOf("SS", []any{"x"}), ":l": valueOf("L", []any{valueOf("S", "y")})}}
		item := dynamoItem{"a": valueOf("S", "x"), "n": valueOf("N", "1"), "s": valueOf("SS", []any{"x", "y"}), "l": valueOf("L", []any{valueOf("S", "x")}),
			"m": valueOf("M", map[string]any{"k": valueOf("N", "2")})}
		before, _ := json.Marshal(item)
		x := newExpressions(in)
		if c, err := x.condition("ConditionExpression"); err == nil {
			c.holds(item)
			c.holds(nil)
		}
		if updates, err := x.updates(); err == nil {
			if out, err := applyUpdates(item, updates); err == nil {
				if _, err := checkItem(out); err != nil {
					t.Errorf("%q makes %v, which isn't an item: %v", src, out, err)
				}
			}
		}
		if paths, err := x.paths("ProjectionExpression"); err == nil {
			project(item, paths)
		}
		if after, _ := json.Marshal(item); string(after) != string(before) {
			t.Errorf("%q changed the item itself: %s", src, after)
		}
	})
}
