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

// Why is it denied, and what would allow it? Both sides say no.
func ExampleExplain() {
	p, err := policy.Parse([]byte(`{"Version": "2012-10-17", "Statement": {"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}`))
	if err != nil {
		fmt.Println(err)
	}
	req := &policy.Request{
		Principal: policy.ParsePrincipal("arn:aws:sts::111111111111:assumed-role/axle-hub/run-1"),
		Action:    "s3:GetObject", Resource: "arn:aws:s3:::flights/today", ResourceAccount: "222222222222",
	}
	for _, line := range policy.Explain(req, &policy.Policies{Identity: []*policy.Policy{p.Named("inline policy of axle-hub")}}).Tree() {
		fmt.Println(line)
	}
	// Output:
	// ImplicitlyDenied: no resource-based policy in 222222222222 allows s3:GetObject
	//   222222222222: resource-based policy isn't there
	//   111111111111: inline policy of axle-hub allows (statement 0 Read)
	//   to allow it: add to the bucket policy of arn:aws:s3:::flights in 222222222222: {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:role/axle-hub"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::flights/today"}
}
