"""EventBridge Scheduler."""

import json


def exercise(world):
    me, sc = world.member, "scheduler"
    role = me.do("iam", "CreateRole", RoleName="conformance-timer", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))["Role"]["Arn"]
    s = dict(Name="conformance", FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
             Target={"Arn": f"arn:aws:lambda:eu-west-1:{me.account}:function:f", "RoleArn": role, "RetryPolicy": {"MaximumRetryAttempts": 2}})
    me.do(sc, "CreateSchedule", **s, ScheduleExpression="rate(1 day)", StartDate=1893456000, EndDate=1993456000, Description="d")
    me.fails("ConflictException", sc, "CreateSchedule", **s, ScheduleExpression="rate(1 day)")
    me.fails("ValidationException", sc, "UpdateSchedule", **s, ScheduleExpression="daily")
    me.do(sc, "GetSchedule", Name="conformance", GroupName="default")
    me.do(sc, "UpdateSchedule", **s, ScheduleExpression="cron(0 6 * * ? *)", ScheduleExpressionTimezone="Europe/Berlin", State="DISABLED")
    listed = me.do(sc, "ListSchedules", GroupName="default", NamePrefix="conf", State="DISABLED")["Schedules"]
    if [x["Name"] for x in listed] != ["conformance"]:
        world.checker.note("scheduler:ListSchedules", f"{listed}")
    me.do(sc, "DeleteSchedule", Name="conformance")
    me.fails("ResourceNotFoundException", sc, "GetSchedule", Name="conformance")
    me.do("iam", "DeleteRole", RoleName="conformance-timer")
