package access

import (
	"fmt"
	"testing"
	"time"

	"axle"
)

// BenchmarkWho is an organization of 200 accounts with 50 roles each, all of
// which are asked for.
func BenchmarkWho(b *testing.B) {
	w := newWorld()
	arn := w.queue(`{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}`)
	org := &axle.Organization{ID: "o-1", Management: management, Accounts: []axle.Account{{ID: data, Name: "data", OUIDs: []string{"r-1"}}}}
	for i := range 200 {
		id := fmt.Sprintf("3%011d", i)
		org.Accounts = append(org.Accounts, axle.Account{ID: id, Name: fmt.Sprintf("a%d", i), OUIDs: []string{"r-1"}})
		for j := range 50 {
			action := "s3:*"
			if j%25 == 0 {
				action = "sqs:*"
			}
			w.role(id, fmt.Sprintf("r%d", j), trusts(id), allow(action, "*"), allow("ec2:*", "*"))
		}
	}
	org.Sort()
	for b.Loop() {
		if _, err := New(org, w, nil, time.Now()).Who(b.Context(), arn, "", nil); err != nil {
			b.Fatal(err)
		}
	}
}
