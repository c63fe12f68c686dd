//go:build scenarios

package scenarios

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// flights is the organization of the scenario.
type flights struct {
	management, tools string
	spokes            map[string]spoke // by account id
}

type spoke struct{ env, net, team string }

var (
	regions = []string{"eu-west-1", "us-east-1"}
	second  = map[string]string{"eu-west-1": "1", "us-east-1": "2"} // as vars.net of axle.yaml
)

func (w *world) flights() flights {
	w.t.Helper()
	b := w.newOrganization()
	infra := b.ou(b.root, "Infrastructure", nil)
	work := b.ou(b.root, "Workloads", map[string]string{"tier": "apps"})
	dev, prod := b.ou(work, "Dev", nil), b.ou(work, "Prod", nil)
	f := flights{tools: b.account(infra, "tools", map[string]string{"team": "platform"}), spokes: map[string]spoke{}}
	for _, s := range []struct {
		ou, name string
		spoke
	}{{dev, "booking-dev", spoke{"dev", "11", "booking"}}, {dev, "airmiles-dev", spoke{"dev", "12", "airmiles"}}, {prod, "booking", spoke{"prod", "13", "booking"}}} {
		f.spokes[b.account(s.ou, s.name, map[string]string{"env": s.env, "net": s.net, "team": s.team})] = s.spoke
	}
	b.account(prod, "legacy", map[string]string{"team": "booking"}) // without env: nobody's target
	if w.gaps.noEntryRole {
		w.becomeUser()
	}
	me := must[*sts.GetCallerIdentityOutput](w, "who am I")(sts.NewFromConfig(w.config(regions[0])).GetCallerIdentity(w.t.Context(), &sts.GetCallerIdentityInput{}))
	f.management = *me.Account
	return f
}

// accounts are all that stacks may be in.
func (f flights) accounts() []string {
	return append(slices.Sorted(maps.Keys(f.spokes)), f.tools)
}

// organization is the scenario: from an organization that has nothing but its
// accounts to a network, and back to nothing.
func organization(w *world) {
	var f flights
	w.project("organization")
	first := map[string]int{"stack create": 9, "peering-request create": 6, "peering-accept create": 6, "peering-routes create": 12, "peering-dns update": 12}
	if w.gaps.noPeeringDNS {
		w.edit("axle.yaml", "dns: true", "dns: false")
		delete(first, "peering-dns update")
	}
	w.step("the organization, through its API", func() { f = w.flights() })
	w.step("bootstrap", func() { w.run(0, "bootstrap") })
	w.step("the roles allow what they should, and no more", func() { f.guarded(w) })
	w.step("deploy", func() {
		r := w.run(0, "deploy")
		w.same("what the first deploy did", first, r.actions())
	})
	w.step("what is there", func() { f.look(w, nil) })
	w.step("plan: nothing to change", func() { w.axle(0, "plan", "--detailed-exitcode") })
	w.step("deploy again", func() {
		r := w.run(0, "deploy")
		w.same("what the second deploy did", r.Counts.Unchanged, len(r.Steps))
	})
	w.step("change and update", func() {
		w.edit("templates/spoke.yaml", "Outputs:\n", "  Zone: {Type: AWS::SSM::Parameter, Properties: {Name: /network/zone, Type: String, Value: !Sub \"${Env}.flights.internal\"}}\nOutputs:\n")
		// The roles are for the templates as they were: the plan says so, where
		// it can read them.
		if !w.gaps.rolesUnread {
			w.axle(3, "plan", "--detailed-exitcode")
		}
		w.axle(0, "bootstrap", "--yes")
		w.axle(5, "plan", "--detailed-exitcode")
		got := w.run(0, "deploy").actions()
		w.same("what the third deploy did", []int{6, 3}, []int{got["stack update"], got["stack none"]})
	})
	w.step("what is there now", func() {
		f.look(w, func(cfg aws.Config, s spoke) {
			w.same("the added parameter", s.env+".flights.internal", w.parameter(cfg, "/network/zone"))
		})
	})
	w.step("prune of a peering by its old name", func() { f.renamed(w) })
	w.step("destroy", func() {
		got := w.run(0, "destroy").actions()
		w.same("what destroy did", []int{9, 6}, []int{got["stack delete"], got["peering-request delete"]})
	})
	w.step("nothing is left", func() { f.empty(w) })
	w.step("destroy again", func() {
		r := w.run(0, "destroy")
		w.same("what the second destroy did", r.Counts.Unchanged, len(r.Steps))
	})
}

