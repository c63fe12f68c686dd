package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func rowsOf(l *Listing) []string {
	var out []string
	for _, r := range l.Rows {
		name := r.Principal[strings.LastIndexByte(r.Principal, '/')+1:]
		via := ""
		for _, v := range r.Via {
			via += " > " + v[strings.LastIndexByte(v, '/')+1:]
		}
		out = append(out, fmt.Sprintf("%s: %s%s %s %s", r.Path, name, via, strings.Join(r.Actions, ","), r.Verdict))
	}
	return out
}

func TestWho(t *testing.T) {
	w := newWorld()
	arn := w.queue(`{"Effect":"Allow","Principal":{"AWS":["` + roleARN(dev, "app") + `","` + third + `","arn:aws:iam::` + outside + `:role/partner"]},"Action":"sqs:SendMessage","Resource":"*"},
		{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:eu-west-1:` + dev + `:t"}}}`)
	w.role(dev, "app", trusts(roleARN(dev, "ci")), allow("sqs:SendMessage", "*"))
	w.role(dev, "unnamed", trusts(dev), allow("sqs:*", "*"))
	w.role(dev, "ci", trusts(dev), allow("sts:AssumeRole", "*"))
	w.role(third, "worker", trusts(third), allow("sqs:SendMessage", "*"))
	w.role(third, "idle", trusts(third))
	// Who sends only, directly, receives as well by the role that trusts it.
	w.role(data, "receiver", trusts(roleARN(third, "worker")), allow("sqs:*", "*"))
	w.accounts[third].Principals[0].Policies = append(w.accounts[third].Principals[0].Policies, Document{Name: "more", Text: doc(allow("sts:AssumeRole", "*"))})
	w.role(data, "admin", trusts(management), allow("*", "*"))
	w.role(data, "pod", `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::`+data+`:oidc-provider/oidc.example/1"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"oidc.example/1:sub":"system:serviceaccount:shop:orders","oidc.example/1:aud":"sts.amazonaws.com"}}}`, allow("sqs:ReceiveMessage", "*"))
	w.role(management, "hub", trusts(management), allow("sts:AssumeRole", "*"))
	l, err := w.facts().Who(t.Context(), arn, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"outside account: partner sqs:SendMessage conditional",
		"OIDC: 1 > pod sqs:ReceiveMessage conditional",
		"service: sns.amazonaws.com sqs:SendMessage conditional",
		"direct: app sqs:SendMessage allowed",
		"account delegation: worker sqs:SendMessage allowed",
		"identity: admin sqs:SendMessage,sqs:ReceiveMessage allowed",
		"identity: arn:aws:iam::" + data + ":root sqs:SendMessage,sqs:ReceiveMessage allowed",
		"identity: pod sqs:ReceiveMessage allowed",
		"identity: receiver sqs:SendMessage,sqs:ReceiveMessage allowed",
		"role chain: worker > receiver sqs:ReceiveMessage allowed",
		"role chain: hub > admin sqs:SendMessage,sqs:ReceiveMessage allowed",
		"role chain: ci > app sqs:SendMessage allowed",
	}
	got := rowsOf(l)
	a, b := slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(a, b) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	for _, r := range l.Rows {
		if r.Path == PathOIDC && !slices.Equal(r.Subjects, []string{"system:serviceaccount:shop:orders"}) {
			t.Errorf("subjects: %v", r.Subjects)
		}
	}
	// What can't be read is said.
	w.closed[third] = true
	if l, err = w.facts().Who(t.Context(), arn, "", nil); err != nil || len(l.Missing) != 1 || !strings.Contains(l.Missing[0].What, "third") {
		t.Errorf("missing: %+v, %v", l, err)
	}
}

func TestWhoPublic(t *testing.T) {
	w := newWorld()
	w.role(dev, "app", trusts(dev), allow("sqs:*", "*"))
	arn := w.queue(`{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}`)
	l, err := w.facts().Who(t.Context(), arn, "", []string{"sqs:SendMessage"})
	if err != nil {
		t.Fatal(err)
	}
	if got := rowsOf(l); !slices.Contains(got, "public: * sqs:SendMessage allowed") || !slices.Contains(got, "everyone: app sqs:SendMessage allowed") {
		t.Errorf("got %v", got)
	}
	arn = w.queue(`{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}}`)
	if l, err = w.facts().Who(t.Context(), arn, "", []string{"sqs:SendMessage"}); err != nil || strings.Contains(strings.Join(rowsOf(l), " "), "public") {
		t.Errorf("of the organization: %v, %v", rowsOf(l), err)
	}
}
