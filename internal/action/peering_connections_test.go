package action

import (
	"errors"
	"slices"
	"testing"

	"axle"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// retag sets a tag of a connection in one account, or takes it away.
func (w *world) retag(at axle.Target, connection, key, value string) {
	w.t.Helper()
	client, as := w.EC2(at)
	var err error
	if value == "" {
		_, err = client.DeleteTags(w.t.Context(), &ec2.DeleteTagsInput{Resources: []string{connection}, Tags: []types.Tag{{Key: &key}}}, as)
	} else {
		_, err = client.CreateTags(w.t.Context(), &ec2.CreateTagsInput{Resources: []string{connection}, Tags: []types.Tag{{Key: &key, Value: &value}}}, as)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// live are the connections that Axle finds as the project's in a place.
func (w *world) live(at axle.Target) []Connection {
	w.t.Helper()
	found, err := NewPeering(w).Connections(w.t.Context(), axle.Account{ID: at.Account}, at.Region, "flights")
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

func TestConnectionsAreThoseWithAllTags(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	p := &pair{name: "p", from: w.network(spokeAt, "10.1.0.0/16", 1), to: w.network(hubAt, "10.2.0.0/16", 1)}
	p.deploy(t, NewPeering(w))
	want := []Connection{{ID: p.peering, Peering: "p", Requester: spokeAt, Accepter: hubAt}}
	for _, at := range []axle.Target{spokeAt, hubAt} {
		if got := w.live(at); !slices.Equal(got, want) {
			t.Errorf("in %s: %+v, want %+v", at, got, want)
		}
	}
	for _, tag := range []struct{ key, wrong, right string }{
		{tagProject, "others", "flights"}, {tagProject, "", "flights"}, {tagPeering, "", "p"},
		{tagRequester, "", spokeAt.String()}, {tagRequester, hubAt.String(), spokeAt.String()},
	} {
		w.retag(spokeAt, p.peering, tag.key, tag.wrong)
		if got := w.live(spokeAt); len(got) != 0 {
			t.Errorf("with %s=%q: %+v", tag.key, tag.wrong, got)
		}
		w.retag(spokeAt, p.peering, tag.key, tag.right)
	}
	if len(w.live(spokeAt)) != 1 {
		t.Error("with its tags again it isn't found")
	}
	p.destroy(t, NewPeering(w))
	if got := w.live(spokeAt); len(got) != 0 {
		t.Errorf("deleted: %+v", got)
	}
}

// A deletion of one connection leaves another of the same peering and requester, and
// removes the accepter's routes though the accepter's tags are missing.
func TestDeletionOfOneConnection(t *testing.T) {
	w := embedded(t, sandbox.Options{})
	a, from, parts := NewPeering(w), w.network(spokeAt, "10.1.0.0/16", 1), []string{"routes-requester", "routes-accepter", "request"}
	old := &pair{name: "p", from: from, to: w.network(hubAt, "10.2.0.0/16", 1)}
	old.deploy(t, a)
	w.retag(spokeAt, old.peering, tagPeering, "other") // hidden from the request, which would delete it
	wanted := &pair{name: "p", from: from, to: w.network(axle.Target{Account: hubAt.Account, Region: "us-east-1"}, "10.3.0.0/16", 1)}
	wanted.deploy(t, a)
	remove := func(held string) (changes []axle.Change, err error) {
		for _, part := range parts {
			in := axle.Inputs{Values: map[string]string{"requester": spokeAt.String(), ConnectionInput: old.peering, axle.HeldInput: held}}
			r, failed := run(a, old.step(part, true), in)
			changes, err = append(changes, r.Change), errors.Join(err, failed)
		}
		return changes, err
	}

	// What has lost our tags isn't touched by its requester's steps.
	if r, err := run(a, old.step("request", true), axle.Inputs{Values: map[string]string{"requester": spokeAt.String(), ConnectionInput: old.peering}}); err != nil || r.Change != axle.None {
		t.Errorf("delete what is another peering's: %v %v", r.Change, err)
	}
	w.retag(spokeAt, old.peering, tagPeering, "p")
	w.retag(hubAt, old.peering, tagProject, "")
	var f *axle.Failure
	if changes, err := remove("it is wanted again"); !errors.As(err, &f) || !f.Blocked || f.Code != "InUse" || slices.Contains(changes, axle.Delete) {
		t.Errorf("held: %v %v", changes, err)
	}
	changes, err := remove("")
	if err != nil {
		t.Fatal(err)
	}
	w.same("removal", changes, all(axle.Delete, 3))
	if changes, err = remove("it is wanted again"); err != nil { // what is gone isn't held
		t.Errorf("removal of what is gone: %v", err)
	}
	w.same("removal again", changes, all(axle.None, 3))
	if got := w.routes(old.to); len(got) != 0 {
		t.Errorf("the accepter's routes stay: %v", got)
	}
	if got := w.routes(from); len(got) != 1 || got[0] != from.tables[0]+" 10.3.0.0/16 "+wanted.peering {
		t.Errorf("the requester's routes: %v", got)
	}
	if got := w.live(spokeAt); len(got) != 1 || got[0].ID != wanted.peering {
		t.Errorf("left: %+v, want %s", got, wanted.peering)
	}
}

// Of a connection within one region EC2 may leave the region out.
func TestSideWithoutRegion(t *testing.T) {
	side := &types.VpcPeeringConnectionVpcInfo{OwnerId: aws.String("333333333333")}
	if got := sideOf(side, "eu-west-1"); got != hubAt {
		t.Errorf("got %s", got)
	}
	if got := sideOf(nil, "eu-west-1"); got != (axle.Target{}) {
		t.Errorf("got %s", got)
	}
}
