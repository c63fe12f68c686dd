package action

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/cloud"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// world is an emulator with a few accounts.
type world struct {
	t        *testing.T
	endpoint string
	caller   aws.CredentialsProvider
	creds    map[string]aws.CredentialsProvider // by account
}

// EC2 enters the target's account through OrganizationAccountAccessRole.
func (w *world) EC2(to axle.Target) (*ec2.Client, func(*ec2.Options)) {
	if w.creds[to.Account] == nil {
		entry := sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: aws.String(w.endpoint), HTTPClient: cloud.WholeBodies(http.DefaultClient), Credentials: w.caller, RetryMaxAttempts: 10})
		w.creds[to.Account] = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(entry, "arn:aws:iam::"+to.Account+":role/OrganizationAccountAccessRole"))
	}
	// An unkind sandbox throttles two calls of a hundred: three attempts are too few for
	// hundreds of calls.
	client := ec2.New(ec2.Options{Region: to.Region, BaseEndpoint: aws.String(w.endpoint), HTTPClient: cloud.WholeBodies(http.DefaultClient), RetryMaxAttempts: 10})
	return client, func(o *ec2.Options) { o.Credentials = w.creds[to.Account] }
}

// moto is the independent emulator, when one is running.
func moto(t *testing.T) *world {
	endpoint := os.Getenv("AXLE_TEST_MOTO")
	if endpoint == "" {
		t.Skip("AXLE_TEST_MOTO isn't set: no moto server to test against")
	}
	return &world{t: t, endpoint: endpoint, caller: credentials.NewStaticCredentialsProvider("test", "test", ""), creds: map[string]aws.CredentialsProvider{}}
}

// network is a VPC with route tables.
type network struct {
	at     axle.Target
	vpc    string
	cidr   string
	tables []string
}

func (w *world) network(at axle.Target, cidr string, tables int) *network {
	w.t.Helper()
	client, as := w.EC2(at)
	ctx := context.Background()
	made, err := client.CreateVpc(ctx, &ec2.CreateVpcInput{CidrBlock: aws.String(cidr)}, as)
	if err != nil {
		w.t.Fatal(err)
	}
	n := &network{at: at, vpc: *made.Vpc.VpcId, cidr: cidr}
	// One attribute a call: EC2 refuses two.
	for _, in := range []*ec2.ModifyVpcAttributeInput{
		{EnableDnsSupport: &types.AttributeBooleanValue{Value: aws.Bool(true)}},
		{EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(true)}}} {
		in.VpcId = &n.vpc
		if _, err := client.ModifyVpcAttribute(ctx, in, as); err != nil {
			w.t.Fatal(err)
		}
	}
	for range tables {
		rt, err := client.CreateRouteTable(ctx, &ec2.CreateRouteTableInput{VpcId: &n.vpc}, as)
		if err != nil {
			w.t.Fatal(err)
		}
		n.tables = append(n.tables, *rt.RouteTable.RouteTableId)
	}
	return n
}

// routes are the routes of the network's tables that lead to peerings, as
// "table cidr target".
func (w *world) routes(n *network) []string {
	w.t.Helper()
	client, as := w.EC2(n.at)
	out, err := client.DescribeRouteTables(context.Background(), &ec2.DescribeRouteTablesInput{RouteTableIds: n.tables}, as)
	if err != nil {
		w.t.Fatal(err)
	}
	var routes []string
	for _, rt := range out.RouteTables {
		for _, r := range rt.Routes {
			if r.VpcPeeringConnectionId != nil {
				routes = append(routes, *rt.RouteTableId+" "+aws.ToString(r.DestinationCidrBlock)+" "+*r.VpcPeeringConnectionId)
			}
		}
	}
	slices.Sort(routes)
	return routes
}

// pair is a peering between two networks.
type pair struct {
	name     string
	from, to *network
	peering  string // after request
}

func (p *pair) step(part string, delete bool) *axle.Step {
	kind, at, _ := strings.Cut(part, "-")
	where := p.from.at
	if part == "accept" || at == "accepter" {
		where = p.to.at
	}
	return &axle.Step{ID: "peering/" + p.name + "/" + p.from.at.String() + "/" + part, Kind: "peering-" + kind, Name: p.name,
		Account: where.Account, AccountName: "acc-" + where.Account[:1], Region: where.Region, Delete: delete,
		Spec: &axle.Spec{Peering: &axle.PeeringSpec{Project: "flights", Peering: p.name, DNS: true}}}
}

func (p *pair) inputs(part string) axle.Inputs {
	v := map[string]string{"requester": p.from.at.String(), "peering": p.peering}
	switch part {
	case "request":
		v["vpc"], v["peer_vpc"], v["peer_account"], v["peer_region"] = p.from.vpc, p.to.vpc, p.to.at.Account, p.to.at.Region
	case "routes-requester":
		v["cidr"], v["route_tables"] = p.to.cidr, strings.Join(p.from.tables, ",")
	case "routes-accepter":
		v["cidr"], v["route_tables"] = p.from.cidr, strings.Join(p.to.tables, ",")
	case "dns-requester":
		v["side"] = "requester"
	case "dns-accepter":
		v["side"] = "accepter"
	}
	return axle.Inputs{Values: v}
}

