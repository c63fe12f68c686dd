package sandbox_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"axle/sandbox"
)

// denial is one call of a service, and how the service words a refusal of it.
type denial struct {
	action string // IAM's name of it
	says   string // the action and resource as in the message
	code   string
	before string // what stands before AWS's usual sentence
	after  string // and behind it
	rcp    bool   // resource control policies hold for the service
	call   func(aws.Config) error
	// protect sets the resource's own policy, where it has one.
	protect func(admin aws.Config, policy string) error
}

// denials are the calls, on resources that the administrator of dev has made.
func (c *cloud) denials() []denial {
	ctx, dev := context.Background(), c.in(devAccount, "eu-west-1")
	var (
		topic  = must[*sns.CreateTopicOutput](c.t)(sns.NewFromConfig(dev).CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("t")})).TopicArn
		secret = must[*secretsmanager.CreateSecretOutput](c.t)(secretsmanager.NewFromConfig(dev).CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("s"), SecretString: aws.String("x")})).ARN
		queue  = must[*sqs.CreateQueueOutput](c.t)(sqs.NewFromConfig(dev).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")})).QueueUrl
		key    = must[*kms.CreateKeyOutput](c.t)(kms.NewFromConfig(dev).CreateKey(ctx, &kms.CreateKeyInput{})).KeyMetadata.Arn
		bucket = aws.String("denials")
	)
	must[*dynamodb.CreateTableOutput](c.t)(dynamodb.NewFromConfig(dev).CreateTable(ctx, &dynamodb.CreateTableInput{TableName: aws.String("denials"), BillingMode: ddbtypes.BillingModePayPerRequest,
		AttributeDefinitions: []ddbtypes.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: ddbtypes.ScalarAttributeTypeS}},
		KeySchema:            []ddbtypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: ddbtypes.KeyTypeHash}}}))
	files := func(cfg aws.Config) *s3.Client {
		return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	}
	must[*s3.CreateBucketOutput](c.t)(files(dev).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket,
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}))
	must[*s3.PutObjectOutput](c.t)(files(dev).PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("x")}))
	at := func(service, rest string) string {
		return "arn:aws:" + service + ":eu-west-1:" + devAccount + ":" + rest
	}
	return []denial{
		{action: "sts:DecodeAuthorizationMessage", says: "sts:DecodeAuthorizationMessage", code: "AccessDenied", rcp: true, call: func(cfg aws.Config) error {
			_, err := sts.NewFromConfig(cfg).DecodeAuthorizationMessage(ctx, &sts.DecodeAuthorizationMessageInput{EncodedMessage: aws.String("x")})
			return err
		}},
		{action: "iam:GetRole", says: "iam:GetRole on resource: role caller", code: "AccessDenied", call: func(cfg aws.Config) error {
			_, err := iam.NewFromConfig(cfg).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("caller")})
			return err
		}},
		{action: "iam:ListUsers", says: "iam:ListUsers on resource: arn:aws:iam::" + devAccount + ":user/", code: "AccessDenied", call: func(cfg aws.Config) error {
			_, err := iam.NewFromConfig(cfg).ListUsers(ctx, &iam.ListUsersInput{})
			return err
		}},
		{action: "organizations:DescribeOrganization", says: "organizations:DescribeOrganization on resource: *", code: "AccessDeniedException", call: func(cfg aws.Config) error {
			_, err := organizations.NewFromConfig(cfg).DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
			return err
		}},
		{action: "account:ListRegions", says: "account:ListRegions on resource: arn:aws:account::" + devAccount + ":account", code: "AccessDeniedException", call: func(cfg aws.Config) error {
			_, err := account.NewFromConfig(cfg).ListRegions(ctx, &account.ListRegionsInput{})
			return err
		}},
		{action: "tag:GetResources", says: "tag:GetResources", code: "AccessDeniedException", call: func(cfg aws.Config) error {
			_, err := resourcegroupstaggingapi.NewFromConfig(cfg).GetResources(ctx, &resourcegroupstaggingapi.GetResourcesInput{})
			return err
		}},
		{action: "servicequotas:ListServiceQuotas", says: "servicequotas:ListServiceQuotas", code: "AccessDeniedException", call: func(cfg aws.Config) error {
			_, err := servicequotas.NewFromConfig(cfg).ListServiceQuotas(ctx, &servicequotas.ListServiceQuotasInput{ServiceCode: aws.String("vpc")})
			return err
		}},
		{action: "lambda:GetAccountSettings", says: "lambda:GetAccountSettings on resource: *", code: "AccessDeniedException", call: func(cfg aws.Config) error {
			_, err := lambda.NewFromConfig(cfg).GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
			return err
		}},
		{action: "events:PutEvents", says: "events:PutEvents on resource: " + at("events", "event-bus/default"), code: "AccessDeniedException", call: func(cfg aws.Config) error {
			_, err := eventbridge.NewFromConfig(cfg).PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{EventBusName: aws.String(at("events", "event-bus/default")), Source: aws.String("s"), DetailType: aws.String("d"), Detail: aws.String("{}")}}})
			return err
		}, protect: func(admin aws.Config, doc string) error {
			doc = strings.ReplaceAll(doc, `"Resource":"*"`, `"Resource":"`+at("events", "event-bus/default")+`"`)
			_, err := eventbridge.NewFromConfig(admin).PutPermission(ctx, &eventbridge.PutPermissionInput{Policy: &doc})
			return err
		}},
		{action: "apigateway:GET", says: "apigateway:GET on resource: arn:aws:apigateway:eu-west-1::/apis", code: "AccessDeniedException", call: func(cfg aws.Config) error {
			_, err := apigatewayv2.NewFromConfig(cfg).GetApis(ctx, &apigatewayv2.GetApisInput{})
			return err
		}},
		{action: "scheduler:ListSchedules", says: "scheduler:ListSchedules on resource: " + at("scheduler", "schedule/*/*"), code: "AccessDeniedException", call: func(cfg aws.Config) error {
			_, err := scheduler.NewFromConfig(cfg).ListSchedules(ctx, &scheduler.ListSchedulesInput{})
			return err
		}},
		{action: "cloudformation:DeleteStack", says: "cloudformation:DeleteStack on resource: " + at("cloudformation", "stack/s/*"), code: "AccessDenied", call: func(cfg aws.Config) error {
			_, err := cloudformation.NewFromConfig(cfg).DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: aws.String("s")})
			return err
		}},
		{action: "ec2:DescribeVpcs", says: "ec2:DescribeVpcs", code: "UnauthorizedOperation", before: "You are not authorized to perform this operation. ",
			after: ". Encoded authorization failure message: ", call: func(cfg aws.Config) error {
				_, err := ec2.NewFromConfig(cfg).DescribeVpcs(ctx, &ec2.DescribeVpcsInput{})
				return err
			}},
		{action: "ssm:PutParameter", says: "ssm:PutParameter on resource: " + at("ssm", "parameter/p"), code: "AccessDeniedException", call: func(cfg aws.Config) error {
			_, err := ssm.NewFromConfig(cfg).PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("p"), Value: aws.String("v"), Type: "String", Overwrite: aws.Bool(true)})
			return err
		}},
		{action: "sns:Publish", says: "SNS:Publish on resource: " + *topic, code: "AuthorizationError", call: func(cfg aws.Config) error {
			_, err := sns.NewFromConfig(cfg).Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String("m")})
			return err
		}, protect: func(admin aws.Config, doc string) error {
			_, err := sns.NewFromConfig(admin).SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{TopicArn: topic, AttributeName: aws.String("Policy"), AttributeValue: &doc})
			return err
		}},
		{action: "sqs:SendMessage", says: "sqs:sendmessage on resource: " + at("sqs", "q"), code: "AccessDenied", rcp: true, call: func(cfg aws.Config) error {
			_, err := sqs.NewFromConfig(cfg).SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String("m")})
			return err
		}, protect: func(admin aws.Config, doc string) error {
			_, err := sqs.NewFromConfig(admin).SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: queue, Attributes: map[string]string{"Policy": doc}})
			return err
		}},
		{action: "secretsmanager:GetSecretValue", says: "secretsmanager:GetSecretValue on resource: s", code: "AccessDeniedException", rcp: true, call: func(cfg aws.Config) error {
			_, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
			return err
		}, protect: func(admin aws.Config, doc string) error {
			_, err := secretsmanager.NewFromConfig(admin).PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: secret, ResourcePolicy: &doc})
			return err
		}},
		{action: "s3:GetObject", says: `s3:GetObject on resource: "arn:aws:s3:::denials/k"`, code: "AccessDenied", rcp: true, call: func(cfg aws.Config) error {
			out, err := files(cfg).GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("k")})
			if err == nil {
				_ = out.Body.Close()
			}
			return err
		}, protect: func(admin aws.Config, doc string) error {
			_, err := files(admin).PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &doc})
			return err
		}},
		{action: "dynamodb:GetItem", says: "dynamodb:GetItem on resource: " + at("dynamodb", "table/denials"), code: "AccessDeniedException", rcp: true, call: func(cfg aws.Config) error {
			_, err := dynamodb.NewFromConfig(cfg).GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(at("dynamodb", "table/denials")), Key: map[string]ddbtypes.AttributeValue{"id": &ddbtypes.AttributeValueMemberS{Value: "x"}}})
			return err
		}, protect: func(admin aws.Config, doc string) error {
			_, err := dynamodb.NewFromConfig(admin).PutResourcePolicy(ctx, &dynamodb.PutResourcePolicyInput{ResourceArn: aws.String(at("dynamodb", "table/denials")), Policy: &doc})
			return err
		}},
		{action: "kms:Encrypt", says: "kms:Encrypt on resource: " + *key, code: "AccessDeniedException", rcp: true, call: func(cfg aws.Config) error {
			_, err := kms.NewFromConfig(cfg).Encrypt(ctx, &kms.EncryptInput{KeyId: key, Plaintext: []byte("x")})
			return err
		}, protect: func(admin aws.Config, doc string) error {
			_, err := kms.NewFromConfig(admin).PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key, Policy: &doc})
			return err
		}},
	}
}

