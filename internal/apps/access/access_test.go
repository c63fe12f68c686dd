package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"axle"
)

// world is a source made by hand.
type world struct {
	accounts  map[string]*Account
	rails     map[string]*Guardrails
	resources map[string]*Resource
	owners    map[string]string
	closed    map[string]bool // accounts that can't be read
	mu        sync.Mutex
	read      []string
}

func (w *world) Account(_ context.Context, a axle.Account) (*Account, error) {
	w.mu.Lock()
	w.read = append(w.read, a.ID)
	w.mu.Unlock()
	if w.closed[a.ID] {
		return nil, &axle.Failure{Code: "AccessDenied", Message: "assume role axle-spoke in " + a.Label() + ": AccessDenied"}
	}
	if found := w.accounts[a.ID]; found != nil {
		return found, nil
	}
	return &Account{ID: a.ID}, nil
}

func (w *world) Guardrails(_ context.Context, a axle.Account) (*Guardrails, error) {
	if w.closed["rails"] {
		return nil, errors.New("AccessDenied")
	}
	if g := w.rails[a.ID]; g != nil {
		return g, nil
	}
	return &Guardrails{}, nil
}

func (w *world) Owner(_ context.Context, arn string, _ []axle.Account) (string, error) {
	return w.owners[arn], nil
}

func (w *world) Resource(_ context.Context, arn, account string) (*Resource, error) {
	if w.closed[account] {
		return nil, errors.New("AccessDenied")
	}
	if r := w.resources[arn]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("%s: %w", arn, ErrNotFound)
}

const (
	management = "111111111111"
	dev        = "200000000001"
	data       = "200000000002"
	third      = "200000000003"
	outside    = "999999999999"
)

func newWorld() *world {
	return &world{accounts: map[string]*Account{}, rails: map[string]*Guardrails{}, resources: map[string]*Resource{}, owners: map[string]string{}, closed: map[string]bool{}}
}

func (w *world) facts() *Facts { return w.over(nil) }

func (w *world) over(p *Planned) *Facts {
	org := &axle.Organization{ID: "o-1", Management: management, Accounts: []axle.Account{
		{ID: management, Name: "management", OUIDs: []string{"r-1"}, Management: true},
		{ID: dev, Name: "dev", OUIDs: []string{"r-1", "ou-w"}},
		{ID: data, Name: "data", OUIDs: []string{"r-1", "ou-w"}},
		{ID: third, Name: "third", OUIDs: []string{"r-1"}},
	}}
	return New(org, w, p, time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC))
}

func roleARN(account, name string) string { return "arn:aws:iam::" + account + ":role/" + name }

// role adds a role; policies are statements.
func (w *world) role(account, name, trust string, policies ...string) *Principal {
	p := &Principal{ARN: roleARN(account, name), ID: "AROA" + name, Trust: &Document{Name: "trust of " + name, Text: doc(trust)}}
	for i, s := range policies {
		p.Policies = append(p.Policies, Document{Name: fmt.Sprintf("%s policy %d", name, i), Text: doc(s)})
	}
	if w.accounts[account] == nil {
		w.accounts[account] = &Account{ID: account}
	}
	w.accounts[account].Principals = append(w.accounts[account].Principals, p)
	return p
}

