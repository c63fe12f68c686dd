package sandbox

import (
	"slices"
)

// legacyInputs came before expressions, and are refused.
var legacyInputs = []string{"AttributesToGet", "AttributeUpdates", "ConditionalOperator", "Expected", "KeyConditions", "QueryFilter", "ScanFilter"}

// onItems is an operation on a table's items.
func onItems(run func(*call, *dynamoTable) (obj, error)) operation {
	return operation{
		access: func(c *call) ([]access, error) {
			n, err := c.readTableName(c.In.str("TableName"))
			if err != nil {
				return nil, err
			}
			t := c.tableAt(n)
			a, err := c.tableAccess(n, t, c.In.or("IndexName", n.Index), c.itemConditions(t))
			return []access{a}, err
		},
		run: func(c *call) (obj, error) {
			for _, name := range legacyInputs {
				if c.In.has(name) {
					return nil, fail("ValidationException", "The sandbox doesn't serve the legacy parameter %s: use an expression.", name)
				}
			}
			t, err := c.readyTable(c.In.str("TableName"))
			if err != nil {
				return nil, err
			}
			out, err := run(c, t)
			if err != nil {
				return nil, err
			}
			if v := c.In.or("ReturnConsumedCapacity", "NONE"); v != "NONE" {
				out["ConsumedCapacity"] = obj{"TableName": t.Name, "CapacityUnits": 1.0}
			}
			return out, nil
		},
	}
}

// readyTable finds a table whose items can be had by the caller.
func (c *call) readyTable(name string) (*dynamoTable, error) {
	n, err := c.readTableName(name)
	if err != nil {
		return nil, err
	}
	t := c.tableAt(n)
	if t == nil || slices.Contains([]string{"CREATING", "DELETING"}, t.status(c.now())) {
		return nil, fail("ResourceNotFoundException", "Requested resource not found")
	}
	return t, c.useTable(t)
}

// itemConditions are the condition keys of a request about items.
func (c *call) itemConditions(t *dynamoTable) map[string][]string {
	ctx := map[string][]string{}
	if v := c.In.or("ReturnValues", map[string]string{"PutItem": "NONE", "DeleteItem": "NONE", "UpdateItem": "NONE"}[c.Op]); v != "" {
		ctx["dynamodb:ReturnValues"] = []string{v}
	}
	if t == nil {
		return ctx
	}
	x := newExpressions(c.In)
	var paths []docPath
	switch c.Op {
	case "UpdateItem":
		updates, err := x.updates()
		if err != nil {
			return ctx // refused later, with the reason
		}
		for _, u := range updates {
			paths = append(paths, u.path)
		}
	case "Query", "Scan":
		ctx["dynamodb:Select"] = []string{c.In.or("Select", map[bool]string{true: "SPECIFIC_ATTRIBUTES", false: "ALL_ATTRIBUTES"}[c.In.has("ProjectionExpression")])}
		fallthrough
	default:
		paths, _ = x.paths("ProjectionExpression")
	}
	names := append(sortedKeys(c.In.obj("Item")), sortedKeys(c.In.obj("Key"))...)
	for _, p := range paths {
		names = append(names, p.top())
	}
	if len(names) > 0 {
		ctx["dynamodb:Attributes"] = names
	}
	for _, key := range []params{c.In.obj("Item"), c.In.obj("Key")} {
		if _, v := typed(key[t.Keys.Hash]); v != nil {
			ctx["dynamodb:LeadingKeys"] = []string{text(v)}
		}
	}
	switch c.Op {
	case "Query":
		if hash, _, err := c.keyCondition(t, x); err == nil {
			_, v := typed(hash)
			ctx["dynamodb:LeadingKeys"] = []string{text(v)}
		}
	case "Scan":
		ctx["dynamodb:FullTableScan"] = []string{"true"}
	}
	return ctx
}

// writeItem writes or deletes (nil) the item under a key if the request's
// condition holds, and says what was there.
func (c *call) writeItem(t *dynamoTable, x *expressions, key, item dynamoItem) (old dynamoItem, err error) {
	old, err = c.checkWrite(t, x, key, item)
	if err == nil {
		t.keep(t.keyOfItem(key), item)
	}
	return old, err
}

// keep writes or deletes (nil) an item.
func (t *dynamoTable) keep(id string, item dynamoItem) {
	t.note(t.Items[id], item)
	if item == nil {
		delete(t.Items, id)
		return
	}
	put(&t.Items, id, item)
}