// statement is a statement of one effect for one action.
func statement(effect, action, more string) string {
	return `{"Effect":"` + effect + `","Action":"` + action + `","Resource":"*"` + more + `}`
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// caller is the role whose calls are refused, and those who refuse them.
type caller struct {
	*cloud
	admin aws.Config
	iam   *iam.Client
	org   *organizations.Client
}

func (c *caller) grants(doc string) {
	c.t.Helper()
	must[*iam.PutRolePolicyOutput](c.t)(c.iam.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: aws.String("caller"), PolicyName: aws.String("p"), PolicyDocument: &doc}))
}

// session is a session of the role, with a policy or without.
func (c *caller) session(doc string) aws.Config {
	c.t.Helper()
	in := &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + devAccount + ":role/caller"), RoleSessionName: aws.String("test")}
	if doc != "" {
		in.Policy = &doc
	}
	out := must[*sts.AssumeRoleOutput](c.t)(sts.NewFromConfig(c.admin).AssumeRole(context.Background(), in)).Credentials
	cfg := c.admin.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.AccessKeyId, *out.SecretAccessKey, *out.SessionToken)
	return cfg
}

// bounded runs with a permissions boundary.
func (c *caller) bounded(doc string, run func()) {
	c.t.Helper()
	ctx, name := context.Background(), aws.String("caller")
	arn := must[*iam.CreatePolicyOutput](c.t)(c.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("boundary"), PolicyDocument: &doc})).Policy.Arn
	must[*iam.PutRolePermissionsBoundaryOutput](c.t)(c.iam.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: name, PermissionsBoundary: arn}))
	run()
	must[*iam.DeleteRolePermissionsBoundaryOutput](c.t)(c.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: name}))
	must[*iam.DeletePolicyOutput](c.t)(c.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn}))
}

