package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"axle"
	"axle/internal/cloud"
	"axle/policy"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// executionRoles looks at the service roles that the account's stacks name:
// each must be there and let CloudFormation in.
func (d *Doctor) executionRoles(ctx context.Context, account axle.Account, targets []*Target) {
	seen := map[string]bool{}
	for _, t := range targets {
		for i := range t.Stacks {
			role := t.Stacks[i].Spec.ExecutionRole
			if role == "" || seen[role] {
				continue
			}
			seen[role] = true
			f := d.executionRole(ctx, account, t.Region, role)
			f.Check, f.Stack = CheckExecution, t.Stacks[i].Name
			d.add(account, "", f)
		}
	}
}

func (d *Doctor) executionRole(ctx context.Context, account axle.Account, region, role string) Finding {
	name := role[strings.LastIndexByte(role, '/')+1:]
	arn, document, err := d.trust(ctx, account, region, name)
	var missing *types.NoSuchEntityException
	switch {
	case errors.As(err, &missing):
		return Finding{State: Blocked, Side: SideExecutionRole, Proof: "call",
			Cause: fmt.Sprintf("execution role %s isn't in %s", name, account.Label()),
			Fix:   "make it there, trusting cloudformation.amazonaws.com; axle access least-privilege --role execution prints what it needs"}
	case err != nil:
		return Finding{State: Unknown, Cause: message(cloud.Translate(err, "read execution role "+name, account, "")), Fix: "allow iam:GetRole on it to the access role"}
	}
	trust, err := policy.Parse([]byte(document))
	if err != nil {
		return Finding{State: Unknown, Cause: fmt.Sprintf("the trust policy of %s can't be read: %v", name, err)}
	}
	e := policy.Explain(&policy.Request{Principal: policy.ParsePrincipal("cloudformation.amazonaws.com"), Action: "sts:AssumeRole",
		Resource: arn, ResourceAccount: account.ID,
		Context: map[string][]string{"aws:SourceAccount": {account.ID}}, Unknown: []string{"aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths"}},
		&policy.Policies{Resource: trust.Named("trust policy of " + name)})
	switch e.Decision.Verdict {
	case policy.Allowed, policy.Conditional:
		return Finding{State: OK, Proof: "policies"}
	}
	return Finding{State: Blocked, Side: SideExecutionRole, Proof: "policies", Detail: e.Tree(),
		Cause: fmt.Sprintf("execution role %s in %s doesn't let CloudFormation in: its trust policy doesn't allow sts:AssumeRole to cloudformation.amazonaws.com", name, account.Label()),
		Fix:   "add {Effect: Allow, Principal: {Service: cloudformation.amazonaws.com}, Action: sts:AssumeRole} to its trust policy"}
}

// trust reads a role's trust policy; where the access role may not, from the
// policies that could be read otherwise.
func (d *Doctor) trust(ctx context.Context, account axle.Account, region, name string) (arn, document string, err error) {
	client, opt := d.cloud.IAM(axle.Target{Account: account.ID, Region: region})
	out, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: &name}, opt)
	var missing *types.NoSuchEntityException
	if err != nil && !errors.As(err, &missing) && d.prover != nil {
		if arn, document, ok := d.prover.Trust(ctx, account, name); ok {
			return arn, document, nil
		}
	}
	if err != nil {
		return "", "", err
	}
	document, err = url.QueryUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
	return aws.ToString(out.Role.Arn), document, err
}
