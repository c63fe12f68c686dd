"""Writes random SAM templates, for the comparison with AWS's translator.

Usage: random_templates.py SEED COUNT FOLDER. Names and paths are drawn from a
small set, so that they collide in the hash tables by which API deployments are
named.
"""

import json
import pathlib
import random
import sys

WORDS = "accounts bookings customers deliveries events flights gates hotels invoices journeys keys legs miles notes orders prices a b c x1 Item_s über".split()
PARAMETER, NOTHING = {"Ref": "P"}, {"Ref": "AWS::NoValue"}


class Template:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.resources = {}
        self.routes = set()

    def chance(self, p):
        return self.random.random() < p

    def some(self, target, key, *values, p=0.35):
        """Sets a property, perhaps, to one of the values."""
        if self.chance(p):
            target[key] = json.loads(json.dumps(self.random.choice(values)))

    def name(self, kind):
        return self.random.choice("ABCDEFGHIJKLMNOP") + self.random.choice(["get", "Put", "zz", ""]) + str(self.random.randint(0, 99)) + kind

    def path(self):
        parts = []
        for _ in range(self.random.randint(1, 3)):
            word = self.random.choice(WORDS)
            parts.append(self.random.choice(["{%s}" % word.replace("ü", "u"), "{proxy+}"]) if self.chance(0.25) else word)
        return "/" if self.chance(0.05) else "/" + "/".join(parts) + ("/" if self.chance(0.1) else "")

    def rest_api(self):
        p = {"StageName": self.random.choice(["prod", "v-1", PARAMETER, {"Fn::Sub": "${P}-x"}])}
        self.some(p, "Cors", "'*'", {"AllowOrigin": "'*'", "AllowHeaders": "'A'"}, {"AllowMethods": "'GET'", "MaxAge": 5}, {"AllowOrigin": "'x'", "AllowCredentials": True}, PARAMETER)
        self.some(
            p, "Auth", {"DefaultAuthorizer": "AWS_IAM"}, {"ApiKeyRequired": True}, {"ApiKeyRequired": True, "AddApiKeyRequiredToCorsPreflight": False},
            {"DefaultAuthorizer": "Pool", "Authorizers": {"Pool": {"UserPoolArn": "arn"}, "Other": {"FunctionArn": "arn:f"}}}, {"UsagePlan": {"CreateUsagePlan": "PER_API"}},
            {"DefaultAuthorizer": "L", "AddDefaultAuthorizerToCorsPreflight": False, "Authorizers": {"L": {"FunctionArn": PARAMETER, "Identity": {"Header": "h"}}}},
        )
        if self.chance(0.3):
            p.setdefault("Auth", {})["ResourcePolicy"] = self.random.choice([
                {"IpRangeWhitelist": ["1.1.1.1"]}, {"SourceVpcBlacklist": ["vpc-1", "vpce-1"], "AwsAccountWhitelist": ["1"]},
                {"AwsAccountBlacklist": [PARAMETER], "CustomStatements": [{"Effect": "Allow"}]}, {"IntrinsicVpceWhitelist": [PARAMETER], "IpRangeBlacklist": "3.3.3.3"}])
        self.some(p, "Models", {"User": {"type": "object"}, "Order": {"type": "string"}})
        self.some(p, "GatewayResponses", {"DEFAULT_4XX": {"StatusCode": 400, "ResponseParameters": {"Headers": {"A": "'a'"}}}}, {"X": {"StatusCode": "401", "ResponseTemplates": {"a": "b"}}})
        self.some(p, "BinaryMediaTypes", ["image~1png", "a/b"])
        self.some(p, "OpenApiVersion", "3.0.1", "2.0", "3.0", 3.0, p=0.2)
        self.some(p, "Tags", {"z": "1", "a": "2", "m": PARAMETER})
        self.some(p, "PropagateTags", True, p=0.2)
        self.some(p, "EndpointConfiguration", "REGIONAL", {"Type": "EDGE"})
        self.some(p, "DisableExecuteApiEndpoint", True, False, p=0.2)
        return {"Type": "AWS::Serverless::Api", "Properties": p}

    def http_api(self):
        p = {}
        self.some(p, "StageName", "prod", "v-1", "$default", PARAMETER)
        self.some(p, "CorsConfiguration", True, {"AllowOrigins": ["*"], "AllowHeaders": ["x"]}, {"AllowMethods": ["GET"], "MaxAge": 0})
        self.some(p, "Auth", {"EnableIamAuthorizer": True}, {"DefaultAuthorizer": "J", "Authorizers": {"J": {"JwtConfiguration": {"issuer": "i", "audience": ["a"]}, "IdentitySource": "$request.header.A"}}})
        self.some(p, "Tags", {"z": "1", "a": "2"})
        self.some(p, "FailOnWarnings", True)
        self.some(p, "Name", "n")
        return {"Type": "AWS::Serverless::HttpApi", "Properties": p}

    def route(self, kind, apis, property, methods):
        """An event of an API's path that nothing else has, or None."""
        api, method, path = self.random.choice(apis), self.random.choice(methods), self.path()
        if (api, path, method.lower()) in self.routes:
            return None
        self.routes.add((api, path, method.lower()))
        e = {"Path": path, "Method": method}
        if not api.startswith("Serverless"):
            e[property] = {"Ref": api}
        if kind == "HttpApi":
            self.some(e, "RouteSettings", {"ThrottlingBurstLimit": 1}, p=0.1)
            self.some(e, "PayloadFormatVersion", "1.0", p=0.1)
            return {"Type": kind, "Properties": e}
        self.some(e, "Auth", {"Authorizer": "AWS_IAM"}, {"ApiKeyRequired": True}, {"Authorizer": "AWS_IAM", "InvokeRole": "NONE"}, {"ResourcePolicy": {"IpRangeWhitelist": ["1.2.1.1"]}}, p=0.25)
        self.some(e, "TimeoutInMillis", 1000, p=0.1)
        self.some(e, "RequestParameters", ["method.request.header.A", {"method.request.path.p": {"Required": True}}], [{"method.request.querystring.C": {"Caching": True}}], p=0.2)
        if "Models" in self.resources.get(api, {}).get("Properties", {}):
            self.some(e, "RequestModel", {"Model": "User", "ValidateBody": True}, {"Model": "Order", "Required": False, "ValidateParameters": True}, {"Model": "User"})
        return {"Type": kind, "Properties": e}

    def function(self, rest, http):
        p = {"Handler": "a.b", "Runtime": "python3.12"}
        p.update(self.random.choice([{"InlineCode": "x"}, {"CodeUri": "s3://b/k.zip"}, {"CodeUri": {"Bucket": PARAMETER, "Key": {"Fn::Sub": "${P}/x"}}}, {"CodeUri": "s3://b/a?versionId=x%20y"}]))
        self.some(p, "FunctionName", "fn", {"Fn::Sub": "${P}-fn"}, PARAMETER, {"Fn::Join": ["-", ["a", PARAMETER]]})
        self.some(p, "AutoPublishAlias", "live", PARAMETER, "a_b")
        self.some(p, "Environment", {"Variables": {"A": PARAMETER, "B": 'é"\\\n'}})
        self.some(p, "Tags", {"t": "u", "b": PARAMETER})
        self.some(p, "PropagateTags", True)
        self.some(p, "Tracing", "Active", "Disabled", PARAMETER)
        self.some(p, "Policies", ["AmazonS3ReadOnlyAccess", {"Statement": []}], [{"S3ReadPolicy": {"BucketName": PARAMETER}}, {"Fn::If": ["C1", "AmazonS3ReadOnlyAccess", NOTHING]}])
        self.some(p, "EventInvokeConfig", {"MaximumRetryAttempts": 1}, {"DestinationConfig": {"OnFailure": {"Type": "SQS"}}})
        self.some(p, "FunctionUrlConfig", {"AuthType": "NONE"}, {"AuthType": "AWS_IAM"}, p=0.2)
        events = {}
        for _ in range(self.random.randint(0, 9)):
            events[self.name("")] = self.random.choice([
                lambda: self.route("Api", rest, "RestApiId", ["get", "POST", "put", "any", "Delete", "patch"]),
                lambda: self.route("HttpApi", http, "ApiId", ["get", "POST", "ANY"]),
                lambda: self.random.choice([
                    {"Type": "SQS", "Properties": {"Queue": "q"}}, {"Type": "Schedule", "Properties": {"Schedule": "rate(1 day)"}},
                    {"Type": "SNS", "Properties": {"Topic": PARAMETER, "SqsSubscription": True}}, {"Type": "S3", "Properties": {"Bucket": {"Ref": "Bucket"}, "Events": "s3:x"}},
                    {"Type": "ScheduleV2", "Properties": {"ScheduleExpression": "rate(1 day)", "DeadLetterConfig": {"Type": "SQS"}}},
                    {"Type": "EventBridgeRule", "Properties": {"Pattern": {"a": ["b"]}, "DeadLetterConfig": {"Type": "SQS"}}},
                    {"Type": "DynamoDB", "Properties": {"Stream": "s", "StartingPosition": "LATEST"}}]),
            ])()
        p["Events"] = {name: e for name, e in events.items() if e}
        f = {"Type": "AWS::Serverless::Function", "Properties": p}
        self.some(f, "Condition", "C1", "C2", "C3")
        self.some(f, "DeletionPolicy", "Retain", "Delete", p=0.2)
        self.some(f, "UpdateReplacePolicy", "Retain", p=0.1)
        return f

    def make(self):
        rest, http = ["ServerlessRestApi"], ["ServerlessHttpApi"]
        for kind, apis, build, most in (("Api", rest, self.rest_api, 3), ("Http", http, self.http_api, 2)):
            for _ in range(self.random.randint(0, most)):
                apis.append(self.name(kind))
                self.resources[apis[-1]] = build()
                self.some(self.resources[apis[-1]], "Condition", "C1", "C2", p=0.2)
                self.some(self.resources[apis[-1]], "DeletionPolicy", "Retain", p=0.2)
        for _ in range(self.random.randint(1, 4)):
            self.resources[self.name("Fn")] = self.function(rest, http)
        self.resources["Bucket"] = {"Type": "AWS::S3::Bucket"}
        self.resources["Layer"] = {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "s3://a/b", "Description": PARAMETER}}
        globals_ = {}
        self.some(globals_, "Api", {"Cors": "'*'"}, {"OpenApiVersion": "3.0.1"}, {"Auth": {"DefaultAuthorizer": "AWS_IAM"}}, {"Name": "g", "BinaryMediaTypes": ["q~1r"]}, {"EndpointConfiguration": "REGIONAL"})
        self.some(globals_, "HttpApi", {"CorsConfiguration": True}, {"Auth": {"EnableIamAuthorizer": True}}, {"Tags": {"g": "h"}}, {"RouteSettings": {"GET /x": {"ThrottlingBurstLimit": 2}}})
        self.some(globals_, "Function", {"Timeout": 3}, {"Tags": {"gt": "gv"}, "PropagateTags": True}, {"Environment": {"Variables": {"G": "1", "A": "2"}}}, {"AutoPublishAlias": "glob"}, {"VpcConfig": {"SubnetIds": ["s"]}})
        resources = list(self.resources.items())
        self.random.shuffle(resources)
        out = {
            "Transform": "AWS::Serverless-2016-10-31",
            "Parameters": {"P": {"Type": "String", "Default": "pv"}},
            "Conditions": {c: {"Fn::Equals": ["a", c]} for c in ("C1", "C2", "C3")},
            "Resources": dict(resources),
        }
        if globals_:
            out["Globals"] = globals_
        return out


if __name__ == "__main__":
    seed, count, folder = int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])
    for i in range(count):
        (folder / f"random{i:04}.yaml").write_text(json.dumps(Template(seed * 100_000 + i).make()))
