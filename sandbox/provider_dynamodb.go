package sandbox

import (
	"reflect"
	"slices"
)

// dynamodbProviders are DynamoDB's resource types.
func dynamodbProviders() map[string]provider {
	return map[string]provider{"AWS::DynamoDB::Table": tableProvider()}
}

// unservedTableProperties are those that the sandbox refuses to pretend.
var unservedTableProperties = []string{"ContributorInsightsSpecification", "ImportSourceSpecification", "KinesisStreamSpecification",
	"OnDemandThroughput", "WarmThroughput"}

func tableProvider() provider {
	p := provider{
		properties: map[string]property{"AttributeDefinitions": mutable, "BillingMode": mutable, "DeletionProtectionEnabled": mutable,
			"GlobalSecondaryIndexes": mutable, "KeySchema": required | replaces, "LocalSecondaryIndexes": replaces,
			"PointInTimeRecoverySpecification": mutable, "ProvisionedThroughput": mutable, "ResourcePolicy": mutable,
			"SSESpecification": mutable, "StreamSpecification": mutable, "TableClass": mutable, "TableName": replaces, "Tags": mutable, "TimeToLiveSpecification": mutable},
		attributes: []string{"Arn", "StreamArn"},
		name:       "TableName",
		tags:       "Tags",
		create:     createTableResource,
		update:     updateTableResource,
		settle:     settleTable,
	}
	for _, name := range unservedTableProperties {
		p.properties[name] = mutable
	}
	p.remove = func(rc *resourceCall) error {
		// CloudFormation waits for a table that is being made or changed.
		if t := rc.here().Dynamo.Tables[rc.PhysicalID]; t != nil && t.Doing != "DELETING" {
			t.Doing = ""
		}
		_, err := rc.do("dynamodb", "DeleteTable", params{"TableName": rc.PhysicalID})
		return tolerate(err, "NotFoundException")
	}
	return p
}

// encryption is SSESpecification in the words of the API.
func encryption(props params) map[string]any {
	spec := props.obj("SSESpecification")
	out := map[string]any{"Enabled": spec.bool("SSEEnabled")}
	for _, k := range []string{"SSEType", "KMSMasterKeyId"} {
		if spec.has(k) {
			out[k] = spec[k]
		}
	}
	return out
}

// streaming is StreamSpecification in the words of the API.
func streaming(props params) map[string]any {
	if !props.has("StreamSpecification") {
		return map[string]any{"StreamEnabled": false}
	}
	return map[string]any{"StreamEnabled": true, "StreamViewType": props.obj("StreamSpecification").str("StreamViewType")}
}

func createTableResource(rc *resourceCall) (string, map[string]any, error) {
	if err := rc.refuse(unservedTableProperties...); err != nil {
		return "", nil, err
	}
	name := rc.Props.or("TableName", "")
	if name == "" {
		name = rc.generatedName(255)
	}
	in := rc.pass("AttributeDefinitions", "BillingMode", "DeletionProtectionEnabled", "GlobalSecondaryIndexes", "KeySchema",
		"LocalSecondaryIndexes", "ProvisionedThroughput", "TableClass")
	in["TableName"], in["Tags"] = name, rc.tagList(rc.Props["Tags"])
	if rc.Props.has("SSESpecification") {
		in["SSESpecification"] = encryption(rc.Props)
	}
	if rc.Props.has("StreamSpecification") {
		in["StreamSpecification"] = streaming(rc.Props)
	}
	if rc.Props.has("ResourcePolicy") {
		in["ResourcePolicy"] = documentText(rc.Props.obj("ResourcePolicy")["PolicyDocument"])
	}
	if _, err := rc.do("dynamodb", "CreateTable", in); err != nil {
		return "", nil, err
	}
	return name, rc.tableAttributes(name), nil
}

func (rc *resourceCall) tableAttributes(name string) map[string]any {
	attrs := map[string]any{"Arn": tableName{Account: rc.Account.ID, Name: name}.arn(rc.Region)}
	if t := rc.here().Dynamo.Tables[name]; t != nil && t.Stream != nil && !t.Stream.Off {
		attrs["StreamArn"] = t.streamARN()
	}
	rc.noteTags(attrs)
	return attrs
}

// settleTable waits for the table, and then sets what only a table that is
// ready takes.
func settleTable(rc *resourceCall, verb string) (bool, map[string]any, error) {
	out, err := rc.do("dynamodb", "DescribeTable", params{"TableName": rc.PhysicalID})
	if verb == "delete" {
		return err != nil, nil, tolerate(err, "NotFoundException")
	}
	if err != nil {
		return false, nil, err
	}
	if shown, _ := out["Table"].(obj); shown["TableStatus"] != "ACTIVE" {
		return false, nil, nil
	}
	t := rc.here().Dynamo.Tables[rc.PhysicalID]
	if err := rc.tableTTL(t); err != nil {
		return false, nil, err
	}
	if err := rc.tableBackups(t); err != nil {
		return false, nil, err
	}
	return true, rc.tableAttributes(t.Name), nil
}

