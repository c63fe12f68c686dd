package action

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// embedded is the sandbox, with the accounts of the tests.
func embedded(t *testing.T, opts sandbox.Options) *world {
	opts.Organization = &sandbox.OrgFile{Accounts: []sandbox.OrgAccount{{ID: "222222222222", Name: "spoke"}, {ID: "333333333333", Name: "hub"}}}
	s, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	key, secret := s.Credentials()
	return &world{t: t, endpoint: server.URL, caller: credentials.NewStaticCredentialsProvider(key, secret, ""), creds: map[string]aws.CredentialsProvider{}}
}

func TestPeeringOnSandbox(t *testing.T) { peeringLife(embedded(t, sandbox.Options{}), places...) }

// TestPeeringOnUnkindSandbox: requests arrive late, states take their time,
// pages are short, calls are throttled now and then.
func TestPeeringOnUnkindSandbox(t *testing.T) {
	peeringLife(embedded(t, sandbox.Options{Unkind: true, Seed: 7}), places[1])
}

var (
	spokeAt = axle.Target{Account: "222222222222", Region: "eu-west-1"}
	hubAt   = axle.Target{Account: "333333333333", Region: "eu-west-1"}
)

// fails runs a part and returns its failure.
func (p *pair) fails(t *testing.T, a *Peering, part, code string) *axle.Failure {
	t.Helper()
	_, err := run(a, p.step(part, false), p.inputs(part))
	var f *axle.Failure
	if !errors.As(err, &f) || f.Code != code || f.Hint == "" || !strings.Contains(f.Message, p.step(part, false).Where()) {
		t.Fatalf("%s: %#v (%v), want a failure %s with a hint that says where", part, f, err, code)
	}
	return f
}

func (p *pair) does(t *testing.T, a *Peering, part string, want axle.Change) axle.Result {
	t.Helper()
	r, err := run(a, p.step(part, false), p.inputs(part))
	if err != nil || r.Change != want {
		t.Fatalf("%s: %v %v, want %s", part, r.Change, err, want)
	}
	if id := r.Outputs["PeeringId"]; id != "" {
		p.peering = id
	}
	return r
}

func TestPeeringOverlap(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	p := &pair{name: "p", from: w.network(spokeAt, "10.1.0.0/16", 1), to: w.network(hubAt, "10.1.128.0/17", 1)}
	f := p.fails(t, NewPeering(w), "request", "PeeringFailed")
	if !strings.Contains(f.Message, "overlapping CIDR") || !strings.Contains(f.Hint, "ranges overlap") {
		t.Errorf("%s\n%s", f.Message, f.Hint)
	}
	// What failed is in nobody's way.
	p.to = w.network(hubAt, "10.9.0.0/16", 1)
	p.does(t, NewPeering(w), "request", axle.Create)
}

func TestPeeringRejected(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	p := &pair{name: "p", from: w.network(spokeAt, "10.1.0.0/16", 1), to: w.network(hubAt, "10.2.0.0/16", 1)}
	a := NewPeering(w)
	p.does(t, a, "request", axle.Create)
	first := p.peering
	hub, as := w.EC2(hubAt)
	if _, err := hub.RejectVpcPeeringConnection(context.Background(), &ec2.RejectVpcPeeringConnectionInput{VpcPeeringConnectionId: &first}, as); err != nil {
		t.Fatal(err)
	}
	f := p.fails(t, a, "accept", "PeeringFailed")
	if !strings.Contains(f.Message, "rejected") || !strings.Contains(f.Hint, "rejected it") {
		t.Errorf("%s\n%s", f.Message, f.Hint)
	}
	p.does(t, a, "request", axle.Create)
	if p.peering == first {
		t.Error("the rejected connection was taken")
	}
	p.does(t, a, "accept", axle.Create)
}

