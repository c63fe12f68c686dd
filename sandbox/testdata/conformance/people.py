"""STS, IAM, Organizations, Account."""

import json
import time

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sts:AssumeRole"}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


def exercise(world):
    identities(world)
    roles(world)
    users(world)
    policies(world)
    account(world)
    organization(world)
    service_control(world)


def identities(world):
    top = world.top
    top.do("sts", "GetCallerIdentity")
    top.do("sts", "GetSessionToken")
    top.do("sts", "GetAccessKeyInfo", AccessKeyId=top.credentials[0])
    top.fails("AccessDenied", "sts", "AssumeRole", RoleArn=f"arn:aws:iam::{world.member.account}:role/Nothing", RoleSessionName="conformance")


def roles(world):
    me, r = world.member, {"RoleName": "conformance"}
    me.do("iam", "CreateRole", **r, AssumeRolePolicyDocument=TRUST, Description="d", Tags=[{"Key": "a", "Value": "b"}])
    me.fails("EntityAlreadyExists", "iam", "CreateRole", **r, AssumeRolePolicyDocument=TRUST)
    me.fails("NoSuchEntity", "iam", "GetRole", RoleName="nothing")
    me.fails("MalformedPolicyDocument", "iam", "CreateRole", RoleName="x", AssumeRolePolicyDocument="{}")
    me.do("iam", "GetRole", **r)
    me.do("iam", "ListRoles")
    me.do("iam", "UpdateRole", **r, Description="x", MaxSessionDuration=7200)
    me.do("iam", "UpdateRoleDescription", **r, Description="x")
    me.do("iam", "UpdateAssumeRolePolicy", **r, PolicyDocument=TRUST)
    me.do("iam", "ListInstanceProfilesForRole", **r)
    principal(me, "Role", r)
    me.do("iam", "DeleteRole", **r)
    me.do("iam", "CreateServiceLinkedRole", AWSServiceName="organizations.amazonaws.com")


def users(world):
    me, u = world.member, {"UserName": "conformance"}
    me.do("iam", "CreateUser", **u)
    me.do("iam", "GetUser", **u)
    me.do("iam", "ListUsers")
    key = me.do("iam", "CreateAccessKey", **u)["AccessKey"]["AccessKeyId"]
    me.do("iam", "ListAccessKeys", **u)
    me.do("iam", "UpdateAccessKey", **u, AccessKeyId=key, Status="Inactive")
    me.do("iam", "DeleteAccessKey", **u, AccessKeyId=key)
    for name in ("GroupsForUser", "MFADevices", "SSHPublicKeys", "ServiceSpecificCredentials", "SigningCertificates"):
        me.do("iam", "List" + name, **u)
    principal(me, "User", u)
    me.do("iam", "DeleteUser", **u)


def principal(me, kind, name):
    """What roles and users have in common."""
    managed = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    me.do("iam", f"Put{kind}Policy", **name, PolicyName="inline", PolicyDocument=ALLOW)
    me.do("iam", f"Get{kind}Policy", **name, PolicyName="inline")
    me.do("iam", f"List{kind}Policies", **name)
    me.do("iam", f"Delete{kind}Policy", **name, PolicyName="inline")
    me.do("iam", f"Attach{kind}Policy", **name, PolicyArn=managed)
    me.do("iam", f"ListAttached{kind}Policies", **name)
    me.fails("DeleteConflict", "iam", f"Delete{kind}", **name)
    me.do("iam", f"Detach{kind}Policy", **name, PolicyArn=managed)
    me.do("iam", f"Put{kind}PermissionsBoundary", **name, PermissionsBoundary=managed)
    me.do("iam", f"Delete{kind}PermissionsBoundary", **name)
    me.do("iam", f"Tag{kind}", **name, Tags=[{"Key": "c", "Value": "d"}])
    me.do("iam", f"List{kind}Tags", **name)
    me.do("iam", f"Untag{kind}", **name, TagKeys=["c"])


def policies(world):
    me = world.member
    p = {"PolicyArn": me.do("iam", "CreatePolicy", PolicyName="conformance", PolicyDocument=ALLOW, Tags=[{"Key": "a", "Value": "b"}])["Policy"]["Arn"]}
    me.do("iam", "GetPolicy", **p)
    me.do("iam", "ListPolicies", Scope="Local")
    me.do("iam", "ListPolicies", MaxItems=5)
    me.do("iam", "CreatePolicyVersion", **p, PolicyDocument=ALLOW)
    me.do("iam", "ListPolicyVersions", **p)
    me.do("iam", "GetPolicyVersion", **p, VersionId="v2")
    me.do("iam", "SetDefaultPolicyVersion", **p, VersionId="v2")
    me.do("iam", "DeletePolicyVersion", **p, VersionId="v1")
    me.do("iam", "ListEntitiesForPolicy", **p)
    me.do("iam", "TagPolicy", **p, Tags=[{"Key": "c", "Value": "d"}])
    me.do("iam", "ListPolicyTags", **p)
    me.do("iam", "UntagPolicy", **p, TagKeys=["c"])
    me.do("iam", "DeletePolicy", **p)
    me.do("iam", "CreateAccountAlias", AccountAlias="conformance")
    me.do("iam", "ListAccountAliases")
    me.do("iam", "DeleteAccountAlias", AccountAlias="conformance")


