package sandbox

import (
	"slices"
	"strings"
	"time"
)

// tableTime is how long a table takes to be made, changed or deleted.
func (s *Sandbox) tableTime() time.Duration {
	if s.opts.Unkind {
		return max(s.opts.StackTime/4, 300*time.Millisecond)
	}
	return s.opts.StackTime / 4
}

// beginTable starts a change that takes its time.
func (c *call) beginTable(t *dynamoTable, doing string) {
	t.Doing, t.Until = doing, c.now().Add(c.tableTime())
}

// createTableAccess: tags and a policy given with the table need what giving
// them later needs.
func createTableAccess(c *call) ([]access, error) {
	ctx := requestTags(c.In.tags("Tags"))
	arn := tableName{Account: c.Account.ID, Name: c.In.str("TableName")}.arn(c.Region)
	needs := []access{{Action: "dynamodb:CreateTable", Resource: arn, Context: ctx}}
	if len(c.In.list("Tags")) > 0 {
		needs = append(needs, access{Action: "dynamodb:TagResource", Resource: arn, Context: ctx})
	}
	if c.In.str("ResourcePolicy") != "" {
		needs = append(needs, access{Action: "dynamodb:PutResourcePolicy", Resource: arn})
	}
	return needs, nil
}

// unservedTableInputs are refused rather than ignored.
var unservedTableInputs = []string{"WarmThroughput", "OnDemandThroughput", "GlobalTableSourceArn", "GlobalTableSettingsReplicationMode",
	"VectorIndexes", "VectorIndexUpdates", "ReplicaUpdates", "GlobalTableWitnessUpdates", "MultiRegionConsistency"}

func (c *call) refuseTableInputs() error {
	for _, name := range unservedTableInputs {
		if c.In.has(name) {
			return fail("ValidationException", "The sandbox doesn't serve %s.", name)
		}
	}
	return nil
}

func invalidTable(format string, args ...any) error {
	return fail("ValidationException", "One or more parameter values were invalid: "+format, args...)
}

func createTable(c *call) (obj, error) {
	n := tableName{Account: c.Account.ID, Name: c.In.str("TableName")}
	if strings.HasPrefix(n.Name, "arn:") {
		return nil, fail("ValidationException", "TableName of a new table is a name, not an ARN.")
	}
	if _, err := c.readTableName(n.Name); err != nil {
		return nil, err
	}
	if err := c.refuseTableInputs(); err != nil {
		return nil, err
	}
	if old := c.tableAt(n); old != nil {
		return nil, fail("ResourceInUseException", "Table already exists: %s", n.Name)
	}
	t := &dynamoTable{Name: n.Name, Account: n.Account, Region: c.Region, Created: c.now(), Class: c.In.str("TableClass"),
		Protected: c.In.bool("DeletionProtectionEnabled"), Tags: c.In.tags("Tags")}
	err := t.describe(c.In)
	if err == nil {
		err = t.bill(c.In.or("BillingMode", "PROVISIONED"), c.In, c.now())
	}
	if err == nil {
		err = t.billIndexes()
	}
	if err == nil {
		err = c.checkTableTags(t.Tags)
	}
	if err == nil {
		err = c.encryptTable(t)
	}
	if err == nil {
		err = c.setStreamOf(t)
	}
	if err != nil {
		return nil, err
	}
	if doc := c.In.str("ResourcePolicy"); doc != "" {
		bound, err := c.checkTablePolicy(t, doc, true)
		if err != nil {
			return nil, err
		}
		t.Policy, t.Revision = policyText{Text: doc, Bound: bound}, c.revision()
	}
	t.ID = c.uuid()
	c.beginTable(t, "CREATING")
	put(&c.here().Dynamo.Tables, t.Name, t)
	out := t.shown(c)
	out["TableStatus"] = "CREATING"
	return obj{"TableDescription": out}, nil
}

// describe reads keys and indexes, which must use exactly the attributes that
// are defined.
func (t *dynamoTable) describe(in params) error {
	t.Types = map[string]string{}
	for _, d := range in.list("AttributeDefinitions") {
		if !slices.Contains([]string{"S", "N", "B"}, d.str("AttributeType")) {
			return invalidTable("AttributeType %s of %s isn't S, N or B", d.str("AttributeType"), d.str("AttributeName"))
		}
		t.Types[d.str("AttributeName")] = d.str("AttributeType")
	}
	keys, err := readKeys(in)
	if err != nil {
		return err
	}
	t.Keys = keys
	for _, local := range []bool{false, true} {
		for _, p := range in.list(map[bool]string{false: "GlobalSecondaryIndexes", true: "LocalSecondaryIndexes"}[local]) {
			if err := t.addIndex(p, local); err != nil {
				return err
			}
		}
	}
	return t.checkDefinitions()
}

