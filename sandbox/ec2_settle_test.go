package sandbox

import (
	"testing"
	"time"
)

// A connection's status follows the clock: this sets its times instead of
// waiting for them.
func TestPeeringFollowsTheClock(t *testing.T) {
	s, err := New(Options{Accounts: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	s.lock()
	defer s.unlock()
	from, to := sortedKeys(s.st.Org.Members)[1], sortedKeys(s.st.Org.Members)[2]
	requester := s.callAs(identity{Account: from, ARN: "arn:aws:iam::" + from + ":root", Type: "root"}, "ec2", "eu-west-1")
	accepter := s.callAs(identity{Account: to, ARN: "arn:aws:iam::" + to + ":root", Type: "root"}, "ec2", "eu-west-1")
	vpcOf := func(c *call, cidr string) string {
		out, err := c.invoke("ec2", "CreateVpc", "", params{"CidrBlock": cidr})
		if err != nil {
			t.Fatal(err)
		}
		return text(out["vpc"].(obj)["vpcId"])
	}
	mine, theirs := vpcOf(requester, "10.1.0.0/16"), vpcOf(accepter, "10.2.0.0/16")
	ask := func() *peering {
		out, err := requester.invoke("ec2", "CreateVpcPeeringConnection", "", params{"VpcId": mine, "PeerVpcId": theirs, "PeerOwnerId": to})
		if err != nil {
			t.Fatal(err)
		}
		return requester.ec2().Peerings[text(out["vpcPeeringConnection"].(obj)["vpcPeeringConnectionId"])]
	}
	sees := func(c *call, id, status string) {
		t.Helper()
		got := ""
		if p := c.peering(id); p != nil {
			got = p.Status
		}
		if got != status {
			t.Errorf("account %s sees %q, want %q", c.Account.ID, got, status)
		}
	}

	p := ask()
	p.Next = s.now().Add(time.Hour) // the request is on its way
	sees(requester, p.ID, "initiating-request")
	sees(accepter, p.ID, "")
	p.Next = s.now()
	sees(accepter, p.ID, "pending-acceptance")
	p.Expires = s.now()
	sees(accepter, p.ID, "expired")
	if _, err := accepter.invoke("ec2", "AcceptVpcPeeringConnection", "", params{"VpcPeeringConnectionId": p.ID}); err == nil {
		t.Error("an expired request was accepted")
	}
	p.Since = s.now().Add(-49 * time.Hour)
	sees(requester, p.ID, "")

	p = ask()
	if _, err := accepter.invoke("ec2", "AcceptVpcPeeringConnection", "", params{"VpcPeeringConnectionId": p.ID}); err != nil {
		t.Fatal(err)
	}
	if _, err := accepter.invoke("ec2", "DeleteVpcPeeringConnection", "", params{"VpcPeeringConnectionId": p.ID}); err != nil {
		t.Fatal(err)
	}
	sees(requester, p.ID, "deleted")
	p.Since = s.now().Add(-3 * time.Hour) // who deleted it sees it for four hours, the other for two
	sees(accepter, p.ID, "deleted")
	sees(requester, p.ID, "")
}
