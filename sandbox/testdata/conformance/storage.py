"""S3, SNS, SSM parameters and Secrets Manager."""

import json


def exercise(world):
    bucket(world)
    objects(world)
    topics(world)
    parameters(world)
    if has(world, "secretsmanager"):
        secrets(world)


def has(world, service):
    return service in world.session.get_available_services()


def policy(action, resource, principal="111111111111"):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": resource}]})


def bucket(world):
    me, b = world.member, {"Bucket": "conformance-bucket"}
    me.do("s3", "CreateBucket", **b, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    me.fails("BucketAlreadyOwnedByYou", "s3", "CreateBucket", **b, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    me.do("s3", "ListBuckets")
    me.do("s3", "HeadBucket", **b)
    for name in ("Location", "Acl", "Versioning", "Encryption", "OwnershipControls", "Logging", "RequestPayment"):
        me.do("s3", "GetBucket" + name, **b)
    me.do("s3", "GetPublicAccessBlock", **b)
    me.fails("NoSuchBucketPolicy", "s3", "GetBucketPolicy", **b)
    me.do("s3", "PutBucketPolicy", **b, Policy=policy("s3:GetObject", "arn:aws:s3:::conformance-bucket/*"))
    me.do("s3", "GetBucketPolicy", **b)
    me.do("s3", "GetBucketPolicyStatus", **b)
    me.do("s3", "DeleteBucketPolicy", **b)
    me.do("s3", "PutBucketTagging", **b, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    me.do("s3", "GetBucketTagging", **b)
    me.do("s3", "DeleteBucketTagging", **b)
    me.do("s3", "PutBucketEncryption", **b, ServerSideEncryptionConfiguration={
        "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}}]})
    me.do("s3", "GetBucketEncryption", **b)
    me.do("s3", "DeleteBucketEncryption", **b)
    me.do("s3", "PutPublicAccessBlock", **b, PublicAccessBlockConfiguration={"BlockPublicAcls": True})
    me.do("s3", "DeletePublicAccessBlock", **b)
    me.do("s3", "PutBucketOwnershipControls", **b, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    me.do("s3", "DeleteBucketOwnershipControls", **b)
    me.do("s3", "PutBucketLifecycleConfiguration", **b, LifecycleConfiguration={
        "Rules": [{"ID": "x", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 3}}]})
    me.do("s3", "GetBucketLifecycleConfiguration", **b)
    me.do("s3", "DeleteBucketLifecycle", **b)
    me.do("s3", "PutBucketCors", **b, CORSConfiguration={"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]})
    me.do("s3", "GetBucketCors", **b)
    me.do("s3", "DeleteBucketCors", **b)
    me.do("s3", "PutBucketLogging", **b, BucketLoggingStatus={"LoggingEnabled": {"TargetBucket": "conformance-bucket", "TargetPrefix": "log/"}})
    me.do("s3", "GetBucketLogging", **b)
    me.do("s3", "PutBucketVersioning", **b, VersioningConfiguration={"Status": "Enabled"})
    me.do("s3", "GetBucketVersioning", **b)


def objects(world):
    me, b = world.member, {"Bucket": "conformance-bucket"}
    o = {**b, "Key": "a b/ü+.txt"}
    me.do("s3", "PutObject", **o, Body=b"hello", Metadata={"x": "y"}, Tagging="k=v")
    me.do("s3", "HeadObject", **o, ChecksumMode="ENABLED")
    got = me.do("s3", "GetObject", **o)
    if got["Body"].read() != b"hello":
        world.checker.note("s3:GetObject", "not what was put")
    me.fails("NoSuchKey", "s3", "GetObject", **b, Key="nothing")
    me.do("s3", "CopyObject", **b, Key="copy", CopySource=o)
    me.do("s3", "PutObjectTagging", **o, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    me.do("s3", "GetObjectTagging", **o)
    me.do("s3", "DeleteObjectTagging", **o)
    me.do("s3", "ListObjects", **b, Delimiter="/")
    me.do("s3", "ListObjectsV2", **b, Delimiter="/", MaxKeys=1)
    up = me.do("s3", "CreateMultipartUpload", **b, Key="big")
    part = {**b, "Key": "big", "UploadId": up["UploadId"]}
    etag = me.do("s3", "UploadPart", **part, PartNumber=1, Body=b"x")["ETag"]
    me.do("s3", "ListParts", **part)
    me.do("s3", "ListMultipartUploads", **b)
    me.do("s3", "CompleteMultipartUpload", **part, MultipartUpload={"Parts": [{"ETag": etag, "PartNumber": 1}]})
    up = me.do("s3", "CreateMultipartUpload", **b, Key="big")
    me.do("s3", "AbortMultipartUpload", **b, Key="big", UploadId=up["UploadId"])
    me.do("s3", "PutObject", **b, Key="kms", Body=b"x", ServerSideEncryption="aws:kms", BucketKeyEnabled=True)
    me.do("s3", "CopyObject", **b, Key="kms2", CopySource={**b, "Key": "kms"}, ServerSideEncryption="aws:kms")
    me.do("s3", "GetObject", **b, Key="kms")
    me.fails("KMS.NotFoundException", "s3", "PutObject", **b, Key="kms", Body=b"x", ServerSideEncryption="aws:kms", SSEKMSKeyId="nothing")
    me.do("s3", "DeleteObject", **o)
    versions = me.do("s3", "ListObjectVersions", **b)
    everything = versions.get("Versions", []) + versions.get("DeleteMarkers", [])
    me.do("s3", "DeleteObjects", **b, Delete={"Objects": [{"Key": v["Key"], "VersionId": v["VersionId"]} for v in everything]})
    me.do("s3", "DeleteBucket", **b)
    me.fails("NoSuchBucket", "s3", "ListObjectsV2", **b)


def topics(world):
    me = world.member
    t = {"TopicArn": me.do("sns", "CreateTopic", Name="conformance", Tags=[{"Key": "a", "Value": "b"}])["TopicArn"]}
    r = {"ResourceArn": t["TopicArn"]}
    me.do("sns", "ListTopics")
    me.do("sns", "GetTopicAttributes", **t)
    me.do("sns", "SetTopicAttributes", **t, AttributeName="DisplayName", AttributeValue="x")
    me.do("sns", "AddPermission", **t, Label="friends", AWSAccountId=[world.other.account], ActionName=["Publish", "Subscribe"])
    world.other.do("sns", "Publish", **t, Message="x")
    me.fails("InvalidParameter", "sns", "AddPermission", **t, Label="friends", AWSAccountId=[world.other.account], ActionName=["Publish"])
    me.do("sns", "RemovePermission", **t, Label="friends")
    world.other.fails("AuthorizationError", "sns", "Publish", **t, Message="x")
    me.do("sns", "TagResource", **r, Tags=[{"Key": "c", "Value": "d"}])
    me.do("sns", "ListTagsForResource", **r)
    me.do("sns", "UntagResource", **r, TagKeys=["c"])
    me.fails("ResourceNotFound", "sns", "ListTagsForResource", ResourceArn=t["TopicArn"] + "x")
    s = {"SubscriptionArn": me.do("sns", "Subscribe", **t, Protocol="lambda", ReturnSubscriptionArn=True,
                                  Endpoint=f"arn:aws:lambda:eu-west-1:{me.account}:function:f")["SubscriptionArn"]}
    me.do("sns", "ListSubscriptions")
    me.do("sns", "ListSubscriptionsByTopic", **t)
    me.do("sns", "SetSubscriptionAttributes", **s, AttributeName="FilterPolicy", AttributeValue="{}")
    me.do("sns", "GetSubscriptionAttributes", **s)
    me.do("sns", "Unsubscribe", **s)
    me.do("sns", "DeleteTopic", **t)
    me.fails("NotFound", "sns", "GetTopicAttributes", **t)


def parameters(world):
    me = world.member
    me.do("ssm", "PutParameter", Name="/c/a", Value="1", Type="String", Description="d", Tags=[{"Key": "a", "Value": "b"}])
    me.do("ssm", "PutParameter", Name="/c/b", Value="1", Type="SecureString")
    me.fails("ParameterAlreadyExists", "ssm", "PutParameter", Name="/c/a", Value="1", Type="String")
    me.fails("ParameterNotFound", "ssm", "GetParameter", Name="/c/nothing")
    me.do("ssm", "GetParameter", Name="/c/a")
    me.do("ssm", "GetParameters", Names=["/c/a", "/c/x"])
    me.do("ssm", "GetParametersByPath", Path="/c", WithDecryption=True)
    me.do("ssm", "DescribeParameters")
    r = {"ResourceType": "Parameter", "ResourceId": "/c/a"}
    me.do("ssm", "AddTagsToResource", **r, Tags=[{"Key": "c", "Value": "d"}])
    me.do("ssm", "ListTagsForResource", **r)
    me.do("ssm", "RemoveTagsFromResource", **r, TagKeys=["c"])
    me.do("ssm", "DeleteParameter", Name="/c/a")
    me.do("ssm", "DeleteParameters", Names=["/c/b", "/c/x"])


def secrets(world):
    me, s = world.member, {"SecretId": "conformance"}
    me.do("secretsmanager", "CreateSecret", Name="conformance", SecretString="x", Tags=[{"Key": "a", "Value": "b"}])
    me.fails("ResourceExistsException", "secretsmanager", "CreateSecret", Name="conformance", SecretString="x")
    me.fails("ResourceNotFoundException", "secretsmanager", "DescribeSecret", SecretId="nothing")
    me.do("secretsmanager", "GetSecretValue", **s)
    me.do("secretsmanager", "PutSecretValue", **s, SecretString="y")
    me.do("secretsmanager", "UpdateSecret", **s, Description="d", KmsKeyId="alias/aws/secretsmanager")
    listed = me.do("secretsmanager", "ListSecretVersionIds", **s, IncludeDeprecated=True)["Versions"]
    stages = {stage: v["VersionId"] for v in listed for stage in v["VersionStages"]}
    me.do("secretsmanager", "UpdateSecretVersionStage", **s, VersionStage="AWSCURRENT",
          RemoveFromVersionId=stages["AWSCURRENT"], MoveToVersionId=stages["AWSPREVIOUS"])
    me.fails("InvalidParameterException", "secretsmanager", "UpdateSecretVersionStage", **s, VersionStage="AWSCURRENT")
    me.do("secretsmanager", "GetRandomPassword", PasswordLength=20, ExcludePunctuation=True)
    me.fails("PublicPolicyException", "secretsmanager", "PutResourcePolicy", **s, BlockPublicPolicy=True,
             ResourcePolicy=policy("secretsmanager:GetSecretValue", "*", "*"))
    me.do("secretsmanager", "DescribeSecret", **s)
    me.do("secretsmanager", "ListSecrets")
    me.do("secretsmanager", "TagResource", **s, Tags=[{"Key": "c", "Value": "d"}])
    me.do("secretsmanager", "UntagResource", **s, TagKeys=["c"])
    me.do("secretsmanager", "PutResourcePolicy", **s, ResourcePolicy=policy("secretsmanager:GetSecretValue", "*"))
    me.do("secretsmanager", "GetResourcePolicy", **s)
    me.do("secretsmanager", "DeleteResourcePolicy", **s)
    me.do("secretsmanager", "DeleteSecret", **s, RecoveryWindowInDays=7)
    me.do("secretsmanager", "RestoreSecret", **s)
    me.do("secretsmanager", "DeleteSecret", **s, ForceDeleteWithoutRecovery=True)
