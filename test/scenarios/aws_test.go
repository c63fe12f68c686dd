//go:build scenarios

package scenarios

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"axle/internal/cloud"
)

// config is the SDK's, for the world's own credentials.
func (w *world) config(region string) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: aws.String(w.vars["AWS_ENDPOINT_URL"]),
		Credentials: credentials.NewStaticCredentialsProvider(w.vars["AWS_ACCESS_KEY_ID"], w.vars["AWS_SECRET_ACCESS_KEY"], ""),
		HTTPClient:  cloud.WholeBodies(http.DefaultClient),
		Retryer: func() aws.Retryer {
			return toldRetryer{retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 8
				o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{"Throttled": {}}}) // SNS's, which the SDK doesn't know
			}), w}
		}}
}

// toldRetryer tells why a call is repeated: who reads of a scenario that failed
// wants to know it.
type toldRetryer struct {
	*retry.Standard
	w *world
}

// IsErrorRetryable implements aws.Retryer: a witness that has ended doesn't come back.
func (r toldRetryer) IsErrorRetryable(err error) bool {
	return r.w.serves.Err() == nil && r.Standard.IsErrorRetryable(err)
}

// RetryDelay implements aws.Retryer.
func (r toldRetryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	r.w.t.Logf("%s: attempt %d is repeated: %v", r.w.name, attempt, err)
	return r.Standard.RetryDelay(attempt, err)
}

// in is the SDK's configuration for one account, entered as Organizations
// provides for.
func (w *world) in(account, region string) aws.Config {
	return as(w.config(region), "arn:aws:iam::"+account+":role/OrganizationAccountAccessRole")
}

// as is a configuration with the credentials of a role, which those that it had
// assume.
func as(cfg aws.Config, role string) aws.Config {
	assumed := cfg
	assumed.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), role))
	return assumed
}

// must ends the scenario when a call of its own fails.
func must[T any](w *world, what string) func(T, error) T {
	return func(v T, err error) T {
		w.t.Helper()
		if err != nil {
			w.t.Fatalf("%s: %s: %v", w.name, what, w.why(err))
		}
		return v
	}
}

// stacks are a target's, by name.
func (w *world) stacks(cfg aws.Config) map[string]cfntypes.Stack {
	w.t.Helper()
	found := map[string]cfntypes.Stack{}
	pages := cloudformation.NewDescribeStacksPaginator(cloudformation.NewFromConfig(cfg), &cloudformation.DescribeStacksInput{})
	for pages.HasMorePages() {
		for _, s := range must[*cloudformation.DescribeStacksOutput](w, "describe stacks")(pages.NextPage(w.t.Context())).Stacks {
			found[*s.StackName] = s
		}
	}
	return found
}

// changeSets are those of a target's stacks that weren't executed: AWS deletes
// the others of a stack when one is, and keeps that one as a record.
func (w *world) changeSets(cfg aws.Config) []string {
	w.t.Helper()
	client := cloudformation.NewFromConfig(cfg)
	var left []string
	for name := range w.stacks(cfg) {
		pages := cloudformation.NewListChangeSetsPaginator(client, &cloudformation.ListChangeSetsInput{StackName: &name})
		for pages.HasMorePages() {
			for _, c := range must[*cloudformation.ListChangeSetsOutput](w, "list change sets")(pages.NextPage(w.t.Context())).Summaries {
				if c.ExecutionStatus != cfntypes.ExecutionStatusExecuteComplete {
					left = append(left, name+" "+aws.ToString(c.ChangeSetName))
				}
			}
		}
	}
	return left
}

// vpcs are a target's but the default one, id -> CIDR.
func (w *world) vpcs(cfg aws.Config) map[string]string {
	w.t.Helper()
	found := map[string]string{}
	pages := ec2.NewDescribeVpcsPaginator(ec2.NewFromConfig(cfg), &ec2.DescribeVpcsInput{})
	for pages.HasMorePages() {
		for _, v := range must[*ec2.DescribeVpcsOutput](w, "describe VPCs")(pages.NextPage(w.t.Context())).Vpcs {
			if !aws.ToBool(v.IsDefault) {
				found[*v.VpcId] = aws.ToString(v.CidrBlock)
			}
		}
	}
	return found
}

