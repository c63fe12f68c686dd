package axle_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"axle/internal/cloud"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/rogpeppe/go-internal/testscript"
)

// sdkConfig is the SDK's configuration for calls of the tests' own. Nothing of it is
// whoever's runs the tests: a profile, a file of certificates.
func sdkConfig(endpoint, region string, who aws.CredentialsProvider) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: &endpoint, Credentials: who, HTTPClient: cloud.WholeBodies(awshttp.NewBuildableClient()),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 10
				o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{"Throttled": {}}}) // SNS's, which the SDK doesn't know
			})
		}}
}

// administrator is the SDK's configuration for an account of the script's
// sandbox, as one who sees and may do everything there.
func administrator(ts *testscript.TestScript, ctx context.Context, account, region string) aws.Config {
	key, secret := boxes.get(ts.Getenv("AWS_ENDPOINT_URL")).Credentials()
	cfg := sdkConfig(ts.Getenv("AWS_ENDPOINT_URL"), region, credentials.NewStaticCredentialsProvider(key, secret, ""))
	me, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	ts.Check(err)
	if account != *me.Account {
		cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), "arn:aws:iam::"+account+":role/OrganizationAccountAccessRole"))
	}
	return cfg
}

// cmdLook prints what there is of a kind in an account and region, through the
// SDK: the scripts' own eyes.
func cmdLook(ts *testscript.TestScript, neg bool, args []string) {
	kinds := map[string]func(context.Context, aws.Config, io.Writer) error{
		"stacks": lookStacks, "vpcs": lookVPCs, "peerings": lookPeerings, "routes": lookRoutes, "buckets": lookBuckets,
	}
	if neg || len(args) != 3 || kinds[args[2]] == nil {
		ts.Fatalf("usage: look ACCOUNT REGION stacks|vpcs|peerings|routes|buckets")
	}
	ctx := context.Background()
	var out strings.Builder
	ts.Check(kinds[args[2]](ctx, administrator(ts, ctx, args[0], args[1]), &out))
	lines := strings.SplitAfter(out.String(), "\n")
	slices.Sort(lines)
	io.WriteString(ts.Stdout(), strings.Join(lines, ""))
}

// lookStacks has the stacks that are there, with the change sets left on them.
func lookStacks(ctx context.Context, cfg aws.Config, out io.Writer) error {
	client := cloudformation.NewFromConfig(cfg)
	for p := cloudformation.NewListStacksPaginator(client, nil); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, s := range page.StackSummaries {
			if s.StackStatus == cfntypes.StackStatusDeleteComplete {
				continue
			}
			left := 0
			for p := cloudformation.NewListChangeSetsPaginator(client, &cloudformation.ListChangeSetsInput{StackName: s.StackId}); p.HasMorePages(); {
				sets, err := p.NextPage(ctx)
				if err != nil {
					return err
				}
				for _, set := range sets.Summaries {
					if set.ExecutionStatus != cfntypes.ExecutionStatusExecuteComplete {
						left++
					}
				}
			}
			fmt.Fprintf(out, "%s %s, %d change sets left\n", *s.StackName, s.StackStatus, left)
		}
	}
	return nil
}

func lookVPCs(ctx context.Context, cfg aws.Config, out io.Writer) error {
	for p := ec2.NewDescribeVpcsPaginator(ec2.NewFromConfig(cfg), &ec2.DescribeVpcsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, v := range page.Vpcs {
			if !*v.IsDefault {
				fmt.Fprintf(out, "%s %s\n", *v.CidrBlock, *v.VpcId)
			}
		}
	}
	return nil
}

// lookPeerings has the connections that aren't gone, from either side.
func lookPeerings(ctx context.Context, cfg aws.Config, out io.Writer) error {
	for p := ec2.NewDescribeVpcPeeringConnectionsPaginator(ec2.NewFromConfig(cfg), &ec2.DescribeVpcPeeringConnectionsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, c := range page.VpcPeeringConnections {
			if c.Status.Code != ec2types.VpcPeeringConnectionStateReasonCodeDeleted {
				fmt.Fprintf(out, "%s/%s -> %s/%s %s\n", *c.RequesterVpcInfo.OwnerId, *c.RequesterVpcInfo.Region, *c.AccepterVpcInfo.OwnerId, *c.AccepterVpcInfo.Region, c.Status.Code)
			}
		}
	}
	return nil
}

// lookRoutes has the routes of VPCs that aren't the default one, but the local ones.
func lookRoutes(ctx context.Context, cfg aws.Config, out io.Writer) error {
	for p := ec2.NewDescribeRouteTablesPaginator(ec2.NewFromConfig(cfg), &ec2.DescribeRouteTablesInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, t := range page.RouteTables {
			for _, r := range t.Routes {
				if id := aws.ToString(r.VpcPeeringConnectionId); id != "" {
					fmt.Fprintf(out, "%s via peering %s\n", aws.ToString(r.DestinationCidrBlock), r.State)
				}
			}
		}
	}
	return nil
}