// checkWrite is writeItem without writing.
func (c *call) checkWrite(t *dynamoTable, x *expressions, key, item dynamoItem) (old dynamoItem, err error) {
	condition, err := x.condition("ConditionExpression")
	if err == nil {
		err = x.finish()
	}
	if err != nil {
		return nil, err
	}
	old = t.Items[t.keyOfItem(key)]
	if !condition.holds(old) {
		e := fail("ConditionalCheckFailedException", "The conditional request failed")
		if c.In.str("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" && old != nil {
			e.Extra = obj{"Item": old}
		}
		return nil, e
	}
	if item == nil {
		return old, nil
	}
	if err := t.checkKeys(item); err != nil {
		return nil, err
	}
	if itemSize(item) > 400<<10 {
		return nil, fail("ValidationException", "Item size has exceeded the maximum allowed size")
	}
	return old, nil
}

// oldValues answers PutItem and DeleteItem.
func (c *call) oldValues(old dynamoItem) (obj, error) {
	switch c.In.or("ReturnValues", "NONE") {
	case "NONE":
		return obj{}, nil
	case "ALL_OLD":
		if old == nil {
			return obj{}, nil
		}
		return obj{"Attributes": old}, nil
	}
	return nil, fail("ValidationException", "Return values set to invalid value")
}

func putItem(c *call, t *dynamoTable) (obj, error) {
	item, err := checkItem(c.In.obj("Item"))
	if err == nil {
		err = t.checkKeys(item)
	}
	if err == nil {
		_, err = c.oldValues(nil)
	}
	if err != nil {
		return nil, err
	}
	old, err := c.writeItem(t, newExpressions(c.In), item, item)
	if err != nil {
		return nil, err
	}
	return c.oldValues(old)
}

func deleteItem(c *call, t *dynamoTable) (obj, error) {
	key, err := t.readKey(c.In.obj("Key"))
	if err == nil {
		_, err = c.oldValues(nil)
	}
	if err != nil {
		return nil, err
	}
	old, err := c.writeItem(t, newExpressions(c.In), key, nil)
	if err != nil {
		return nil, err
	}
	return c.oldValues(old)
}

func getItem(c *call, t *dynamoTable) (obj, error) {
	key, err := t.readKey(c.In.obj("Key"))
	if err != nil {
		return nil, err
	}
	x := newExpressions(c.In)
	paths, err := x.paths("ProjectionExpression")
	if err == nil {
		err = x.finish()
	}
	item := t.Items[t.keyOfItem(key)]
	if err != nil || item == nil {
		return obj{}, err
	}
	return obj{"Item": project(item, paths)}, nil
}

func updateItem(c *call, t *dynamoTable) (obj, error) {
	returns := c.In.or("ReturnValues", "NONE")
	if !slices.Contains([]string{"NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"}, returns) {
		return nil, fail("ValidationException", "1 validation error detected: Value '%s' at 'returnValues' failed to satisfy constraint", returns)
	}
	x := newExpressions(c.In)
	key, item, touched, err := c.updated(t, x)
	if err != nil {
		return nil, err
	}
	was, err := c.writeItem(t, x, key, item)
	if err != nil {
		return nil, err
	}
	shown := map[string]dynamoItem{"ALL_OLD": was, "UPDATED_OLD": was, "ALL_NEW": item, "UPDATED_NEW": item}[returns]
	if returns == "UPDATED_OLD" || returns == "UPDATED_NEW" {
		some := dynamoItem{}
		for name := range touched {
			if v, ok := shown[name]; ok {
				some[name] = v
			}
		}
		shown = some
	}
	if len(shown) == 0 {
		return obj{}, nil
	}
	return obj{"Attributes": shown}, nil
}

// updated is what the request makes of the item under its key, and which
// attributes it touches.
func (c *call) updated(t *dynamoTable, x *expressions) (key, item dynamoItem, touched map[string]bool, err error) {
	if key, err = t.readKey(c.In.obj("Key")); err != nil {
		return nil, nil, nil, err
	}
	updates, err := x.updates()
	if err != nil {
		return nil, nil, nil, err
	}
	touched = map[string]bool{}
	for _, u := range updates {
		if slices.Contains(t.Keys.names(), u.path.top()) {
			return nil, nil, nil, invalidTable("Cannot update attribute %s. This attribute is part of the key", u.path.top())
		}
		touched[u.path.top()] = true
	}
	was := t.Items[t.keyOfItem(key)]
	base := was
	if base == nil {
		base = key
	}
	// What the updates refer to may be missing only if the condition holds.
	item, failed := applyUpdates(base, updates)
	if failed != nil {
		item = base
	}
	if condition, err := newExpressions(c.In).condition("ConditionExpression"); failed != nil && err == nil && condition.holds(was) {
		return nil, nil, nil, failed
	}
	return key, item, touched, nil
}

// batchAccess needs the operation on each table.
func batchAccess(c *call) ([]access, error) {
	tables := c.In.obj("RequestItems")
	var needs []access
	for _, name := range sortedKeys(tables) {
		n, err := c.readTableName(name)
		if err != nil {
			return nil, err
		}
		t, ctx := c.tableAt(n), map[string][]string{}
		if t != nil {
			for _, key := range batchKeys(tables, name) {
				if _, v := typed(key[t.Keys.Hash]); v != nil {
					ctx["dynamodb:LeadingKeys"] = append(ctx["dynamodb:LeadingKeys"], text(v))
				}
			}
		}
		a, err := c.tableAccess(n, t, "", ctx)
		if err != nil {
			return nil, err
		}
		needs = append(needs, a)
	}
	return needs, nil
}

// batchKeys are the keys and items that a batch names of a table.
func batchKeys(tables params, name string) []params {
	keys := tables.obj(name).list("Keys")
	for _, w := range tables.list(name) {
		keys = append(keys, w.obj("PutRequest").obj("Item"), w.obj("DeleteRequest").obj("Key"))
	}
	return keys
}

func batchGetItem(c *call) (obj, error) {
	tables, responses, count := c.In.obj("RequestItems"), obj{}, 0
	for _, name := range sortedKeys(tables) {
		t, err := c.readyTable(name)
		if err != nil {
			return nil, err
		}
		if tables.obj(name).has("AttributesToGet") {
			return nil, fail("ValidationException", "The sandbox doesn't serve the legacy parameter AttributesToGet: use an expression.")
		}
		x := newExpressions(tables.obj(name))
		paths, err := x.paths("ProjectionExpression")
		if err == nil {
			err = x.finish()
		}
		if err != nil {
			return nil, err
		}
		found, seen := []obj{}, map[string]bool{}
		for _, k := range tables.obj(name).list("Keys") {
			key, err := t.readKey(k)
			if err != nil {
				return nil, err
			}
			id := t.keyOfItem(key)
			if count++; seen[id] {
				return nil, fail("ValidationException", "Provided list of item keys contains duplicates")
			}
			seen[id] = true
			if item := t.Items[id]; item != nil {
				found = append(found, project(item, paths))
			}
		}
		responses[name] = found
	}
	if count < 1 || count > 100 {
		return nil, fail("ValidationException", "Too many items requested for the BatchGetItem call")
	}
	return c.batchCapacity(obj{"Responses": responses, "UnprocessedKeys": obj{}}, tables), nil
}

// batchCapacity adds what the batch took, if the caller asks.
func (c *call) batchCapacity(out obj, tables params) obj {
	if c.In.or("ReturnConsumedCapacity", "NONE") == "NONE" {
		return out
	}
	var list []obj
	for _, name := range sortedKeys(tables) {
		list = append(list, obj{"TableName": name, "CapacityUnits": 1.0})
	}
	out["ConsumedCapacity"] = list
	return out
}

// batchWriteItem checks everything before it writes anything.
func batchWriteItem(c *call) (obj, error) {
	type write struct {
		table *dynamoTable
		id    string
		item  dynamoItem
	}
	var writes []write
	tables, seen := c.In.obj("RequestItems"), map[string]bool{}
	for _, name := range sortedKeys(tables) {
		t, err := c.readyTable(name)
		if err != nil {
			return nil, err
		}
		for _, w := range tables.list(name) {
			var item, key dynamoItem
			if w.has("PutRequest") {
				if item, err = checkItem(w.obj("PutRequest").obj("Item")); err == nil {
					err = t.checkKeys(item)
				}
				key = item
			} else {
				key, err = t.readKey(w.obj("DeleteRequest").obj("Key"))
			}
			if err != nil {
				return nil, err
			}
			id := t.keyOfItem(key)
			if seen[t.arn()+id] {
				return nil, fail("ValidationException", "Provided list of item keys contains duplicates")
			}
			seen[t.arn()+id] = true
			writes = append(writes, write{t, id, item})
		}
	}
	if len(writes) < 1 || len(writes) > 25 {
		return nil, fail("ValidationException", "Too many items requested for the BatchWriteItem call")
	}
	for _, w := range writes {
		w.table.keep(w.id, w.item)
	}
	return c.batchCapacity(obj{"UnprocessedItems": obj{}}, tables), nil
}