// run does one step as the engine would.
func run(a *Peering, step *axle.Step, in axle.Inputs) (axle.Result, error) {
	ctx := context.Background()
	p, err := a.Start(ctx, step, in)
	for err == nil && !p.Done {
		<-time.After(p.Again)
		p, err = a.Check(ctx, step, p.Token)
	}
	return p.Result, err
}

var peeringParts = []string{"request", "accept", "routes-requester", "routes-accepter", "dns-requester", "dns-accepter"}

// deploy runs all parts and returns what each did.
func (p *pair) deploy(t *testing.T, a *Peering) []axle.Change {
	t.Helper()
	var changes []axle.Change
	for _, part := range peeringParts {
		r, err := run(a, p.step(part, false), p.inputs(part))
		if err != nil {
			t.Fatalf("%s: %v", part, err)
		}
		if id := r.Outputs["PeeringId"]; id != "" {
			p.peering = id
		}
		changes = append(changes, r.Change)
	}
	return changes
}

func (p *pair) destroy(t *testing.T, a *Peering) []axle.Change {
	t.Helper()
	var changes []axle.Change
	for _, part := range []string{"routes-requester", "routes-accepter", "request"} {
		r, err := run(a, p.step(part, true), axle.Inputs{})
		if err != nil {
			t.Fatalf("delete %s: %v", part, err)
		}
		changes = append(changes, r.Change)
	}
	return changes
}

func all(c axle.Change, n int) []axle.Change { return slices.Repeat([]axle.Change{c}, n) }

func (w *world) same(what string, got, want []axle.Change) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// joined are two places with a peering between them.
type joined struct {
	name     string
	from, to axle.Target
}

var places = []joined{
	{"other-account", axle.Target{Account: "222222222222", Region: "eu-west-1"}, axle.Target{Account: "333333333333", Region: "eu-west-1"}},
	{"other-region", axle.Target{Account: "222222222222", Region: "us-east-1"}, axle.Target{Account: "333333333333", Region: "eu-west-1"}},
	{"same-place", axle.Target{Account: "222222222222", Region: "eu-west-1"}, axle.Target{Account: "222222222222", Region: "eu-west-1"}},
}

func TestPeeringOnMoto(t *testing.T) { peeringLife(moto(t), places...) }

// peeringLife is a peering's life from nothing to nothing: made, unchanged,
// with a replaced VPC, destroyed. Every emulator must carry it.
func peeringLife(w *world, between ...joined) {
	t := w.t
	made := []axle.Change{axle.Create, axle.Create, axle.Create, axle.Create, axle.Update, axle.Update}
	for _, c := range between {
		t.Run(c.name, func(t *testing.T) {
			w := &world{t: t, endpoint: w.endpoint, caller: w.caller, creds: w.creds}
			a, preview := NewPeering(w), NewPeeringPreview(w)
			p := &pair{name: c.name, from: w.network(c.from, "10.1.0.0/16", 1), to: w.network(c.to, "10.2.0.0/16", 2)}

			r, err := run(preview, p.step("request", false), p.inputs("request"))
			if err != nil || r.Change != axle.Create || r.Outputs["PeeringId"] != "" {
				t.Errorf("preview of a new request: %+v %v", r, err)
			}
			w.same("first deploy", p.deploy(t, a), made)
			first := p.peering
			w.same("second deploy", p.deploy(t, a), all(axle.None, 6))
			w.same("preview of no change", p.deploy(t, preview), all(axle.None, 6))
			if got := w.routes(p.to); len(got) != 2 || !strings.HasSuffix(got[0], " 10.1.0.0/16 "+first) {
				t.Errorf("accepter's routes: %v", got)
			}

			// The requester's VPC is replaced, by one with another range: the
			// old connection goes.
			p.from = w.network(c.from, "10.3.0.0/16", 1)
			r, err = run(preview, p.step("request", false), p.inputs("request"))
			if err != nil || r.Change != axle.Replace {
				t.Errorf("preview of a replacement: %+v %v", r, err)
			}
			w.same("deploy after replacement", p.deploy(t, a), append([]axle.Change{axle.Replace}, made[1:]...))
			if p.peering == first {
				t.Errorf("the old connection %s is still in use", first)
			}

			gone := all(axle.Delete, 3)
			w.same("preview of destroy", p.destroy(t, preview), gone)
			if c.from == c.to {
				gone[1] = axle.None // the requester's step has removed the routes of both sides
			}
			w.same("destroy", p.destroy(t, a), gone)
			w.same("destroy again", p.destroy(t, a), all(axle.None, 3))
			if got := append(w.routes(p.from), w.routes(p.to)...); len(got) != 0 {
				t.Errorf("routes are left: %v", got)
			}
		})
	}
}
