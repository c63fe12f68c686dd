package control

import (
	"context"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"

	"axle"
	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/late"
	"axle/internal/plan"
	"axle/internal/privilege"
)

// The roles of bootstrap: the frames of their templates, with places in <>.
var (
	//go:embed roles/spoke.yaml
	spokeFrame string
	//go:embed roles/hub.yaml
	hubFrame string
)

// spoke is the template of the spoke role for accounts with the same stacks.
type spoke struct {
	accounts []axle.Account
	body     []byte
}

// spokes are the templates of the spoke role, and what isn't known of the
// project's resource types.
func (w *Work) spokes(ctx context.Context, o BootstrapOptions) (out []spoke, gaps []privilege.Gap, err error) {
	groups, err := w.groups()
	if err != nil {
		return nil, nil, err
	}
	given, err := givenPolicies(o.Policies)
	if err != nil {
		return nil, nil, err
	}
	schemas, err := w.schemas(ctx, groups, o.DescribeTypes)
	if err != nil {
		return nil, nil, err
	}
	for _, g := range groups {
		g.Extra, g.Room = o.Allow, !o.Exact
		r := privilege.For(privilege.Deploy, g, schemas)
		s := spoke{}
		for _, id := range g.Accounts {
			account, _ := w.org.Account(id)
			s.accounts = append(s.accounts, account)
		}
		if given != nil {
			if r.Statements, err = given.statements(g.Accounts); err != nil {
				return nil, nil, err
			}
		} else {
			gaps = JoinGaps(gaps, r.Gaps)
		}
		if s.body, err = spokeBody(w, r.Statements); err != nil {
			return nil, nil, err
		}
		out = append(out, s)
	}
	return out, gaps, nil
}

// JoinGaps adds gaps to others, a type once.
func JoinGaps(gaps, more []privilege.Gap) []privilege.Gap {
	for _, g := range more {
		at := slices.IndexFunc(gaps, func(have privilege.Gap) bool { return have.Type == g.Type })
		if at < 0 {
			gaps = append(gaps, g)
			continue
		}
		for _, stack := range g.Stacks {
			if !slices.Contains(gaps[at].Stacks, stack) {
				gaps[at].Stacks = append(gaps[at].Stacks, stack)
			}
		}
	}
	return gaps
}

// spokeBody is the template of the spoke role with these permissions: as an
// inline policy, or as managed ones when they are too long for that.
func spokeBody(w *Work, statements []privilege.Statement) ([]byte, error) {
	inline, resources, count := privilege.Attached(statements, "[!Ref Role]", "What deploying project "+w.Project()+" takes")
	if count > privilege.MaxAttached {
		return nil, configError(w.project.Name.Pos, "give the stacks an execution_role, or bootstrap parts of the project apart",
			"the project's templates need %d policies of the size that IAM takes, and a role can have %d", count, privilege.MaxAttached)
	}
	text := strings.NewReplacer("# <policies>\n", inline, "# <resources>\n", resources).Replace(spokeFrame)
	return []byte(strings.ReplaceAll(text, "<project>", w.Project())), nil
}

// writtenPolicies are policies for the spoke role that somebody looked at: what
// LeastPrivilege gives, kept in a file.
type writtenPolicies struct {
	Role   privilege.Role `json:"role"`
	Groups []struct {
		Accounts []string          `json:"accounts"`
		Policies []json.RawMessage `json:"policies"`
	} `json:"groups"`
}

func givenPolicies(text []byte) (*writtenPolicies, error) {
	if text == nil {
		return nil, nil
	}
	var given writtenPolicies
	if err := json.Unmarshal(text, &given); err != nil || given.Role != privilege.Deploy {
		return nil, &axle.Failure{Code: "BadPolicies", Blocked: true, Message: "--policies: the file isn't one of policies for the deploy role",
			Hint: "axle access least-privilege --format bootstrap > policies.json writes one"}
	}
	return &given, nil
}

