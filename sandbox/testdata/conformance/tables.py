"""DynamoDB."""

import json
import time

TABLE = {"TableName": "conformance"}


def wait(me, table=TABLE):
    for _ in range(500):
        if me.do("dynamodb", "DescribeTable", **table)["Table"]["TableStatus"] == "ACTIVE":
            return
        time.sleep(0.02)
    me.world.checker.note("dynamodb:DescribeTable", "the table doesn't become active")


def exercise(world):
    me, far, d = world.member, world.other, "dynamodb"
    arn = create(me)
    items(me)
    queries(me)
    me.do(d, "DescribeTimeToLive", **TABLE)
    me.do(d, "UpdateTimeToLive", **TABLE, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    me.do(d, "DescribeTimeToLive", **TABLE)
    me.do(d, "UpdateContinuousBackups", **TABLE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    me.do(d, "DescribeContinuousBackups", **TABLE)
    me.do(d, "TagResource", ResourceArn=arn, Tags=[{"Key": "c", "Value": "d"}])
    me.do(d, "UntagResource", ResourceArn=arn, TagKeys=["c"])
    me.do(d, "ListTagsOfResource", ResourceArn=arn)
    policies(me, far, arn)
    index = {"IndexName": "second", "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}], "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["n"]}}
    me.do(d, "UpdateTable", **TABLE, DeletionProtectionEnabled=False, GlobalSecondaryIndexUpdates=[{"Create": index}], SSESpecification={"Enabled": True, "SSEType": "KMS"})
    wait(me)
    streams(me)
    me.do(d, "ListTables", Limit=1)
    me.do(d, "DeleteTable", **TABLE)
    me.fails("ResourceNotFoundException", d, "DescribeTable", TableName="nothing")


def create(me):
    d = "dynamodb"
    shape = {
        "AttributeDefinitions": [{"AttributeName": a, "AttributeType": t} for a, t in (("pk", "S"), ("sk", "N"), ("name", "S"))],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        "LocalSecondaryIndexes": [{"IndexName": "byName", "Projection": {"ProjectionType": "KEYS_ONLY"},
                                   "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "name", "KeyType": "RANGE"}]}],
    }
    me.fails("ValidationException", d, "CreateTable", **TABLE, **shape)
    arn = me.do(d, "CreateTable", **TABLE, **shape, BillingMode="PAY_PER_REQUEST", TableClass="STANDARD", DeletionProtectionEnabled=True,
                Tags=[{"Key": "a", "Value": "b"}])["TableDescription"]["TableArn"]
    me.fails("ResourceInUseException", d, "CreateTable", **TABLE, **shape, BillingMode="PAY_PER_REQUEST")
    wait(me)
    me.world.pace(100000)  # one that stays on its way
    me.do(d, "CreateTable", TableName="slow", **shape, BillingMode="PAY_PER_REQUEST")
    me.world.pace()
    me.fails("ResourceNotFoundException", d, "GetItem", TableName="slow", Key={"pk": {"S": "a"}, "sk": {"N": "1"}})
    me.fails("ValidationException", d, "DeleteTable", **TABLE)
    return arn


def items(me):
    d, key = "dynamodb", {"pk": {"S": "a"}, "sk": {"N": "1"}}
    everything = {**key, "name": {"S": "n"}, "n": {"N": "1.50"}, "b": {"B": b"\x00\xff"}, "t": {"BOOL": True}, "z": {"NULL": True},
                  "ss": {"SS": ["x", "y"]}, "ns": {"NS": ["1", "2"]}, "bs": {"BS": [b"x"]}, "l": {"L": [{"S": "x"}]}, "m": {"M": {"k": {"N": "2"}}}}
    me.do(d, "PutItem", **TABLE, Item=everything, ReturnConsumedCapacity="TOTAL")
    got = me.do(d, "GetItem", **TABLE, Key=key, ConsistentRead=True, ReturnConsumedCapacity="TOTAL")["Item"]
    if got != {**everything, "n": {"N": "1.5"}}:
        me.world.checker.note("dynamodb:GetItem", f"gave {got}")
    me.do(d, "GetItem", **TABLE, Key=key, ProjectionExpression="#n, m.k", ExpressionAttributeNames={"#n": "name"})
    me.fails("ConditionalCheckFailedException", d, "PutItem", **TABLE, Item=key, ConditionExpression="attribute_not_exists(pk)",
             ReturnValuesOnConditionCheckFailure="ALL_OLD")
    me.fails("ValidationException", d, "PutItem", **TABLE, Item={"pk": {"S": "a"}})
    me.do(d, "UpdateItem", **TABLE, Key=key, UpdateExpression="SET n = n + :one, l = list_append(l, :l) REMOVE z DELETE ss :ss", ReturnValues="ALL_NEW",
          ConditionExpression="n > :one AND contains(ss, :x) AND size(l) = :one",
          ExpressionAttributeValues={":one": {"N": "1"}, ":l": {"L": [{"S": "y"}]}, ":ss": {"SS": ["x"]}, ":x": {"S": "x"}})
    me.fails("ValidationException", d, "UpdateItem", **TABLE, Key=key, UpdateExpression="SET free = :one", ExpressionAttributeValues={":one": {"N": "1"}})
    me.do(d, "DeleteItem", **TABLE, Key=key, ReturnValues="ALL_OLD")
    puts = [{"PutRequest": {"Item": {"pk": {"S": "a"}, "sk": {"N": str(i)}, "name": {"S": f"n{i}"}}}} for i in range(6)]
    me.do(d, "BatchWriteItem", RequestItems={"conformance": puts}, ReturnConsumedCapacity="TOTAL")
    me.do(d, "BatchGetItem", RequestItems={"conformance": {"Keys": [key]}}, ReturnConsumedCapacity="TOTAL")
    transactions(me)


def transactions(me):
    d = "dynamodb"
    at = lambda n: {"pk": {"S": "t"}, "sk": {"N": n}}
    update = {**TABLE, "Key": at("2"), "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
    new = {"Put": {**TABLE, "Item": at("1"), "ConditionExpression": "attribute_not_exists(pk)"}}
    check = {"ConditionCheck": {**TABLE, "Key": at("1"), "ConditionExpression": "attribute_exists(pk)"}}
    for _ in range(2):  # the second with the same token is the first
        me.do(d, "TransactWriteItems", TransactItems=[new, {"Update": update}], ClientRequestToken="once")
    me.fails("IdempotentParameterMismatchException", d, "TransactWriteItems", TransactItems=[check], ClientRequestToken="once")
    me.fails("TransactionCanceledException", d, "TransactWriteItems", TransactItems=[{"Update": update}, new])
    n = me.do(d, "GetItem", **TABLE, Key=at("2"))["Item"]["n"]["N"]
    if n != "1":
        me.world.checker.note("dynamodb:TransactWriteItems", f"not all or nothing, or not once: {n}")
    me.fails("ValidationException", d, "TransactWriteItems", TransactItems=[check, {"Delete": {**TABLE, "Key": at("1")}}])
    me.do(d, "TransactWriteItems", TransactItems=[check, {"Delete": {**TABLE, "Key": at("2")}}])
    me.do(d, "TransactWriteItems", TransactItems=[{"Delete": {**TABLE, "Key": at("1")}}])


def queries(me):
    d, values = "dynamodb", {":p": {"S": "a"}}
    page = me.do(d, "Query", **TABLE, KeyConditionExpression="pk = :p", ExpressionAttributeValues=values, Limit=4)
    rest = me.do(d, "Query", **TABLE, KeyConditionExpression="pk = :p", ExpressionAttributeValues=values, ExclusiveStartKey=page["LastEvaluatedKey"])
    if page["Count"] + rest["Count"] != 6:
        me.world.checker.note("dynamodb:Query", f"{page['Count']} and {rest['Count']} items")
    me.do(d, "Query", **TABLE, IndexName="byName", KeyConditionExpression="pk = :p AND begins_with(#n, :n)", ExpressionAttributeNames={"#n": "name"},
          ExpressionAttributeValues={**values, ":n": {"S": "n"}}, ReturnConsumedCapacity="INDEXES")
    me.do(d, "Scan", **TABLE, FilterExpression="sk IN (:a, :b)", ExpressionAttributeValues={":a": {"N": "1"}, ":b": {"N": "2"}}, Select="COUNT")
    me.fails("ValidationException", d, "Query", **TABLE, KeyConditionExpression="sk = :p", ExpressionAttributeValues={":p": {"N": "1"}})


def policies(me, far, arn):
    d, doc = "dynamodb", json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": far.account}, "Action": "dynamodb:Scan", "Resource": arn}]})
    me.fails("PolicyNotFoundException", d, "GetResourcePolicy", ResourceArn=arn)
    far.fails("AccessDeniedException", d, "Scan", TableName=arn)
    me.fails("PolicyNotFoundException", d, "PutResourcePolicy", ResourceArn=arn, Policy=doc, ExpectedRevisionId="1")
    me.do(d, "PutResourcePolicy", ResourceArn=arn, Policy=doc, ExpectedRevisionId="NO_POLICY")
    me.do(d, "GetResourcePolicy", ResourceArn=arn)
    far.do(d, "Scan", TableName=arn)
    me.do(d, "DeleteResourcePolicy", ResourceArn=arn)


def streams(me):
    d, s = "dynamodb", "dynamodbstreams"
    me.do(d, "UpdateTable", **TABLE, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    wait(me)
    me.fails("ValidationException", d, "UpdateTable", **TABLE, StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    for n in ("1", "2"):
        me.do(d, "PutItem", **TABLE, Item={"pk": {"S": "stream"}, "sk": {"N": "9"}, "n": {"N": n}})
    me.do(d, "DeleteItem", **TABLE, Key={"pk": {"S": "stream"}, "sk": {"N": "9"}})
    arn = me.do(s, "ListStreams", **TABLE)["Streams"][0]["StreamArn"]
    shard = me.do(s, "DescribeStream", StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    at = me.do(s, "GetShardIterator", StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    first = me.do(s, "GetRecords", ShardIterator=at, Limit=2)
    rest = me.do(s, "GetRecords", ShardIterator=first["NextShardIterator"])
    if [r["eventName"] for r in first["Records"] + rest["Records"]] != ["INSERT", "MODIFY", "REMOVE"]:
        me.world.checker.note("dynamodb:GetRecords", f"gave {first}, {rest}")
    me.fails("ResourceNotFoundException", s, "DescribeStream", StreamArn=arn + "x")
    me.do(d, "UpdateTable", **TABLE, StreamSpecification={"StreamEnabled": False})
    wait(me)
