"""SQS, and what SNS publishes to it."""

import json
import re

from storage import policy


def exercise(world):
    queues(world)
    permissions(world)
    messages(world)
    orderly(world)
    topics(world)


def queues(world):
    me = world.member
    q = {"QueueUrl": me.do("sqs", "CreateQueue", QueueName="conformance", Attributes={"DelaySeconds": "1"}, tags={"a": "b"})["QueueUrl"]}
    if not re.fullmatch(re.escape(world.endpoint) + f"/{me.account}/conformance", q["QueueUrl"]):
        world.checker.note("sqs:CreateQueue", "URL is " + q["QueueUrl"])
    me.fails("QueueAlreadyExists", "sqs", "CreateQueue", QueueName="conformance", Attributes={"DelaySeconds": "2"})
    me.fails("InvalidAttributeName", "sqs", "CreateQueue", QueueName="other", Attributes={"Nothing": "1"})
    me.do("sqs", "GetQueueUrl", QueueName="conformance", QueueOwnerAWSAccountId=me.account)
    me.fails("AWS.SimpleQueueService.NonExistentQueue", "sqs", "GetQueueUrl", QueueName="nothing")
    me.fails("AWS.SimpleQueueService.NonExistentQueue", "sqs", "SendMessage", QueueUrl=q["QueueUrl"] + "x", MessageBody="x")
    me.do("sqs", "ListQueues", QueueNamePrefix="conf")
    me.do("sqs", "TagQueue", **q, Tags={"c": "d"})
    me.do("sqs", "ListQueueTags", **q)
    me.do("sqs", "UntagQueue", **q, TagKeys=["a", "c"])
    arn = me.do("sqs", "GetQueueAttributes", **q, AttributeNames=["All"])["Attributes"]["QueueArn"]
    dead = me.do("sqs", "CreateQueue", QueueName="conformance-dead")["QueueUrl"]
    me.do("sqs", "SetQueueAttributes", **q, Attributes={
        "VisibilityTimeout": "5", "DelaySeconds": "0", "KmsMasterKeyId": "alias/aws/sqs", "Policy": policy("sqs:SendMessage", arn),
        "RedrivePolicy": json.dumps({"deadLetterTargetArn": arn + "-dead", "maxReceiveCount": 3})})
    me.fails("InvalidAttributeValue", "sqs", "SetQueueAttributes", **q, Attributes={"DelaySeconds": "901"})
    me.fails("InvalidAttributeValue", "sqs", "SetQueueAttributes", **q, Attributes={"Policy": policy("s3:GetObject", arn)})
    me.do("sqs", "PurgeQueue", QueueUrl=dead)
    me.fails("AWS.SimpleQueueService.PurgeQueueInProgress", "sqs", "PurgeQueue", QueueUrl=dead)
    me.do("sqs", "DeleteQueue", QueueUrl=dead)


def queue(me):
    return {"QueueUrl": me.do("sqs", "GetQueueUrl", QueueName="conformance")["QueueUrl"]}


def permissions(world):
    me, other = world.member, world.other
    q = queue(me)
    other.fails("AWS.SimpleQueueService.NonExistentQueue", "sqs", "GetQueueUrl", QueueName="conformance", QueueOwnerAWSAccountId=me.account)
    other.fails("AccessDenied", "sqs", "SendMessage", **q, MessageBody="x")
    me.do("sqs", "AddPermission", **q, Label="friends", AWSAccountIds=[other.account], Actions=["SendMessage", "GetQueueUrl"])
    me.do("sqs", "SetQueueAttributes", **q, Attributes={"KmsMasterKeyId": ""})
    other.do("sqs", "GetQueueUrl", QueueName="conformance", QueueOwnerAWSAccountId=me.account)
    other.do("sqs", "SendMessage", **q, MessageBody="x")
    other.fails("AccessDenied", "sqs", "DeleteQueue", **q)
    me.do("sqs", "RemovePermission", **q, Label="friends")
    other.fails("AccessDenied", "sqs", "SendMessage", **q, MessageBody="x")


