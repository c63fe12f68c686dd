package control

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// readForm is a request's body as a form, and leaves it to be read again.
func readForm(r *http.Request) (url.Values, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil, nil
	}
	return url.ParseQuery(string(body))
}

// made are names that AWS or a run gave, which differ from one to the next.
var made = regexp.MustCompile(`(vpc|rtb|pcx|acl|sg|dopt)-[0-9a-f]+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+|-[0-9A-Z]{8,16}\b`)

// look is all that is in the accounts, in an order and in words that two worlds
// share where the same was done: stacks, deleted ones too, with what their
// events say was done to them, change sets that are left, peerings and routes.
func (w *world) look() (lines []string, err error) {
	err = w.live(&process{}, func(ctx context.Context, o Options) error {
		work, err := OpenOrg(ctx, o, true)
		if err != nil {
			return err
		}
		for _, a := range work.Organization().Accounts {
			if a.Management {
				continue
			}
			for _, see := range []func(context.Context, *Work, axle.Target) ([]string, error){seeStacks, seePeerings, seeRoutes} {
				more, err := see(ctx, work, axle.Target{Account: a.ID, Region: "eu-west-1"})
				if err != nil {
					return err
				}
				for _, line := range more {
					lines = append(lines, a.Name+": "+made.ReplaceAllString(line, "$1-*"))
				}
			}
		}
		return nil
	})
	slices.Sort(lines)
	return lines, err
}

func seeStacks(ctx context.Context, w *Work, t axle.Target) (lines []string, err error) {
	client, opt := w.cloud.CloudFormation(t)
	for p := cloudformation.NewListStacksPaginator(client, nil); p.HasMorePages(); {
		page, err := p.NextPage(ctx, opt)
		if err != nil {
			return nil, err
		}
		for _, s := range page.StackSummaries {
			line := fmt.Sprintf("stack %s:", *s.StackName)
			var statuses []string
			for p := cloudformation.NewDescribeStackEventsPaginator(client, &cloudformation.DescribeStackEventsInput{StackName: s.StackId}); p.HasMorePages(); {
				page, err := p.NextPage(ctx, opt)
				if err != nil {
					return nil, err
				}
				for _, e := range page.StackEvents {
					if aws.ToString(e.PhysicalResourceId) == *s.StackId {
						statuses = append(statuses, " "+string(e.ResourceStatus))
					}
				}
			}
			slices.Reverse(statuses)
			line += strings.Join(statuses, "")
			if s.DeletionTime == nil {
				more, err := seeStack(ctx, client, opt, s.StackId)
				if err != nil {
					return nil, err
				}
				line += more
			}
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func seeStack(ctx context.Context, client *cloudformation.Client, opt func(*cloudformation.Options), id *string) (string, error) {
	found, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: id}, opt)
	if err != nil {
		return "", err
	}
	var parts []string
	for _, p := range found.Stacks[0].Parameters {
		parts = append(parts, *p.ParameterKey+"="+*p.ParameterValue)
	}
	for _, o := range found.Stacks[0].Outputs {
		parts = append(parts, *o.OutputKey+"="+*o.OutputValue)
	}
	for _, t := range found.Stacks[0].Tags {
		parts = append(parts, *t.Key+"="+*t.Value)
	}
	slices.Sort(parts)
	sets, err := client.ListChangeSets(ctx, &cloudformation.ListChangeSetsInput{StackName: id}, opt)
	if err != nil {
		return "", err
	}
	for _, set := range sets.Summaries {
		parts = append(parts, "change set "+string(set.ExecutionStatus))
	}
	return " " + strings.Join(parts, " "), nil
}

func seePeerings(ctx context.Context, w *Work, t axle.Target) (lines []string, err error) {
	client, opt := w.cloud.EC2(t)
	for p := ec2.NewDescribeVpcPeeringConnectionsPaginator(client, &ec2.DescribeVpcPeeringConnectionsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx, opt)
		if err != nil {
			return nil, err
		}
		for _, c := range page.VpcPeeringConnections {
			from, to := c.RequesterVpcInfo, c.AccepterVpcInfo
			line := fmt.Sprintf("peering %s -> %s %s", *from.OwnerId, *to.OwnerId, c.Status.Code)
			if o := from.PeeringOptions; o != nil {
				line += fmt.Sprintf(" dns %v", aws.ToBool(o.AllowDnsResolutionFromRemoteVpc))
			}
			if o := to.PeeringOptions; o != nil {
				line += fmt.Sprintf(" dns %v", aws.ToBool(o.AllowDnsResolutionFromRemoteVpc))
			}
			for _, tag := range c.Tags {
				line += " " + *tag.Key + "=" + *tag.Value
			}
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func seeRoutes(ctx context.Context, w *Work, t axle.Target) (lines []string, err error) {
	client, opt := w.cloud.EC2(t)
	for p := ec2.NewDescribeRouteTablesPaginator(client, &ec2.DescribeRouteTablesInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx, opt)
		if err != nil {
			return nil, err
		}
		for _, table := range page.RouteTables {
			for _, r := range table.Routes {
				if r.VpcPeeringConnectionId != nil {
					lines = append(lines, fmt.Sprintf("route %s by peering %s", aws.ToString(r.DestinationCidrBlock), r.State))
				}
			}
		}
	}
	return lines, nil
}

// settings are the calls that set something to a value: twice is like once.
var settings = []string{"CreateTags", "ModifyVpcPeeringConnectionOptions"}

// repeats are the calls that were carried out more often than once and that AWS
// didn't fold into one.
func (w *world) repeats() (found []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	type what struct{ action, account, place, object string }
	made := map[what][]call{}
	for _, c := range w.calls {
		at := what{c.action, c.account, c.place, c.object()}
		made[at] = append(made[at], c)
	}
	for at, calls := range made {
		for _, c := range calls[1:] {
			if !c.folded(&calls[0]) {
				found = append(found, fmt.Sprintf("%s in %s of %s: %d times, one with token %q, another with %q",
					at.action, at.account, at.object, len(calls), calls[0].token(), c.token()))
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

// folded says whether two calls for the same are one to AWS: they have the same
// token, set the same, or ask for a peering of two VPCs and got the same one.
func (c *call) folded(first *call) bool {
	switch {
	case c.token() != "":
		return c.token() == first.token()
	case c.action == "CreateVpcPeeringConnection":
		return c.peering != "" && c.peering == first.peering
	}
	return slices.Contains(settings, c.action)
}

// token is by what AWS knows a request again.
func (c *call) token() string { return c.form.Get("ClientRequestToken") + c.form.Get("ClientToken") }

// object is what a call acts on: a stack, whatever its change set is called; or
// all that the call says.
func (c *call) object() string {
	if stack := c.form.Get("StackName"); stack != "" {
		if parts := strings.Split(stack, "/"); len(parts) > 1 {
			stack = parts[1] // of its ARN
		}
		return stack
	}
	return c.form.Encode()
}
