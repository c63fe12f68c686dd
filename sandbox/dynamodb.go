package sandbox

import (
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

// dynamoState is what DynamoDB keeps of one account and region.
type dynamoState struct {
	Tables map[string]*dynamoTable `json:"tables,omitempty"` // by name
	Tokens map[string]dynamoToken  `json:"tokens,omitempty"` // of transactions
}

// dynamoTable is a table with its items.
type dynamoTable struct {
	Name     string            `json:"name"`
	ID       string            `json:"id"`
	Account  string            `json:"account"`
	Region   string            `json:"region"`
	Created  time.Time         `json:"created"`
	Types    map[string]string `json:"types"` // of the attributes in keys: S, N or B
	Keys     dynamoKeys        `json:"keys"`
	Indexes  []dynamoIndex     `json:"indexes,omitempty"`
	Capacity dynamoCapacity    `json:"capacity"`
	Class    string            `json:"class,omitempty"`
	OnDemand time.Time         `json:"on_demand,omitzero"` // since when it is paid by request
	// Key is the KMS key as it was given, "alias/aws/dynamodb" for the
	// AWS-managed one; "" is DynamoDB's own key, which needs no permission.
	Key       string                `json:"key,omitempty"`
	Protected bool                  `json:"protected,omitempty"`
	TTL       string                `json:"ttl,omitempty"`      // the attribute, if it is enabled
	Backups   time.Time             `json:"backups,omitzero"`   // since when it can be restored
	Recovery  int                   `json:"recovery,omitempty"` // days back
	Tags      map[string]string     `json:"tags,omitempty"`
	Policy    policyText            `json:"policy"`
	Revision  string                `json:"revision,omitempty"` // of the policy
	Doing     string                `json:"doing,omitempty"`    // CREATING, UPDATING or DELETING
	Until     time.Time             `json:"until,omitzero"`
	Items     map[string]dynamoItem `json:"items,omitempty"` // by key
	Stream    *dynamoStream         `json:"stream,omitempty"`
}

// dynamoItem is an item as it is on the wire: attribute -> {type: value}.
type dynamoItem = map[string]any

// dynamoKeys name the attributes of a table's or an index's key.
type dynamoKeys struct {
	Hash  string `json:"hash"`
	Range string `json:"range,omitempty"`
}

func (k dynamoKeys) names() []string {
	if k.Range == "" {
		return []string{k.Hash}
	}
	return []string{k.Hash, k.Range}
}

func (k dynamoKeys) shown() []obj {
	out := []obj{{"AttributeName": k.Hash, "KeyType": "HASH"}}
	if k.Range != "" {
		out = append(out, obj{"AttributeName": k.Range, "KeyType": "RANGE"})
	}
	return out
}

// dynamoCapacity is what was provisioned; none for a table paid by request.
type dynamoCapacity struct {
	Read  int `json:"read,omitempty"`
	Write int `json:"write,omitempty"`
}

// dynamoIndex is a secondary index. It holds nothing: queries look at the
// table's items.
type dynamoIndex struct {
	Name       string         `json:"name"`
	Local      bool           `json:"local,omitempty"`
	Keys       dynamoKeys     `json:"keys"`
	Projection string         `json:"projection"`
	Attributes []string       `json:"attributes,omitempty"` // that an INCLUDE projection adds
	Capacity   dynamoCapacity `json:"capacity"`
}

func (t *dynamoTable) arn() string {
	return "arn:aws:dynamodb:" + t.Region + ":" + t.Account + ":table/" + t.Name
}

func (s *Sandbox) dynamodbOps() map[string]operation {
	on := func(run func(*call, *dynamoTable) (obj, error)) operation { return onTable("TableName", run) }
	arn := func(run func(*call, *dynamoTable) (obj, error)) operation { return onTable("ResourceArn", run) }
	return map[string]operation{
		"CreateTable":               {run: createTable, access: createTableAccess},
		"DescribeTable":             on(describeTable),
		"UpdateTable":               on(updateTable),
		"DeleteTable":               on(deleteTable),
		"ListTables":                {run: listTables},
		"DescribeTimeToLive":        on(describeTimeToLive),
		"UpdateTimeToLive":          on(updateTimeToLive),
		"DescribeContinuousBackups": on(describeContinuousBackups),
		"UpdateContinuousBackups":   on(updateContinuousBackups),
		"TagResource":               arn(tagTable),
		"UntagResource":             arn(untagTable),
		"ListTagsOfResource":        arn(listTableTags),
		"PutResourcePolicy":         arn(putTablePolicy),
		"GetResourcePolicy":         arn(getTablePolicy),
		"DeleteResourcePolicy":      arn(deleteTablePolicy),
		"PutItem":                   onItems(putItem),
		"GetItem":                   onItems(getItem),
		"DeleteItem":                onItems(deleteItem),
		"UpdateItem":                onItems(updateItem),
		"Query":                     onItems(queryItems),
		"Scan":                      onItems(scanItems),
		"BatchGetItem":              {run: batchGetItem, access: batchAccess},
		"BatchWriteItem":            {run: batchWriteItem, access: batchAccess},
		"TransactWriteItems":        {run: transactWriteItems, access: transactAccess},
		"ListStreams":               {run: listStreams},
		"DescribeStream":            onStream(describeStream),
		"GetShardIterator":          onStream(getShardIterator),
		"GetRecords":                onStream(getRecords),
	}
}

// farTableOps are the operations that DynamoDB takes for a table of another
// account (Developer Guide, "API operations supported by resource-based
// policies").
var farTableOps = []string{"BatchGetItem", "BatchWriteItem", "DeleteItem", "DeleteTable", "DescribeTable", "GetItem", "ListTagsOfResource",
	"PutItem", "Query", "Scan", "TagResource", "UntagResource", "UpdateItem", "UpdateTable"}

var tableNames = naming{late.MustCompile(`^[a-zA-Z0-9_.-]+$`), 3, 255}

// tableName is what an input says of a table, read.
type tableName struct{ Account, Name, Index string }

func (n tableName) arn(region string) string {
	return "arn:aws:dynamodb:" + region + ":" + n.Account + ":table/" + n.Name
}

// readTableName reads a name, which is one of the caller's own tables, or an
// ARN, which may be of another account.
func (c *call) readTableName(name string) (tableName, error) {
	n := tableName{Account: c.Account.ID, Name: name}
	if strings.HasPrefix(name, "arn:") {
		parts := strings.SplitN(name, ":", 6)
		rest := ""
		if len(parts) == 6 {
			rest = strings.TrimPrefix(parts[5], "table/")
		}
		if rest == "" || rest == parts[5] || parts[2] != "dynamodb" || !accountIDs.MatchString(parts[4]) {
			return n, fail("ValidationException", "Invalid table/index ARN: %s", name)
		}
		if parts[3] != c.Region {
			return n, fail("ValidationException", "Invalid table/index ARN: %s is in another Region", name)
		}
		n.Account = parts[4]
		n.Name, n.Index, _ = strings.Cut(rest, "/index/")
	}
	if !tableNames.MatchString(n.Name) {
		return n, fail("ValidationException", "1 validation error detected: Value '%s' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+ and have length between 3 and 255", n.Name)
	}
	return n, nil
}

// tableAt finds a table; nil when there is none. One whose deletion is over is
// forgotten.
func (c *call) tableAt(n tableName) *dynamoTable {
	a := c.account(n.Account)
	if a == nil || a.Regions[c.Region] == nil {
		return nil
	}
	tables := a.Regions[c.Region].Dynamo.Tables
	t := tables[n.Name]
	if t != nil && t.Doing == "DELETING" && !c.now().Before(t.Until) {
		delete(tables, n.Name)
		return nil
	}
	return t
}

// status is the table's at this time.
func (t *dynamoTable) status(now time.Time) string {
	if t.Doing != "" && now.Before(t.Until) {
		return t.Doing
	}
	return "ACTIVE"
}

// tableAccess is the permission that the operation needs on a table or index.
func (c *call) tableAccess(n tableName, t *dynamoTable, index string, ctx map[string][]string) (access, error) {
	if ctx == nil {
		ctx = map[string][]string{}
	}
	a := access{Action: "dynamodb:" + c.Op, Resource: n.arn(c.Region), Owner: n.Account, Context: ctx}
	if index != "" {
		a.Resource += "/index/" + index
	}
	if t != nil {
		a.Policy = c.inForce(&t.Policy)
		for k, v := range t.Tags {
			ctx["aws:ResourceTag/"+k] = []string{v}
		}
	}
	if n.Account != c.Who.Account && !slices.Contains(farTableOps, c.Op) {
		return a, refuse(services["dynamodb"], accessDenied, "User: "+c.Who.ARN+" is not authorized to perform: "+a.Action+
			" on resource: "+a.Resource+" because no resource-based policy allows the "+a.Action+" action")
	}
	return a, nil
}

// onTable is an operation on the table that an input names.
func onTable(param string, run func(*call, *dynamoTable) (obj, error)) operation {
	return operation{
		access: func(c *call) ([]access, error) {
			n, err := c.readTableName(c.In.str(param))
			if err != nil {
				return nil, err
			}
			ctx := requestTags(c.In.tags("Tags"))
			if c.Op == "UntagResource" {
				ctx["aws:TagKeys"] = c.In.strs("TagKeys")
			}
			a, err := c.tableAccess(n, c.tableAt(n), n.Index, ctx)
			return []access{a}, err
		},
		run: func(c *call) (obj, error) {
			n, err := c.readTableName(c.In.str(param))
			if err != nil {
				return nil, err
			}
			if n.Index != "" {
				return nil, fail("ValidationException", "The sandbox keeps no policies of indexes: %s", c.In.str(param))
			}
			t := c.tableAt(n)
			if t == nil {
				return nil, noTable(n.Name)
			}
			return run(c, t)
		},
	}
}

func noTable(name string) error {
	return fail("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
}

// useTable refuses unless the caller may use the table's key, for reading and
// writing alike: DynamoDB unwraps the table's key for both.
func (c *call) useTable(t *dynamoTable) error {
	if t.Key == "" {
		return nil
	}
	_, err := c.useKey(c.keyOf(t.Account, t.Key, "dynamodb"), "kms:Decrypt", "dynamodb", t.encryptionContext())
	return err
}

func (t *dynamoTable) encryptionContext() map[string]string {
	return map[string]string{"aws:dynamodb:tableName": t.Name, "aws:dynamodb:subscriberId": t.Account}
}

func taggedTables(c *call) []taggedResource {
	var list []taggedResource
	for _, t := range c.here().Dynamo.Tables {
		list = append(list, taggedResource{t.arn(), t.Tags})
	}
	return list
}