func (t *dynamoTable) addIndex(p params, local bool) error {
	keys, err := readKeys(p)
	if err != nil {
		return err
	}
	projection := p.obj("Projection")
	i := dynamoIndex{Name: p.str("IndexName"), Local: local, Keys: keys, Projection: projection.str("ProjectionType"),
		Attributes: projection.strs("NonKeyAttributes")}
	switch {
	case !tableNames.MatchString(i.Name):
		return invalidTable("index name %q", i.Name)
	case local && (keys.Hash != t.Keys.Hash || keys.Range == ""):
		return invalidTable("Index KeySchema does not have the hash key of the table and a range key for index: %s", i.Name)
	case t.index(i.Name) != nil:
		return invalidTable("Duplicate index name: %s", i.Name)
	case !slices.Contains([]string{"ALL", "KEYS_ONLY", "INCLUDE"}, projection.str("ProjectionType")):
		return invalidTable("Unknown ProjectionType: %s", projection.or("ProjectionType", "null"))
	case i.Projection == "INCLUDE" && len(i.Attributes) == 0:
		return invalidTable("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	case i.Projection != "INCLUDE" && len(i.Attributes) > 0:
		return invalidTable("ProjectionType is %s, but NonKeyAttributes is specified", i.Projection)
	}
	throughput := p.obj("ProvisionedThroughput")
	i.Capacity = dynamoCapacity{throughput.int("ReadCapacityUnits", 0), throughput.int("WriteCapacityUnits", 0)}
	t.Indexes = append(t.Indexes, i)
	return nil
}

// checkDefinitions holds the definitions against the keys that use them.
func (t *dynamoTable) checkDefinitions() error {
	used := map[string]bool{}
	for _, k := range append([]dynamoKeys{t.Keys}, t.indexKeys()...) {
		for _, name := range k.names() {
			used[name] = true
			if t.Types[name] == "" {
				return invalidTable("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]",
					name, strings.Join(sortedKeys(t.Types), ", "))
			}
		}
	}
	if len(used) != len(t.Types) {
		return invalidTable("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return nil
}

func (t *dynamoTable) indexKeys() []dynamoKeys {
	var out []dynamoKeys
	for _, i := range t.Indexes {
		out = append(out, i.Keys)
	}
	return out
}

func (t *dynamoTable) index(name string) *dynamoIndex {
	for i := range t.Indexes {
		if t.Indexes[i].Name == name {
			return &t.Indexes[i]
		}
	}
	return nil
}

func readKeys(p params) (dynamoKeys, error) {
	list := p.list("KeySchema")
	var k dynamoKeys
	for i, e := range list {
		switch {
		case i == 0 && e.str("KeyType") == "HASH":
			k.Hash = e.str("AttributeName")
		case i == 1 && e.str("KeyType") == "RANGE":
			k.Range = e.str("AttributeName")
		default:
			return k, invalidTable("Invalid KeySchema: it is a HASH key, and a RANGE key after it")
		}
	}
	if k.Hash == "" || k.Hash == k.Range {
		return k, invalidTable("Invalid KeySchema: some index key attribute have no definition")
	}
	return k, nil
}

// bill sets how the table is paid.
func (t *dynamoTable) bill(mode string, in params, now time.Time) error {
	p := in.obj("ProvisionedThroughput")
	c := dynamoCapacity{p.int("ReadCapacityUnits", 0), p.int("WriteCapacityUnits", 0)}
	switch {
	case mode == "PAY_PER_REQUEST" && c != dynamoCapacity{}:
		return invalidTable("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case mode == "PAY_PER_REQUEST":
		if t.OnDemand.IsZero() {
			t.OnDemand = now
		}
	case mode != "PROVISIONED":
		return fail("ValidationException", "1 validation error detected: Value '%s' at 'billingMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]", mode)
	case c.Read < 1 || c.Write < 1:
		return invalidTable("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	default:
		t.OnDemand = time.Time{}
	}
	t.Capacity = c
	return nil
}

// billIndexes refuses global indexes that are paid otherwise than the table.
func (t *dynamoTable) billIndexes() error {
	for _, i := range t.Indexes {
		switch {
		case i.Local:
		case t.OnDemand.IsZero() && (i.Capacity.Read < 1 || i.Capacity.Write < 1):
			return invalidTable("ProvisionedThroughput must be specified for index: %s", i.Name)
		case !t.OnDemand.IsZero() && i.Capacity != dynamoCapacity{}:
			return invalidTable("ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", i.Name)
		}
	}
	return nil
}

// encryptTable takes the key of the input, which the caller must be able to
// use and to grant to DynamoDB.
func (c *call) encryptTable(t *dynamoTable) error {
	spec := c.In.obj("SSESpecification")
	if !spec.bool("Enabled") {
		if spec.str("KMSMasterKeyId") != "" {
			return invalidTable("KMSMasterKeyId is given, but SSE isn't enabled")
		}
		t.Key = ""
		return nil
	}
	if kind := spec.or("SSEType", "KMS"); kind != "KMS" {
		return invalidTable("SSEType %s is not supported", kind)
	}
	key := spec.or("KMSMasterKeyId", "alias/aws/dynamodb")
	for _, action := range []string{"kms:DescribeKey", "kms:CreateGrant"} {
		var keys map[string][]string
		if action == "kms:CreateGrant" {
			keys = map[string][]string{"kms:GrantIsForAWSResource": {"true"}}
		}
		k, err := c.useKeyIf(c.keyOf(t.Account, key, "dynamodb"), action, "dynamodb", t.encryptionContext(), keys)
		if err != nil {
			return err
		}
		t.Key = k.arn()
	}
	return nil
}

// shown is how DynamoDB describes a table.
func (t *dynamoTable) shown(c *call) obj {
	definitions := []obj{}
	for _, name := range sortedKeys(t.Types) {
		definitions = append(definitions, obj{"AttributeName": name, "AttributeType": t.Types[name]})
	}
	size := t.size()
	out := obj{"TableName": t.Name, "TableArn": t.arn(), "TableId": t.ID, "TableStatus": t.status(c.now()), "CreationDateTime": t.Created,
		"AttributeDefinitions": definitions, "KeySchema": t.Keys.shown(), "ItemCount": len(t.Items), "TableSizeBytes": size,
		"ProvisionedThroughput": t.Capacity.shown(), "DeletionProtectionEnabled": t.Protected}
	if !t.OnDemand.IsZero() {
		out["BillingModeSummary"] = obj{"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": t.OnDemand}
	}
	t.describeStreamOf(out)
	if t.Class != "" {
		out["TableClassSummary"] = obj{"TableClass": t.Class}
	}
	if t.Key != "" {
		out["SSEDescription"] = obj{"Status": "ENABLED", "SSEType": "KMS", "KMSMasterKeyArn": t.Key}
	}
	for _, i := range t.Indexes {
		shown := obj{"IndexName": i.Name, "KeySchema": i.Keys.shown(), "IndexArn": t.arn() + "/index/" + i.Name, "ItemCount": len(t.Items), "IndexSizeBytes": size}
		projection := obj{"ProjectionType": i.Projection}
		if len(i.Attributes) > 0 {
			projection["NonKeyAttributes"] = i.Attributes
		}
		shown["Projection"] = projection
		field := "LocalSecondaryIndexes"
		if !i.Local {
			field = "GlobalSecondaryIndexes"
			shown["IndexStatus"], shown["ProvisionedThroughput"] = out["TableStatus"], i.Capacity.shown()
		}
		list, _ := out[field].([]obj)
		out[field] = append(list, shown)
	}
	return out
}

func (p dynamoCapacity) shown() obj {
	return obj{"NumberOfDecreasesToday": 0, "ReadCapacityUnits": p.Read, "WriteCapacityUnits": p.Write}
}

func describeTable(c *call, t *dynamoTable) (obj, error) { return obj{"Table": t.shown(c)}, nil }

// busy refuses to change a table that is being changed.
func (c *call) busy(t *dynamoTable) error {
	switch s := t.status(c.now()); s {
	case "CREATING", "UPDATING", "DELETING":
		return fail("ResourceInUseException", "Attempt to change a resource which is still in use: Table is being %s: %s",
			strings.ToLower(strings.TrimSuffix(s, "ING"))+"ed", t.Name)
	}
	return nil
}

func updateTable(c *call, t *dynamoTable) (obj, error) {
	err := c.refuseTableInputs()
	if err == nil {
		err = c.busy(t)
	}
	if err != nil {
		return nil, err
	}
	changed := *t // so that what is refused changes nothing
	changed.Indexes = slices.Clone(t.Indexes)
	if c.In.has("BillingMode") || c.In.has("ProvisionedThroughput") {
		mode := "PROVISIONED"
		if !t.OnDemand.IsZero() {
			mode = "PAY_PER_REQUEST"
		}
		if err := changed.bill(c.In.or("BillingMode", mode), c.In, c.now()); err != nil {
			return nil, err
		}
		for i := range changed.Indexes {
			if t.OnDemand.IsZero() && !changed.OnDemand.IsZero() {
				changed.Indexes[i].Capacity = dynamoCapacity{}
			}
		}
	}
	if c.In.has("DeletionProtectionEnabled") {
		changed.Protected = c.In.bool("DeletionProtectionEnabled")
	}
	changed.Class = c.In.or("TableClass", t.Class)
	if c.In.has("SSESpecification") {
		if err := c.encryptTable(&changed); err != nil {
			return nil, err
		}
	}
	if err := changed.updateIndexes(c.In); err != nil {
		return nil, err
	}
	if err := changed.billIndexes(); err != nil {
		return nil, err
	}
	if err := c.setStreamOf(&changed); err != nil {
		return nil, err
	}
	*t = changed
	c.beginTable(t, "UPDATING")
	out := t.shown(c)
	out["TableStatus"] = "UPDATING"
	return obj{"TableDescription": out}, nil
}

// updateIndexes makes, changes or removes global indexes.
func (t *dynamoTable) updateIndexes(in params) error {
	updates := in.list("GlobalSecondaryIndexUpdates")
	if len(updates) == 0 {
		return nil
	}
	if defined := in.list("AttributeDefinitions"); len(defined) > 0 {
		types := map[string]string{}
		for _, d := range defined {
			types[d.str("AttributeName")] = d.str("AttributeType")
		}
		t.Types = types
	}
	remade := 0
	for _, u := range updates {
		if u.has("Create") || u.has("Delete") {
			if remade++; remade > 1 {
				return fail("LimitExceededException", "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
			}
		}
		change, remove := u.obj("Update"), u.obj("Delete")
		name := remove.or("IndexName", change.str("IndexName"))
		if name != "" && t.index(name) == nil {
			return fail("ResourceNotFoundException", "Requested resource not found: index %s", name)
		}
		switch {
		case u.has("Create"):
			if err := t.addIndex(u.obj("Create"), false); err != nil {
				return err
			}
		case u.has("Delete"):
			t.Indexes = slices.DeleteFunc(t.Indexes, func(i dynamoIndex) bool { return i.Name == name })
		case u.has("Update"):
			p := change.obj("ProvisionedThroughput")
			t.index(name).Capacity = dynamoCapacity{p.int("ReadCapacityUnits", 0), p.int("WriteCapacityUnits", 0)}
		}
	}
	kept := map[string]string{} // definitions that only a removed index used go with it
	for _, k := range append([]dynamoKeys{t.Keys}, t.indexKeys()...) {
		for _, name := range k.names() {
			if t.Types[name] != "" {
				kept[name] = t.Types[name]
			}
		}
	}
	t.Types = kept
	return t.checkDefinitions()
}

func deleteTable(c *call, t *dynamoTable) (obj, error) {
	if err := c.busy(t); err != nil {
		return nil, err
	}
	if t.Protected {
		return nil, fail("ValidationException", "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	out := t.shown(c)
	out["TableStatus"] = "DELETING"
	c.beginTable(t, "DELETING")
	return obj{"TableDescription": out}, nil
}

func listTables(c *call) (obj, error) {
	var names []string
	for _, name := range sortedKeys(c.here().Dynamo.Tables) {
		if name > c.In.str("ExclusiveStartTableName") && c.tableAt(tableName{Account: c.Account.ID, Name: name}) != nil {
			names = append(names, name)
		}
	}
	page, next, _ := paginate(c.Sandbox, names, same, "", c.In.int("Limit", 100))
	out := obj{"TableNames": append([]string{}, page...)}
	if next != "" {
		out["LastEvaluatedTableName"] = page[len(page)-1]
	}
	return out, nil
}