// peerings are a target's connections but those that are over: AWS shows them a
// while longer.
func (w *world) peerings(cfg aws.Config) map[string]ec2types.VpcPeeringConnection {
	w.t.Helper()
	found := map[string]ec2types.VpcPeeringConnection{}
	pages := ec2.NewDescribeVpcPeeringConnectionsPaginator(ec2.NewFromConfig(cfg), &ec2.DescribeVpcPeeringConnectionsInput{})
	for pages.HasMorePages() {
		for _, p := range must[*ec2.DescribeVpcPeeringConnectionsOutput](w, "describe peering connections")(pages.NextPage(w.t.Context())).VpcPeeringConnections {
			if p.Status == nil || p.Status.Code != ec2types.VpcPeeringConnectionStateReasonCodeDeleted && p.Status.Code != ec2types.VpcPeeringConnectionStateReasonCodeDeleting {
				found[*p.VpcPeeringConnectionId] = p
			}
		}
	}
	return found
}

// routes are a route table's through peering connections, "destination -> id".
func (w *world) routes(cfg aws.Config, table string) []string {
	w.t.Helper()
	out := must[*ec2.DescribeRouteTablesOutput](w, "describe route table")(ec2.NewFromConfig(cfg).DescribeRouteTables(w.t.Context(),
		&ec2.DescribeRouteTablesInput{RouteTableIds: []string{table}}))
	var found []string
	for _, r := range out.RouteTables[0].Routes {
		if r.VpcPeeringConnectionId != nil && r.State != ec2types.RouteStateBlackhole {
			found = append(found, aws.ToString(r.DestinationCidrBlock)+" -> "+*r.VpcPeeringConnectionId)
		}
	}
	slices.Sort(found)
	return found
}

// parameter reads one of Parameter Store.
func (w *world) parameter(cfg aws.Config, name string) string {
	w.t.Helper()
	return *must[*ssm.GetParameterOutput](w, "get parameter "+name)(ssm.NewFromConfig(cfg).GetParameter(w.t.Context(), &ssm.GetParameterInput{Name: &name})).Parameter.Value
}

const (
	rootOf111 = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:root"}, "Action": "sts:AssumeRole"}]}`
	allowAll  = `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`
)

// entryRole makes the role that Organizations makes on AWS, as far as it isn't
// there, as the account's root user or as whoever may.
func (w *world) entryRole(account string) {
	w.t.Helper()
	cfg, name := w.in(account, "us-east-1"), aws.String("OrganizationAccountAccessRole")
	if w.gaps.noEntryRole {
		cfg.Credentials = credentials.NewStaticCredentialsProvider(account, w.vars["AWS_SECRET_ACCESS_KEY"], "")
		must[*iam.CreateRoleOutput](w, "create role")(iam.NewFromConfig(cfg).CreateRole(w.t.Context(), &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: aws.String(rootOf111)}))
	}
	must[*iam.PutRolePolicyOutput](w, "put role policy")(iam.NewFromConfig(cfg).PutRolePolicy(w.t.Context(), &iam.PutRolePolicyInput{RoleName: name, PolicyName: aws.String("admin"), PolicyDocument: aws.String(allowAll)}))
}

// becomeUser goes on as an administrator of the management account: its root
// user, which some witnesses begin with, can't assume roles on AWS.
func (w *world) becomeUser() {
	w.t.Helper()
	client, name, ctx := iam.NewFromConfig(w.config("us-east-1")), aws.String("admin"), w.t.Context()
	must[*iam.CreateUserOutput](w, "create user")(client.CreateUser(ctx, &iam.CreateUserInput{UserName: name}))
	must[*iam.PutUserPolicyOutput](w, "put user policy")(client.PutUserPolicy(ctx, &iam.PutUserPolicyInput{UserName: name, PolicyName: name, PolicyDocument: aws.String(allowAll)}))
	key := must[*iam.CreateAccessKeyOutput](w, "create access key")(client.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: name})).AccessKey
	w.vars["AWS_ACCESS_KEY_ID"], w.vars["AWS_SECRET_ACCESS_KEY"] = *key.AccessKeyId, *key.SecretAccessKey
}

