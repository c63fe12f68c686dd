package pattern

import (
	"errors"
	"regexp"
	"slices"
	"testing"

	"axle/internal/lint"
	cfn "axle/internal/template"
)

var outputRef = regexp.MustCompile(`output\("([^"]+)", "([^"]+)"`)

// sourcesOf are a bundle's stacks as the linter takes them.
func sourcesOf(t *testing.T, b *Bundle) []lint.Source {
	t.Helper()
	var out []lint.Source
	for _, s := range b.Stacks {
		i := slices.IndexFunc(b.Files, func(f File) bool { return f.Path == s.Template })
		tmpl, problems := cfn.Parse(s.Template, []byte(b.Files[i].Text))
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		for _, account := range s.Accounts {
			src := lint.Source{Template: tmpl, ID: "stack/" + s.Name + "/" + account + "/" + s.Region, Name: s.Name, Wired: map[string]lint.Wire{},
				World: cfn.World{Partition: "aws", Account: account, Region: s.Region, Stack: "x-" + s.Name, Parameters: map[string]string{}}}
			for _, p := range s.params {
				m := outputRef.FindStringSubmatch(p.value)
				if m == nil {
					src.World.Parameters[p.name] = p.literal
					continue
				}
				for _, o := range out {
					if o.Name == m[1] {
						src.Wired[p.name] = lint.Wire{Source: o.ID, Output: m[2]}
						src.Needs = append(src.Needs, o.ID)
					}
				}
			}
			out = append(out, src)
		}
	}
	return out
}

// excused are rules that say what is so, or see too little of these templates.
var excused = map[string]string{
	"AX073": "CloudFormation sees no drift of a table's policy: a note says it",
}

// What is generated passes every rule of axle lint.
func TestLint(t *testing.T) {
	eachNeed(t, func(t *testing.T, s *service, ask Ask) {
		for _, kind := range []string{Role, ResourcePolicy, Kubernetes, "create", "pods"} {
			a := ask
			a.Pattern = kind
			switch kind {
			case Role:
				a.Caller, a.CreateCaller, a.CallerTrust, a.ExternalID = callerARN, true, "lambda.amazonaws.com", "5f2c-orders"
			case ResourcePolicy:
				a.Caller, a.CallerExists = callerARN, true
			case Kubernetes:
				a.Issuer, a.ServiceAccount = "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", "shop/web"
			case "create":
				a.Pattern, a.Caller, a.Create, a.Encrypt = ResourcePolicy, callerARN, true, len(a.KMSKeys) == 0
				a.CreateCaller, a.CallerTrust = true, "arn:aws:iam::111111111111:role/deployer"
			case "pods":
				a.Pattern, a.PodIdentity, a.Cluster, a.ClusterAccount, a.ServiceAccount = Kubernetes, true, "shop", "111111111111", "shop/web"
			}
			b, err := Generate(a)
			var m *Mistake
			if errors.As(err, &m) && a.Pattern == ResourcePolicy {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range lint.Check(lint.Input{Sources: sourcesOf(t, b)}) {
				if excused[f.Rule] != "" {
					continue
				}
				t.Errorf("%s: %s %s: %s: %s", kind, f.Rule, f.Severity, f.Pos, f.Message)
			}
		}
	})
}
