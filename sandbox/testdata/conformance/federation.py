"""Web identity, quotas, authorization details, the simulator, the registry."""

import json
import os
import tempfile
import urllib.request
from unittest import mock

import botocore.session

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity"}]}
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


def exercise(world):
    providers(world)
    quotas(world)
    details(world)
    registry(world)
    messages(world)


def token(world, cluster, **more):
    """A pod's token, as the sandbox mints it."""
    body = json.dumps({"namespace": "shop", "service_account": "cart", **more}).encode()
    request = urllib.request.Request(f"{world.endpoint}/oidc/id/{cluster}/token", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def providers(world):
    me = world.member
    minted = token(world, "conformance")
    for path in (".well-known/openid-configuration", "keys"):
        urllib.request.urlopen(f"{world.endpoint}/oidc/id/conformance/{path}").read()
    p = {"OpenIDConnectProviderArn": me.do("iam", "CreateOpenIDConnectProvider", Url=minted["issuer"], ClientIDList=["other"],
                                           Tags=[{"Key": "a", "Value": "b"}])["OpenIDConnectProviderArn"]}
    me.fails("EntityAlreadyExists", "iam", "CreateOpenIDConnectProvider", Url=minted["issuer"])
    me.fails("InvalidInput", "iam", "CreateOpenIDConnectProvider", Url="http://example.com")
    me.do("iam", "ListOpenIDConnectProviders")
    me.do("iam", "AddClientIDToOpenIDConnectProvider", **p, ClientID="sts.amazonaws.com")
    me.do("iam", "RemoveClientIDFromOpenIDConnectProvider", **p, ClientID="other")
    me.do("iam", "UpdateOpenIDConnectProviderThumbprint", **p, ThumbprintList=["0" * 40])
    me.do("iam", "TagOpenIDConnectProvider", **p, Tags=[{"Key": "c", "Value": "d"}])
    me.do("iam", "ListOpenIDConnectProviderTags", **p)
    me.do("iam", "UntagOpenIDConnectProvider", **p, TagKeys=["c"])
    me.do("iam", "GetOpenIDConnectProvider", **p)
    host = minted["issuer"].removeprefix("https://")
    trust = json.loads(json.dumps(TRUST))
    trust["Statement"][0]["Principal"] = {"Federated": p["OpenIDConnectProviderArn"]}
    trust["Statement"][0]["Condition"] = {"StringEquals": {host + ":sub": "system:serviceaccount:shop:cart", host + ":aud": "sts.amazonaws.com"}}
    role = me.do("iam", "CreateRole", RoleName="cart", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    call = {"RoleArn": role, "RoleSessionName": "conformance"}
    me.do("sts", "AssumeRoleWithWebIdentity", **call, WebIdentityToken=minted["token"])
    pod(world, role, minted["token"])
    me.fails("InvalidIdentityToken", "sts", "AssumeRoleWithWebIdentity", **call, WebIdentityToken="x.y.z")
    me.fails("ExpiredTokenException", "sts", "AssumeRoleWithWebIdentity", **call, WebIdentityToken=token(world, "conformance", seconds=-600)["token"])
    me.fails("AccessDenied", "sts", "AssumeRoleWithWebIdentity", **call, WebIdentityToken=token(world, "conformance", service_account="x")["token"])
    me.do("iam", "DeleteRole", RoleName="cart")
    me.do("iam", "DeleteOpenIDConnectProvider", **p)
    me.fails("NoSuchEntity", "iam", "GetOpenIDConnectProvider", **p)


def pod(world, role, text):
    """What awscli and boto3 do in a pod: the token is in a file."""
    with tempfile.NamedTemporaryFile("w", suffix=".token") as file:
        file.write(text)
        file.flush()
        with mock.patch.dict(os.environ, {"AWS_WEB_IDENTITY_TOKEN_FILE": file.name, "AWS_ROLE_ARN": role, "AWS_ENDPOINT_URL": world.endpoint,
                                          "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}):
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
                os.environ.pop(name, None)
            who = botocore.session.Session().create_client("sts").get_caller_identity()["Arn"]
    if ":assumed-role/cart/" not in who:
        world.checker.note("sts:AssumeRoleWithWebIdentity", "a pod is " + who)


def quotas(world):
    me, vpcs = world.member, {"ServiceCode": "vpc", "QuotaCode": "L-F678F1CE"}
    me.do("service-quotas", "GetServiceQuota", **vpcs)
    me.do("service-quotas", "GetAWSDefaultServiceQuota", **vpcs)
    me.do("service-quotas", "ListServiceQuotas", ServiceCode="vpc")
    me.do("service-quotas", "ListAWSDefaultServiceQuotas", ServiceCode="iam", MaxResults=2)
    me.fails("NoSuchResourceException", "service-quotas", "GetServiceQuota", ServiceCode="vpc", QuotaCode="L-00000000")
    me.fails("IllegalArgumentException", "service-quotas", "RequestServiceQuotaIncrease", **vpcs, DesiredValue=1)
    me.do("service-quotas", "RequestServiceQuotaIncrease", **vpcs, DesiredValue=6)
    me.do("lambda", "GetAccountSettings")


def details(world):
    me = world.member
    arn = me.do("iam", "CreatePolicy", PolicyName="details", PolicyDocument=ALLOW)["Policy"]["Arn"]
    me.do("iam", "CreateUser", UserName="details", PermissionsBoundary=arn)
    me.do("iam", "PutUserPolicy", UserName="details", PolicyName="inline", PolicyDocument=ALLOW)
    me.do("iam", "AttachUserPolicy", UserName="details", PolicyArn=arn)
    groups(me)
    me.do("iam", "GetAccountAuthorizationDetails")
    me.do("iam", "GetAccountAuthorizationDetails", Filter=["LocalManagedPolicy"], MaxItems=1)
    user = f"arn:aws:iam::{me.account}:user/details"
    me.do("iam", "SimulatePrincipalPolicy", PolicySourceArn=user, ActionNames=["s3:GetObject", "sns:Publish"], ResourceArns=["arn:aws:s3:::b/k"],
          ContextEntries=[{"ContextKeyName": "aws:SourceIp", "ContextKeyValues": ["10.0.0.1"], "ContextKeyType": "ip"}])
    me.fails("NoSuchEntity", "iam", "SimulatePrincipalPolicy", PolicySourceArn=user + "x", ActionNames=["s3:GetObject"])
    me.do("iam", "SimulateCustomPolicy", PolicyInputList=[ALLOW], ActionNames=["s3:GetObject"])
    g = {"GroupName": "conformance"}
    me.fails("DeleteConflict", "iam", "DeleteGroup", **g)
    me.do("iam", "RemoveUserFromGroup", **g, UserName="details")
    me.do("iam", "DeleteGroupPolicy", **g, PolicyName="inline")
    me.do("iam", "DetachGroupPolicy", **g, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    me.do("iam", "DeleteGroup", **g)
    me.do("iam", "DetachUserPolicy", UserName="details", PolicyArn=arn)
    me.do("iam", "DeleteUserPolicy", UserName="details", PolicyName="inline")
    me.do("iam", "DeleteUser", UserName="details")
    me.do("iam", "DeletePolicy", PolicyArn=arn)


def groups(me):
    g = {"GroupName": "conformance"}
    me.do("iam", "CreateGroup", **g)
    me.fails("EntityAlreadyExists", "iam", "CreateGroup", **g)
    me.do("iam", "AddUserToGroup", **g, UserName="details")
    me.do("iam", "GetGroup", **g)
    me.do("iam", "ListGroups")
    me.do("iam", "ListGroupsForUser", UserName="details")
    me.do("iam", "PutGroupPolicy", **g, PolicyName="inline", PolicyDocument=ALLOW)
    me.do("iam", "GetGroupPolicy", **g, PolicyName="inline")
    me.do("iam", "ListGroupPolicies", **g)
    me.do("iam", "AttachGroupPolicy", **g, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    me.do("iam", "ListAttachedGroupPolicies", **g)
    me.do("iam", "ListEntitiesForPolicy", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")


def registry(world):
    top, me, cf = world.top, world.member, "cloudformation"
    schema = json.loads(me.do(cf, "DescribeType", Type="RESOURCE", TypeName="AWS::IAM::Role")["Schema"])
    if "iam:CreateRole" not in schema["handlers"]["create"]["permissions"]:
        world.checker.note("cloudformation:DescribeType", "create lacks iam:CreateRole")
    me.fails("TypeNotFoundException", cf, "DescribeType", Type="RESOURCE", TypeName="AWS::No::Such")
    top.do(cf, "ActivateOrganizationsAccess")
    top.do(cf, "DescribeOrganizationsAccess")
    top.do(cf, "DeactivateOrganizationsAccess")
    me.fails("InvalidOperationException", cf, "DescribeOrganizationsAccess")


def messages(world):
    """What EC2 says to whom it refuses, and what that means."""
    me = world.member
    me.do("iam", "CreateUser", UserName="refused")
    key = me.do("iam", "CreateAccessKey", UserName="refused")["AccessKey"]
    client = world.session.create_client("ec2", region_name="eu-west-1", endpoint_url=world.endpoint,
                                         aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    try:
        client.describe_vpcs()
    except client.exceptions.ClientError as e:
        encoded = e.response["Error"]["Message"].partition("Encoded authorization failure message: ")[2]
    decoded = json.loads(me.do("sts", "DecodeAuthorizationMessage", EncodedMessage=encoded)["DecodedMessage"])
    if decoded["context"]["action"] != "ec2:DescribeVpcs" or decoded["allowed"]:
        world.checker.note("sts:DecodeAuthorizationMessage", str(decoded))
    world.other.fails("InvalidAuthorizationMessageException", "sts", "DecodeAuthorizationMessage", EncodedMessage=encoded)
    me.do("iam", "DeleteAccessKey", UserName="refused", AccessKeyId=key["AccessKeyId"])
    me.do("iam", "DeleteUser", UserName="refused")
