"""EventBridge: buses, rules, targets, events."""

import json


def exercise(world):
    me, other, ev = world.member, world.other, "events"
    bus = me.do(ev, "CreateEventBus", Name="conformance", Description="d", Tags=[{"Key": "k", "Value": "v"}])["EventBusArn"]
    me.fails("ResourceAlreadyExistsException", ev, "CreateEventBus", Name="conformance")
    me.do(ev, "UpdateEventBus", Name="conformance", Description="e")
    me.do(ev, "ListEventBuses", NamePrefix="conf")
    me.do(ev, "PutPermission", EventBusName="conformance", StatementId="one", Action="events:PutEvents", Principal=other.account)
    me.do(ev, "PutPermission", EventBusName="conformance", StatementId="org", Action="events:PutEvents", Principal="*",
          Condition={"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-x"})
    shown = me.do(ev, "DescribeEventBus", Name="conformance")
    if len(json.loads(shown["Policy"])["Statement"]) != 2:
        world.checker.note("events:PutPermission", f"the policy is {shown['Policy']}")
    me.do(ev, "RemovePermission", EventBusName="conformance", StatementId="org")
    me.fails("ResourceNotFoundException", ev, "RemovePermission", EventBusName="conformance", StatementId="org")
    me.fails("ResourceNotFoundException", ev, "DescribeEventBus", Name="nothing")
    rules(world, bus)
    tag = {"ResourceARN": bus}
    me.do(ev, "TagResource", **tag, Tags=[{"Key": "a", "Value": "b"}])
    me.do(ev, "UntagResource", **tag, TagKeys=["k"])
    if me.do(ev, "ListTagsForResource", **tag)["Tags"] != [{"Key": "a", "Value": "b"}]:
        world.checker.note("events:ListTagsForResource", "wrong tags")
    me.fails("ResourceNotFoundException", ev, "ListTagsForResource", ResourceARN=bus + "x")
    me.do(ev, "DeleteEventBus", Name="conformance")


def rules(world, bus):
    me, other, ev = world.member, world.other, "events"
    r = {"EventBusName": "conformance", "Rule": "orders"}
    named = {"EventBusName": "conformance", "Name": "orders"}
    pattern = json.dumps({"source": ["shop"], "detail": {"total": [{"numeric": [">", 10]}]}})
    me.do(ev, "PutRule", **named, EventPattern=pattern, Description="d", Tags=[{"Key": "k", "Value": "v"}])
    me.do(ev, "PutRule", Name="timer", ScheduleExpression="rate(1 day)", State="DISABLED")
    me.fails("InvalidEventPatternException", ev, "PutRule", Name="bad", EventPattern='{"source": "shop"}')
    me.fails("ValidationException", ev, "PutRule", Name="bad", ScheduleExpression="rate(1 days)")
    queue = me.do("sqs", "CreateQueue", QueueName="conformance-events")["QueueUrl"]
    arn = f"arn:aws:sqs:eu-west-1:{me.account}:conformance-events"
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    me.do("sqs", "SetQueueAttributes", QueueUrl=queue, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": [allow]})})
    target = {"Id": "q", "Arn": arn, "InputTransformer": {"InputPathsMap": {"t": "$.detail.total"}, "InputTemplate": '{"total": <t>}'}}
    me.do(ev, "PutTargets", **r, Targets=[target])
    me.fails("ResourceNotFoundException", ev, "PutTargets", EventBusName="conformance", Rule="none", Targets=[target])
    if me.do(ev, "ListTargetsByRule", **r)["Targets"] != [target]:
        world.checker.note("events:ListTargetsByRule", "other targets")
    me.do(ev, "ListRules", EventBusName="conformance", Limit=1)
    me.do(ev, "DescribeRule", **named)
    entry = {"Source": "shop", "DetailType": "order", "EventBusName": bus, "Resources": ["r"], "Time": 1700000000}
    out = other.do(ev, "PutEvents", Entries=[{**entry, "Detail": '{"total": 12}'}, {**entry, "Detail": '{"total": 9}'}, {**entry, "Detail": "nothing"}])
    if out["FailedEntryCount"] != 1:
        world.checker.note("events:PutEvents", f"{out}")
    got = [m["Body"] for m in me.do("sqs", "ReceiveMessage", QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])]
    if got != ['{"total": 12}']:
        world.checker.note("events:PutEvents", f"arrives as {got}")
    me.do(ev, "DisableRule", **named)
    me.do(ev, "EnableRule", **named)
    me.fails("ValidationException", ev, "DeleteRule", **named)
    me.do(ev, "RemoveTargets", **r, Ids=["q"])
    me.do(ev, "DeleteRule", **named)
    me.do(ev, "DeleteRule", Name="timer")
    me.do("sqs", "DeleteQueue", QueueUrl=queue)
