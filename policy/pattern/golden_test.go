package pattern

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/*.txt anew")

// goldens are asks whose whole text is kept, so that a change of it is seen.
var goldens = map[string]Ask{
	"role": {Pattern: Role, Caller: "arn:aws:iam::111111111111:role/app/web", ExternalID: "5f2c-orders", Organization: orgID,
		Resources: []string{"arn:aws:dynamodb:eu-west-1:222222222222:table/orders", "arn:aws:s3:::orders/in/*"}, ResourceAccount: "222222222222",
		Needs: []string{"read"}, KMSKeys: []string{keyARN}, AccessRole: "axle-spoke"},
	"role-two-accounts": {Pattern: Role, Caller: "arn:aws-cn:iam::111111111111:user/ci", CallerExists: true, SessionSource: "lambda",
		Resources: []string{"arn:aws-cn:sqs:cn-north-1:222222222222:orders", "arn:aws-cn:sqs:cn-northwest-1:333333333333:orders"}, Needs: []string{"send"}, AccessRole: "spoke", AccessVia: "arn:aws-cn:iam::111111111111:role/hub"},
	"resource-policy": {Pattern: ResourcePolicy, Caller: "arn:aws:iam::111111111111:role/web", Organization: orgID,
		Resources: []string{"arn:aws:sns:eu-west-1:222222222222:orders", "arn:aws:lambda:eu-west-1:222222222222:function:orders", "arn:aws:events:eu-west-1:222222222222:event-bus/orders",
			"arn:aws:ecr:eu-west-1:222222222222:repository/orders", "arn:aws:logs:eu-west-1:222222222222:destination:orders", "arn:aws:glue:eu-west-1:222222222222:table/shop/orders"},
		Needs: []string{"publish", "invoke", "send", "read"}, KMSKeys: []string{keyARN}, AccessRole: "axle-spoke"},
	"resource-policy-create": {Pattern: ResourcePolicy, Caller: "arn:aws:iam::111111111111:role/web", CreateCaller: true, CallerTrust: "lambda.amazonaws.com", Create: true,
		Resources: []string{"arn:aws:dynamodb:eu-west-1:222222222222:table/orders", "arn:aws:secretsmanager:eu-west-1:222222222222:secret:db", "arn:aws:secretsmanager:eu-west-1:222222222222:secret:mail"},
		Needs:     []string{"read"}, AccessRole: "axle-spoke"},
	"kubernetes": {Pattern: Kubernetes, Issuer: "https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", ServiceAccount: "shop/web",
		Resources: []string{"arn:aws:dynamodb:eu-west-1:222222222222:table/orders", "arn:aws:sqs:eu-west-1:333333333333:orders"}, Needs: []string{"read"}, AccessRole: "axle-spoke"},
	"pod-identity": {Pattern: Kubernetes, PodIdentity: true, Cluster: "shop", ClusterAccount: "111111111111", ServiceAccount: "shop/web", Fragment: true,
		Resources: []string{"arn:aws:dynamodb:eu-west-1:222222222222:table/orders"}, Needs: []string{"read"}},
}

func TestGolden(t *testing.T) {
	for name, ask := range goldens {
		t.Run(name, func(t *testing.T) {
			b, err := Generate(ask)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, f := range b.Files {
				fmt.Fprintf(&got, "==== %s: %s\n%s", f.Path, f.For, f.Text)
			}
			for _, n := range b.Notes {
				fmt.Fprintf(&got, "note: %s\n", n)
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("-want +got; -update writes it:\n%s", diff)
			}
		})
	}
}

// Mistakes are refused with a hint, whatever the pattern.
func TestMistakes(t *testing.T) {
	sqs := "arn:aws:sqs:eu-west-1:222222222222:orders"
	good := Ask{Pattern: Role, Caller: callerARN, Resources: []string{sqs}, Needs: []string{"send"}}
	for what, change := range map[string]func(*Ask){
		"no resource": func(a *Ask) { a.Resources = nil },
		"101 resources": func(a *Ask) {
			for i := range 100 {
				a.Resources = append(a.Resources, fmt.Sprintf("%s%d", sqs, i))
			}
		},
		"no need":                           func(a *Ask) { a.Needs = nil },
		"no caller":                         func(a *Ask) { a.Caller = "" },
		"an account":                        func(a *Ask) { a.Caller = "111111111111" },
		"a root":                            func(a *Ask) { a.Caller = "arn:aws:iam::111111111111:root" },
		"a group":                           func(a *Ask) { a.Caller = "arn:aws:iam::111111111111:group/x" },
		"an account of 11 digits":           func(a *Ask) { a.Resources = []string{"arn:aws:sqs:eu-west-1:22222222222:orders"} },
		"a wildcard account":                func(a *Ask) { a.Resources = []string{"arn:aws:sqs:eu-west-1:*:orders"} },
		"a wildcard":                        func(a *Ask) { a.Resources = []string{"arn:aws:sqs:eu-west-1:222222222222:ord*"} },
		"twice":                             func(a *Ask) { a.Resources = []string{sqs, sqs} },
		"a queue's URL":                     func(a *Ask) { a.Resources = []string{"https://sqs.eu-west-1.amazonaws.com/222222222222/orders"} },
		"an alias":                          func(a *Ask) { a.Resources = []string{"arn:aws:kms:eu-west-1:222222222222:alias/x"} },
		"an alias as key":                   func(a *Ask) { a.KMSKeys = []string{"arn:aws:kms:eu-west-1:222222222222:alias/aws/sqs"} },
		"a key of another region":           func(a *Ask) { a.KMSKeys = []string{"arn:aws:kms:us-east-1:222222222222:key/x"} },
		"another service's need":            func(a *Ask) { a.Needs = []string{"invoke"} },
		"another service's action":          func(a *Ask) { a.Needs = []string{"sns:Publish"} },
		"a need for nothing":                func(a *Ask) { a.Resources = append(a.Resources, "arn:aws:lambda:eu-west-1:222222222222:function:f") },
		"an external id that is an account": func(a *Ask) { a.ExternalID = "222222222222" },
		"an external id of one letter":      func(a *Ask) { a.ExternalID = "x" },
		"a bare first hop":                  func(a *Ask) { a.AccessVia = "axle-hub" },
		"a list of objects": func(a *Ask) {
			a.Resources, a.ResourceAccount, a.Region, a.Needs = []string{"arn:aws:s3:::b/x/*"}, "222222222222", "eu-west-1", []string{"list"}
		},
		"a bad organization":               func(a *Ask) { a.Organization = "r-ab12" },
		"a bad name":                       func(a *Ask) { a.Name = "a b" },
		"a bad region":                     func(a *Ask) { a.Region = "Ireland" },
		"a caller that is and isn't":       func(a *Ask) { a.CallerExists, a.CreateCaller = true, true },
		"a made caller that nobody may be": func(a *Ask) { a.CreateCaller = true },
		"a trust for everybody":            func(a *Ask) { a.CreateCaller, a.CallerTrust = true, "*" },
		"create without resource policy":   func(a *Ask) { a.Create = true },
		"no such pattern":                  func(a *Ask) { a.Pattern = "magic" },
		"own account":                      func(a *Ask) { a.Pattern, a.Caller = ResourcePolicy, "arn:aws:iam::222222222222:role/x" },
		"external id on a resource policy": func(a *Ask) { a.Pattern, a.ExternalID = ResourcePolicy, "5f2c" },
		"a made function": func(a *Ask) {
			a.Pattern, a.Create, a.Resources, a.Needs = ResourcePolicy, true, []string{"arn:aws:lambda:eu-west-1:222222222222:function:f"}, []string{"invoke"}
		},
		"encryption of what isn't made": func(a *Ask) { a.Pattern, a.Encrypt = ResourcePolicy, true },
		"kubernetes with a caller":      func(a *Ask) { a.Pattern, a.Issuer, a.ServiceAccount = Kubernetes, "https://x.example.com", "a/b" },
		"an issuer with a slash": func(a *Ask) {
			*a = Ask{Pattern: Kubernetes, Issuer: "https://x.example.com/", ServiceAccount: "a/b", Resources: a.Resources, Needs: a.Needs}
		},
		"a service account without namespace": func(a *Ask) {
			*a = Ask{Pattern: Kubernetes, Issuer: "https://x.example.com", ServiceAccount: "b", Resources: a.Resources, Needs: a.Needs}
		},
		"pod identity of two accounts": func(a *Ask) {
			*a = Ask{Pattern: Kubernetes, PodIdentity: true, Cluster: "c", ClusterAccount: "111111111111", ServiceAccount: "a/b", Needs: a.Needs,
				Resources: []string{sqs, "arn:aws:sqs:eu-west-1:333333333333:orders"}}
		},
	} {
		a := good
		change(&a)
		_, err := Generate(a)
		var m *Mistake
		if !errors.As(err, &m) || m.Hint == "" || m.What == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	many := good
	for i := range 99 {
		many.Resources = append(many.Resources, fmt.Sprintf("%s-%060d", sqs, i))
	}
	var m *Mistake
	if _, err := Generate(many); !errors.As(err, &m) || !strings.Contains(m.What, "AWS takes 10240") {
		t.Errorf("100 queues: %v", err)
	}
	if _, err := Generate(good); err != nil {
		t.Error(err)
	}
}
