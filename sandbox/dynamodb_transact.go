package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// transactions are what the elements of TransactWriteItems are called, with the
// permission that each needs (Developer Guide, "Amazon DynamoDB Transactions").
var transactions = map[string]string{"ConditionCheck": "ConditionCheckItem", "Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem"}

// maxTransaction is how many elements a transaction has at most.
const maxTransaction = 100

// tokenLife is how long a client's token makes a transaction one and the same.
const tokenLife = 10 * time.Minute

// dynamoToken remembers a transaction that was carried out.
type dynamoToken struct {
	Digest string    `json:"digest"`
	Until  time.Time `json:"until"`
}

// elements are those of a transaction: their kinds and inputs.
func (c *call) elements() (kinds []string, calls []*call, err error) {
	list := c.In.list("TransactItems")
	if len(list) < 1 || len(list) > maxTransaction {
		return nil, nil, fail("ValidationException", "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100, and greater than or equal to 1")
	}
	for _, item := range list {
		names := sortedKeys(item)
		if len(names) != 1 || transactions[names[0]] == "" {
			return nil, nil, fail("ValidationException", "TransactItems can only contain one of Check, Put, Update or Delete")
		}
		one := *c
		one.In, one.Op = item.obj(names[0]), transactions[names[0]]
		kinds, calls = append(kinds, names[0]), append(calls, &one)
	}
	return kinds, calls, nil
}

// transactAccess needs the operation of each element on its table.
func transactAccess(c *call) ([]access, error) {
	_, calls, err := c.elements()
	if err != nil {
		return nil, err
	}
	var needs []access
	for _, one := range calls {
		n, err := one.readTableName(one.In.str("TableName"))
		if err != nil {
			return nil, err
		}
		t := c.tableAt(n)
		ctx := one.itemConditions(t)
		ctx["dynamodb:EnclosingOperation"] = []string{c.Op}
		a, err := one.tableAccess(n, t, "", ctx)
		if err != nil {
			return nil, err
		}
		needs = append(needs, a)
	}
	return needs, nil
}

// transactWriteItems carries out all or nothing. A transaction that comes again
// with its token isn't carried out again.
func transactWriteItems(c *call) (obj, error) {
	kinds, calls, err := c.elements()
	if err != nil {
		return nil, err
	}
	tokens := &c.here().Dynamo.Tokens
	token, digest := c.In.str("ClientRequestToken"), transactionDigest(c.In)
	if was, ok := (*tokens)[token]; ok && token != "" && c.now().Before(was.Until) {
		if was.Digest != digest {
			return nil, fail("IdempotentParameterMismatchException", "Your request was rejected because it used a client token for a request with different parameters")
		}
		return obj{}, nil
	}
	writes, err := c.transactWrites(kinds, calls)
	if err != nil {
		return nil, err
	}
	for _, w := range writes {
		if !w.check {
			w.table.keep(w.id, w.item)
		}
	}
	for k, old := range *tokens {
		if !c.now().Before(old.Until) {
			delete(*tokens, k)
		}
	}
	if token != "" {
		put(tokens, token, dynamoToken{digest, c.now().Add(tokenLife)})
	}
	return obj{}, nil
}

// transactWrite is what one element of a transaction writes; one that only
// checks writes nothing.
type transactWrite struct {
	table *dynamoTable
	id    string
	item  dynamoItem
	check bool
}

// transactWrites are the writes of a transaction of which every element may be
// carried out; else the error has a reason for each.
func (c *call) transactWrites(kinds []string, calls []*call) ([]transactWrite, error) {
	writes, seen := make([]transactWrite, len(calls)), map[string]bool{}
	reasons, codes := make([]obj, len(calls)), make([]string, len(calls))
	refused := false
	for i, one := range calls {
		t, err := c.readyTable(one.In.str("TableName"))
		if err != nil {
			return nil, err
		}
		x := newExpressions(one.In)
		key, item, err := one.element(t, x, kinds[i])
		if err != nil {
			return nil, err
		}
		w := transactWrite{t, t.keyOfItem(key), item, kinds[i] == "ConditionCheck"}
		if seen[t.arn()+w.id] {
			return nil, fail("ValidationException", "Transaction request cannot include multiple operations on one item")
		}
		seen[t.arn()+w.id], writes[i] = true, w
		reasons[i], codes[i] = obj{"Code": "None"}, "None"
		if _, err := one.checkWrite(t, x, key, item); err != nil {
			e, ok := err.(*apiError)
			if !ok || e.Code != "ConditionalCheckFailedException" {
				return nil, err
			}
			refused, codes[i] = true, "ConditionalCheckFailed"
			reasons[i] = obj{"Code": codes[i], "Message": e.Message}
			if e.Extra != nil {
				reasons[i]["Item"] = e.Extra["Item"]
			}
		}
	}
	if refused {
		e := fail("TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
		e.Extra = obj{"CancellationReasons": reasons}
		return nil, e
	}
	return writes, nil
}

// element reads what an element writes, and where; nothing for a check or a
// deletion.
func (c *call) element(t *dynamoTable, x *expressions, kind string) (key, item dynamoItem, err error) {
	switch kind {
	case "Put":
		if item, err = checkItem(c.In.obj("Item")); err == nil {
			err = t.checkKeys(item)
		}
		return item, item, err
	case "Update":
		key, item, _, err = c.updated(t, x)
		return key, item, err
	}
	if kind == "ConditionCheck" && c.In.str("ConditionExpression") == "" {
		return nil, nil, fail("ValidationException", "The expression can not be empty;")
	}
	key, err = t.readKey(c.In.obj("Key"))
	return key, nil, err
}

func transactionDigest(in params) string {
	body, err := json.Marshal(in["TransactItems"])
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