// controlled runs with a policy of the organization on dev; alone takes AWS's
// own policy away meanwhile.
func (c *caller) controlled(kind orgtypes.PolicyType, doc string, alone bool, run func()) {
	c.t.Helper()
	ctx, dev, full := context.Background(), aws.String(devAccount), aws.String("p-FullAWSAccess")
	id := must[*organizations.CreatePolicyOutput](c.t)(c.org.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String("c"), Description: aws.String(""), Type: kind, Content: &doc})).Policy.PolicySummary.Id
	must[*organizations.AttachPolicyOutput](c.t)(c.org.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: id, TargetId: dev}))
	if alone {
		must[*organizations.DetachPolicyOutput](c.t)(c.org.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: full, TargetId: dev}))
	}
	run()
	if alone {
		must[*organizations.AttachPolicyOutput](c.t)(c.org.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: full, TargetId: dev}))
	}
	must[*organizations.DetachPolicyOutput](c.t)(c.org.DetachPolicy(ctx, &organizations.DetachPolicyInput{PolicyId: id, TargetId: dev}))
	must[*organizations.DeletePolicyOutput](c.t)(c.org.DeletePolicy(ctx, &organizations.DeletePolicyInput{PolicyId: id}))
}

// Every service enforces every kind of policy, and says which of them refused
// in the words of AWS ("Troubleshoot access denied error messages").
func TestDenials(t *testing.T) {
	c := newCloud(t, sandbox.Options{})
	ctx := context.Background()
	admin := c.in(devAccount, "eu-west-1")
	who := &caller{cloud: c, admin: admin, iam: iam.NewFromConfig(admin), org: organizations.NewFromConfig(c.top)}
	must[*iam.CreateRoleOutput](t)(who.iam.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("caller"), AssumeRolePolicyDocument: trusting(devAccount, "")}))
	must[*iam.CreateUserOutput](t)(who.iam.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("person")}))
	key := must[*iam.CreateAccessKeyOutput](t)(who.iam.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("person")})).AccessKey
	person := admin.Copy()
	person.Credentials = credentials.NewStaticCredentialsProvider(*key.AccessKeyId, *key.SecretAccessKey, "")
	roots := must[*organizations.ListRootsOutput](t)(who.org.ListRoots(ctx, &organizations.ListRootsInput{}))
	must[*organizations.EnablePolicyTypeOutput](t)(who.org.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: roots.Roots[0].Id, PolicyType: orgtypes.PolicyTypeResourceControlPolicy}))
	all := statement("Allow", "*", "")
	for _, d := range c.denials() {
		t.Run(d.action, func(t *testing.T) {
			c.t = t
			deny, everyone := statement("Deny", d.action, ""), `,"Principal":"*"`
			other := statement("Allow", "sts:GetCallerIdentity", "")
			implicit := func(kind string) string { return "because no " + kind + " allows the " + d.printed() + " action" }
			explicit := func(kind string) string { return "with an explicit deny in " + kind }
			want := func(cfg aws.Config, reason string) { t.Helper(); d.refused(t, d.call(cfg), reason) }

			d.refusedTo(t, "arn:aws:iam::"+devAccount+":user/person", d.call(person), implicit("identity-based policy"))
			who.grants(document(other))
			want(who.session(""), implicit("identity-based policy"))
			who.grants(document(all, deny))
			want(who.session(""), explicit("an identity-based policy"))
			who.grants(document(all))
			if err := d.call(who.session("")); refusedBy(err, d.code) {
				t.Fatalf("what is allowed: %v", err)
			}
			want(who.session(document(other)), implicit("session policy"))
			want(who.session(document(all, deny)), explicit("a session policy"))
			who.bounded(document(other), func() { want(who.session(""), implicit("permissions boundary")) })
			who.bounded(document(all, deny), func() { want(who.session(""), explicit("a permissions boundary")) })
			cfg := who.session("")
			scp, rcp := orgtypes.PolicyTypeServiceControlPolicy, orgtypes.PolicyTypeResourceControlPolicy
			who.controlled(scp, document(deny), false, func() { want(cfg, explicit("a service control policy")) })
			who.controlled(scp, document(other), true, func() { want(cfg, implicit("service control policy")) })
			if d.rcp {
				who.controlled(rcp, document(statement("Deny", d.action, everyone)), false, func() { want(cfg, explicit("a resource control policy")) })
			}
			if d.protect != nil {
				keep := statement("Allow", strings.SplitN(d.action, ":", 2)[0]+":*", `,"Principal":{"AWS":"`+devAccount+`"}`)
				role := `,"Principal":{"AWS":"arn:aws:iam::` + devAccount + `:role/caller"}`
				if err := d.protect(admin, d.fits(document(keep, statement("Deny", d.action, role)))); err != nil {
					t.Fatal(err)
				}
				want(cfg, explicit("a resource-based policy"))
				if d.action != "secretsmanager:GetSecretValue" { // whose call names the secret as only its account can
					d.refusedTo(t, "arn:aws:sts::"+qaAccount+":assumed-role/OrganizationAccountAccessRole/test", d.call(c.in(qaAccount, "eu-west-1")), implicit("resource-based policy"))
				}
			}
		})
	}
}

