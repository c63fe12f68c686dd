package sandbox_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"axle/sandbox"
)

// A token that no page gave is refused, not taken for a place in the list.
func TestTokensAreTheSandboxsOwn(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 3})
	ctx := context.Background()
	for _, token := range []string{"AAAA", "111111111111", "x"} {
		_, err := cf.NewFromConfig(b.top).ListStacks(ctx, &cf.ListStacksInput{NextToken: &token})
		refused(t, err, "ValidationError", "Token '"+token+"' is not valid")
		_, err = iam.NewFromConfig(b.top).ListRoles(ctx, &iam.ListRolesInput{Marker: &token})
		refused(t, err, "ValidationError", "Invalid Marker")
		_, err = organizations.NewFromConfig(b.top).ListAccounts(ctx, &organizations.ListAccountsInput{NextToken: &token})
		refused(t, err, "InvalidInputException", "")
		_, err = ssm.NewFromConfig(b.top).DescribeParameters(ctx, &ssm.DescribeParametersInput{NextToken: &token})
		refused(t, err, "InvalidNextToken", "")
	}
	client := organizations.NewFromConfig(b.top)
	first, err := client.ListAccounts(ctx, &organizations.ListAccountsInput{MaxResults: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	rest, err := client.ListAccounts(ctx, &organizations.ListAccountsInput{NextToken: first.NextToken})
	if err != nil || len(first.Accounts) != 2 || len(rest.Accounts) != 2 || rest.NextToken != nil {
		t.Errorf("%d accounts, then %v, %v", len(first.Accounts), rest, err)
	}
}
