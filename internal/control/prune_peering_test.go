package control

import (
	"testing"

	"axle"
	"axle/internal/action"
	"axle/internal/plan"
)

var (
	prunedSpoke = axle.Target{Account: "222222222222", Region: "eu-west-1"}
	prunedHub   = axle.Target{Account: "333333333333", Region: "eu-west-1"}
)

// removals are the steps for connections of one peering.
func removals(p *plan.Plan, found ...lapsed) []axle.Step {
	w := &Work{org: &axle.Organization{Accounts: []axle.Account{{ID: "222222222222", Name: "dev"}, {ID: "333333333333", Name: "tools"}}}}
	return w.removePeerings(p, found)
}

func prunePlan() *plan.Plan {
	return &plan.Plan{Project: "p", Command: "prune", Accounts: map[string]axle.Account{}, Specs: map[string]*axle.Spec{}}
}

func onlyIDs(steps []axle.Step) (out []string) {
	for _, s := range steps {
		out = append(out, s.ID)
	}
	return out
}

// Each connection has its own steps, with what can be removed of it.
func TestRemovalSteps(t *testing.T) {
	at := func(id string, accepter axle.Target) action.Connection {
		return action.Connection{ID: id, Peering: "link", Requester: prunedSpoke, Accepter: accepter}
	}
	elsewhere := axle.Target{Account: "333333333333", Region: "us-east-1"}
	const link = "peering/link/222222222222/eu-west-1/"
	p := prunePlan()
	steps := removals(p, lapsed{Connection: at("pcx-1", prunedHub), at: prunedSpoke}, lapsed{Connection: at("pcx-2", elsewhere), at: prunedSpoke})
	same(t, "two connections of one requester", onlyIDs(steps), []string{link + "routes-accepter", link + "routes-requester", link + "request",
		link + "routes-accepter-pcx-2", link + "routes-requester-pcx-2", link + "request-pcx-2"})
	same(t, "the second's accepter", steps[3].Target(), elsewhere)
	same(t, "what the second waits for", steps[5].Needs, []string{link + "routes-accepter-pcx-2", link + "routes-requester-pcx-2"})
	same(t, "its inputs", steps[5].Input, map[string]axle.Value{"requester": {Literal: prunedSpoke.String()}, "peering": {Literal: "pcx-2"}})
	same(t, "accounts", len(p.Accounts), 2)
	if _, err := plan.Arrange(steps); err != nil {
		t.Error(err)
	}

	steps = removals(prunePlan(), lapsed{Connection: at("pcx-1", prunedHub), at: prunedSpoke, stays: "it is SUSPENDED"})
	same(t, "without the accepter", onlyIDs(steps), []string{link + "routes-requester", link + "request"})
	steps = removals(prunePlan(), lapsed{Connection: at("pcx-1", prunedHub), at: prunedHub})
	same(t, "without the requester", onlyIDs(steps), []string{link + "routes-accepter", link + "request"})
	same(t, "where it is deleted then", steps[1].Target(), prunedHub)
}

// A stack waits for the connections that begin or end where it is, and for no other.
func TestStacksGoAfterPeerings(t *testing.T) {
	stack := func(at axle.Target, needs ...string) axle.Step {
		return axle.Step{ID: plan.StackStep("net", at), Kind: plan.KindStack, Account: at.Account, Region: at.Region, Needs: needs}
	}
	elsewhere := axle.Target{Account: "222222222222", Region: "us-east-1"}
	request := "peering/link/222222222222/eu-west-1/request"
	stacks := []axle.Step{stack(prunedSpoke, "stack/reader"), stack(prunedHub), stack(elsewhere)}
	steps := afterPeerings(stacks, removals(prunePlan(), lapsed{Connection: action.Connection{ID: "pcx-1", Peering: "link", Requester: prunedSpoke, Accepter: prunedHub}, at: prunedSpoke}))
	got := map[axle.Target][]string{}
	for _, s := range steps {
		if s.Kind == plan.KindStack {
			got[s.Target()] = s.Needs
		}
	}
	same(t, "needs", got, map[axle.Target][]string{prunedSpoke: {request, "stack/reader"}, prunedHub: {request}, elsewhere: nil})
	same(t, "the stacks' own needs", stacks[0].Needs, []string{"stack/reader"})
}

// A prune that goes on leaves a connection that isn't surplus any more.
func TestHoldAgainPeerings(t *testing.T) {
	connection := func(id string) lapsed {
		return lapsed{Connection: action.Connection{ID: id, Peering: "link", Requester: prunedSpoke, Accepter: prunedHub}, at: prunedSpoke}
	}
	p, now := prunePlan(), prunePlan()
	p.Steps, now.Steps = removals(p, connection("pcx-1"), connection("pcx-2")), removals(now, connection("pcx-2"))
	holdAgain(p, now)
	for _, s := range p.Steps {
		if held := s.Input[axle.HeldInput].Literal != ""; held != (s.Input["peering"].Literal == "pcx-1") || s.Input["requester"].Literal == "" {
			t.Errorf("%s: %v", s.ID, s.Input)
		}
	}
}
