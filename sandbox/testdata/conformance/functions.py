"""Lambda."""

import base64
import io
import json
import time
import zipfile

L = "lambda"


def package(body="def handler(event, context): return event"):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("index.py", body)
    return out.getvalue()


def role(me, name, *statements):
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    arn = me.do("iam", "CreateRole", RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    if statements:
        me.do("iam", "PutRolePolicy", RoleName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    return arn


def wait(me, name):
    for _ in range(500):
        got = me.do(L, "GetFunctionConfiguration", FunctionName=name)
        if got["State"] == "Active" and got["LastUpdateStatus"] == "Successful":
            return
        time.sleep(0.02)
    me.world.checker.note("lambda:GetFunctionConfiguration", "the function doesn't become active")


def exercise(world):
    me, far = world.member, world.other
    runs = role(me, "Runs", {"Effect": "Allow", "Action": ["sqs:*"], "Resource": "*"})
    name = {"FunctionName": "conformance"}
    shape = {"Role": runs, "Handler": "index.handler", "Runtime": "python3.12", "Code": {"ZipFile": package()}}
    layer = me.do(L, "PublishLayerVersion", LayerName="shared", Content={"ZipFile": package()}, CompatibleRuntimes=["python3.12"], CompatibleArchitectures=["x86_64"],
                  Description="d", LicenseInfo="MIT")["LayerVersionArn"]
    me.fails("InvalidParameterValueException", L, "CreateFunction", **name, **{**shape, "Role": runs + "x"})
    made = me.do(L, "CreateFunction", **name, **shape, Description="d", Timeout=5, MemorySize=256, Environment={"Variables": {"A1": "b"}}, Tags={"a": "b"},
                 Layers=[layer], Architectures=["x86_64"], EphemeralStorage={"Size": 1024}, TracingConfig={"Mode": "Active"}, LoggingConfig={"LogFormat": "JSON"},
                 SnapStart={"ApplyOn": "PublishedVersions"}, Publish=True)
    arn = made["FunctionArn"].removesuffix(":1")
    wait(me, "conformance")
    me.fails("ResourceConflictException", L, "CreateFunction", **name, **shape)
    me.do(L, "GetFunction", **name)
    me.do(L, "GetFunction", **name, Qualifier="1")
    me.do(L, "ListFunctions", MaxItems=1)
    me.do(L, "ListFunctions", FunctionVersion="ALL")
    me.do(L, "UpdateFunctionCode", **name, ZipFile=package("def handler(event, context): return {'was': event}"))
    wait(me, "conformance")
    me.do(L, "UpdateFunctionConfiguration", **name, Timeout=6, Layers=[])
    wait(me, "conformance")
    versions(me, name)
    invocations(me, name)
    policies(me, far, name, arn)
    me.do(L, "PutFunctionConcurrency", **name, ReservedConcurrentExecutions=2)
    me.do(L, "GetFunctionConcurrency", **name)
    me.do(L, "DeleteFunctionConcurrency", **name)
    me.do(L, "TagResource", Resource=arn, Tags={"c": "d"})
    me.do(L, "UntagResource", Resource=arn, TagKeys=["a", "c"])
    me.do(L, "ListTags", Resource=arn)
    me.do(L, "PutFunctionEventInvokeConfig", **name, MaximumRetryAttempts=1)
    me.do(L, "UpdateFunctionEventInvokeConfig", **name, MaximumEventAgeInSeconds=60)
    me.do(L, "GetFunctionEventInvokeConfig", **name)
    me.do(L, "ListFunctionEventInvokeConfigs", **name)
    me.do(L, "DeleteFunctionEventInvokeConfig", **name)
    me.fails("ResourceNotFoundException", L, "GetFunctionEventInvokeConfig", **name)
    layers(me, far, layer)
    sources(me, name)
    me.do(L, "CreateFunctionUrlConfig", **name, AuthType="NONE", Cors={"AllowOrigins": ["*"], "MaxAge": 5})
    me.do(L, "UpdateFunctionUrlConfig", **name, AuthType="AWS_IAM")
    me.do(L, "GetFunctionUrlConfig", **name)
    me.do(L, "ListFunctionUrlConfigs", **name)
    me.do(L, "DeleteFunctionUrlConfig", **name)
    me.fails("ResourceNotFoundException", L, "GetFunctionUrlConfig", **name)
    me.do(L, "GetAccountSettings")
    me.do(L, "DeleteFunction", **name)
    me.fails("ResourceNotFoundException", L, "GetFunction", **name)


def versions(me, name):
    v = me.do(L, "PublishVersion", **name, Description="second")["Version"]
    me.do(L, "ListVersionsByFunction", **name)
    me.do(L, "CreateAlias", **name, Name="live", FunctionVersion=v, Description="d", RoutingConfig={"AdditionalVersionWeights": {"1": 0.25}})
    me.fails("ResourceConflictException", L, "CreateAlias", **name, Name="live", FunctionVersion=v)
    me.fails("ResourceConflictException", L, "DeleteFunction", **name, Qualifier="1")
    me.do(L, "UpdateAlias", **name, Name="live", RoutingConfig={"AdditionalVersionWeights": {}})
    me.do(L, "GetAlias", **name, Name="live")
    me.do(L, "ListAliases", **name)
    me.do(L, "DeleteFunction", **name, Qualifier="1")


def invocations(me, name):
    out = me.do(L, "Invoke", **name, Payload=b'{"n": 1}', LogType="Tail")
    if json.loads(out["Payload"].read()) != {"was": {"n": 1}} or out["ExecutedVersion"] != "$LATEST" or b"REPORT" not in base64.b64decode(out["LogResult"]):
        me.world.checker.note("lambda:Invoke", f"gave {out}")
    if me.do(L, "Invoke", **name, Qualifier="live")["ExecutedVersion"] != "2":
        me.world.checker.note("lambda:Invoke", "the alias isn't its version")
    if me.do(L, "Invoke", **name, InvocationType="Event")["StatusCode"] != 202 or me.do(L, "Invoke", **name, InvocationType="DryRun")["StatusCode"] != 204:
        me.world.checker.note("lambda:Invoke", "wrong status")
    me.fails("InvalidRequestContentException", L, "Invoke", **name, Payload=b"{")
    me.do(L, "DeleteAlias", **name, Name="live")


def policies(me, far, name, arn):
    far.fails("AccessDeniedException", L, "Invoke", FunctionName=arn)
    me.fails("ResourceNotFoundException", L, "GetPolicy", **name)
    me.do(L, "AddPermission", **name, StatementId="far", Action="lambda:InvokeFunction", Principal=far.account)
    me.do(L, "AddPermission", **name, StatementId="topic", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn="arn:aws:sns:eu-west-1:222222222222:t",
          SourceAccount="222222222222")
    me.fails("ResourceConflictException", L, "AddPermission", **name, StatementId="far", Action="lambda:InvokeFunction", Principal=far.account)
    me.fails("InvalidParameterValueException", L, "AddPermission", **name, StatementId="no", Action="lambda:InvokeFunction", Principal="nobody")
    revision = me.do(L, "GetPolicy", **name)["RevisionId"]
    far.do(L, "Invoke", FunctionName=arn)
    me.fails("PreconditionFailedException", L, "RemovePermission", **name, StatementId="far", RevisionId="x")
    me.do(L, "RemovePermission", **name, StatementId="far", RevisionId=revision)
    far.fails("AccessDeniedException", L, "Invoke", FunctionName=arn)


def layers(me, far, layer):
    this = {"LayerName": "shared", "VersionNumber": 1}
    that = {"LayerName": layer.rsplit(":", 1)[0], "VersionNumber": 1}
    me.do(L, "GetLayerVersion", **this)
    me.do(L, "ListLayers", CompatibleRuntime="python3.12")
    me.do(L, "ListLayerVersions", LayerName="shared")
    far.fails("AccessDeniedException", L, "GetLayerVersion", **that)
    revision = me.do(L, "AddLayerVersionPermission", **this, StatementId="far", Action="lambda:GetLayerVersion", Principal=far.account)["RevisionId"]
    me.do(L, "GetLayerVersionPolicy", **this)
    far.do(L, "GetLayerVersion", **that)
    me.do(L, "RemoveLayerVersionPermission", **this, StatementId="far", RevisionId=revision)
    me.do(L, "DeleteLayerVersion", **this)


def sources(me, name):
    queue = me.do("sqs", "CreateQueue", QueueName="functions")["QueueUrl"]
    arn = me.do("sqs", "GetQueueAttributes", QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    m = me.do(L, "CreateEventSourceMapping", **name, EventSourceArn=arn, BatchSize=5, Enabled=False, FunctionResponseTypes=["ReportBatchItemFailures"],
              FilterCriteria={"Filters": [{"Pattern": '{"body": ["x"]}'}]}, ScalingConfig={"MaximumConcurrency": 2}, Tags={"a": "b"})
    me.fails("ResourceConflictException", L, "CreateEventSourceMapping", **name, EventSourceArn=arn)
    me.fails("InvalidParameterValueException", L, "CreateEventSourceMapping", **name, EventSourceArn=arn + "x")
    me.do(L, "ListTags", Resource=m["EventSourceMappingArn"])
    for _ in range(500):
        if me.do(L, "GetEventSourceMapping", UUID=m["UUID"])["State"] == "Disabled":
            break
        time.sleep(0.02)
    me.do(L, "ListEventSourceMappings", **name)
    me.do(L, "UpdateEventSourceMapping", UUID=m["UUID"], BatchSize=6)
    while me.do(L, "GetEventSourceMapping", UUID=m["UUID"])["State"] == "Updating":
        time.sleep(0.02)
    me.do(L, "DeleteEventSourceMapping", UUID=m["UUID"])
    me.do("sqs", "DeleteQueue", QueueUrl=queue)