// builder makes an organization through the Organizations API.
type builder struct {
	w      *world
	client *organizations.Client
	root   string
}

// newOrganization begins one, or takes the one that the credentials' account
// manages already.
func (w *world) newOrganization() *builder {
	w.t.Helper()
	b := &builder{w: w, client: organizations.NewFromConfig(w.config("us-east-1"))}
	_, err := b.client.DescribeOrganization(w.t.Context(), &organizations.DescribeOrganizationInput{})
	var none *orgtypes.AWSOrganizationsNotInUseException
	if errors.As(err, &none) {
		_, err = b.client.CreateOrganization(w.t.Context(), &organizations.CreateOrganizationInput{FeatureSet: orgtypes.OrganizationFeatureSetAll})
	}
	if err != nil {
		w.t.Fatalf("%s: begin the organization: %v", w.name, err)
	}
	roots := must[*organizations.ListRootsOutput](w, "list roots")(b.client.ListRoots(w.t.Context(), &organizations.ListRootsInput{}))
	b.root = *roots.Roots[0].Id
	return b
}

// ou makes an OU and returns its id.
func (b *builder) ou(parent, name string, tags map[string]string) string {
	b.w.t.Helper()
	out := must[*organizations.CreateOrganizationalUnitOutput](b.w, "create OU "+name)(b.client.CreateOrganizationalUnit(b.w.t.Context(),
		&organizations.CreateOrganizationalUnitInput{ParentId: &parent, Name: &name}))
	b.tag(*out.OrganizationalUnit.Id, tags)
	return *out.OrganizationalUnit.Id
}

// account makes an account in an OU and returns its id, once it is made.
func (b *builder) account(ou, name string, tags map[string]string) string {
	b.w.t.Helper()
	ctx := b.w.t.Context()
	out := must[*organizations.CreateAccountOutput](b.w, "create account "+name)(b.client.CreateAccount(ctx,
		&organizations.CreateAccountInput{AccountName: &name, Email: aws.String(name + "@flights.example")}))
	status := out.CreateAccountStatus
	deadline := time.Now().Add(time.Minute)
	for status.State == orgtypes.CreateAccountStateInProgress && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond) // there is no event to wait for in this API
		status = must[*organizations.DescribeCreateAccountStatusOutput](b.w, "describe the creation of "+name)(b.client.DescribeCreateAccountStatus(ctx,
			&organizations.DescribeCreateAccountStatusInput{CreateAccountRequestId: status.Id})).CreateAccountStatus
	}
	if status.State != orgtypes.CreateAccountStateSucceeded {
		b.w.t.Fatalf("%s: account %s is %s: %s", b.w.name, name, status.State, status.FailureReason)
	}
	must[*organizations.MoveAccountOutput](b.w, "move account "+name)(b.client.MoveAccount(ctx,
		&organizations.MoveAccountInput{AccountId: status.AccountId, SourceParentId: &b.root, DestinationParentId: &ou}))
	b.tag(*status.AccountId, tags)
	if b.w.gaps.noEntryRole || b.w.gaps.emptyEntryRole {
		b.w.entryRole(*status.AccountId)
	}
	return *status.AccountId
}

func (b *builder) tag(id string, tags map[string]string) {
	b.w.t.Helper()
	if len(tags) == 0 {
		return
	}
	in := &organizations.TagResourceInput{ResourceId: &id}
	for k, v := range tags {
		in.Tags = append(in.Tags, orgtypes.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	must[*organizations.TagResourceOutput](b.w, "tag "+id)(b.client.TagResource(b.w.t.Context(), in))
}
