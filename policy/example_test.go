package policy_test

import (
	"fmt"

	"axle/policy"
)

// A hub's role wants to assume a role of another account: its own policy allows
// it, but the trust policy there wants an external id.
func ExampleEvaluate() {
	parse := func(doc string) *policy.Policy {
		p, err := policy.Parse([]byte(doc))
		if err != nil {
			fmt.Println(err)
		}
		return p
	}
	all := &policy.Policies{
		Identity: []*policy.Policy{parse(`{"Version": "2012-10-17", "Statement": {
			"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/axle-spoke"}}`)},
		Resource: parse(`{"Version": "2012-10-17", "Statement": {
			"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111111111111:role/axle-hub"}, "Action": "sts:AssumeRole",
			"Condition": {"StringEquals": {"sts:ExternalId": "flights"}}}}`),
	}
	req := &policy.Request{
		Principal: policy.ParsePrincipal("arn:aws:sts::111111111111:assumed-role/axle-hub/run-1"),
		Action:    "sts:AssumeRole", Resource: "arn:aws:iam::222222222222:role/axle-spoke", ResourceAccount: "222222222222",
	}
	d := policy.Evaluate(req, all)
	fmt.Println(d.Verdict, "in account", d.Account)
	fmt.Println(d.Reason(req.Action))

	req.Context = map[string][]string{"sts:ExternalId": {"flights"}}
	fmt.Println(policy.Evaluate(req, all).Verdict)
	// Output:
	// ImplicitlyDenied in account 222222222222
	// because no role trust policy allows the sts:AssumeRole action
	// Allowed
}
