package sandbox

import (
	"slices"
	"strings"
)

// keyCondition reads the KeyConditionExpression: the hash key's value, and a
// condition on the range key (nil without one).
func (c *call) keyCondition(t *dynamoTable, x *expressions) (hash any, rest *condition, err error) {
	keys, err := c.queriedKeys(t)
	if err != nil {
		return nil, nil, err
	}
	all, err := x.condition("KeyConditionExpression")
	if err != nil {
		return nil, nil, err
	}
	if all == nil {
		return nil, nil, fail("ValidationException", "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	parts := []*condition{all}
	if all.op == "and" {
		parts = all.sub
	}
	for _, p := range parts {
		if len(p.args) == 0 || p.args[0].path == nil || len(p.args[0].path) != 1 || slices.ContainsFunc(p.args[1:], func(o operand) bool { return o.value == nil }) {
			return nil, nil, fail("ValidationException", "Invalid operator used in KeyConditionExpression: %s", strings.ToUpper(p.op))
		}
		ranged := slices.Contains([]string{"=", "<", "<=", ">", ">=", "between", "begins_with"}, p.op)
		switch name := p.args[0].path.top(); {
		case name == keys.Hash && p.op == "=" && hash == nil:
			hash = p.args[1].value
		case name == keys.Range && ranged && rest == nil:
			rest = p
		case name == keys.Hash || name == keys.Range:
			return nil, nil, fail("ValidationException", "Query key condition not supported")
		default:
			return nil, nil, fail("ValidationException", "Query condition missed key schema element: %s", keys.Hash)
		}
		if kind, _ := typed(p.args[1].value); kind != t.Types[p.args[0].path.top()] {
			return nil, nil, invalidTable("Condition parameter type does not match schema type")
		}
	}
	if hash == nil {
		return nil, nil, fail("ValidationException", "Query condition missed key schema element: %s", keys.Hash)
	}
	return hash, rest, nil
}

// queriedKeys are the keys of the table, or of the index that the input names.
func (c *call) queriedKeys(t *dynamoTable) (dynamoKeys, error) {
	name := c.In.str("IndexName")
	if name == "" {
		return t.Keys, nil
	}
	if i := t.index(name); i != nil {
		return i.Keys, nil
	}
	return t.Keys, fail("ValidationException", "The table does not have the specified index: %s", name)
}

// queried are the items that the table or the index holds, as it shows them.
func (c *call) queried(t *dynamoTable, keys dynamoKeys) []dynamoItem {
	var out []dynamoItem
	i := t.index(c.In.str("IndexName"))
	for _, id := range sortedKeys(t.Items) {
		item := t.Items[id]
		if len(keyPart(item, keys)) < len(keys.names()) {
			continue // not in the index
		}
		if i != nil && i.Projection != "ALL" {
			some := keyPart(item, t.Keys, i.Keys)
			for _, name := range i.Attributes {
				if v, ok := item[name]; ok {
					some[name] = v
				}
			}
			item = some
		}
		out = append(out, item)
	}
	return out
}

// order is that of a query: by the range key, then by the table's key.
func (t *dynamoTable) order(keys dynamoKeys) func(a, b dynamoItem) int {
	return func(a, b dynamoItem) int {
		if keys.Range != "" {
			if n, ok := compareValues(a[keys.Range], b[keys.Range]); ok && n != 0 {
				return n
			}
		}
		return strings.Compare(t.keyOfItem(a), t.keyOfItem(b))
	}
}

func queryItems(c *call, t *dynamoTable) (obj, error) {
	keys, err := c.queriedKeys(t)
	if err != nil {
		return nil, err
	}
	x := newExpressions(c.In)
	hash, rest, err := c.keyCondition(t, x)
	if err != nil {
		return nil, err
	}
	items := slices.DeleteFunc(c.queried(t, keys), func(item dynamoItem) bool {
		return !equalValues(item[keys.Hash], hash) || !rest.holds(item)
	})
	order := t.order(keys)
	if c.In.has("ScanIndexForward") && !c.In.bool("ScanIndexForward") {
		forward := order
		order = func(a, b dynamoItem) int { return forward(b, a) }
	}
	return c.results(t, x, keys, items, order)
}

func scanItems(c *call, t *dynamoTable) (obj, error) {
	if c.In.int("TotalSegments", 1) != 1 {
		return nil, fail("ValidationException", "The sandbox doesn't scan in segments.")
	}
	keys, err := c.queriedKeys(t)
	if err != nil {
		return nil, err
	}
	order := t.order(dynamoKeys{Hash: keys.Hash})
	return c.results(t, newExpressions(c.In), keys, c.queried(t, keys), order)
}

// pageBytes is how much one page of a query looks at.
const pageBytes = 1 << 20

// results cuts a page out of the items, and filters it.
func (c *call) results(t *dynamoTable, x *expressions, keys dynamoKeys, items []dynamoItem, order func(a, b dynamoItem) int) (obj, error) {
	if i := t.index(c.In.str("IndexName")); i != nil && !i.Local && c.In.bool("ConsistentRead") {
		return nil, fail("ValidationException", "Consistent reads are not supported on global secondary indexes")
	}
	filter, err := x.condition("FilterExpression")
	if err != nil {
		return nil, err
	}
	if name := filter.among(keys.names()); name != "" && c.Op == "Query" {
		return nil, fail("ValidationException", "Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", name)
	}
	paths, err := x.paths("ProjectionExpression")
	if err == nil {
		err = x.finish()
	}
	if err == nil {
		err = c.checkSelect(paths)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(items, order)
	if c.In.has("ExclusiveStartKey") {
		start, err := checkItem(c.In.obj("ExclusiveStartKey"))
		if err != nil || len(start) != len(keyPart(start, t.Keys, keys)) || len(keyPart(start, t.Keys)) < len(t.Keys.names()) {
			return nil, fail("ValidationException", "The provided starting key is invalid")
		}
		items = slices.DeleteFunc(items, func(item dynamoItem) bool { return order(item, start) <= 0 })
	}
	limit := c.In.int("Limit", len(items)+1)
	if limit < 1 {
		return nil, fail("ValidationException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", limit)
	}
	if c.opts.Unkind {
		limit = min(limit, 2)
	}
	page, looked, size := []obj{}, 0, 0
	for looked < len(items) && looked < limit && size < pageBytes {
		item := items[looked]
		looked++
		size += itemSize(item)
		if filter.holds(item) {
			page = append(page, project(item, paths))
		}
	}
	out := obj{"Count": len(page), "ScannedCount": looked}
	if c.In.str("Select") != "COUNT" {
		out["Items"] = page
	}
	if looked > 0 && (looked < len(items) || looked == limit) { // of a full page, whether more comes after it or not
		out["LastEvaluatedKey"] = keyPart(items[looked-1], t.Keys, keys)
	}
	return out, nil
}

func (c *call) checkSelect(paths []docPath) error {
	switch s := c.In.str("Select"); {
	case s == "COUNT" && paths != nil, s == "ALL_ATTRIBUTES" && paths != nil, s == "ALL_PROJECTED_ATTRIBUTES" && paths != nil:
		return fail("ValidationException", "Cannot specify the ProjectionExpression when choosing to get %s", s)
	case s == "SPECIFIC_ATTRIBUTES" && paths == nil:
		return fail("ValidationException", "Must specify the ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	}
	return nil
}
