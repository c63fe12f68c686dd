"""KMS."""

import json

NOWHERE = "00000000-0000-4000-8000-000000000000"


def exercise(world):
    me, far, k = world.member, world.other, "kms"
    me.fails("UnsupportedOperationException", k, "CreateKey", MultiRegion=True)
    me.fails("MalformedPolicyDocumentException", k, "CreateKey", Policy="{")
    made = me.do(k, "CreateKey", Description="d", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    key, arn = {"KeyId": made["KeyId"]}, made["Arn"]
    second = me.do(k, "CreateKey")["KeyMetadata"]["KeyId"]
    me.do(k, "DescribeKey", **key)
    me.fails("NotFoundException", k, "DescribeKey", KeyId=NOWHERE)
    far.fails("AccessDeniedException", k, "DescribeKey", KeyId=arn)
    me.do(k, "ListKeys", Limit=1)
    me.fails("InvalidMarkerException", k, "ListKeys", Marker="?")
    settings(me, key)
    policies(me, key, made["KeyId"], far.account)
    aliases(me, made["KeyId"], second)
    secrets(me, key, second)
    far.do(k, "DescribeKey", KeyId=arn)
    far.fails("AccessDeniedException", k, "ListResourceTags", KeyId=arn)
    grants(me, key, far)
    me.do(k, "ScheduleKeyDeletion", KeyId=second, PendingWindowInDays=7)
    me.do(k, "DescribeKey", KeyId=second)
    me.fails("KMSInvalidStateException", k, "EnableKey", KeyId=second)
    me.do(k, "CancelKeyDeletion", KeyId=second)
    me.fails("KMSInvalidStateException", k, "CancelKeyDeletion", KeyId=second)
    me.do(k, "DescribeKey", KeyId="alias/aws/secretsmanager")
    me.do(k, "GetKeyRotationStatus", KeyId="alias/aws/secretsmanager")


def settings(me, key):
    k = "kms"
    me.do(k, "UpdateKeyDescription", **key, Description="e")
    me.do(k, "TagResource", **key, Tags=[{"TagKey": "c", "TagValue": "d"}])
    me.fails("TagException", k, "TagResource", **key, Tags=[{"TagKey": "aws:c", "TagValue": "d"}])
    me.do(k, "UntagResource", **key, TagKeys=["c"])
    me.do(k, "ListResourceTags", **key)
    me.do(k, "EnableKeyRotation", **key, RotationPeriodInDays=180)
    me.do(k, "GetKeyRotationStatus", **key)
    me.do(k, "DisableKeyRotation", **key)
    me.do(k, "GetKeyRotationStatus", **key)
    me.do(k, "DisableKey", **key)
    me.fails("DisabledException", k, "Encrypt", **key, Plaintext=b"x")
    me.do(k, "EnableKey", **key)


def policies(me, key, name, guest):
    k = "kms"
    own = {"Effect": "Allow", "Principal": {"AWS": me.account}, "Action": "kms:*", "Resource": "*"}
    guests = {"Effect": "Allow", "Principal": {"AWS": guest}, "Action": "kms:*", "Resource": "*"}
    me.do(k, "PutKeyPolicy", **key, Policy=json.dumps({"Version": "2012-10-17", "Statement": [own, guests]}))
    me.fails("MalformedPolicyDocumentException", k, "PutKeyPolicy", **key, Policy=json.dumps({"Version": "2012-10-17", "Statement": [guests]}))
    me.do(k, "GetKeyPolicy", **key)
    me.fails("NotFoundException", k, "GetKeyPolicy", **key, PolicyName="other")


def aliases(me, first, second):
    k, a = "kms", {"AliasName": "alias/conformance"}
    me.do(k, "CreateAlias", **a, TargetKeyId=first)
    me.fails("AlreadyExistsException", k, "CreateAlias", **a, TargetKeyId=first)
    me.fails("InvalidAliasNameException", k, "CreateAlias", AliasName="alias/aws/mine", TargetKeyId=first)
    me.do(k, "UpdateAlias", **a, TargetKeyId=second)
    me.do(k, "ListAliases")
    me.do(k, "ListAliases", KeyId=second)
    me.do(k, "DeleteAlias", **a)
    me.fails("NotFoundException", k, "DeleteAlias", **a)


def secrets(me, key, second):
    k, context = "kms", {"EncryptionContext": {"a": "b"}}
    blob = me.do(k, "Encrypt", **key, **context, Plaintext=b"secret")["CiphertextBlob"]
    if me.do(k, "Decrypt", CiphertextBlob=blob, **context)["Plaintext"] != b"secret":
        me.world.checker.note("kms:Decrypt", "gave something else")
    me.fails("InvalidCiphertextException", k, "Decrypt", CiphertextBlob=blob)
    me.fails("IncorrectKeyException", k, "Decrypt", CiphertextBlob=blob, KeyId=second, **context)
    me.fails("DryRunOperationException", k, "Encrypt", **key, Plaintext=b"x", DryRun=True)
    me.do(k, "ReEncrypt", CiphertextBlob=blob, SourceEncryptionContext={"a": "b"}, DestinationKeyId=second)
    me.do(k, "GenerateDataKey", **key, KeySpec="AES_256")
    me.do(k, "GenerateDataKey", **key, NumberOfBytes=100)
    me.do(k, "GenerateDataKeyWithoutPlaintext", **key, KeySpec="AES_128")


def grants(me, key, far):
    k, guest = "kms", f"arn:aws:iam::{far.account}:role/OrganizationAccountAccessRole"
    grant = {"GranteePrincipal": guest, "Operations": ["Decrypt"]}
    first = me.do(k, "CreateGrant", **key, **grant, Name="g", Constraints={"EncryptionContextSubset": {"a": "b"}})["GrantId"]
    me.fails("InvalidArnException", k, "CreateGrant", **key, GranteePrincipal="nobody", Operations=["Decrypt"])
    me.do(k, "ListGrants", **key)
    me.do(k, "RevokeGrant", **key, GrantId=first)
    me.fails("NotFoundException", k, "RevokeGrant", **key, GrantId=first)
    token = me.do(k, "CreateGrant", **key, **grant, RetiringPrincipal=guest)["GrantToken"]
    far.do(k, "RetireGrant", GrantToken=token)