// renamed gives the peering another name: prune removes the connections and routes of
// the old one, and nothing else. With its name again the deploy makes all anew.
func (f flights) renamed(w *world) {
	w.t.Helper()
	w.edit("axle.yaml", "spoke-to-hub:", "home:")
	w.same("what prune did", map[string]int{"peering-request delete": 6, "peering-routes delete": 12}, w.run(0, "prune").actions())
	for _, region := range regions {
		for _, account := range f.accounts() {
			w.same("peerings of "+account, 0, len(w.peerings(w.in(account, region))))
		}
		hub := w.in(f.tools, region)
		out := w.deployed(hub, "flights-hub-network", "hub-network")
		w.same("routes of the hub", 0, len(w.routes(hub, out["RouteTableA"]))+len(w.routes(hub, out["RouteTableB"])))
	}
	_, stderr := w.axle(0, "prune", "--yes")
	w.has("another prune", stderr, "Nothing to prune")
	w.edit("axle.yaml", "home:", "spoke-to-hub:")
	got := w.run(0, "deploy").actions()
	w.same("what the deploy after it made", []int{6, 12}, []int{got["peering-request create"], got["peering-routes create"]})
	f.look(w, nil)
}

// guarded checks that the spoke role can be entered through the hub's only, and
// isn't an administrator, where anybody checks.
func (f flights) guarded(w *world) {
	w.t.Helper()
	if w.gaps.anyRole {
		return
	}
	caller := w.config(regions[0])
	for account := range f.spokes {
		spoke := "arn:aws:iam::" + account + ":role/axle-spoke"
		_, err := as(caller, spoke).Credentials.Retrieve(w.t.Context())
		w.denied("the spoke role without the hub's", err)
		through := as(as(caller, "arn:aws:iam::"+f.tools+":role/axle-hub"), spoke)
		w.same("stacks before", 1, len(w.stacks(through)))
		_, err = iam.NewFromConfig(through).CreateUser(w.t.Context(), &iam.CreateUserInput{UserName: aws.String("intruder")})
		w.denied("a user made by the spoke role", err)
	}
}

// denied checks that an error is AWS's no.
func (w *world) denied(what string, err error) {
	w.t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "AccessDenied" {
		w.t.Errorf("%s: %s wasn't denied: %v", w.name, what, err)
	}
}

// same compares what is with what should be.
func (w *world) same(what string, want, got any) {
	w.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		w.t.Errorf("%s: %s (-want +got):\n%s", w.name, what, d)
	}
}

// look checks the network with EC2, CloudFormation and SSM themselves. more is
// called for each spoke's account and region.
func (f flights) look(w *world, more func(aws.Config, spoke)) {
	w.t.Helper()
	for _, region := range regions {
		hub := w.in(f.tools, region)
		hubStack := w.deployed(hub, "flights-hub-network", "hub-network")
		hubVpc, hubCidr := hubStack["VpcId"], "10."+second[region]+".0.0/16"
		w.same("the hub's VPCs", map[string]string{hubVpc: hubCidr}, w.vpcs(hub))
		atHub := w.peerings(hub)
		w.same("peerings at the hub", len(f.spokes), len(atHub))
		var toSpokes []string
		for account, s := range f.spokes {
			at := w.in(account, region)
			cidr := "10." + s.net + "." + second[region] + ".0/24"
			out := w.deployed(at, "flights-spoke-network", "spoke-network")
			w.same("team", s.team, tag(w.stacks(at)["flights-spoke-network"].Tags, "team"))
			w.same("a spoke's VPCs", map[string]string{out["VpcId"]: cidr}, w.vpcs(at))
			w.same("the hub's VPC as the spoke knows it", hubVpc, w.parameter(at, "/network/hub-vpc"))
			id := f.peering(w, w.peerings(at), atHub, account, region, out["VpcId"], hubVpc)
			w.same("routes of the spoke", []string{hubCidr + " -> " + id}, w.routes(at, out["RouteTableId"]))
			toSpokes = append(toSpokes, cidr+" -> "+id)
			if more != nil {
				more(at, s)
			}
		}
		slices.Sort(toSpokes)
		w.same("routes A of the hub", toSpokes, w.routes(hub, hubStack["RouteTableA"]))
		w.same("routes B of the hub", toSpokes, w.routes(hub, hubStack["RouteTableB"]))
	}
	networks := strings.Split(w.parameter(w.in(f.tools, regions[0]), "/network/directory"), ",")
	w.same("networks in the directory", len(f.spokes)*len(regions), len(networks))
}

