"""CloudFormation and the tagging API. The sandbox's stacks take a moment, so
that operations on what is in progress can be called too."""

import json
import time

PARAMETER = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Ref": "V"}}}


def template(**resources):
    return json.dumps({
        "Description": "conformance", "Parameters": {"V": {"Type": "String", "Default": "1", "Description": "v"}},
        "Resources": resources or {"P": PARAMETER},
        "Outputs": {"O": {"Value": {"Ref": next(iter(resources), "P")}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-o"}}, "Description": "o"}},
    })


def wait(me, stack, *states):
    for _ in range(500):
        s = me.do("cloudformation", "DescribeStacks", StackName=stack)["Stacks"][0]["StackStatus"]
        if not s.endswith("IN_PROGRESS"):
            break
        time.sleep(0.02)
    if s not in states:
        events = me.do("cloudformation", "DescribeStackEvents", StackName=stack)["StackEvents"]
        why = [e.get("ResourceStatusReason", "") for e in events if e["ResourceStatus"].endswith("FAILED")]
        me.world.checker.note("cloudformation:DescribeStacks", f"{stack} is {s}, want {states}: {why}")
    return s


def value(v):
    return [{"ParameterKey": "V", "ParameterValue": v}]


def exercise(world):
    me = world.member
    life(me)
    change_sets(me)
    imports(me)
    drift(me)
    taken_in(me)
    stuck(me)
    tags(me)


def life(me):
    c, s = "cloudformation", {"StackName": "conformance"}
    me.do(c, "ValidateTemplate", TemplateBody=template())
    me.fails("ValidationError", c, "ValidateTemplate", TemplateBody="{")
    me.do(c, "GetTemplateSummary", TemplateBody=template())
    stack = me.do(c, "CreateStack", **s, TemplateBody=template(), Tags=[{"Key": "a", "Value": "b"}])["StackId"]
    me.do(c, "DescribeStacks", **s)
    wait(me, "conformance", "CREATE_COMPLETE")
    me.fails("AlreadyExistsException", c, "CreateStack", **s, TemplateBody=template())
    me.fails("ValidationError", c, "DescribeStacks", StackName="nothing")
    me.do(c, "ListStacks")
    me.do(c, "DescribeStackEvents", **s)
    me.do(c, "DescribeStackResources", **s)
    me.do(c, "DescribeStackResource", **s, LogicalResourceId="P")
    me.do(c, "ListStackResources", **s)
    me.do(c, "GetTemplate", **s)
    me.do(c, "GetTemplateSummary", **s)
    me.do(c, "ListExports")
    me.do(c, "SetStackPolicy", **s, StackPolicyBody=json.dumps(
        {"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]}))
    me.do(c, "GetStackPolicy", **s)
    me.do(c, "UpdateTerminationProtection", **s, EnableTerminationProtection=True)
    me.fails("ValidationError", c, "DeleteStack", **s)
    me.do(c, "UpdateTerminationProtection", **s, EnableTerminationProtection=False)
    for n in range(2, 12):
        me.world.pace(2 ** (n - 2))
        me.do(c, "UpdateStack", **s, UsePreviousTemplate=True, Parameters=value(str(n)))
        if me.tries(c, "CancelUpdateStack", **s):
            wait(me, "conformance", "UPDATE_ROLLBACK_COMPLETE")
            break
        wait(me, "conformance", "UPDATE_COMPLETE")  # this machine was too slow: again, with more time
    me.world.pace()
    me.do(c, "DeleteStack", **s)
    wait(me, stack, "DELETE_COMPLETE")
    me.do(c, "DescribeStackEvents", StackName=stack)


def change_sets(me):
    c, s = "cloudformation", {"StackName": "changes", "ChangeSetName": "one"}
    me.do(c, "CreateChangeSet", **s, ChangeSetType="CREATE", TemplateBody=template(), ClientToken="t")
    ready(me, s)
    me.do(c, "ListChangeSets", StackName="changes")
    me.do(c, "ExecuteChangeSet", **s)
    wait(me, "changes", "CREATE_COMPLETE")
    s["ChangeSetName"] = "two"
    me.do(c, "CreateChangeSet", **s, UsePreviousTemplate=True, Parameters=value("3"), IncludeNestedStacks=False)
    ready(me, s)
    me.do(c, "DescribeChangeSet", **s, IncludePropertyValues=True)
    me.do(c, "DeleteChangeSet", **s)
    me.fails("ChangeSetNotFound", c, "DescribeChangeSet", **s)
    s["ChangeSetName"] = "empty"
    me.do(c, "CreateChangeSet", **s, UsePreviousTemplate=True)
    ready(me, s)
    me.fails("InvalidChangeSetStatus", c, "ExecuteChangeSet", **s)


def ready(me, names):
    for _ in range(500):
        s = me.do("cloudformation", "DescribeChangeSet", **names).get("Status")
        if s in ("CREATE_COMPLETE", "FAILED", None):
            return
        time.sleep(0.02)


def imports(me):
    reader = template(P={"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": {"Fn::ImportValue": "changes-o"}}})
    me.do("cloudformation", "CreateStack", StackName="reader", TemplateBody=reader)
    wait(me, "reader", "CREATE_COMPLETE")
    me.do("cloudformation", "ListImports", ExportName="changes-o")


def drift(me):
    """A parameter and a topic that somebody changes; then both are brought back."""
    c, s = "cloudformation", {"StackName": "drifts"}
    body = template(P=PARAMETER, T={"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "drifts", "DisplayName": "a"}})
    me.do(c, "CreateStack", **s, TemplateBody=body)
    wait(me, "drifts", "CREATE_COMPLETE")
    me.do("sns", "SetTopicAttributes", TopicArn=f"arn:aws:sns:eu-west-1:{me.account}:drifts", AttributeName="DisplayName", AttributeValue="b")
    name = me.do(c, "DescribeStackResource", **s, LogicalResourceId="P")["StackResourceDetail"]["PhysicalResourceId"]
    me.do("ssm", "DeleteParameter", Name=name)
    detected(me, s, "DRIFTED")
    found = me.do(c, "DescribeStackResourceDrifts", **s, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"])["StackResourceDrifts"]
    if sorted(r["StackResourceDriftStatus"] for r in found) != ["DELETED", "MODIFIED"]:
        me.world.checker.note("cloudformation:DescribeStackResourceDrifts", f"{found}")
    me.do(c, "DescribeStacks", **s)
    back = {**s, "ChangeSetName": "back"}
    me.do(c, "CreateChangeSet", **back, UsePreviousTemplate=True, DeploymentMode="REVERT_DRIFT")
    ready(me, back)
    me.do(c, "ExecuteChangeSet", **back)
    wait(me, "drifts", "UPDATE_COMPLETE")
    detected(me, s, "IN_SYNC")


def taken_in(me):
    """An existing parameter is imported into a new stack."""
    c, s = "cloudformation", {"StackName": "importer", "ChangeSetName": "in"}
    me.do("ssm", "PutParameter", Name="/there/already", Type="String", Value="1")
    body = json.dumps({"Resources": {"P": {"Type": "AWS::SSM::Parameter", "DeletionPolicy": "Retain",
                                           "Properties": {"Name": "/there/already", "Type": "String", "Value": "1"}}}})
    there = [{"ResourceType": "AWS::SSM::Parameter", "LogicalResourceId": "P", "ResourceIdentifier": {"Name": "/there/already"}}]
    me.fails("ValidationError", c, "CreateChangeSet", **s, ChangeSetType="IMPORT", TemplateBody=body)
    me.do(c, "CreateChangeSet", **s, ChangeSetType="IMPORT", TemplateBody=body, ResourcesToImport=there)
    ready(me, s)
    if me.do(c, "DescribeChangeSet", **s)["Changes"][0]["ResourceChange"]["Action"] != "Import":
        me.world.checker.note("cloudformation:DescribeChangeSet", "no Import")
    me.do(c, "ExecuteChangeSet", **s)
    wait(me, "importer", "IMPORT_COMPLETE")


def detected(me, stack, want):
    found = me.do("cloudformation", "DetectStackDrift", **stack)["StackDriftDetectionId"]
    for _ in range(500):
        out = me.do("cloudformation", "DescribeStackDriftDetectionStatus", StackDriftDetectionId=found)
        if out.get("DetectionStatus") != "DETECTION_IN_PROGRESS":
            break
        time.sleep(0.02)
    if out.get("StackDriftStatus") != want:
        me.world.checker.note("cloudformation:DescribeStackDriftDetectionStatus", f"{out}, want {want}")


def stuck(me):
    """An update whose rollback fails as well: the topic's old policy names a
    role that has been deleted since, so SNS doesn't take it back."""
    trust = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": me.account}, "Action": "sts:AssumeRole"}]})
    role = {"RoleName": "gone", "AssumeRolePolicyDocument": trust}
    arn = me.do("iam", "CreateRole", **role)["Role"]["Arn"]
    me.do("cloudformation", "CreateStack", StackName="stuck", TemplateBody=shared_topic(arn, "1"))
    wait(me, "stuck", "CREATE_COMPLETE")
    me.do("iam", "DeleteRole", RoleName="gone")
    me.do("cloudformation", "UpdateStack", StackName="stuck", TemplateBody=shared_topic(me.account, ""))
    wait(me, "stuck", "UPDATE_ROLLBACK_FAILED")
    me.do("iam", "CreateRole", **role)
    me.do("cloudformation", "ContinueUpdateRollback", StackName="stuck")
    wait(me, "stuck", "UPDATE_ROLLBACK_COMPLETE")


def shared_topic(principal, parameter):
    """A topic with a policy, and then a parameter; an empty one fails."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sns:Publish", "Resource": {"Ref": "T"}}
    return template(
        T={"Type": "AWS::SNS::Topic"},
        TP={"Type": "AWS::SNS::TopicPolicy", "Properties": {
            "Topics": [{"Ref": "T"}], "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}},
        P={"Type": "AWS::SSM::Parameter", "DependsOn": "TP", "Properties": {"Type": "String", "Value": parameter}})


def tags(me):
    t = "resourcegroupstaggingapi"
    me.do(t, "GetResources")
    me.do(t, "GetTagKeys")
    me.do(t, "GetTagValues", Key="Name")