// statements are those for accounts that belong together.
func (g *writtenPolicies) statements(accounts []string) ([]privilege.Statement, error) {
	var out []privilege.Statement
	for _, group := range g.Groups {
		if !slices.Contains(group.Accounts, accounts[0]) {
			continue
		}
		for _, p := range group.Policies {
			list, err := privilege.ParseDocument(p)
			if err != nil {
				return nil, &axle.Failure{Code: "BadPolicies", Blocked: true, Message: "--policies: " + err.Error()}
			}
			out = append(out, list...)
		}
		return out, nil
	}
	return nil, &axle.Failure{Code: "BadPolicies", Blocked: true, Message: "--policies: the file has nothing for account " + accounts[0],
		Hint: "write it anew with axle access least-privilege --format bootstrap, or narrow with --where"}
}

// hubBody is the template of the hub role: it enters the accounts, reads the
// organization from where the project has it, and uses its journal.
func (w *Work) hubBody() ([]byte, error) {
	journal, err := w.storeStatements()
	if err != nil {
		return nil, err
	}
	statements := append(hubStatements(w.project, w.hub), journal...)
	return []byte(strings.NewReplacer("<project>", w.Project(), "# <statements>\n", privilege.YAML(statements, 14)).Replace(hubFrame)), nil
}

// organizationActions are what discovering an organization takes; it has no
// resource types that fit all of it.
var organizationActions = []string{"organizations:DescribeOrganization", "organizations:DescribeOrganizationalUnit", "organizations:ListAccounts",
	"organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent", "organizations:ListRoots",
	"organizations:ListTagsForResource", "tag:GetResources"}

func hubStatements(p *config.Project, hub plan.Hub) []privilege.Statement {
	names := []string{"${AWS::Partition}:iam::*:role/" + roleName(p.Access.Role.Value)}
	for i := range p.Access.Overrides {
		switch role := p.Access.Overrides[i].Role.Value; {
		case role == "" || role == cloud.None:
		case strings.HasPrefix(role, "arn:"):
			names = append(names, strings.TrimPrefix(role, "arn:"))
		default:
			names = append(names, "${AWS::Partition}:iam::*:role/"+strings.TrimPrefix(role, "/"))
		}
	}
	slices.Sort(names)
	enter := privilege.Statement{Sid: "EnterTheAccounts", Actions: []string{"sts:AssumeRole"}}
	for _, name := range slices.Compact(names) {
		enter.Resources = append(enter.Resources, "arn:"+name)
	}
	out := []privilege.Statement{enter}
	switch p.Organization.Kind {
	case "aws":
		out = append(out, privilege.Statement{Sid: "ReadTheOrganization", Actions: organizationActions, Resources: []string{"*"}})
	case "ssm":
		name := "arn:${AWS::Partition}:ssm:" + hub.Region + ":${AWS::AccountId}:parameter/" + strings.TrimPrefix(p.Organization.Arg, "/")
		if strings.HasPrefix(p.Organization.Arg, "arn:") {
			name = p.Organization.Arg
		}
		out = append(out, privilege.Statement{Sid: "ReadTheOrganization", Actions: []string{"ssm:GetParameter"}, Resources: []string{name}})
	}
	return out
}

// roleName is the name in a role given by name, path and name, or ARN.
func roleName(role string) string { return role[strings.LastIndexByte(role, '/')+1:] }

// principalARN is the ARN that aws:PrincipalArn has for a caller: of an assumed
// role's session that of the role. Roles of IAM Identity Center have a path,
// which the session's ARN lacks: there a pattern stands for it.
func principalARN(id cloud.Identity) string {
	account, name, ok := id.Role()
	if !ok {
		return id.ARN
	}
	path := ""
	if strings.HasPrefix(name, "AWSReservedSSO_") {
		path = "aws-reserved/sso.amazonaws.com/*"
	}
	return "arn:" + id.Partition + ":iam::" + account + ":role/" + path + name
}

// principals are users and roles of an account, as --trust takes them.
var principals = late.MustCompile(`^(arn:[a-z-]+:iam::[0-9]{12}:)((user|role)/\S+|root)$`)

// rootOf is the ARN of a principal's account; "" when it isn't a principal's ARN.
func rootOf(arn string) string {
	m := principals.FindStringSubmatch(arn)
	if m == nil {
		return ""
	}
	return m[1] + "root"
}