// deployed checks a stack of the project and returns its outputs.
func (w *world) deployed(cfg aws.Config, name, stack string) map[string]string {
	w.t.Helper()
	s, ok := w.stacks(cfg)[name]
	if !ok || s.StackStatus != cfntypes.StackStatusCreateComplete && s.StackStatus != cfntypes.StackStatusUpdateComplete {
		w.t.Fatalf("%s: stack %s in %s is %q", w.name, name, cfg.Region, s.StackStatus)
	}
	w.same("tags of "+name, []string{"flights", stack}, []string{tag(s.Tags, "axle:project"), tag(s.Tags, "axle:stack")})
	out := map[string]string{}
	for _, o := range s.Outputs {
		out[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return out
}

func tag(tags []cfntypes.Tag, key string) string {
	for _, t := range tags {
		if aws.ToString(t.Key) == key {
			return aws.ToString(t.Value)
		}
	}
	return ""
}

// peering finds the spoke's connection on both sides, and checks both.
func (f flights) peering(w *world, atSpoke, atHub map[string]ec2types.VpcPeeringConnection, account, region, vpc, hubVpc string) string {
	w.t.Helper()
	w.same("peerings at the spoke", 1, len(atSpoke))
	for id, p := range atSpoke {
		other, ok := atHub[id]
		if !ok {
			w.t.Fatalf("%s: the hub in %s doesn't have %s", w.name, region, id)
		}
		for side, p := range map[string]ec2types.VpcPeeringConnection{"requester": p, "accepter": other} {
			w.same("state at the "+side, ec2types.VpcPeeringConnectionStateReasonCodeActive, p.Status.Code)
			w.same("VPCs at the "+side, []string{vpc, hubVpc, f.tools}, []string{aws.ToString(p.RequesterVpcInfo.VpcId), aws.ToString(p.AccepterVpcInfo.VpcId), aws.ToString(p.AccepterVpcInfo.OwnerId)})
			tags := map[string]string{}
			for _, t := range p.Tags {
				tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
			w.same("tags at the "+side, []string{"flights", "spoke-to-hub"}, []string{tags["axle:project"], tags["axle:peering"]})
			if w.gaps.noPeeringDNS {
				continue
			}
			for _, info := range []*ec2types.VpcPeeringConnectionVpcInfo{p.RequesterVpcInfo, p.AccepterVpcInfo} {
				w.same("DNS resolution, seen at the "+side, true, info.PeeringOptions != nil && aws.ToBool(info.PeeringOptions.AllowDnsResolutionFromRemoteVpc))
			}
		}
		return id
	}
	return ""
}

// empty checks that nothing is left but the roles of bootstrap.
func (f flights) empty(w *world) {
	w.t.Helper()
	for _, account := range f.accounts() {
		for _, region := range regions {
			cfg := w.in(account, region)
			for name := range w.stacks(cfg) {
				if !strings.HasPrefix(name, "axle-role-") {
					w.t.Errorf("%s: stack %s is left in %s/%s", w.name, name, account, region)
				}
			}
			for id, cidr := range w.vpcs(cfg) {
				w.t.Errorf("%s: VPC %s %s is left in %s/%s", w.name, id, cidr, account, region)
			}
			for id, p := range w.peerings(cfg) {
				w.t.Errorf("%s: peering connection %s in %s is left in %s/%s", w.name, id, p.Status.Code, account, region)
			}
			for _, c := range w.changeSets(cfg) {
				w.t.Errorf("%s: change set %s is left in %s/%s", w.name, c, account, region)
			}
		}
	}
}
