package sandbox_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"axle/sandbox"
)

// Many clients in many accounts at once, while the state is saved: run it with
// -race.
func TestManyAtOnce(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 8, State: filepath.Join(t.TempDir(), "state.json"), StackTime: 20 * time.Millisecond})
	ctx := context.Background()
	list, err := organizations.NewFromConfig(b.top).ListAccounts(ctx, &organizations.ListAccountsInput{})
	if err != nil {
		t.Fatal(err)
	}
	body := aws.String(`{"Resources":{"T":{"Type":"AWS::SNS::Topic"}},"Outputs":{"A":{"Value":{"Ref":"T"}}}}`)
	var all sync.WaitGroup
	for _, a := range list.Accounts {
		if *a.Id == managementAccount {
			continue
		}
		all.Go(func() {
			cfg, err := b.assume(b.top, *a.Id, "OrganizationAccountAccessRole")
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 3 {
				name := aws.String(fmt.Sprint("s", i))
				if _, err := cf.NewFromConfig(cfg).CreateStack(ctx, &cf.CreateStackInput{StackName: name, TemplateBody: body}); err != nil {
					t.Error(err)
					continue
				}
				if err := cf.NewStackCreateCompleteWaiter(cf.NewFromConfig(cfg), func(o *cf.StackCreateCompleteWaiterOptions) {
					o.MinDelay, o.MaxDelay = 5*time.Millisecond, 10*time.Millisecond
				}).Wait(ctx, &cf.DescribeStacksInput{StackName: name}, forever); err != nil {
					t.Error(err)
				}
			}
			topics, err := sns.NewFromConfig(cfg).ListTopics(ctx, &sns.ListTopicsInput{})
			if err != nil || len(topics.Topics) != 3 {
				t.Errorf("%v, %v", topics, err)
			}
			if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
				t.Error(err)
			}
		})
	}
	for range 5 {
		if err := b.Save(); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
}
