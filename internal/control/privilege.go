package control

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"axle"
	"axle/internal/artifact"
	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/expr"
	"axle/internal/plan"
	"axle/internal/privilege"
	"axle/internal/template"
)

// PrivilegeOptions say what to compute permissions for.
type PrivilegeOptions struct {
	Role privilege.Role
	// DescribeTypes asks CloudFormation for the schemas of types that Axle's
	// table doesn't have.
	DescribeTypes bool
	// Allow are actions that the role gets beside what is computed.
	Allow []string
}

// Privilege is what one role needs in accounts with the same stacks.
type Privilege struct {
	*privilege.Result
	// ExecutionRole is the role that this is for, of privilege.Execution.
	ExecutionRole string `json:"execution_role,omitempty"`
	// Policies are the documents: several when one would be too long for IAM.
	Policies []json.RawMessage `json:"policies"`
	// Template is the same as a CloudFormation template.
	Template string `json:"template,omitempty"`
}

// LeastPrivilege computes the permissions that a role of the project needs,
// accounts with the same stacks together.
func (w *Work) LeastPrivilege(ctx context.Context, o PrivilegeOptions) ([]Privilege, error) {
	groups, err := w.groups()
	if err != nil {
		return nil, err
	}
	schemas, err := w.schemas(ctx, groups, o.DescribeTypes)
	if err != nil {
		return nil, err
	}
	var out []Privilege
	for _, g := range groups {
		g.Extra = o.Allow
		if o.Role != privilege.Execution {
			out = append(out, w.privilege(privilege.For(o.Role, g, schemas), ""))
			continue
		}
		for _, role := range g.ExecutionRoles() {
			out = append(out, w.privilege(privilege.For(o.Role, g.WorkedBy(role), schemas), role))
		}
	}
	if len(out) == 0 && o.Role == privilege.Execution {
		return nil, &axle.Failure{Code: "NoExecutionRole", Blocked: true, Message: "no stack of " + w.opts.File + " has an execution_role",
			Hint: "give the stacks one, such as execution_role: axle-cloudformation; or --role deploy for the role whose permissions CloudFormation works with now"}
	}
	return out, nil
}

func (w *Work) privilege(r *privilege.Result, execution string) Privilege {
	p := Privilege{Result: r, ExecutionRole: execution, Template: r.Template(w.Project(), execution)}
	for _, part := range privilege.Split(r.Statements, privilege.MaxManaged) {
		p.Policies = append(p.Policies, privilege.Document(part))
	}
	return p
}

// groups are the project's accounts, narrowed by --where, those with the same
// stacks, peerings and regions together; in the order of their first account.
func (w *Work) groups() ([]*privilege.Group, error) {
	accounts, err := w.bootstrapAccounts()
	if err != nil {
		return nil, err
	}
	in := map[string][]int{} // account -> indexes of stacks
	for i := range w.project.Stacks {
		chosen, problems := plan.SelectAccounts(w.project, &w.project.Stacks[i], w.hub, w.org)
		if err := problems.Err(); err != nil {
			return nil, err
		}
		for _, a := range chosen {
			in[a.ID] = append(in[a.ID], i)
		}
	}
	var probe privilege.Group
	w.artifacts(&probe)
	members := map[string][]axle.Account{}
	var keys []string
	for _, a := range accounts {
		key := fmt.Sprint(in[a.ID])
		if a.ID == w.hub.Account.ID && probe.Artifacts != "" { // it keeps the artifacts
			key += " hub"
		}
		if members[key] == nil {
			keys = append(keys, key)
		}
		members[key] = append(members[key], a)
	}
	var out []*privilege.Group
	for _, key := range keys {
		out = append(out, w.group(members[key], in[members[key][0].ID]))
	}
	return out, nil
}