// printed is the action as messages have it.
func (d denial) printed() string { a, _, _ := strings.Cut(d.says, " "); return a }

// fits is a resource policy with the resource that its service wants.
func (d denial) fits(doc string) string {
	switch d.code + d.action {
	case "AccessDenieds3:GetObject":
		doc = strings.ReplaceAll(doc, `"Action":"s3:*","Resource":"*"`, `"Action":["s3:GetObject","s3:PutObject"],"Resource":"*"`)
		return strings.ReplaceAll(doc, `"Resource":"*"`, `"Resource":"arn:aws:s3:::denials/*"`)
	case "AuthorizationErrorsns:Publish":
		doc = strings.ReplaceAll(doc, `"sns:*"`, `["sns:Publish","sns:GetTopicAttributes"]`)
		return strings.ReplaceAll(doc, `"Resource":"*"`, `"Resource":"arn:aws:sns:eu-west-1:`+devAccount+`:t"`)
	case "AccessDeniedExceptiondynamodb:GetItem":
		return strings.ReplaceAll(doc, `"Resource":"*"`, `"Resource":"arn:aws:dynamodb:eu-west-1:`+devAccount+`:table/denials"`)
	case "AccessDeniedsqs:SendMessage":
		return strings.ReplaceAll(doc, `"Resource":"*"`, `"Resource":"arn:aws:sqs:eu-west-1:`+devAccount+`:q"`)
	}
	return doc
}

// refused wants exactly AWS's sentence.
func (d denial) refused(t *testing.T, err error, reason string) {
	t.Helper()
	d.refusedTo(t, "arn:aws:sts::"+devAccount+":assumed-role/caller/test", err, reason)
}

func (d denial) refusedTo(t *testing.T, me string, err error, reason string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("%s: want %s, got %v", reason, d.code, err)
	}
	want := d.before + "User: " + me + " is not authorized to perform: " + d.says + " " + reason + d.after
	got := api.ErrorMessage()
	if d.after != "" {
		got = got[:min(len(got), len(want))]
	}
	if api.ErrorCode() != d.code || got != want {
		t.Errorf("got  %s: %s\nwant %s: %s", api.ErrorCode(), got, d.code, want)
	}
}

// refusedBy says whether the error is the service's refusal; other errors of
// what is allowed are no matter here.
func refusedBy(err error, code string) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == code
}
