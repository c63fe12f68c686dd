package control

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"axle"
	"axle/internal/cloud"
	"axle/internal/plan"
	"axle/internal/privilege"
	"axle/internal/template"
)

// BootstrapOptions say how the roles are made.
type BootstrapOptions struct {
	// EntryRole is assumed with the caller's own credentials to get into
	// accounts that have no role of ours yet.
	EntryRole string
	// Trust are ARNs of principals that may assume the hub role; the caller
	// is one of them always.
	Trust []string
	// Allow are actions that the spoke role gets beside what is computed.
	Allow []string
	// DescribeTypes asks CloudFormation what types need that aren't in our table.
	DescribeTypes bool
	// Exact leaves no room for changes of the resources' own properties.
	Exact bool
	// StackSet makes the spoke roles by way of one service-managed stack set,
	// where StackSets gets to.
	StackSet bool
	// NoAutoDeployment: accounts that come into the OUs don't get the role by
	// themselves.
	NoAutoDeployment bool
	// EnableTrustedAccess lets StackSets into the organization, if it isn't yet.
	EnableTrustedAccess bool
	// NoStore leaves the table and bucket of the journal to somebody else.
	NoStore bool
	// OnlyStore makes these and no roles.
	OnlyStore bool
	// Policies, if given, are what the spoke role gets instead of what is
	// computed: as axle access least-privilege --format bootstrap writes them.
	Policies []byte
}

// DefaultEntryRole is the role that Organizations makes in accounts that it creates.
const DefaultEntryRole = "OrganizationAccountAccessRole"

// The phases of bootstrap, in their order.
const (
	kindAccess   = "access" // enters an account by the access rules
	hubStack     = "bootstrap-hub"
	stackPrefix  = "axle-role-"
	paramRole    = "RoleName"
	paramAccount = "TrustedAccount"
)

// Phase is one phase of a bootstrap: a stack in accounts.
type Phase struct {
	Name       string            `json:"name"`           // spoke | hub | store
	Role       string            `json:"role,omitempty"` // "": the store makes none
	StackName  string            `json:"stack_name"`
	Region     string            `json:"region"`
	Accounts   []axle.Account    `json:"accounts"`
	Parameters map[string]string `json:"parameters"`
	Template   string            `json:"template"`
	digest     string
}

// Bootstrap is what bootstrap would deploy.
type Bootstrap struct {
	Project string  `json:"project"`
	Phases  []Phase `json:"phases"`
	// Set are the spoke roles by way of a stack set, beside those of the phases.
	Set *SetPhase `json:"stack_set,omitempty"`
	// OwnHops are the roles of access.overrides that bootstrap lets in, and doesn't
	// make.
	OwnHops []OwnHop `json:"first_hops_of_overrides,omitempty"`
	// Unknown are resource types whose needs aren't known: allow them by hand.
	Unknown []string        `json:"unknown_types,omitempty"`
	Gaps    []privilege.Gap `json:"gaps,omitempty"`
	w       *Work
	id      cloud.Identity
	caller  string // its ARN, as aws:PrincipalArn has it
	entry   string
}

// PlanBootstrap computes the roles and where they go: the spoke role in every
// account of the project, the management and hub accounts included; then the
// hub role in the hub account, when access.via names one; then the table and
// bucket of the journal, when store names one in DynamoDB.
func (w *Work) PlanBootstrap(ctx context.Context, o BootstrapOptions) (*Bootstrap, error) {
	if err := checkTrust(o.Trust); err != nil {
		return nil, err
	}
	if w.hub.Account.ID == "" {
		return nil, configError(w.project.Name.Pos, `such as hub: {account: account.name == "tools", region: eu-west-1}`, "bootstrap needs a hub, and axle.yaml has none")
	}
	if o.OnlyStore {
		return w.planStore(o)
	}
	role := w.project.Access.Role.Value
	if role == "" || role == cloud.None {
		return nil, configError(w.project.Name.Pos, "such as access: {role: axle-spoke}", "bootstrap needs access.role, the name of the role to make")
	}
	spokes, gaps, err := w.spokes(ctx, o)
	if err != nil {
		return nil, err
	}
	b := &Bootstrap{Project: w.Project(), Gaps: gaps, w: w, id: w.identity, entry: o.EntryRole}
	for _, g := range gaps {
		b.Unknown = append(b.Unknown, g.Type)
	}
	if b.caller = w.cloud.CallerRole(ctx); b.caller == "" {
		b.caller = principalARN(b.id)
	}
	if o.StackSet {
		if b.Set, err = w.planSet(ctx, o, b); err != nil {
			return nil, err
		}
		b.Set.Parameters = spokeParameters(role, b.usual())
		spokes = b.Set.others(spokes)
	}
	b.Phases = b.spokePhases(role, spokes)
	b.OwnHops = b.ownHops()
	hub, err := b.hubPhase(o.Trust)
	if err != nil {
		return nil, err
	}
	if hub != nil {
		b.Phases = append(b.Phases, *hub)
	}
	journal, err := b.storePhase()
	if err != nil {
		return nil, err
	}
	if journal != nil && !o.NoStore {
		b.Phases = append(b.Phases, *journal)
	}
	if b.Set != nil {
		return b, b.Set.look(ctx, b)
	}
	return b, nil
}