// TestPeeringNotOurs: a connection that somebody else made between the VPCs is
// neither adopted nor deleted.
func TestPeeringNotOurs(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	p := &pair{name: "p", from: w.network(spokeAt, "10.1.0.0/16", 1), to: w.network(hubAt, "10.2.0.0/16", 1)}
	spoke, as := w.EC2(spokeAt)
	made, err := spoke.CreateVpcPeeringConnection(context.Background(), &ec2.CreateVpcPeeringConnectionInput{VpcId: &p.from.vpc, PeerVpcId: &p.to.vpc, PeerOwnerId: &p.to.at.Account}, as)
	if err != nil {
		t.Fatal(err)
	}
	f := p.fails(t, NewPeering(w), "request", "NotOurs")
	if !f.Blocked || !strings.Contains(f.Message, *made.VpcPeeringConnection.VpcPeeringConnectionId) {
		t.Errorf("%+v", f)
	}
	if f := p.fails(t, NewPeeringPreview(w), "request", "NotOurs"); !f.Blocked {
		t.Errorf("the preview: %+v", f)
	}
	r, err := run(NewPeering(w), p.step("request", true), axle.Inputs{})
	if err != nil || r.Change != axle.None {
		t.Errorf("delete: %v %v", r, err)
	}
}

func TestPeeringRouteConflict(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	p := &pair{name: "p", from: w.network(spokeAt, "10.1.0.0/16", 1), to: w.network(hubAt, "10.2.0.0/16", 1)}
	other := &pair{name: "other", from: p.from, to: w.network(hubAt, "10.3.0.0/16", 1)}
	a := NewPeering(w)
	for _, x := range []*pair{p, other} {
		x.does(t, a, "request", axle.Create)
		x.does(t, a, "accept", axle.Create)
	}
	spoke, as := w.EC2(spokeAt)
	_, err := spoke.CreateRoute(context.Background(), &ec2.CreateRouteInput{RouteTableId: &p.from.tables[0], DestinationCidrBlock: aws.String("10.2.0.0/16"), VpcPeeringConnectionId: &other.peering}, as)
	if err != nil {
		t.Fatal(err)
	}
	f := p.fails(t, a, "routes-requester", "RouteConflict")
	for _, want := range []string{p.from.tables[0], "10.2.0.0/16", other.peering} {
		if !strings.Contains(f.Message, want) {
			t.Errorf("%q isn't in %s", want, f.Message)
		}
	}
	// Another project's peering of the same name is somebody else's too; this one's
	// of an earlier VPC isn't.
	tagged := func(project, peering string) {
		t.Helper()
		tags := []types.Tag{{Key: aws.String(tagProject), Value: &project}, {Key: aws.String(tagPeering), Value: &peering}}
		if _, err := spoke.CreateTags(context.Background(), &ec2.CreateTagsInput{Resources: []string{other.peering}, Tags: tags}, as); err != nil {
			t.Fatal(err)
		}
	}
	tagged("theirs", "p")
	p.fails(t, a, "routes-requester", "RouteConflict")
	tagged("flights", "p")
	p.does(t, NewPeeringPreview(w), "routes-requester", axle.Update)
	tagged("flights", "other")
	// Once that connection is gone the route leads nowhere, and is turned.
	if _, err := run(a, other.step("request", true), axle.Inputs{}); err != nil {
		t.Fatal(err)
	}
	p.does(t, NewPeeringPreview(w), "routes-requester", axle.Update)
	p.does(t, a, "routes-requester", axle.Update)
	p.does(t, a, "routes-requester", axle.None)
	if want := []string{p.from.tables[0] + " 10.2.0.0/16 " + p.peering}; !slices.Equal(w.routes(p.from), want) {
		t.Errorf("%v, want %v", w.routes(p.from), want)
	}
}

// TestPeeringOldRoutesGo: when the requester's VPC was replaced by one with
// another range, the accepter's route to the old range goes.
func TestPeeringOldRoutesGo(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	a := NewPeering(w)
	p := &pair{name: "p", from: w.network(spokeAt, "10.1.0.0/16", 1), to: w.network(hubAt, "10.2.0.0/16", 1)}
	p.deploy(t, a)
	p.from = w.network(spokeAt, "10.4.0.0/16", 1)
	p.deploy(t, a)
	if want := []string{p.to.tables[0] + " 10.4.0.0/16 " + p.peering}; !slices.Equal(w.routes(p.to), want) {
		t.Errorf("%v, want %v", w.routes(p.to), want)
	}
}

