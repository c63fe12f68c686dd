// Command goloop is Axle's peer in Go: a bare loop over the organization's
// accounts that makes one stack in each, as one would write it in an hour. It
// has no plan, journal, review or explanation.
//
//	go run ./bench/goloop -name bench -template bench/deploy/stack.yaml
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var l loop
	flag.StringVar(&l.stack, "name", "bench", "name of the stack")
	flag.StringVar(&l.role, "role", "OrganizationAccountAccessRole", "role to assume in each account")
	flag.IntVar(&l.workers, "workers", 16, "accounts at work at once")
	flag.DurationVar(&l.poll, "poll", 500*time.Millisecond, "time between two looks at a stack")
	template := flag.String("template", "", "file of the stack's template")
	regions := flag.String("regions", "eu-west-1", "regions, separated by commas")
	flag.Parse()
	l.regions = strings.Split(*regions, ",")
	if err := l.run(ctx, *template); err != nil {
		fmt.Fprintln(os.Stderr, "bench/goloop:", err)
		os.Exit(1)
	}
}

type loop struct {
	stack, role, body string
	regions           []string
	workers           int
	poll              time.Duration
	cfg               aws.Config
	sts               *sts.Client
}

func (l *loop) run(ctx context.Context, template string) error {
	body, err := os.ReadFile(template)
	if err != nil {
		return err
	}
	l.body = string(body)
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = l.workers })
	l.cfg, err = config.LoadDefaultConfig(ctx, config.WithRegion(l.regions[0]), config.WithHTTPClient(client))
	if err != nil {
		return err
	}
	l.sts = sts.NewFromConfig(l.cfg)
	accounts, err := l.accounts(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(l.workers)
	for _, account := range accounts {
		creds := aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(l.sts, "arn:aws:iam::"+account+":role/"+l.role))
		for _, region := range l.regions {
			g.Go(func() error {
				cfg := l.cfg.Copy()
				cfg.Region, cfg.Credentials = region, creds
				if err := l.deploy(ctx, cloudformation.NewFromConfig(cfg)); err != nil {
					return fmt.Errorf("%s %s: %w", account, region, err)
				}
				return nil
			})
		}
	}
	return g.Wait()
}

// accounts are the members of the organization.
func (l *loop) accounts(ctx context.Context) ([]string, error) {
	client := organizations.NewFromConfig(l.cfg)
	org, err := client.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	if err != nil {
		return nil, err
	}
	var out []string
	pages := organizations.NewListAccountsPaginator(client, &organizations.ListAccountsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, a := range page.Accounts {
			if aws.ToString(a.Id) != aws.ToString(org.Organization.MasterAccountId) {
				out = append(out, aws.ToString(a.Id))
			}
		}
	}
	return out, nil
}

// deploy makes the stack where it isn't, and waits until it is complete.
func (l *loop) deploy(ctx context.Context, client *cloudformation.Client) error {
	status, err := l.status(ctx, client)
	if err != nil {
		return err
	}
	if status == "" {
		_, err := client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &l.stack, TemplateBody: &l.body,
			Capabilities: []types.Capability{types.CapabilityCapabilityIam}})
		if err != nil {
			return err
		}
	}
	for {
		if status == types.StackStatusCreateComplete {
			return nil
		}
		if status != "" && status != types.StackStatusCreateInProgress {
			return fmt.Errorf("stack is in %s", status)
		}
		if status != "" {
			select {
			case <-time.After(l.poll):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if status, err = l.status(ctx, client); err != nil {
			return err
		}
	}
}

// status is the stack's; empty when there is none.
func (l *loop) status(ctx context.Context, client *cloudformation.Client) (types.StackStatus, error) {
	out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &l.stack})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist") {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return out.Stacks[0].StackStatus, nil
}
