package plan_test

import (
	"slices"
	"strings"
	"testing"

	"axle"
	"axle/internal/plan"
)

// peered is a hub in one region and spokes of two accounts, with peering.
var peered = world{yaml: `
name: p
hub: {account: "000000000001", region: eu-west-1}
regions: [eu-west-1]
stacks:
  hub: {template: hub.yaml, targets: hub}
  spoke:
    template: spoke.yaml
    targets: account.name in ["dev", "qa"]
    parameters:
      Hub: ${{ output("hub", "Vpc") }}
  app:
    template: app.yaml
    targets: account.name == "dev"
    depends_on: [spoke]
peerings:
  link:
    requester: {stack: spoke, vpc: Vpc, cidr: Cidr, route_tables: [Table]}
    accepter: {stack: hub, vpc: Vpc, cidr: Cidr, route_tables: [TableA, TableB]}
    dns: true
`, templates: map[string]string{
	"hub":   body(nil, []string{"Vpc", "Cidr", "TableA", "TableB"}),
	"spoke": body([]string{"Hub"}, []string{"Vpc", "Cidr", "Table"}),
}}

const (
	hubStep   = "stack/hub/000000000001/eu-west-1"
	devSpoke  = "stack/spoke/000000000002/eu-west-1"
	devLink   = "peering/link/000000000002/eu-west-1/"
	qaSpoke   = "stack/spoke/000000000003/eu-west-1"
	devApp    = "stack/app/000000000002/eu-west-1"
	requester = "000000000002/eu-west-1"
)

func output(step, key string) axle.Value {
	return axle.Value{Refs: []axle.Ref{{Steps: []string{step}, Key: key}}}
}

func literal(s string) axle.Value { return axle.Value{Literal: s} }

