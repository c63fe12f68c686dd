package control

import (
	"strings"
	"testing"

	"axle"
	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/plan"
	"axle/internal/privilege"
	"axle/internal/template"
)

// opened is a project with templates, as the roles need it.
func opened(t *testing.T, yaml string, templates map[string]string) *Work {
	t.Helper()
	p, problems := config.Parse("axle.yaml", []byte(yaml), "")
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	w := &Work{project: p, templates: map[string]*template.Template{}}
	for name, body := range templates {
		parsed, problems := template.Parse(name+".yaml", []byte(body))
		if err := problems.Err(); err != nil {
			t.Fatal(err)
		}
		w.templates[name] = parsed
	}
	return w
}

const rolesProject = `
name: p
hub: {account: "111111111111", region: eu-west-1}
regions: [eu-west-1]
stacks:
  one: {template: one.yaml, targets: hub}
  two: {template: two.yaml, targets: hub, stack_name: other%s}
`

// spokesOf are the spoke templates of a project in an organization of two.
func spokesOf(t *testing.T, w *Work, o BootstrapOptions) ([]spoke, []privilege.Gap, error) {
	t.Helper()
	hub, other := axle.Account{ID: "111111111111", Name: "hub", Status: "ACTIVE"}, axle.Account{ID: "222222222222", Name: "other", Status: "ACTIVE"}
	w.org = &axle.Organization{Accounts: []axle.Account{hub, other}, Management: other.ID}
	w.hub = plan.Hub{Account: hub, Region: "eu-west-1"}
	return w.spokes(t.Context(), o)
}

func TestSpokes(t *testing.T) {
	one := "Resources:\n  T: {Type: AWS::SNS::Topic}\n"
	two := "Parameters:\n  Z: {Type: 'List<AWS::EC2::AvailabilityZone::Name>', Default: x}\nResources:\n  S: {Type: AWS::SSM::Parameter}\n  X: {Type: Made::Up::Type}\n  L: {Type: AWS::SNS::Topic, Properties: {TopicName: '{{resolve:ssm:/n}}'}}\n"
	large := one + "# " + strings.Repeat("x", 60_000) + "\n"
	for _, tt := range []struct {
		name, more string
		one, two   string
		allow      []string
		has, not   []string
		unknown    []string
	}{
		{"what the templates need", "", one, two, []string{"logs:*"},
			[]string{"sns:CreateTopic", "ssm:PutParameter", "ssm:GetParameters", "ec2:DescribeAvailabilityZones", "logs:*", "stack/p-one/*", "stack/other/*", "cloudformation:CreateChangeSet"},
			[]string{"ec2:CreateRoute", "s3:", "iam:PassRole", "<"}, []string{"Made::Up::Type"}},
		{"an execution role works instead", ", execution_role: worker", one, two, nil,
			[]string{"sns:CreateTopic", "iam:PassRole", "!Sub arn:${AWS::Partition}:iam::111111111111:role/worker", "- cloudformation.amazonaws.com"},
			[]string{"ssm:PutParameter"}, nil},
		{"one of another account", ", execution_role: 'arn:aws:iam::111111111111:role/path/worker'", one, two, nil, []string{"- arn:aws:iam::111111111111:role/path/worker"}, nil, nil},
		{"a large template, also with an execution role", ", execution_role: worker", one, large, nil, []string{"s3:GetObject", "axle-artifacts-111111111111-eu-west-1/templates/*", "s3:CreateBucket"}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := opened(t, strings.Replace(rolesProject, "%s", tt.more, 1), map[string]string{"one": tt.one, "two": tt.two})
			spokes, gaps, err := spokesOf(t, w, BootstrapOptions{Allow: tt.allow})
			if err != nil {
				t.Fatal(err)
			}
			var unknown []string
			for _, g := range gaps {
				unknown = append(unknown, g.Type)
			}
			same(t, "unknown types", unknown, tt.unknown)
			if len(spokes) != 2 || spokes[0].accounts[0].ID != "111111111111" || strings.Contains(string(spokes[1].body), "sns:") {
				t.Errorf("%d templates; the account without stacks has\n%s", len(spokes), spokes[len(spokes)-1].body)
			}
			body := string(spokes[0].body)
			for _, want := range tt.has {
				if !strings.Contains(body, want) {
					t.Errorf("nothing of %s in\n%s", want, body)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(body, not) {
					t.Errorf("%s in\n%s", not, body)
				}
			}
			if parsed, problems := template.Parse("spoke.yaml", []byte(body)); problems.Err() != nil || parsed.Resources["Role"].Type != "AWS::IAM::Role" {
				t.Errorf("not a template: %v\n%s", problems, body)
			}
		})
	}
}