func doc(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

func allow(action, resource string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
}

func trusts(arn string) string {
	return `{"Effect":"Allow","Principal":{"AWS":"` + arn + `"},"Action":"sts:AssumeRole"}`
}

func (w *world) queue(statements string) string {
	arn := "arn:aws:sqs:eu-west-1:" + data + ":orders"
	r := &Resource{ARN: arn}
	if statements != "" {
		r.Policy = &Document{Name: "policy of orders", Text: doc(statements)}
	}
	w.resources[arn] = r
	return arn
}

func ask(t *testing.T, f *Facts, q Request) *Answer {
	t.Helper()
	a, err := f.Can(t.Context(), q)
	if err != nil {
		t.Fatalf("Can(%v): %v", q, err)
	}
	return a
}

func TestBothSides(t *testing.T) {
	grant := func(principal, condition string) string {
		return `{"Effect":"Allow","Principal":` + principal + `,"Action":"sqs:SendMessage","Resource":"*"` + condition + `}`
	}
	app := `{"AWS":"` + roleARN(dev, "app") + `"}`
	for name, c := range map[string]struct {
		identity, resource string
		context            map[string][]string
		change             func(*world)
		want               Verdict
	}{
		"neither":               {want: Denied},
		"identity alone":        {identity: allow("sqs:*", "*"), want: Denied},
		"resource alone":        {resource: grant(app, ""), want: Denied},
		"both":                  {identity: allow("sqs:*", "*"), resource: grant(app, ""), want: Allowed},
		"account delegation":    {identity: allow("sqs:*", "*"), resource: grant(`{"AWS":"`+dev+`"}`, ""), want: Allowed},
		"another account":       {identity: allow("sqs:*", "*"), resource: grant(`{"AWS":"`+third+`"}`, ""), want: Denied},
		"the organization":      {identity: allow("sqs:*", "*"), resource: grant(`"*"`, `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`), want: Allowed},
		"another organization":  {identity: allow("sqs:*", "*"), resource: grant(`"*"`, `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-2"}}`), want: Denied},
		"an OU":                 {identity: allow("sqs:*", "*"), resource: grant(`"*"`, `,"Condition":{"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-1/r-1/ou-w/*"}}`), want: Allowed},
		"a tag":                 {identity: allow("sqs:*", "*"), resource: grant(`"*"`, `,"Condition":{"StringEquals":{"aws:PrincipalTag/Team":"blue"}}`), want: Allowed},
		"a tag that isn't":      {identity: allow("sqs:*", "*"), resource: grant(`"*"`, `,"Condition":{"StringEquals":{"aws:PrincipalTag/other":"blue"}}`), want: Denied},
		"a condition":           {identity: allow("sqs:*", "*"), resource: grant(app, `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), want: Conditional},
		"that holds":            {identity: allow("sqs:*", "*"), resource: grant(app, `,"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), context: map[string][]string{"aws:SourceIp": {"10.1.2.3"}}, want: Allowed},
		"without TLS only":      {identity: allow("sqs:*", "*"), resource: grant(app, `,"Condition":{"Bool":{"aws:SecureTransport":"false"}}`), want: Denied},
		"of services only":      {identity: allow("sqs:*", "*"), resource: grant(app, `,"Condition":{"ArnLike":{"aws:SourceArn":"*"}}`), want: Denied},
		"until yesterday":       {identity: allow("sqs:*", "*"), resource: grant(app, `,"Condition":{"DateLessThan":{"aws:CurrentTime":"2026-11-20T00:00:00Z"}}`), want: Denied},
		"never across accounts": {identity: allow("sqs:*", "*"), resource: strings.Replace(grant(app, ""), "SendMessage", "*", 1), want: Allowed},
		"an SCP denies":         {identity: allow("sqs:*", "*"), resource: grant(app, ""), change: scp(`{"Sid":"No","Effect":"Deny","Action":"sqs:*","Resource":"*"}`), want: Denied},
		"an SCP doesn't allow":  {identity: allow("sqs:*", "*"), resource: grant(app, ""), change: scp(allow("s3:*", "*")), want: Denied},
		"an RCP denies": {identity: allow("sqs:*", "*"), resource: grant(app, ""), change: func(w *world) {
			w.rails[data] = &Guardrails{RCP: [][]Document{{{Name: "RCP", Text: doc(`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}`)}}}}
		}, want: Denied},
		"a boundary": {identity: allow("sqs:*", "*"), resource: grant(app, ""), change: func(w *world) {
			w.accounts[dev].Principals[0].Boundary = &Document{Name: "boundary", Text: doc(allow("s3:*", "*"))}
		}, want: Denied},
		"SCPs that aren't known": {identity: allow("sqs:*", "*"), resource: grant(app, ""), change: func(w *world) { w.closed["rails"] = true }, want: Unknown},
		"and don't matter":       {resource: grant(app, ""), change: func(w *world) { w.closed["rails"] = true }, want: Denied},
		"the resource isn't":     {identity: allow("sqs:*", "*"), change: func(w *world) { w.closed[data] = true }, want: Unknown},
		"not understood":         {identity: `{"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"SringEquals":{"a:b":"c"}}}`, resource: grant(app, ""), want: Unknown},
		"contested":              {identity: allow("sqs:*", "*"), resource: grant(`{"AWS":"`+roleARN(dev, "APP")+`"}`, ""), want: Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			var policies []string
			if c.identity != "" {
				policies = []string{c.identity}
			}
			w.role(dev, "app", trusts(dev), policies...).Tags = map[string]string{"team": "blue"}
			arn := w.queue(c.resource)
			if c.change != nil {
				c.change(w)
			}
			a := ask(t, w.facts(), Request{Principal: "dev/app", Action: "sqs:SendMessage", Resource: arn, Context: c.context})
			if a.Verdict != c.want {
				t.Errorf("got %s, want %s: %+v", a.Verdict, c.want, a)
			}
			if a.Verdict == Unknown && len(a.Missing) == 0 {
				t.Error("unknown, and nothing is missing")
			}
		})
	}
}

// TestLevelWithoutSCPs: whose level lacks one is said by its name.
func TestLevelWithoutSCPs(t *testing.T) {
	w := newWorld()
	w.role(dev, "app", trusts(dev), allow("sqs:*", "*"))
	all := []Document{{Name: "SCP all", Text: allowAll}}
	w.rails[dev] = &Guardrails{SCP: [][]Document{all, {}, all}, Levels: []string{"the root", "OU /Workloads", "dev"}}
	a := ask(t, w.facts(), Request{Principal: "dev/app", Action: "sqs:ListQueues", Resource: "*"})
	if a.Verdict != Denied || len(a.Changes) == 0 || !strings.Contains(a.Changes[0].Text, "OU /Workloads") ||
		!slices.ContainsFunc(a.Policies, func(s Says) bool { return s.Why == "OU /Workloads has none" }) {
		t.Errorf("%+v", a)
	}
}

func scp(statement string) func(*world) {
	return func(w *world) {
		w.rails[dev] = &Guardrails{SCP: [][]Document{{{Name: "SCP all at the root", Text: allowAll}}, {{Name: "SCP at dev", Text: doc(statement)}, {Name: "more", Text: doc(allow("sts:*", "*"))}}}}
	}
}

func TestUnreadablePrincipal(t *testing.T) {
	w := newWorld()
	w.closed[dev] = true
	granted := w.queue(`{"Effect":"Allow","Principal":{"AWS":"` + dev + `"},"Action":"sqs:*","Resource":"*"}`)
	q := Request{Principal: roleARN(dev, "app"), Action: "sqs:SendMessage", Resource: granted}
	if a := ask(t, w.facts(), q); a.Verdict != Unknown || len(a.Missing) != 1 || !strings.Contains(a.Missing[0].What, "role app of dev") {
		t.Errorf("granted by the other side: %+v", a)
	}
	w.queue(`{"Effect":"Allow","Principal":{"AWS":"` + third + `"},"Action":"sqs:*","Resource":"*"}`)
	if a := ask(t, w.facts(), q); a.Verdict != Denied || !strings.Contains(a.Note, "there may be a way by roles of dev") {
		t.Errorf("whatever its policies, the other side refuses: %+v", a)
	}
	if _, err := w.facts().Can(t.Context(), Request{Principal: "dev/app", Action: "sqs:SendMessage", Resource: granted}); err == nil {
		t.Error("a name can't be found where nothing can be read")
	}
}

func TestExternalID(t *testing.T) {
	w := newWorld()
	w.role(dev, "hub", trusts(dev), allow("sts:AssumeRole", "*"))
	w.role(data, "spoke", strings.Replace(trusts(roleARN(dev, "hub")), `}`, `},"Condition":{"StringEquals":{"sts:ExternalId":"s3cret"}}`, 1))
	for id, want := range map[string]Verdict{"s3cret": Allowed, "other": Denied, "": Denied} {
		a, err := w.facts().CanAssume(t.Context(), roleARN(dev, "hub"), roleARN(data, "spoke"), id)
		if err != nil || a.Verdict != want {
			t.Errorf("external id %q: %v, %v, want %s", id, a, err, want)
		}
	}
	if a := ask(t, w.facts(), Request{Principal: "dev/hub", Action: "sts:AssumeRole", Resource: roleARN(data, "spoke")}); a.Verdict != Conditional || !slices.Equal(a.Keys, []string{"sts:externalid"}) {
		t.Errorf("without saying: %+v", a)
	}
	if a := ask(t, w.facts(), Request{Principal: "dev/hub", Action: "sts:AssumeRole", Resource: roleARN(data, "gone")}); a.Verdict != Denied || !strings.Contains(a.Note, "isn't there") {
		t.Errorf("a role that isn't there: %+v", a)
	}
}

// TestChains has chains of one to four roles, with a cycle among them.
func TestChains(t *testing.T) {
	for hops := 1; hops <= 4; hops++ {
		for _, cycle := range []bool{false, true} {
			w := newWorld()
			arn := w.queue("")
			accounts := []string{dev, third, data, third, data}
			names := []string{"app", "one", "two", "three", "four"}
			w.role(dev, "app", trusts(dev), allow("sts:AssumeRole", "*"))
			for i := 1; i <= hops; i++ {
				account := accounts[i]
				if i == hops {
					account = data
				}
				accounts[i] = account
				trust := trusts(roleARN(accounts[i-1], names[i-1]))
				if cycle && i > 1 {
					trust += "," + trusts(roleARN(data, names[hops]))
				}
				policy := allow("sts:AssumeRole", "*")
				if i == hops {
					policy = allow("sqs:*", "*")
					if cycle {
						policy += "," + allow("sts:AssumeRole", "*")
					}
				}
				w.role(account, names[i], trust, policy)
			}
			a := ask(t, w.facts(), Request{Principal: "dev/app", Action: "sqs:SendMessage", Resource: arn})
			want := Allowed
			if hops > 3 {
				want = Denied
			}
			if a.Verdict != want || want == Allowed && (len(a.Via) != hops || a.Direct != Denied || len(a.Hops) != hops+1) {
				t.Errorf("%d hops, cycle %v: %s via %v", hops, cycle, a.Verdict, a.Via)
			}
		}
	}
}

// TestWebIdentity: a pod gets in as the role that trusts its service account.
func TestWebIdentity(t *testing.T) {
	w := newWorld()
	arn := w.queue("")
	provider := "arn:aws:iam::" + data + ":oidc-provider/oidc.example/1"
	w.role(data, "pod", `{"Effect":"Allow","Principal":{"Federated":"`+provider+`"},"Action":"sts:AssumeRoleWithWebIdentity",
		"Condition":{"StringEquals":{"oidc.example/1:sub":"system:serviceaccount:shop:orders"}}}`, allow("sqs:SendMessage", "*"))
	for sub, want := range map[string]Verdict{"system:serviceaccount:shop:orders": Allowed, "system:serviceaccount:shop:other": Denied, "": Conditional} {
		q := Request{Principal: provider, Action: "sqs:SendMessage", Resource: arn, Context: map[string][]string{}}
		if sub != "" {
			q.Context["oidc.example/1:sub"] = []string{sub}
		}
		if a := ask(t, w.facts(), q); a.Verdict != want || want != Denied && len(a.Via) != 1 {
			t.Errorf("%q: %s via %v, want %s", sub, a.Verdict, a.Via, want)
		}
	}
}

// TestReadsOnlyWhatConcerns: accounts that neither side names aren't read.
func TestReadsOnlyWhatConcerns(t *testing.T) {
	w := newWorld()
	w.role(dev, "app", trusts(dev), allow("sqs:*", "*"))
	arn := w.queue("")
	ask(t, w.facts(), Request{Principal: "dev/app", Action: "sqs:SendMessage", Resource: arn})
	if slices.Sort(w.read); !slices.Equal(w.read, []string{dev, data}) {
		t.Errorf("read %v", w.read)
	}
}

func TestEncryption(t *testing.T) {
	secret := "arn:aws:secretsmanager:eu-west-1:" + data + ":secret:db-AbCdEf"
	key := "arn:aws:kms:eu-west-1:" + data + ":key/k"
	grant := `{"Effect":"Allow","Principal":{"AWS":"` + roleARN(dev, "app") + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`
	via := func(service string) string {
		return `{"Effect":"Allow","Principal":{"AWS":"` + roleARN(dev, "app") + `"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"` + service + `.eu-west-1.amazonaws.com"}}}`
	}
	for name, c := range map[string]struct {
		key       *Key
		keyPolicy string
		want      Verdict
	}{
		"AWS's own key":             {&Key{Managed: true}, "", Denied},
		"a key that names nobody":   {&Key{ID: key}, trustsRoot(data), Denied},
		"a key for the service":     {&Key{ID: key}, via("secretsmanager"), Allowed},
		"a key for another service": {&Key{ID: key}, via("s3"), Denied},
		"a key by its alias":        {&Key{ID: "alias/db"}, via("secretsmanager"), Allowed},
		"it isn't known":            {&Key{Unread: "AccessDenied"}, "", Unknown},
	} {
		w := newWorld()
		w.role(dev, "app", trusts(dev), allow("*", "*"))
		w.resources[secret] = &Resource{ARN: secret, Policy: &Document{Name: "policy of db", Text: doc(grant)}, Key: c.key}
		k := &Resource{ARN: key, Policy: &Document{Name: "key policy", Text: doc(c.keyPolicy)}}
		w.resources[key], w.resources["arn:aws:kms:eu-west-1:"+data+":alias/db"] = k, k
		a := ask(t, w.facts(), Request{Principal: "dev/app", Action: "secretsmanager:GetSecretValue", Resource: secret})
		if a.Verdict != c.want || a.Encryption == nil || a.Encryption.Verdict != c.want {
			t.Errorf("%s: %s, want %s: %+v", name, a.Verdict, c.want, a.Encryption)
		}
	}
}

func trustsRoot(account string) string {
	return `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:*","Resource":"*"}`
}

func TestQuestionsThatAreWrong(t *testing.T) {
	w := newWorld()
	w.role(dev, "app", trusts(dev))
	for _, q := range []Request{
		{Principal: "dev/ap", Action: "sqs:SendMessage", Resource: "*"},
		{Principal: "nowhere/app", Action: "sqs:SendMessage", Resource: "*"},
		{Principal: roleARN(dev, "other"), Action: "sqs:SendMessage", Resource: "*"},
		{Principal: "arn:aws:iam::12:role/x", Action: "sqs:SendMessage", Resource: "*"},
		{Principal: "dev/app", Action: "sqs:SendMessage", Resource: "orders"},
		{Principal: "dev/app", Action: "s3:GetObject", Resource: "arn:aws:s3:::nobodys/x"},
		{Principal: "dev/app", Action: "sqs:SendMessage", Resource: "arn:aws:sqs:eu-west-1:" + data + ":none"},
	} {
		if a, err := w.facts().Can(t.Context(), q); err == nil {
			t.Errorf("%+v: %+v", q, a)
		}
	}
	if a := ask(t, w.facts(), Request{Principal: "arn:aws:iam::" + outside + ":role/x", Action: "sqs:SendMessage",
		Resource: w.queue(`{"Effect":"Allow","Principal":{"AWS":"` + outside + `"},"Action":"sqs:*","Resource":"*"}`)}); a.Verdict != Unknown {
		t.Errorf("outside: %+v", a)
	}
}
