"""CloudWatch: alarms."""

ALARM = dict(Namespace="App", MetricName="Errors", Statistic="Sum", Period=60, EvaluationPeriods=5, Threshold=1.5,
             ComparisonOperator="GreaterThanThreshold")


def exercise(world):
    me, far, cw = world.member, world.other, "cloudwatch"
    me.do(cw, "PutMetricAlarm", AlarmName="a", Tags=[{"Key": "k", "Value": "v"}], Dimensions=[{"Name": "n", "Value": "v"}], **ALARM)
    me.do(cw, "PutMetricAlarm", AlarmName="b", TreatMissingData="notBreaching", **ALARM)
    me.do(cw, "DescribeAlarms", MaxRecords=1)
    found = me.do(cw, "DescribeAlarms", AlarmNames=["a"])["MetricAlarms"][0]
    if found["StateValue"] != "INSUFFICIENT_DATA" or found["Threshold"] != 1.5:
        world.checker.note("cloudwatch:DescribeAlarms", f"{found}")
    me.do(cw, "SetAlarmState", AlarmName="a", StateValue="OK", StateReason="r")
    me.fails("ResourceNotFound", cw, "SetAlarmState", AlarmName="none", StateValue="OK", StateReason="r")
    me.fails("ValidationError", cw, "PutMetricAlarm", AlarmName="c", **{**ALARM, "ComparisonOperator": "Above"})
    arn = {"ResourceARN": found["AlarmArn"]}
    me.do(cw, "TagResource", Tags=[{"Key": "x", "Value": "y"}], **arn)
    me.do(cw, "UntagResource", TagKeys=["k"], **arn)
    if me.do(cw, "ListTagsForResource", **arn)["Tags"] != [{"Key": "x", "Value": "y"}]:
        world.checker.note("cloudwatch:ListTagsForResource", "wrong tags")
    if far.do(cw, "DescribeAlarms")["MetricAlarms"]:
        world.checker.note("cloudwatch:DescribeAlarms", "alarms of another account")
    me.do(cw, "DeleteAlarms", AlarmNames=["a", "b"])
    me.fails("ResourceNotFound", cw, "DeleteAlarms", AlarmNames=["a"])
