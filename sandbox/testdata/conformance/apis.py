"""API Gateway: HTTP APIs and REST APIs."""

import json
import urllib.request


def exercise(world):
    http(world)
    rest(world)


def fetch(world, path):
    """Calls an API as anybody would: status and body."""
    try:
        with urllib.request.urlopen(world.endpoint + path) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def http(world):
    me, v2 = world.member, "apigatewayv2"
    doc = {"openapi": "3.0.1", "info": {"title": "imported", "version": "1"}, "paths": {"/a": {"get": {}}}}
    imported = me.do(v2, "ImportApi", Body=json.dumps(doc))["ApiId"]
    me.do(v2, "ReimportApi", ApiId=imported, Body=json.dumps({**doc, "paths": {"/b": {"post": {}}}}))
    if [r["RouteKey"] for r in me.do(v2, "GetRoutes", ApiId=imported)["Items"]] != ["POST /b"]:
        world.checker.note("apigatewayv2:ReimportApi", "other routes")
    me.fails("BadRequestException", v2, "ImportApi", Body="nothing")
    me.do(v2, "DeleteApi", ApiId=imported)
    a = {"ApiId": me.do(v2, "CreateApi", Name="conformance", ProtocolType="HTTP", Tags={"k": "v"}, Description="d",
                        CorsConfiguration={"AllowOrigins": ["*"], "MaxAge": 5})["ApiId"]}
    me.do(v2, "UpdateApi", **a, Version="2")
    me.do(v2, "GetApi", **a)
    me.do(v2, "GetApis")
    me.fails("NotFoundException", v2, "GetApi", ApiId="nothing")
    me.fails("BadRequestException", v2, "CreateApi", Name="x", ProtocolType="WEBSOCKET")
    function = f"arn:aws:lambda:eu-west-1:{me.account}:function:f"
    i = {**a, "IntegrationId": me.do(v2, "CreateIntegration", **a, IntegrationType="AWS_PROXY", IntegrationUri=function, PayloadFormatVersion="2.0")["IntegrationId"]}
    me.do(v2, "UpdateIntegration", **i, TimeoutInMillis=5000)
    me.do(v2, "GetIntegration", **i)
    me.do(v2, "GetIntegrations", **a)
    me.fails("BadRequestException", v2, "CreateIntegration", **a, IntegrationType="HTTP_PROXY", IntegrationUri="https://example.com")
    r = {**a, "RouteId": me.do(v2, "CreateRoute", **a, RouteKey="GET /x", Target="integrations/" + i["IntegrationId"])["RouteId"]}
    me.do(v2, "UpdateRoute", **r, OperationName="x")
    me.do(v2, "GetRoute", **r)
    me.fails("ConflictException", v2, "CreateRoute", **a, RouteKey="GET /x")
    s = {**a, "StageName": "$default"}
    me.do(v2, "CreateStage", **s, AutoDeploy=True, StageVariables={"a": "b"}, Tags={"k": "v"})
    me.do(v2, "UpdateStage", **s, Description="d", DefaultRouteSettings={"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 2.5})
    me.do(v2, "GetStage", **s)
    me.do(v2, "GetStages", **a)
    d = {**a, "DeploymentId": me.do(v2, "CreateDeployment", **a, Description="d")["DeploymentId"]}
    me.do(v2, "GetDeployment", **d)
    me.do(v2, "GetDeployments", **a)
    me.do(v2, "DeleteDeployment", **d)
    arn = {"ResourceArn": f"arn:aws:apigateway:eu-west-1::/apis/{a['ApiId']}"}
    me.do(v2, "TagResource", **arn, Tags={"x": "y"})
    me.do(v2, "UntagResource", **arn, TagKeys=["k"])
    if me.do(v2, "GetTags", **arn)["Tags"] != {"x": "y"}:
        world.checker.note("apigatewayv2:GetTags", "other tags")
    if fetch(world, f"/_aws/execute-api/{a['ApiId']}/nothing") != (404, '{"message":"Not Found"}'):
        world.checker.note("apigatewayv2", "an unknown route")
    me.do(v2, "DeleteStage", **s)
    me.do(v2, "DeleteRoute", **r)
    me.do(v2, "DeleteIntegration", **i)
    me.do(v2, "DeleteApi", **a)


def rest(world):
    me, v1 = world.member, "apigateway"
    mock = {"type": "mock", "requestTemplates": {"application/json": '{"statusCode": 200}'},
            "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": '{"pong": 1}'}}}}
    doc = {"swagger": "2.0", "info": {"title": "imported"}, "paths": {"/ping": {"get": {"x-amazon-apigateway-integration": mock, "responses": {"200": {}}}}}}
    a = {"restApiId": me.do(v1, "ImportRestApi", body=json.dumps(doc).encode(), parameters={"endpointConfigurationTypes": "REGIONAL"})["id"]}
    me.do(v1, "PutRestApi", **a, mode="merge", body=json.dumps(doc).encode())
    me.fails("BadRequestException", v1, "ImportRestApi", body=b"nothing")
    me.do(v1, "GetRestApi", **a)
    me.do(v1, "CreateDeployment", **a, stageName="prod", variables={"a": "b"})
    if fetch(world, f"/_aws/execute-api/{a['restApiId']}/prod/ping") != (200, '{"pong": 1}'):
        world.checker.note("apigateway", "the mock doesn't answer")
    me.do(v1, "DeleteRestApi", **a)
    made = me.do(v1, "CreateRestApi", name="conformance", description="d", tags={"k": "v"}, binaryMediaTypes=["image/png"])
    a = {"restApiId": made["id"]}
    me.do(v1, "UpdateRestApi", **a, patchOperations=[{"op": "replace", "path": "/name", "value": "renamed"}, {"op": "add", "path": "/binaryMediaTypes/image~1gif"}])
    me.do(v1, "GetRestApis", limit=1)
    me.fails("NotFoundException", v1, "GetRestApi", restApiId="nothing")
    r = {**a, "resourceId": me.do(v1, "CreateResource", **a, parentId=made["rootResourceId"], pathPart="pets")["id"]}
    me.fails("ConflictException", v1, "CreateResource", **a, parentId=made["rootResourceId"], pathPart="pets")
    m = {**r, "httpMethod": "GET"}
    me.do(v1, "PutMethod", **m, authorizationType="NONE", requestParameters={"method.request.querystring.a": True})
    me.do(v1, "PutMethodResponse", **m, statusCode="200", responseParameters={"method.response.header.x": True})
    me.fails("BadRequestException", v1, "CreateDeployment", **a)
    me.do(v1, "PutIntegration", **m, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    me.do(v1, "PutIntegrationResponse", **m, statusCode="200", responseParameters={"method.response.header.x": "'1'"})
    me.do(v1, "GetIntegration", **m)
    me.do(v1, "GetMethod", **m)
    me.do(v1, "GetResource", **r, embed=["methods"])
    me.do(v1, "GetResources", **a)
    d = {**a, "deploymentId": me.do(v1, "CreateDeployment", **a, description="d")["id"]}
    me.do(v1, "UpdateDeployment", **d, patchOperations=[{"op": "replace", "path": "/description", "value": "e"}])
    me.do(v1, "GetDeployment", **d)
    me.do(v1, "GetDeployments", **a)
    s = {**a, "stageName": "prod"}
    me.do(v1, "CreateStage", **s, deploymentId=d["deploymentId"], tags={"k": "v"}, variables={"a": "b"}, tracingEnabled=True)
    me.do(v1, "UpdateStage", **s, patchOperations=[
        {"op": "replace", "path": "/variables/a", "value": "c"}, {"op": "replace", "path": "/*/*/throttling/rateLimit", "value": "5.5"},
        {"op": "replace", "path": "/*/*/metrics/enabled", "value": "true"}, {"op": "replace", "path": "/accessLogSettings/format", "value": "x"}])
    me.fails("BadRequestException", v1, "UpdateStage", **s, patchOperations=[{"op": "replace", "path": "/nothing", "value": "x"}])
    me.do(v1, "GetStage", **s)
    me.do(v1, "GetStages", **a)
    me.fails("BadRequestException", v1, "DeleteDeployment", **d)
    arn = {"resourceArn": f"arn:aws:apigateway:eu-west-1::/restapis/{a['restApiId']}/stages/prod"}
    me.do(v1, "TagResource", **arn, tags={"x": "y"})
    me.do(v1, "UntagResource", **arn, tagKeys=["k"])
    if me.do(v1, "GetTags", **arn)["tags"] != {"x": "y"}:
        world.checker.note("apigateway:GetTags", "other tags")
    me.do(v1, "UpdateAccount", patchOperations=[{"op": "remove", "path": "/cloudwatchRoleArn"}])
    me.do(v1, "GetAccount")
    me.do(v1, "DeleteStage", **s)
    me.do(v1, "DeleteDeployment", **d)
    me.do(v1, "DeleteMethod", **m)
    me.do(v1, "DeleteResource", **r)
    me.do(v1, "DeleteRestApi", **a)