def messages(world):
    me = world.member
    q = queue(me)
    while me.do("sqs", "ReceiveMessage", **q, MaxNumberOfMessages=10).get("Messages"):
        pass
    sent = me.do("sqs", "SendMessage", **q, MessageBody="hello", MessageAttributes={
        "n": {"DataType": "Number", "StringValue": "1"}, "b": {"DataType": "Binary", "BinaryValue": b"x"}})
    got = me.do("sqs", "ReceiveMessage", **q, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"], WaitTimeSeconds=1)["Messages"][0]
    if got["MessageId"] != sent["MessageId"] or got["MD5OfMessageAttributes"] != sent["MD5OfMessageAttributes"] or got["Body"] != "hello":
        world.checker.note("sqs:ReceiveMessage", "not what was sent")
    h = {"ReceiptHandle": got["ReceiptHandle"]}
    me.do("sqs", "ChangeMessageVisibility", **q, **h, VisibilityTimeout=10)
    me.do("sqs", "ChangeMessageVisibilityBatch", **q, Entries=[{"Id": "a", **h, "VisibilityTimeout": 0}, {"Id": "b", **h, "VisibilityTimeout": 3}])
    me.do("sqs", "DeleteMessage", **q, **h)
    me.fails("ReceiptHandleIsInvalid", "sqs", "DeleteMessage", **q, ReceiptHandle="nonsense")
    me.do("sqs", "SendMessageBatch", **q, Entries=[{"Id": "1", "MessageBody": "one"}, {"Id": "2", "MessageBody": "two", "DelaySeconds": 901}])
    got = me.do("sqs", "ReceiveMessage", **q, MaxNumberOfMessages=10)["Messages"]
    me.do("sqs", "DeleteMessageBatch", **q, Entries=[{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(got)])
    me.fails("AWS.SimpleQueueService.EmptyBatchRequest", "sqs", "DeleteMessageBatch", **q, Entries=[])
    me.do("sqs", "DeleteQueue", **q)


def orderly(world):
    me = world.member
    q = {"QueueUrl": me.do("sqs", "CreateQueue", QueueName="conformance.fifo", Attributes={
        "FifoQueue": "true", "ContentBasedDeduplication": "true"})["QueueUrl"]}
    me.do("sqs", "GetQueueAttributes", **q, AttributeNames=["All"])
    for body in ("one", "two", "one"):
        me.do("sqs", "SendMessage", **q, MessageBody=body, MessageGroupId="g")
    got = me.do("sqs", "ReceiveMessage", **q, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    if [m["Body"] for m in got] != ["one", "two"]:
        world.checker.note("sqs:ReceiveMessage", f"a FIFO queue gave {got}")
    me.do("sqs", "DeleteQueue", **q)


def topics(world):
    me, other = world.member, world.other
    t = {"TopicArn": me.do("sns", "CreateTopic", Name="conformance-publish")["TopicArn"]}
    q = {"QueueUrl": other.do("sqs", "CreateQueue", QueueName="conformance-subscriber")["QueueUrl"]}
    arn = other.do("sqs", "GetQueueAttributes", **q, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
             "Condition": {"ArnEquals": {"aws:SourceArn": t["TopicArn"]}}}
    other.do("sqs", "SetQueueAttributes", **q, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})})
    s = me.do("sns", "Subscribe", **t, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True)
    ask = json.loads(other.do("sqs", "ReceiveMessage", **q)["Messages"][0]["Body"])
    me.fails("InvalidParameter", "sns", "ConfirmSubscription", **t, Token="nonsense")
    if other.do("sns", "ConfirmSubscription", **t, Token=ask["Token"]).get("SubscriptionArn") != s["SubscriptionArn"]:
        world.checker.note("sns:ConfirmSubscription", "another subscription")
    attribute = {"n": {"DataType": "Number", "StringValue": "1"}}
    sent = me.do("sns", "Publish", **t, Message="hello", Subject="s", MessageAttributes=attribute)
    got = json.loads(other.do("sqs", "ReceiveMessage", **q)["Messages"][0]["Body"])
    if (got["MessageId"], got["Message"], got["MessageAttributes"]) != (sent["MessageId"], "hello", {"n": {"Type": "Number", "Value": "1"}}):
        world.checker.note("sns:Publish", f"arrives as {got}")
    me.do("sns", "PublishBatch", **t, PublishBatchRequestEntries=[{"Id": "a", "Message": "x"}, {"Id": "b", "Message": "y", "Subject": ""}])
    me.fails("EmptyBatchRequest", "sns", "PublishBatch", **t, PublishBatchRequestEntries=[])
    me.fails("InvalidParameter", "sns", "Publish", PhoneNumber="+49123", Message="x")
    me.fails("NotFound", "sns", "Publish", TopicArn=t["TopicArn"] + "x", Message="x")
    other.do("sqs", "DeleteQueue", **q)
    me.do("sns", "DeleteTopic", **t)