// checkTrust refuses what can't stand in the hub role's trust policy.
func checkTrust(arns []string) error {
	for _, arn := range arns {
		if rootOf(arn) == "" {
			return &axle.Failure{Code: "BadTrust", Message: fmt.Sprintf("--trust can't be %q", arn), Blocked: true,
				Hint: "the ARN of a user or role, such as arn:aws:iam::111111111111:role/ci"}
		}
	}
	return nil
}

// hubPhase makes the hub role, which the caller may assume and who is in trust;
// nil when there is none, or access.via is the ARN of a role of somebody else's.
func (b *Bootstrap) hubPhase(trust []string) (*Phase, error) {
	via := b.w.project.Access.Via.Value
	if via == "" || via == cloud.None || strings.HasPrefix(via, "arn:") {
		return nil, nil
	}
	principals := append([]string{b.caller}, trust...)
	slices.Sort(principals)
	var accounts []string
	for _, arn := range principals {
		root := rootOf(arn)
		if root == "" { // a session of no role, such as a federated user's
			root = "arn:" + b.id.Partition + ":iam::" + b.id.Account + ":root"
		}
		accounts = append(accounts, root)
	}
	slices.Sort(accounts)
	body, err := b.w.hubBody()
	if err != nil {
		return nil, err
	}
	p := b.phase("hub", via, []axle.Account{b.w.hub.Account}, body,
		map[string]string{"TrustedAccounts": strings.Join(slices.Compact(accounts), ","), "TrustedPrincipals": strings.Join(slices.Compact(principals), ",")})
	return &p, nil
}

func spokeParameters(role string, t trust) map[string]string {
	out := map[string]string{paramRole: roleName(role), paramAccount: t.account, "TrustedPrincipal": t.principal}
	if t.externalID != "" {
		out["ExternalId"] = t.externalID
	}
	return out
}

func (b *Bootstrap) phase(name, role string, accounts []axle.Account, body []byte, parameters map[string]string) Phase {
	parameters[paramRole] = roleName(role)
	return Phase{Name: name, Role: roleName(role), StackName: stackPrefix + roleName(role), Region: b.w.hub.Region,
		Accounts: accounts, Parameters: parameters, Template: string(body), digest: template.Digest(body)}
}

// bootstrapAccounts are the accounts that any stack is for, the hub and the
// management account, narrowed by --where.
func (w *Work) bootstrapAccounts() ([]axle.Account, error) {
	set := map[string]axle.Account{w.hub.Account.ID: w.hub.Account}
	if m, ok := w.org.Account(w.org.Management); ok {
		set[m.ID] = m
	}
	for i := range w.project.Stacks {
		accounts, problems := plan.SelectAccounts(w.project, &w.project.Stacks[i], w.hub, w.org)
		if err := problems.Err(); err != nil {
			return nil, err
		}
		for _, a := range accounts {
			set[a.ID] = a
		}
	}
	var out []axle.Account
	for _, a := range set {
		if w.where != nil {
			ok, err := w.where.Match(w.Scope(a))
			if err != nil {
				return nil, fmt.Errorf("--where for account %s: %w", a.Label(), err)
			}
			if !ok {
				continue
			}
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b axle.Account) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}