// tableTTL brings the table's time to live to what the template has.
func (rc *resourceCall) tableTTL(t *dynamoTable) error {
	spec, want := rc.Props.obj("TimeToLiveSpecification"), ""
	if spec.bool("Enabled") {
		want = spec.str("AttributeName")
	}
	if want == t.TTL {
		return nil
	}
	_, err := rc.do("dynamodb", "DescribeTimeToLive", params{"TableName": t.Name})
	set := func(on bool, name string) {
		if err == nil && name != "" {
			_, err = rc.do("dynamodb", "UpdateTimeToLive", params{"TableName": t.Name,
				"TimeToLiveSpecification": map[string]any{"Enabled": on, "AttributeName": name}})
		}
	}
	set(false, t.TTL)
	set(true, want)
	return err
}

// tableBackups brings point-in-time recovery to what the template has.
func (rc *resourceCall) tableBackups(t *dynamoTable) error {
	spec := rc.Props.obj("PointInTimeRecoverySpecification")
	on := spec.bool("PointInTimeRecoveryEnabled")
	if on != t.Backups.IsZero() && (!on || spec.int("RecoveryPeriodInDays", 35) == t.Recovery) {
		return nil
	}
	if !on {
		spec = params{"PointInTimeRecoveryEnabled": false}
	}
	_, err := rc.do("dynamodb", "DescribeContinuousBackups", params{"TableName": t.Name})
	if err == nil {
		_, err = rc.do("dynamodb", "UpdateContinuousBackups", params{"TableName": t.Name, "PointInTimeRecoverySpecification": map[string]any(spec)})
	}
	return err
}

func updateTableResource(rc *resourceCall) (map[string]any, error) {
	if err := rc.refuse(unservedTableProperties...); err != nil {
		return nil, err
	}
	in := params{}
	changed := func(name string) bool { return !reflect.DeepEqual(rc.Props[name], rc.OldProps[name]) }
	if changed("BillingMode") || changed("ProvisionedThroughput") {
		in = rc.pass("ProvisionedThroughput")
		in["BillingMode"] = rc.Props.or("BillingMode", "PROVISIONED")
	}
	if changed("DeletionProtectionEnabled") {
		in["DeletionProtectionEnabled"] = rc.Props.bool("DeletionProtectionEnabled")
	}
	if changed("TableClass") {
		in["TableClass"] = rc.Props.or("TableClass", "STANDARD")
	}
	if changed("SSESpecification") {
		in["SSESpecification"] = encryption(rc.Props)
	}
	if changed("StreamSpecification") {
		in["StreamSpecification"] = streaming(rc.Props)
	}
	if changed("GlobalSecondaryIndexes") {
		updates, err := rc.indexUpdates()
		if err != nil {
			return nil, err
		}
		in["GlobalSecondaryIndexUpdates"], in["AttributeDefinitions"] = updates, rc.Props["AttributeDefinitions"]
	}
	attrs := rc.tableAttributes(rc.PhysicalID)
	if err := rc.tablePolicy(text(attrs["Arn"])); err != nil {
		return nil, err
	}
	if err := rc.retagBy("dynamodb", "TagResource", "UntagResource", params{"ResourceArn": attrs["Arn"]}, attrs); err != nil {
		return nil, err
	}
	if len(in) == 0 {
		return attrs, nil
	}
	in["TableName"] = rc.PhysicalID
	_, err := rc.do("dynamodb", "UpdateTable", in)
	return attrs, err
}

// indexUpdates are the changes of global indexes: of those that are made or
// removed, one at a time.
func (rc *resourceCall) indexUpdates() ([]any, error) {
	was, wanted := map[string]params{}, map[string]params{}
	for _, i := range rc.OldProps.list("GlobalSecondaryIndexes") {
		was[i.str("IndexName")] = i
	}
	for _, i := range rc.Props.list("GlobalSecondaryIndexes") {
		wanted[i.str("IndexName")] = i
	}
	var out []any
	remade := 0
	for _, name := range slices.Compact(slices.Sorted(slices.Values(append(sortedKeys(was), sortedKeys(wanted)...)))) {
		old, there := was[name]
		now, kept := wanted[name]
		switch {
		case !there:
			remade++
			out = append(out, map[string]any{"Create": map[string]any(now)})
		case !kept:
			remade++
			out = append(out, map[string]any{"Delete": map[string]any{"IndexName": name}})
		case !reflect.DeepEqual(old["KeySchema"], now["KeySchema"]) || !reflect.DeepEqual(old["Projection"], now["Projection"]):
			return nil, fail("ValidationException", "Cannot update GSI's properties other than Provisioned Throughput and Contributor Insights Specification. You can create a new GSI with a different name.")
		case !reflect.DeepEqual(old, now):
			out = append(out, map[string]any{"Update": map[string]any{"IndexName": name, "ProvisionedThroughput": now["ProvisionedThroughput"]}})
		}
	}
	if remade > 1 {
		return nil, fail("ValidationException", "Cannot perform more than one GSI creation or deletion in a single update")
	}
	return out, nil
}

// tablePolicy brings the table's policy to what the template has.
func (rc *resourceCall) tablePolicy(arn string) error {
	if reflect.DeepEqual(rc.Props["ResourcePolicy"], rc.OldProps["ResourcePolicy"]) {
		return nil
	}
	op, in := "DeleteResourcePolicy", params{"ResourceArn": arn}
	if rc.Props.has("ResourcePolicy") {
		op, in["Policy"] = "PutResourcePolicy", documentText(rc.Props.obj("ResourcePolicy")["PolicyDocument"])
	}
	_, err := rc.do("dynamodb", op, in)
	return err
}