func TestPeeringDNSNotAllowed(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	a := NewPeering(w)
	p := &pair{name: "p", from: w.network(spokeAt, "10.1.0.0/16", 1), to: w.network(hubAt, "10.2.0.0/16", 1)}
	p.does(t, a, "request", axle.Create)
	p.does(t, a, "accept", axle.Create)
	spoke, as := w.EC2(spokeAt)
	_, err := spoke.ModifyVpcAttribute(context.Background(), &ec2.ModifyVpcAttributeInput{VpcId: &p.from.vpc, EnableDnsHostnames: &types.AttributeBooleanValue{Value: aws.Bool(false)}}, as)
	if err != nil {
		t.Fatal(err)
	}
	if f := p.fails(t, a, "dns-requester", "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled"); !strings.Contains(f.Hint, "EnableDnsHostnames") {
		t.Error(f.Hint)
	}
}

// TestPeeringPreviewOfUnknown: while outputs aren't known yet, what is there by
// our tags stays, and the rest will be made; nothing is touched.
func TestPeeringPreviewOfUnknown(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	p := &pair{name: "p", from: w.network(spokeAt, "10.1.0.0/16", 1), to: w.network(hubAt, "10.2.0.0/16", 1)}
	unknown := func(part string) axle.Inputs {
		in := p.inputs(part)
		in.Unknown = map[string][]string{"vpc": {"spoke"}, "peering": {"spoke", "hub"}}
		return in
	}
	look := func(want []axle.Change) {
		t.Helper()
		var got []axle.Change
		for _, part := range peeringParts {
			r, err := run(NewPeeringPreview(w), p.step(part, false), unknown(part))
			if err != nil || !slices.Equal(r.After, []string{"hub", "spoke"}) {
				t.Fatalf("%s: %+v %v", part, r, err)
			}
			got = append(got, r.Change)
		}
		w.same("preview", got, want)
	}
	look([]axle.Change{axle.Create, axle.Create, axle.Create, axle.Create, axle.Update, axle.Update})
	if p.peering != "" {
		t.Error("a preview made a connection")
	}
	p.deploy(t, NewPeering(w))
	look(all(axle.None, 6))
}

func TestPeeringInputs(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	p := &pair{name: "p", from: &network{at: spokeAt, cidr: "10.1.0.0/16"}, to: &network{at: hubAt, vpc: "vpc-1", cidr: "ten"}, peering: "pcx-1"}
	if f := p.fails(t, NewPeering(w), "request", "InvalidInput"); !strings.Contains(f.Message, "vpc is empty") {
		t.Error(f.Message)
	}
	if f := p.fails(t, NewPeering(w), "routes-requester", "InvalidInput"); !strings.Contains(f.Message, `"ten" isn't a CIDR block`) {
		t.Error(f.Message)
	}
	p.from.vpc = "vpc-0123456789abcdef0"
	p.fails(t, NewPeering(w), "request", "InvalidVpcID.NotFound")
}

// TestPeeringNeverArrives: the wait for another region's request is bounded.
func TestPeeringNeverArrives(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	p := &pair{name: "p", from: &network{at: spokeAt}, to: &network{at: hubAt}, peering: "pcx-0123456789abcdef0"}
	a := NewPeering(w)
	began := time.Now()
	a.now = func() time.Time { return began }
	step := p.step("accept", false)
	progress, err := a.Start(context.Background(), step, p.inputs("accept"))
	if err != nil || progress.Done || progress.Again > time.Second {
		t.Fatalf("%+v %v", progress, err)
	}
	a.now = func() time.Time { return began.Add(20 * time.Second) }
	later, err := a.Check(context.Background(), step, progress.Token)
	if err != nil || later.Done || later.Again != 5*time.Second || later.Token != progress.Token {
		t.Fatalf("after 20 s: %+v %v", later, err)
	}
	a.now = func() time.Time { return began.Add(time.Hour) }
	_, err = a.Check(context.Background(), step, progress.Token)
	var f *axle.Failure
	if !errors.As(err, &f) || f.Code != "Timeout" || !strings.Contains(f.Hint, "never arrived") {
		t.Fatalf("after an hour: %v", err)
	}
}