// group describes accounts that have the same stacks.
func (w *Work) group(accounts []axle.Account, stacks []int) *privilege.Group {
	reads := w.reads()
	g := &privilege.Group{Partition: w.identity.Partition, Reads: readsFor(reads.in, accounts)}
	for _, a := range accounts {
		g.Accounts = append(g.Accounts, a.ID)
		g.Hub = g.Hub || a.ID == w.hub.Account.ID
	}
	w.artifacts(g)
	regions := map[string][]string{}
	for _, i := range stacks {
		s := &w.project.Stacks[i]
		t := w.templates[s.Name]
		regions[s.Name] = w.regionsOf(s)
		if r := s.Rollout; r != nil && r.Health != nil && len(r.Health.Alarms) > 0 {
			g.Alarms = true
		}
		g.AnyRegion = g.AnyRegion || s.Regions.Kind == config.RegionsEnabled
		g.Stacks = append(g.Stacks, privilege.Stack{Name: s.StackName.Value, Template: t, Regions: regions[s.Name],
			Parameters: w.sameValues(s, accounts, regions[s.Name]), ExecutionRole: s.ExecutionRole.Value,
			Dynamic: readsFor(reads.dynamic[s.Name], accounts), Protect: s.Protect != nil, Large: t != nil && len(t.Body) > inlineTemplate, Stored: storedKinds(t), Nested: artifact.Nested(t)})
	}
	for i := range w.project.Peerings {
		p := &w.project.Peerings[i]
		for side, stack := range map[*bool]string{&g.Peering.Requests: p.Requester.Stack.Value, &g.Peering.Accepts: p.Accepter.Stack.Value} {
			if at, ok := regions[stack]; ok {
				*side = true
				g.Peering.DNS = g.Peering.DNS || p.DNS
				g.Peering.Regions = append(g.Peering.Regions, at...)
			}
		}
	}
	slices.Sort(g.Peering.Regions)
	g.Peering.Regions = slices.Compact(g.Peering.Regions)
	return g
}

// regionsOf are the regions of a stack; none when they are those that an
// account has enabled.
func (w *Work) regionsOf(s *config.Stack) []string {
	list := s.Regions.List
	switch s.Regions.Kind {
	case config.RegionsHome:
		return []string{w.hub.Region}
	case config.RegionsEnabled:
		return nil
	case config.RegionsDefault:
		list = w.project.Regions
	}
	var out []string
	for _, r := range list {
		out = append(out, r.Value)
	}
	return out
}

// sameValues are the parameters of a stack, by region: their values where these
// are known before a deploy and the same in all accounts.
func (w *Work) sameValues(s *config.Stack, accounts []axle.Account, regions []string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, region := range regions {
		values := map[string]string{}
		for _, p := range s.Parameters {
			values[p.Name] = template.Unknown(p.Name)
			if v, ok := w.sameValue(p.Value, accounts, region); ok {
				values[p.Name] = v
			}
		}
		out[region] = values
	}
	return out
}

func (w *Work) sameValue(t *expr.Text, accounts []axle.Account, region string) (string, bool) {
	if t == nil || len(t.Calls()) > 0 {
		return "", false
	}
	first := ""
	for i, a := range accounts {
		scope := w.Scope(a)
		scope.Region = region
		v, ok, err := t.Eval(scope, nil)
		if err != nil || !ok || i > 0 && v != first {
			return "", false
		}
		first = v
	}
	return first, true
}

// schemas asks CloudFormation for the schemas of types that the table doesn't
// have, once: they are kept beside axle.yaml until --refresh. nil: not asked.
func (w *Work) schemas(ctx context.Context, groups []*privilege.Group, ask bool) (map[string]privilege.Schema, error) {
	if !ask {
		return nil, nil
	}
	out := map[string]privilege.Schema{}
	dir := filepath.Join(stateDir(w.opts.File), "types")
	for _, name := range privilege.UnknownTypes(groups) {
		kept := filepath.Join(dir, strings.ReplaceAll(name, "::", "-")+".json")
		if body, err := os.ReadFile(kept); err == nil && !w.opts.Refresh {
			if s, err := privilege.ParseSchema(body); err == nil {
				out[name] = s
				continue
			}
		}
		body, err := w.cloud.TypeSchema(ctx, w.hub.Region, name)
		if err != nil {
			if !cloud.IsUnknownType(err) {
				return nil, err
			}
			w.warn("CloudFormation doesn't know type %s", name)
			continue
		}
		if out[name], err = privilege.ParseSchema(body); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := os.MkdirAll(dir, 0o755); err == nil {
			err = os.WriteFile(kept, body, 0o644)
			if err != nil {
				w.warn("the schema of %s wasn't kept for the next time: %v", name, err)
			}
		}
	}
	return out, nil
}