def account(world):
    me = world.member
    me.do("account", "ListRegions")
    me.do("account", "GetAccountInformation")
    me.do("account", "EnableRegion", RegionName="af-south-1")
    me.do("account", "GetRegionOptStatus", RegionName="af-south-1")
    for _ in range(200):
        if me.do("account", "GetRegionOptStatus", RegionName="af-south-1")["RegionOptStatus"] == "ENABLED":
            break
        time.sleep(0.02)
    me.do("account", "DisableRegion", RegionName="af-south-1")


def organization(world):
    top, o = world.top, "organizations"
    top.do(o, "DescribeOrganization")
    root = top.do(o, "ListRoots")["Roots"][0]["Id"]
    top.do(o, "ListAccounts")
    top.do(o, "DescribeAccount", AccountId=world.member.account)
    top.fails("AccountNotFoundException", o, "DescribeAccount", AccountId="999999999999")
    top.do(o, "ListParents", ChildId=world.member.account)
    top.do(o, "ListChildren", ParentId=root, ChildType="ORGANIZATIONAL_UNIT")
    top.do(o, "ListAccountsForParent", ParentId=root)
    top.do(o, "ListOrganizationalUnitsForParent", ParentId=root)
    ou = top.do(o, "CreateOrganizationalUnit", ParentId=root, Name="Conformance")["OrganizationalUnit"]["Id"]
    top.fails("DuplicateOrganizationalUnitException", o, "CreateOrganizationalUnit", ParentId=root, Name="Conformance")
    top.do(o, "UpdateOrganizationalUnit", OrganizationalUnitId=ou, Name="Conformance2")
    top.do(o, "DescribeOrganizationalUnit", OrganizationalUnitId=ou)
    asked = top.do(o, "CreateAccount", Email="new@example.com", AccountName="new")["CreateAccountStatus"]["Id"]
    for _ in range(200):
        status = top.do(o, "DescribeCreateAccountStatus", CreateAccountRequestId=asked)["CreateAccountStatus"]
        if status["State"] != "IN_PROGRESS":
            break
        time.sleep(0.02)
    top.do(o, "ListCreateAccountStatus")
    new = status["AccountId"]
    top.do(o, "MoveAccount", AccountId=new, SourceParentId=root, DestinationParentId=ou)
    top.do(o, "TagResource", ResourceId=new, Tags=[{"Key": "a", "Value": "b"}])
    top.do(o, "ListTagsForResource", ResourceId=new)
    top.do(o, "UntagResource", ResourceId=new, TagKeys=["a"])
    top.do(o, "MoveAccount", AccountId=new, SourceParentId=ou, DestinationParentId=root)
    top.do(o, "DeleteOrganizationalUnit", OrganizationalUnitId=ou)
    top.do(o, "CloseAccount", AccountId=new)
    top.do(o, "RemoveAccountFromOrganization", AccountId="444444444444")  # it was invited, so it can stand alone
    service = {"ServicePrincipal": "member.org.stacksets.cloudformation.amazonaws.com"}
    top.do(o, "EnableAWSServiceAccess", **service)
    top.do(o, "ListAWSServiceAccessForOrganization")
    top.do(o, "RegisterDelegatedAdministrator", AccountId=world.member.account, **service)
    top.do(o, "ListDelegatedAdministrators")
    top.do(o, "ListDelegatedServicesForAccount", AccountId=world.member.account)
    top.do(o, "DeregisterDelegatedAdministrator", AccountId=world.member.account, **service)
    top.do(o, "DisableAWSServiceAccess", **service)


def service_control(world):
    top, o = world.top, "organizations"
    root = top.do(o, "ListRoots")["Roots"][0]["Id"]
    top.do(o, "EnablePolicyType", RootId=root, PolicyType="RESOURCE_CONTROL_POLICY")
    p = top.do(o, "CreatePolicy", Name="c", Description="d", Type="SERVICE_CONTROL_POLICY", Content=json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}]}))["Policy"]["PolicySummary"]["Id"]
    top.do(o, "DescribePolicy", PolicyId=p)
    top.do(o, "UpdatePolicy", PolicyId=p, Description="x")
    top.do(o, "ListPolicies", Filter="SERVICE_CONTROL_POLICY")
    top.do(o, "AttachPolicy", PolicyId=p, TargetId=world.other.account)
    top.do(o, "ListPoliciesForTarget", TargetId=world.other.account, Filter="SERVICE_CONTROL_POLICY")
    top.do(o, "ListTargetsForPolicy", PolicyId=p)
    top.fails("PolicyInUseException", o, "DeletePolicy", PolicyId=p)
    top.do(o, "DetachPolicy", PolicyId=p, TargetId=world.other.account)
    top.do(o, "DeletePolicy", PolicyId=p)
    top.do(o, "DisablePolicyType", RootId=root, PolicyType="RESOURCE_CONTROL_POLICY")
