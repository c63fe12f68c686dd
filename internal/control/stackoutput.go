package control

import (
	"context"
	"slices"
	"strings"

	"axle"
	"axle/internal/plan"
	"axle/policy/pattern"
)

// ReaderRoles are the roles that the templates of the project name in
// Fn::GetStackOutput, with the stacks that they read and the roles that assume
// them: the stacks' execution roles, or the access roles.
func (w *Work) ReaderRoles(ctx context.Context) ([]pattern.ReaderRole, error) {
	r, err := w.whatReads(ctx)
	if err != nil {
		return nil, err
	}
	byARN := map[string]*pattern.ReaderRole{}
	for i := range r.plan.Steps {
		s := &r.plan.Steps[i]
		t := w.templates[s.Name]
		if s.Kind != plan.KindStack || t == nil {
			continue
		}
		world := plan.WorldOf(s, nil)
		world.Partition = w.identity.Partition
		for _, o := range t.StackOutputs(world) {
			if o.Role == "" {
				continue
			}
			if strings.Contains(o.Role+o.Stack+o.Region, "${") {
				w.warn("%s: what Fn::GetStackOutput reads in %s isn't known before the run: %s of %s by %s", o.Pos, s.Where(), o.Output, o.Stack, o.Role)
				continue
			}
			account, path, name, ok := splitRole(o.Role)
			if !ok {
				w.warn("%s: %q is not the ARN of a role", o.Pos, o.Role)
				continue
			}
			x := byARN[o.Role]
			if x == nil {
				x = &pattern.ReaderRole{Account: account, Name: name, Path: path, ARN: o.Role}
				byARN[o.Role] = x
			}
			x.Stacks = append(x.Stacks, "arn:"+w.identity.Partition+":cloudformation:"+o.Region+":"+account+":stack/"+o.Stack+"/*")
			x.Readers = append(x.Readers, w.worksAs(s))
		}
	}
	var out []pattern.ReaderRole
	for _, arn := range sortedNames(byARN) {
		x := byARN[arn]
		slices.Sort(x.Stacks)
		slices.Sort(x.Readers)
		x.Stacks, x.Readers = slices.Compact(x.Stacks), slices.Compact(x.Readers)
		out = append(out, *x)
	}
	return out, nil
}

// splitRole takes the ARN of a role apart.
func splitRole(arn string) (account, path, name string, ok bool) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[2] != "iam" || !axle.ValidAccountID(parts[4]) {
		return "", "", "", false
	}
	rest, ok := strings.CutPrefix(parts[5], "role")
	i := strings.LastIndexByte(rest, '/')
	if !ok || i < 0 || rest[i+1:] == "" {
		return "", "", "", false
	}
	return parts[4], rest[:i+1], rest[i+1:], true
}

// worksAs is the ARN of the role that CloudFormation works as on a step's stack:
// the execution role, or who calls.
func (w *Work) worksAs(s *axle.Step) string {
	role := s.Spec.Stack.ExecutionRole
	if role == "" {
		role = w.roleFor(accountOf(w, s.Account)).Name
	}
	if role == "" || role == "none" {
		return "arn:" + w.identity.Partition + ":iam::" + s.Account + ":root"
	}
	if strings.HasPrefix(role, "arn:") {
		return role
	}
	return "arn:" + w.identity.Partition + ":iam::" + s.Account + ":role/" + strings.TrimPrefix(role, "/")
}

func accountOf(w *Work, id string) axle.Account {
	if a, ok := w.org.Account(id); ok {
		return a
	}
	return axle.Account{ID: id}
}