func TestPeeringSteps(t *testing.T) {
	p := peered.build(t)
	made := output(devLink+"request", "PeeringId")
	for _, want := range []struct {
		part, kind, account string
		needs               []string
		input               map[string]axle.Value
	}{
		{"request", axle.KindPeeringRequest, "000000000002", []string{hubStep, devSpoke}, map[string]axle.Value{
			"vpc": output(devSpoke, "Vpc"), "peer_vpc": output(hubStep, "Vpc"), "peer_account": literal("000000000001"), "peer_region": literal("eu-west-1")}},
		{"accept", axle.KindPeeringAccept, "000000000001", []string{devLink + "request"}, map[string]axle.Value{"peering": made}},
		{"routes-requester", axle.KindPeeringRoutes, "000000000002", []string{devLink + "accept", devLink + "request", hubStep, devSpoke}, map[string]axle.Value{
			"peering": made, "cidr": output(hubStep, "Cidr"), "route_tables": {Expr: `${{ output("spoke", "Table") }}`,
				Refs: []axle.Ref{{Call: `output("spoke", "Table")`, Steps: []string{devSpoke}, Key: "Table"}}}}},
		{"routes-accepter", axle.KindPeeringRoutes, "000000000001", []string{devLink + "accept", devLink + "request", hubStep, devSpoke}, map[string]axle.Value{
			"peering": made, "cidr": output(devSpoke, "Cidr"), "route_tables": {Expr: `${{ output("hub", "TableA") }},${{ output("hub", "TableB") }}`,
				Refs: []axle.Ref{{Call: `output("hub", "TableA")`, Steps: []string{hubStep}, Key: "TableA"}, {Call: `output("hub", "TableB")`, Steps: []string{hubStep}, Key: "TableB"}}}}},
		{"dns-requester", axle.KindPeeringDNS, "000000000002", []string{devLink + "accept", devLink + "request"}, map[string]axle.Value{"peering": made, "side": literal("requester")}},
		{"dns-accepter", axle.KindPeeringDNS, "000000000001", []string{devLink + "accept", devLink + "request"}, map[string]axle.Value{"peering": made, "side": literal("accepter")}},
	} {
		s := find(t, p, devLink+want.part)
		want.input["requester"] = literal(requester)
		same(t, want.part, []any{s.Kind, s.Name, s.Account, s.Region, s.Needs, s.Input}, []any{want.kind, "link", want.account, "eu-west-1", want.needs, want.input})
		same(t, want.part+" spec", s.Spec.Peering, &axle.PeeringSpec{Project: "p", Peering: "link", DNS: true})
	}
	same(t, "all steps", len(p.Steps), 4+2*6)

	s := find(t, p, devLink+"routes-accepter")
	in, err := p.Inputs(s, func(id string) (map[string]string, bool) {
		return map[string]string{"TableA": "rtb-a", "TableB": "rtb-b", "Cidr": "10.1.0.0/24", "PeeringId": "pcx-1"}, true
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "values", in.Values, map[string]string{"peering": "pcx-1", "cidr": "10.1.0.0/24", "route_tables": "rtb-a,rtb-b", "requester": requester})
}

func TestPeeringOptions(t *testing.T) {
	w := peered
	w.yaml = strings.Replace(w.yaml, "dns: true", "dns: false", 1)
	same(t, "steps without DNS", len(w.build(t).Steps), 4+2*4)
	w.noPeering = true
	same(t, "steps without peering", len(w.build(t).Steps), 4)
	oneWay := peered
	oneWay.yaml = strings.Replace(oneWay.yaml, ", route_tables: [TableA, TableB]", "", 1)
	same(t, "steps with routes on one side", len(oneWay.build(t).Steps), 4+2*5)
	oneWay.destroy = true
	find(t, oneWay.build(t), devLink+"routes-accepter") // there may be some from before

	narrowed := peered
	narrowed.where = `account.name == "dev"`
	p := narrowed.build(t)
	same(t, "the accepter outside of the run is read", find(t, p, devLink+"request").Needs, []string{"outputs/hub/000000000001/eu-west-1", devSpoke})
	if slices.ContainsFunc(ids(p), func(id string) bool { return strings.Contains(id, "000000000003") }) {
		t.Errorf("qa isn't part of the run: %v", ids(p))
	}
	narrowed.where = `account.name == "tools"`
	same(t, "only requesters that are acted on", ids(narrowed.build(t)), []string{hubStep})
}

func TestPeeringProblems(t *testing.T) {
	w := peered
	w.yaml = strings.Replace(w.yaml, "hub: {template: hub.yaml, targets: hub}", `hub: {template: hub.yaml, targets: account.name == "prod" || account.name == "tools", regions: [us-east-1]}`, 1)
	w.yaml = strings.Replace(w.yaml, `${{ output("hub", "Vpc") }}`, "x", 1)
	got := w.problems(t)
	if !strings.Contains(got, `axle.yaml:19:15: accepter of peering "link" in dev (000000000002) eu-west-1: stack "hub" has 2 instances and none is nearest to 000000000002/eu-west-1: 000000000001/us-east-1, 000000000004/us-east-1`) || strings.Count(got, "axle.yaml:") != 1 {
		t.Errorf("got %s", got)
	}
	// A VPC isn't peered with itself: one stack on both sides, in the hub too.
	self := world{yaml: `
name: p
hub: {account: "000000000001", region: eu-west-1}
regions: [eu-west-1, us-east-1]
stacks:
  net: {template: net.yaml, targets: hub}
peerings:
  link:
    requester: {stack: net, vpc: A, cidr: A, route_tables: [B]}
    accepter: {stack: net, vpc: A, cidr: A, route_tables: [B]}
`}
	same(t, "steps", len(self.build(t).Steps), 2)
}

// TestDestroy: every edge is reversed; routes go first, then the connection,
// then the stacks; nobody has to accept a deletion.
func TestDestroy(t *testing.T) {
	w := peered
	w.destroy = true
	p := w.build(t)
	want := map[string][]string{
		hubStep:                      {"peering/link/000000000002/eu-west-1/request", "peering/link/000000000002/eu-west-1/routes-accepter", "peering/link/000000000002/eu-west-1/routes-requester", "peering/link/000000000003/eu-west-1/request", "peering/link/000000000003/eu-west-1/routes-accepter", "peering/link/000000000003/eu-west-1/routes-requester", devSpoke, qaSpoke},
		devSpoke:                     {devLink + "request", devLink + "routes-accepter", devLink + "routes-requester", devApp},
		devLink + "request":          {devLink + "routes-accepter", devLink + "routes-requester"},
		devLink + "routes-accepter":  nil,
		devLink + "routes-requester": nil,
		devApp:                       nil,
	}
	for id, needs := range want {
		s := find(t, p, id)
		same(t, "needs of "+id, slices.Clone(s.Needs), needs)
		if !s.Delete {
			t.Errorf("%s isn't a deletion", id)
		}
		wantInput := map[string]axle.Value(nil)
		if s.Kind != plan.KindStack {
			wantInput = map[string]axle.Value{"requester": literal(requester)}
		}
		same(t, "input of "+id, s.Input, wantInput)
	}
	same(t, "command", p.Command, "destroy")
	same(t, "all steps", len(p.Steps), 4+2*3)
	same(t, "the hub is last", p.Steps[len(p.Steps)-1].ID, hubStep)
}

// A destroy doesn't care what the parameters would have been.
func TestDestroyWithoutInputs(t *testing.T) {
	w := world{destroy: true, yaml: head(`
  maker: {template: t.yaml, targets: account.ou == "/Workloads"}
  user:
    template: t.yaml
    targets: hub
    parameters:
      X: ${{ output("maker", "A") }}
      Y: ${{ account.tags["nothing"] }}
`)}
	in := w.input(t)
	in.Templates = nil
	p, problems := plan.Build(in)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	same(t, "steps", len(p.Steps), 4)

	narrow := peered
	narrow.destroy, narrow.where = true, `account.name == "dev"`
	for _, s := range narrow.build(t).Steps {
		if s.Kind == plan.KindOutputs || s.Account == "000000000003" || s.ID == hubStep {
			t.Errorf("%s has no place in a destroy of dev", s.ID)
		}
	}
}

// Connections are the same whether they are made or removed.
func TestPeerings(t *testing.T) {
	hub, at := axle.Target{Account: "000000000001", Region: "eu-west-1"}, func(account string) axle.Target {
		return axle.Target{Account: account, Region: "eu-west-1"}
	}
	want := []plan.Peering{{Name: "link", Requester: at("000000000002"), Accepter: hub}, {Name: "link", Requester: at("000000000003"), Accepter: hub}}
	w := peered
	same(t, "of a deploy", w.build(t).Peerings(), want)
	routeless := w
	routeless.yaml = strings.Replace(w.yaml, ", route_tables: [TableA, TableB]", "", 1)
	same(t, "of a deploy without routes where they end", routeless.build(t).Peerings(), want)
	w.destroy = true
	same(t, "of a destroy", w.build(t).Peerings(), want)
}
