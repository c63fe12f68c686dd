"""CloudFormation StackSets, service-managed by the management account and
self-managed by a member for itself."""

import json
import time

import stacks

SET = {"StackSetName": "everywhere"}
C = "cloudformation"


def over(me, operation, name=SET, want="SUCCEEDED"):
    for _ in range(500):
        s = me.do(C, "DescribeStackSetOperation", **name, OperationId=operation)["StackSetOperation"]["Status"]
        if s not in ("RUNNING", "QUEUED", "STOPPING"):
            break
        time.sleep(0.02)
    if s != want:
        results = me.do(C, "ListStackSetOperationResults", **name, OperationId=operation)["Summaries"]
        me.world.checker.note("cloudformation:DescribeStackSetOperation", f"operation is {s}, want {want}: {results}")


def exercise(world):
    organization(world)
    alone(world.member)


def organization(world):
    me = world.top
    root = me.do("organizations", "ListRoots")["Roots"][0]["Id"]
    me.do(C, "ActivateOrganizationsAccess")
    new = dict(SET, TemplateBody=stacks.template(), PermissionModel="SERVICE_MANAGED", Description="d", Tags=[{"Key": "a", "Value": "b"}],
               AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False}, Capabilities=["CAPABILITY_IAM"], ManagedExecution={"Active": False})
    me.do(C, "CreateStackSet", **new)
    me.fails("NameAlreadyExistsException", C, "CreateStackSet", **new)
    me.fails("StackSetNotFoundException", C, "DescribeStackSet", StackSetName="nowhere")
    targets = {"DeploymentTargets": {"OrganizationalUnitIds": [root], "Accounts": [world.member.account, world.other.account], "AccountFilterType": "INTERSECTION"},
               "Regions": ["eu-west-1"]}
    preferences = {"FailureToleranceCount": 1, "MaxConcurrentPercentage": 100, "RegionOrder": ["eu-west-1"], "RegionConcurrencyType": "PARALLEL",
                   "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE"}
    op = me.do(C, "CreateStackInstances", **SET, **targets, OperationPreferences=preferences)["OperationId"]
    me.fails("OperationNotFoundException", C, "DescribeStackSetOperation", **SET, OperationId="none")
    me.do(C, "ListStackSetOperationResults", **SET, OperationId=op)
    over(me, op)
    me.do(C, "ListStackSetOperationResults", **SET, OperationId=op)
    me.do(C, "DescribeStackSet", **SET)
    me.do(C, "ListStackSets", Status="ACTIVE")
    me.do(C, "ListStackInstances", **SET)
    one = {"StackInstanceAccount": world.member.account, "StackInstanceRegion": "eu-west-1"}
    me.fails("StackInstanceNotFoundException", C, "DescribeStackInstance", **SET, StackInstanceAccount="111111111111", StackInstanceRegion="eu-west-1")
    op = me.do(C, "UpdateStackInstances", **SET, **targets, ParameterOverrides=stacks.value("7"))["OperationId"]
    over(me, op)
    me.do(C, "DescribeStackInstance", **SET, **one)
    for n in range(10):
        world.pace(2 ** n)
        op = me.do(C, "UpdateStackSet", **SET, UsePreviousTemplate=True, Tags=[{"Key": "a", "Value": str(n)}])["OperationId"]
        if me.tries(C, "StopStackSetOperation", **SET, OperationId=op):
            over(me, op, want="STOPPED")
            break
        over(me, op)  # this machine was too slow: again, with more time
    world.pace()
    me.fails("InvalidOperationException", C, "StopStackSetOperation", **SET, OperationId=op)
    me.do(C, "ListStackSetOperations", **SET)
    me.fails("StackSetNotEmptyException", C, "DeleteStackSet", **SET)
    op = me.do(C, "DeleteStackInstances", **SET, **targets, RetainStacks=False)["OperationId"]
    over(me, op)
    me.do(C, "DeleteStackSet", **SET)


def alone(me):
    """The account administers itself; the roles aren't there at first."""
    own = {"StackSetName": "alone"}
    me.do(C, "CreateStackSet", **own, TemplateBody=stacks.template())
    target = {"Accounts": [me.account], "Regions": ["us-east-1"]}
    op = me.do(C, "CreateStackInstances", **own, **target)["OperationId"]
    over(me, op, own, "FAILED")
    for role, principal, action in (("AWSCloudFormationStackSetAdministrationRole", {"Service": "cloudformation.amazonaws.com"}, "sts:AssumeRole"),
                                    ("AWSCloudFormationStackSetExecutionRole", {"AWS": me.account}, "*")):
        me.do("iam", "CreateRole", RoleName=role, AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]}))
        me.do("iam", "PutRolePolicy", RoleName=role, PolicyName="p", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}))
    op = me.do(C, "CreateStackInstances", **own, **target)["OperationId"]
    over(me, op, own)
