//go:build scenarios

package scenarios

import (
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
)

// TestStackSet is bootstrap by way of a service-managed stack set.
func TestStackSet(t *testing.T) {
	on(t, stackSet, sandbox(alone...), unkindSandbox(alone...), moto())
}

func stackSet(w *world) {
	ctx := w.t.Context()
	w.project("stackset")
	b := w.newOrganization()
	infra, work := b.ou(b.root, "Infrastructure", nil), b.ou(b.root, "Workloads", nil)
	b.account(infra, "tools", nil)
	other := b.account(infra, "other", nil) // nobody's target
	spokes := []string{b.account(work, "dev", nil), b.account(b.ou(work, "Prod", nil), "prod", nil)}
	slices.Sort(spokes)
	must[*organizations.EnableAWSServiceAccessOutput](w, "trusted access")(b.client.EnableAWSServiceAccess(ctx, &organizations.EnableAWSServiceAccessInput{ServicePrincipal: aws.String("member.org.stacksets.cloudformation.amazonaws.com")}))
	flags := []string{"bootstrap", "--stackset"}
	if w.gaps.noAutoDeployment {
		flags = append(flags, "--no-auto-deployment")
	}
	sets := cloudformation.NewFromConfig(w.config("eu-west-1"))
	w.step("bootstrap by a stack set", func() {
		r := w.run(0, flags...)
		w.same("what it did", []int{2, 3}, []int{r.actions()["stack-set create"], r.actions()["stack create"]})
	})
	w.step("the stack set, as AWS's client sees it", func() {
		set := must[*cloudformation.DescribeStackSetOutput](w, "describe stack set")(sets.DescribeStackSet(ctx, &cloudformation.DescribeStackSetInput{StackSetName: aws.String("axle-role-axle-spoke")})).StackSet
		w.same("permission model", "SERVICE_MANAGED", string(set.PermissionModel))
		if !w.gaps.noAutoDeployment {
			w.same("OUs", []string{work}, set.OrganizationalUnitIds)
			w.same("automatic deployment", true, aws.ToBool(set.AutoDeployment.Enabled))
		}
		found := map[string]string{}
		for p := cloudformation.NewListStackInstancesPaginator(sets, &cloudformation.ListStackInstancesInput{StackSetName: set.StackSetName}); p.HasMorePages(); {
			for _, i := range must[*cloudformation.ListStackInstancesOutput](w, "list stack instances")(p.NextPage(ctx)).Summaries {
				found[*i.Account] = string(i.Status)
			}
		}
		w.same("accounts", spokes, slices.Sorted(maps.Keys(found)))
		w.same("status", []string{"CURRENT"}, slices.Compact(slices.Collect(maps.Values(found))))
	})
	w.step("the roles are in the members, and only there", func() {
		for _, account := range append(slices.Clone(spokes), other) {
			_, err := iam.NewFromConfig(w.in(account, "eu-west-1")).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("axle-spoke")})
			w.same("role in "+account, account != other, err == nil)
		}
	})
	w.step("they can be deployed to", func() {
		w.same("what the deploy did", map[string]int{"stack create": 2}, w.run(0, "deploy").actions())
	})
	w.step("again: unchanged", func() {
		r := w.run(0, flags...)
		w.same("what the second bootstrap did", r.Counts.Unchanged, len(r.Steps))
	})
}
