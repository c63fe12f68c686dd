package pattern

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"axle/policy"
)

// world evaluates the policies of a bundle as AWS would.
type world struct {
	t    *testing.T
	docs []Document
}

func parsed(t *testing.T, doc Map) *policy.Policy {
	t.Helper()
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse(raw)
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return p
}

func (w *world) of(kind policy.Kind, on string) []*policy.Policy {
	var out []*policy.Policy
	for _, d := range w.docs {
		if d.Kind == kind && d.On == on {
			out = append(out, parsed(w.t, d.Policy))
		}
	}
	return out
}

// try is one request: who, by which identity policies, on a resource of owner.
type try struct {
	who, action, arn, on, owner string // on: what the policy is attached to
	context                     map[string][]string
	identity, resource          *policy.Policy // in place of the bundle's
}

func (w *world) allows(r try) bool {
	w.t.Helper()
	p := &policy.Policies{}
	if r.identity != nil {
		p.Identity = []*policy.Policy{r.identity}
	} else if strings.HasPrefix(r.who, "arn:") {
		p.Identity = w.of(policy.IdentityPolicy, r.who)
	}
	kind := policy.ResourcePolicy
	if strings.HasPrefix(r.action, "sts:Assume") || r.action == "sts:TagSession" {
		kind = policy.TrustPolicy
	}
	if list := w.of(kind, r.on); len(list) > 0 {
		p.Resource = list[0]
	}
	if r.resource != nil {
		p.Resource = r.resource
	}
	who := policy.ParsePrincipal(r.who)
	if who.Type == policy.AssumedRole {
		who.ARN = strings.Replace(strings.Replace(r.who, ":iam:", ":sts:", 1), ":role/", ":assumed-role/", 1) + "/session"
		who.RoleARN = r.who
	}
	req := &policy.Request{Principal: who, Action: r.action, Resource: r.arn, ResourceAccount: r.owner, Context: r.context}
	return policy.Evaluate(req, p).Allowed()
}

// open allows everything, to everybody: then the other side alone decides.
func open(t *testing.T, principal bool) *policy.Policy {
	m := Map{{"Effect", "Allow"}, {"Action", "*"}, {"Resource", "*"}}
	if principal {
		m = append(m, Pair{"Principal", "*"})
	}
	return parsed(t, Map{{"Version", "2012-10-17"}, {"Statement", []any{m}}})
}

// concrete is an ARN that a pattern matches.
func concrete(arn string) string {
	return strings.NewReplacer("??????", "AbCdEf", "*", "some/thing").Replace(arn)
}

// without are all the ways of leaving one statement out, but not those that are
// the owner's own.
func without(docs []Document) [][]Document {
	var out [][]Document
	for i, d := range docs {
		list := d.Policy[1].Value.([]any)
		for j := range list {
			if list[j].(Map)[0].Value == "OwnerAdministers" {
				continue
			}
			c := slices.Clone(docs)
			c[i].Policy = Map{d.Policy[0], {"Statement", slices.Delete(slices.Clone(list), j, j+1)}}
			out = append(out, c)
		}
	}
	return out
}

func statementName(all, some []Document) string {
	for i := range all {
		a, b := all[i].Policy[1].Value.([]any), some[i].Policy[1].Value.([]any)
		for j := range a {
			if j >= len(b) || fmt.Sprint(a[j]) != fmt.Sprint(b[j]) {
				return fmt.Sprintf("%v of %s", a[j].(Map)[0].Value, all[i].On)
			}
		}
	}
	return "?"
}