// Many actions go into managed policies, none longer than IAM takes.
func TestSpokeOfManyActions(t *testing.T) {
	w := opened(t, strings.Replace(rolesProject, "%s", "", 1), nil)
	var allow []string
	for i := range 500 {
		allow = append(allow, "service:Action"+strings.Repeat("x", 20)+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	spokes, _, err := spokesOf(t, w, BootstrapOptions{Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	parsed, problems := template.Parse("spoke.yaml", spokes[0].body)
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(spokes[0].body), "AWS::IAM::ManagedPolicy"); n < 2 || n > 10 || parsed.Resources["Policy2"].Type == "" {
		t.Errorf("%d managed policies", n)
	}
	for i := range 1500 {
		allow = append(allow, "service:Other"+strings.Repeat("y", 25)+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	if _, _, err = spokesOf(t, w, BootstrapOptions{Allow: allow}); err == nil || !strings.Contains(err.Error(), "and a role can have 10") {
		t.Errorf("got %v", err)
	}
}

func TestPrincipalARN(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:iam::111111111111:user/alice":                                   "arn:aws:iam::111111111111:user/alice",
		"arn:aws:sts::111111111111:assumed-role/admin/alice":                     "arn:aws:iam::111111111111:role/admin",
		"arn:aws:sts::111111111111:assumed-role/AWSReservedSSO_Admin_0123/alice": "arn:aws:iam::111111111111:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Admin_0123",
		"arn:aws-cn:sts::111111111111:assumed-role/admin/alice":                  "arn:aws-cn:iam::111111111111:role/admin",
		"arn:aws:iam::111111111111:root":                                         "arn:aws:iam::111111111111:root",
	} {
		partition := strings.Split(arn, ":")[1]
		if got := principalARN(cloud.Identity{Account: "111111111111", ARN: arn, Partition: partition}); got != want {
			t.Errorf("%s: got %s, want %s", arn, got, want)
		}
	}
	for role, want := range map[string]string{"axle-spoke": "axle-spoke", "path/to/role": "role", "arn:aws:iam::111111111111:role/path/role": "role"} {
		same(t, role, roleName(role), want)
	}
}

// The hub role enters the roles that the project names, and reads the
// organization only where that is asked for.
func TestHubBody(t *testing.T) {
	for source, want := range map[string]string{"aws": "organizations:ListAccounts", "ssm:/axle/accounts": "- !Sub arn:${AWS::Partition}:ssm:eu-west-1:${AWS::AccountId}:parameter/axle/accounts", "file:x.yaml": ""} {
		w := opened(t, "name: p\norganization: {source: '"+source+"'}\naccess:\n  via: axle-hub\n  role: axle-spoke\n  overrides:\n    - {where: account.management, role: path/special}\n    - {where: account.name == \"x\", role: none}\nhub: {account: \"111111111111\", region: eu-west-1}\nregions: [eu-west-1]\n", nil)
		w.hub = plan.Hub{Region: "eu-west-1"}
		made, err := w.hubBody()
		if err != nil {
			t.Fatal(err)
		}
		body := string(made)
		for _, part := range []string{"iam::*:role/axle-spoke\n", "iam::*:role/path/special\n", want} {
			if !strings.Contains(body, part) {
				t.Errorf("%s: nothing of %q in\n%s", source, part, body)
			}
		}
		if want == "" && strings.Contains(body, "ReadTheOrganization") || strings.Contains(body, "role/none") {
			t.Errorf("%s: more than is needed in\n%s", source, body)
		}
		if _, problems := template.Parse("hub.yaml", []byte(body)); problems.Err() != nil {
			t.Errorf("%v", problems)
		}
	}
}

// The first override that matches says how an account is entered; what it leaves
// open is as for all.
func TestRoleFor(t *testing.T) {
	w := opened(t, `
name: p
access:
  role: spoke
  external_id: ours
  overrides:
    - {where: account.name == "old", role: legacy, external_id: theirs, via: none}
    - {where: 'account.name in ["old", "plain"]', role: second}
    - {where: account.name == "other", external_id: other}
`, nil)
	for name, want := range map[string]cloud.Role{
		"any":   {Name: "spoke", ExternalID: "ours"},
		"old":   {Name: "legacy", ExternalID: "theirs", Via: "none"},
		"plain": {Name: "second", ExternalID: "ours"},
		"other": {Name: "spoke", ExternalID: "other"},
	} {
		same(t, name, w.roleFor(axle.Account{ID: "111111111111", Name: name, Status: "ACTIVE"}), want)
	}
	w.opts.Role = "planner"
	same(t, "with --role", w.roleFor(axle.Account{ID: "111111111111", Name: "any"}), cloud.Role{Name: "planner", ExternalID: "ours"})
}

// What somebody kept in a file is only taken when it is for the deploy role and
// for the account.
func TestGivenPolicies(t *testing.T) {
	for text, want := range map[string]bool{`{`: false, `{"role": "plan", "groups": []}`: false, `{"role": "deploy", "groups": []}`: true} {
		given, err := givenPolicies([]byte(text))
		if (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		} else if want {
			_, err := given.statements([]string{"111111111111"})
			failsAs(t, "nothing for the account", err, "BadPolicies")
		} else {
			failsAs(t, text, err, "BadPolicies")
		}
	}
}
