package plan

import (
	"maps"
	"slices"
	"strings"

	"axle"
	"axle/internal/config"
)

// addPeering adds the steps of a peering for every instance of the requester
// that the run acts on: request, accept, routes on both sides, DNS options on
// both sides. The accepter is found by the rules of output().
func (b *builder) addPeering(p *config.Peering) {
	requesters := b.instances[p.Requester.Stack.Value]
	if requesters == nil || b.instances[p.Accepter.Stack.Value] == nil {
		return // config has reported it
	}
	key := "peering/" + p.Name
	b.plan.Specs[key] = &axle.Spec{Peering: &axle.PeeringSpec{Project: b.plan.Project, Peering: p.Name, DNS: p.DNS}}
	for _, t := range requesters.all {
		if !requesters.narrowed[t] {
			continue
		}
		accepter, err := b.resolve(p.Accepter.Stack.Value, t, "", "")
		if err != nil && b.in.whole {
			continue
		}
		if err != nil {
			b.once(p.Accepter.Pos, "accepter of peering \""+p.Name+"\"", t, err, "narrow the accepter's targets, or give it one instance a region in the hub account")
			continue
		}
		if accepter == t && p.Accepter.Stack.Value == p.Requester.Stack.Value {
			continue // a VPC isn't peered with itself
		}
		connection{b, p, t, accepter}.addSteps()
	}
}

// connection is one peering connection on its way into the plan.
type connection struct {
	*builder
	peering             *config.Peering
	requester, accepter axle.Target
}

func (c connection) id(part string) string { return PeeringStep(c.peering.Name, c.requester, part) }

// side gives the outputs of one side's stack as values.
func (c connection) side(s *config.Side, at axle.Target) func(key string) axle.Value {
	step := c.need(s.Stack.Value, at, map[string]bool{})
	return func(key string) axle.Value { return axle.Value{Refs: []axle.Ref{{Steps: []string{step}, Key: key}}} }
}

func (c connection) addSteps() {
	from, to := c.side(&c.peering.Requester, c.requester), c.side(&c.peering.Accepter, c.accepter)
	made := axle.Value{Refs: []axle.Ref{{Steps: []string{c.id("request")}, Key: "PeeringId"}}}
	accepted := c.id("accept")

	c.add(axle.KindPeeringRequest, "request", c.requester, "", map[string]axle.Value{
		"vpc": from(c.peering.Requester.VPC.Value), "peer_vpc": to(c.peering.Accepter.VPC.Value),
		"peer_account": {Literal: c.accepter.Account}, "peer_region": {Literal: c.accepter.Region}})
	c.add(axle.KindPeeringAccept, "accept", c.accepter, "", map[string]axle.Value{"peering": made})
	if c.routed(&c.peering.Requester) {
		c.add(axle.KindPeeringRoutes, "routes-requester", c.requester, accepted, map[string]axle.Value{
			"peering": made, "cidr": to(c.peering.Accepter.CIDR.Value), "route_tables": tables(&c.peering.Requester, from)})
	}
	if c.routed(&c.peering.Accepter) {
		c.add(axle.KindPeeringRoutes, accepterRoutes, c.accepter, accepted, map[string]axle.Value{
			"peering": made, "cidr": from(c.peering.Requester.CIDR.Value), "route_tables": tables(&c.peering.Accepter, to)})
	}
	if c.peering.DNS {
		c.add(axle.KindPeeringDNS, "dns-requester", c.requester, accepted, map[string]axle.Value{"peering": made, "side": {Literal: "requester"}})
		c.add(axle.KindPeeringDNS, "dns-accepter", c.accepter, accepted, map[string]axle.Value{"peering": made, "side": {Literal: "accepter"}})
	}
}

// routed says whether a side has routes: to be made, or left from when axle.yaml
// named tables.
func (c connection) routed(s *config.Side) bool { return len(s.RouteTables) > 0 || c.in.Destroy }

// add adds one step, which needs what its inputs refer to, and after.
func (c connection) add(kind, part string, at axle.Target, after string, input map[string]axle.Value) {
	needs := map[string]bool{}
	if after != "" {
		needs[after] = true
	}
	for _, v := range input {
		for _, r := range v.Refs {
			for _, s := range r.Steps {
				needs[s] = true
			}
		}
	}
	input["requester"] = axle.Value{Literal: c.requester.String()}
	c.steps = append(c.steps, axle.Step{ID: c.id(part), Kind: kind, Name: c.peering.Name, Account: at.Account,
		AccountName: c.accounts[at.Account].Name, Region: at.Region, Spec: c.plan.Specs["peering/"+c.peering.Name],
		Needs: slices.Sorted(maps.Keys(needs)), Input: input})
}

// tables is the comma-separated list of a side's route tables. Each name is an
// output; one output may itself be a list.
func tables(s *config.Side, output func(string) axle.Value) axle.Value {
	v := axle.Value{}
	for i, name := range s.RouteTables {
		ref := output(name.Value).Refs[0]
		ref.Call = `output("` + s.Stack.Value + `", "` + name.Value + `")`
		if i > 0 {
			v.Expr += ","
		}
		v.Expr += "${{ " + ref.Call + " }}"
		v.Refs = append(v.Refs, ref)
	}
	return v
}

// accepterRoutes is the part of a destroyed peering that tells where it ends.
const accepterRoutes = "routes-accepter"

// Peering names one connection of a peering by where it begins and ends.
type Peering struct {
	Name                string
	Requester, Accepter axle.Target
}

// Peerings are the connections that a plan makes, or removes: a deploy accepts where
// one ends, a destroy removes its routes there.
func (p *Plan) Peerings() []Peering {
	var out []Peering
	for i := range p.Steps {
		s := &p.Steps[i]
		part := "accept"
		if s.Delete {
			part = accepterRoutes
		}
		if s.Kind != axle.KindPeeringAccept && s.Kind != axle.KindPeeringRoutes {
			continue
		}
		account, region, _ := strings.Cut(s.Input["requester"].Literal, "/")
		requester := axle.Target{Account: account, Region: region}
		if s.ID == PeeringStep(s.Name, requester, part) {
			out = append(out, Peering{s.Name, requester, s.Target()})
		}
	}
	return out
}

// turnAround makes a destroy of what was built as a deploy: every edge is
// reversed, and of a peering the routes go first, then the connection.
func (b *builder) turnAround() {
	kept := b.steps[:0]
	for _, s := range b.steps {
		if s.Kind == KindStack || s.Kind == axle.KindPeeringRequest || s.Kind == axle.KindPeeringRoutes {
			kept = append(kept, s)
		}
	}
	index := make(map[string]int, len(kept))
	needs := make([][]string, len(kept))
	for i := range kept {
		index[kept[i].ID] = i
	}
	for i := range kept {
		for _, n := range kept[i].Needs {
			if j, ok := index[n]; ok {
				needs[j] = append(needs[j], kept[i].ID)
			}
		}
	}
	for i := range kept {
		slices.Sort(needs[i])
		kept[i].Needs = needs[i]
		kept[i].Delete = true
		requester := kept[i].Input["requester"]
		kept[i].Input = nil
		if kept[i].Kind != KindStack {
			kept[i].Input = map[string]axle.Value{"requester": requester}
		}
	}
	b.steps = kept
}