func lookBuckets(ctx context.Context, cfg aws.Config, out io.Writer) error {
	list, err := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }).ListBuckets(ctx, nil)
	if err != nil {
		return err
	}
	for _, b := range list.Buckets {
		fmt.Fprintln(out, *b.Name)
	}
	return nil
}

// cmdAs makes the script go on as the administrator of a member account, or as
// another one with a role of its own, which is made, at a path of IAM.
func cmdAs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: as ACCOUNT [/PATH/ROLE]")
	}
	ctx := context.Background()
	cfg := administrator(ts, ctx, args[0], "eu-west-1")
	if len(args) == 2 {
		cfg.Credentials = stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), makeRole(ts, ctx, cfg, args[0], args[1]))
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	ts.Check(err)
	ts.Setenv("AWS_ACCESS_KEY_ID", c.AccessKeyID)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", c.SecretAccessKey)
	ts.Setenv("AWS_SESSION_TOKEN", c.SessionToken)
}

// makeRole makes an administrator's role that its account trusts; its ARN.
func makeRole(ts *testscript.TestScript, ctx context.Context, cfg aws.Config, account, path string) string {
	at := strings.LastIndexByte(path, '/') + 1
	client := iam.NewFromConfig(cfg)
	trust := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::` + account + `:root"}, "Action": "sts:AssumeRole"}]}`
	out, err := client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String(path[at:]), Path: aws.String(path[:at]), AssumeRolePolicyDocument: &trust})
	ts.Check(err)
	_, err = client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: out.Role.RoleName, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")})
	ts.Check(err)
	return aws.ToString(out.Role.Arn)
}

// cmdDelegate makes an account a delegated administrator.
func cmdDelegate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: delegate ACCOUNT")
	}
	ctx := context.Background()
	client := organizations.NewFromConfig(administrator(ts, ctx, "111111111111", "us-east-1"))
	service := "member.org.stacksets.cloudformation.amazonaws.com"
	_, err := client.EnableAWSServiceAccess(ctx, &organizations.EnableAWSServiceAccessInput{ServicePrincipal: &service})
	ts.Check(err)
	_, err = client.RegisterDelegatedAdministrator(ctx, &organizations.RegisterDelegatedAdministratorInput{AccountId: &args[0], ServicePrincipal: &service})
	ts.Check(err)
}

// cmdStranger serves something that isn't AWS, and points the script at it.
func cmdStranger(ts *testscript.TestScript, neg bool, args []string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, "<html><head><meta charset=utf-8></head><body>Blocked by the proxy</body></html>")
	}))
	ts.Defer(server.Close)
	ts.Setenv("AWS_ENDPOINT_URL", server.URL)
}

// cmdRemember puts how often an operation was called so far into $CALLS.
func cmdRemember(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: remember SERVICE:OP")
	}
	ts.Setenv("CALLS", strconv.Itoa(boxes.get(ts.Getenv("AWS_ENDPOINT_URL")).Calls()[args[0]]))
}

// cmdExits runs a command and checks its exit code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	got := "0"
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = strconv.Itoa(exit.ExitCode())
	} else {
		ts.Check(err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// cmdParameter writes a file into an SSM parameter.
func cmdParameter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: parameter ACCOUNT REGION NAME FILE")
	}
	ctx := context.Background()
	_, err := ssm.NewFromConfig(administrator(ts, ctx, args[0], args[1])).PutParameter(ctx, &ssm.PutParameterInput{
		Name: &args[2], Value: aws.String(ts.ReadFile(args[3])), Type: ssmtypes.ParameterTypeString, Overwrite: aws.Bool(true)})
	ts.Check(err)
}

// cmdJSON checks that a file is exactly one JSON document, and that what it has
// at a path matches a pattern, all of it. A path is keys and indexes with dots
// between them; length is that of a list.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 && len(args) != 3 || neg && len(args) == 1 {
		ts.Fatalf("usage: [!] json FILE [PATH PATTERN]")
	}
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		ts.Fatalf("%s isn't JSON: %v", args[0], err)
	}
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("%s has more than one JSON document", args[0])
	}
	if len(args) == 1 {
		return
	}
	got := "(nothing)"
	if v, ok := at(v, args[1]); ok {
		got = fmt.Sprint(v)
	}
	matched, err := regexp.MatchString("^(?:"+args[2]+")$", got)
	ts.Check(err)
	if matched == neg {
		ts.Fatalf("%s of %s is %q, want %q", args[1], args[0], got, args[2])
	}
}

// at finds what a JSON document has at a path.
func at(v any, path string) (any, bool) {
	for _, key := range strings.Split(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[key]
			if !ok {
				return nil, false
			}
			v = next
		case []any:
			if key == "length" {
				return len(in), true
			}
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}
