package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
)

// startSetTask begins what an operation does in one account and region.
func (s *Sandbox) startSetTask(set *stackSet, op *setOperation, t *setTask) {
	i := set.Instances[t.Account+"/"+t.Region]
	if i == nil { // deleted by an operation before this one
		t.Status = "SUCCEEDED"
		return
	}
	t.Status, i.Operation, i.Detail, i.Reason = "RUNNING", op.ID, "RUNNING", ""
	if m := s.st.Org.Members[t.Account]; set.Model == serviceManaged && m != nil && m.State != "ACTIVE" {
		t.Status, t.Reason = "CANCELLED", "Account "+t.Account+" is suspended"
		i.Status, i.Detail, i.Reason = "OUTDATED", "SKIPPED_SUSPENDED_ACCOUNT", t.Reason
		return
	}
	if op.Action == "DELETE" && (op.Retain || s.instanceStack(i) == nil) {
		delete(set.Instances, i.key())
		t.Status = "SUCCEEDED"
		return
	}
	c, err := s.instanceCall(set, op, t)
	if err != nil {
		s.failSetTask(set, op, t, message(err))
		return
	}
	st := s.instanceStack(i)
	switch {
	case op.Action == "DELETE":
		t.Doing = "delete"
		_, err = c.invoke("cloudformation", "DeleteStack", t.Region, params{"StackName": i.Stack})
	case st == nil:
		err = s.makeInstance(set, i, t, c)
	case slices.Contains([]string{"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"}, st.Status):
		t.Doing = "clear"
		_, err = c.invoke("cloudformation", "DeleteStack", t.Region, params{"StackName": i.Stack})
	default:
		t.Doing = "update"
		in := set.stackInput(s, i)
		in["StackName"] = i.Stack
		if _, err = c.invoke("cloudformation", "UpdateStack", t.Region, in); err != nil && strings.Contains(err.Error(), "No updates are to be performed.") {
			set.settled(i, t)
			return
		}
	}
	if err != nil {
		s.failSetTask(set, op, t, message(err))
	}
}

// makeInstance creates the instance's stack.
func (s *Sandbox) makeInstance(set *stackSet, i *stackInstance, t *setTask, c *call) error {
	t.Doing = "create"
	in := set.stackInput(s, i)
	in["StackName"] = set.stackName(s.uuid())
	out, err := c.invoke("cloudformation", "CreateStack", t.Region, in)
	if err == nil {
		i.Stack = text(out["StackId"])
	}
	return err
}

// finishSetTask looks whether a stack has come to its end.
func (s *Sandbox) finishSetTask(set *stackSet, op *setOperation, t *setTask) bool {
	i := set.Instances[t.Account+"/"+t.Region]
	st := s.st.Accounts[t.Account].region(t.Region).CFN.Stacks[i.Stack]
	if st != nil && st.busy() {
		return false
	}
	switch {
	case t.Doing == "delete" && (st == nil || st.Status == "DELETE_COMPLETE"):
		delete(set.Instances, i.key())
		t.Status = "SUCCEEDED"
	case t.Doing == "clear" && (st == nil || st.Status == "DELETE_COMPLETE"):
		c, err := s.instanceCall(set, op, t)
		if err == nil {
			err = s.makeInstance(set, i, t, c)
		}
		if err != nil {
			s.failSetTask(set, op, t, message(err))
		}
	case st != nil && (t.Doing == "create" && st.Status == "CREATE_COMPLETE" || t.Doing == "update" && st.Status == "UPDATE_COMPLETE"):
		set.settled(i, t)
	case st == nil:
		s.failSetTask(set, op, t, "The stack was deleted meanwhile")
	default:
		s.failSetTask(set, op, t, st.firstFailure())
	}
	return true
}

// settled notes an instance that has what the stack set wants.
func (set *stackSet) settled(i *stackInstance, t *setTask) {
	t.Status = "SUCCEEDED"
	i.Status, i.Detail, i.Reason, i.Version = "CURRENT", "SUCCEEDED", "", set.Version
}

func (s *Sandbox) failSetTask(set *stackSet, op *setOperation, t *setTask, why string) {
	t.Status, t.Reason = "FAILED", why
	i := set.Instances[t.Account+"/"+t.Region]
	i.Status, i.Detail, i.Reason = "OUTDATED", "FAILED", why
	if op.Action == "DELETE" && t.Doing == "delete" {
		i.Status, i.Detail = "INOPERABLE", "INOPERABLE"
	}
}

// instanceStack is the instance's stack, nil when there is none (any more).
func (s *Sandbox) instanceStack(i *stackInstance) *stack {
	a := s.st.Accounts[i.Account]
	if a == nil || i.Stack == "" {
		return nil
	}
	st := a.region(i.Region).CFN.Stacks[i.Stack]
	if st == nil || st.Status == "DELETE_COMPLETE" {
		return nil
	}
	return st
}

// stackInput is what the instance's stack is made with.
func (set *stackSet) stackInput(s *Sandbox, i *stackInstance) params {
	var list, tags, caps []any
	values := map[string]string{}
	for k, v := range set.given() {
		values[k] = v.Value
	}
	for k, v := range i.Overrides {
		values[k] = v
	}
	for _, k := range sortedKeys(values) {
		list = append(list, map[string]any{"ParameterKey": k, "ParameterValue": values[k]})
	}
	for _, t := range tagList(set.Tags) {
		tags = append(tags, t)
	}
	for _, k := range set.Capabilities {
		caps = append(caps, k)
	}
	return params{"TemplateBody": s.st.Templates[set.Template], "Parameters": list, "Tags": tags, "Capabilities": caps}
}

// instanceCall is a call in the target account: as the role that trusted access
// puts there, or, self-managed, as the execution role, which the administration
// role assumes.
func (s *Sandbox) instanceCall(set *stackSet, op *setOperation, t *setTask) (*call, error) {
	a := s.account(t.Account)
	if a == nil {
		return nil, invalid("Account %s not found", t.Account)
	}
	switch a.regionStatus(t.Region) {
	case "", "DISABLED", "ENABLING":
		return nil, invalid("Region %s is not enabled for account %s", t.Region, t.Account)
	}
	if set.Model == serviceManaged {
		return s.callAs(s.organizationRole(a), "cloudformation", t.Region), nil
	}
	name := set.Admin[strings.LastIndex(set.Admin, "/")+1:]
	admin := s.callAs(op.Who, "cloudformation", set.Region)
	role := admin.Account.IAM.Roles[name]
	if role == nil || role.ARN != set.Admin || !admin.trustsCloudFormation(role) {
		return nil, invalid("Role %s must exist and must have trust relationship with CloudFormation service", set.Admin)
	}
	session := s.callAs(identity{Account: admin.Account.ID, Type: "role", Role: name, UserID: role.ID + ":AWSCloudFormation",
		ARN: "arn:" + partition(set.Region) + ":sts::" + admin.Account.ID + ":assumed-role/" + name + "/AWSCloudFormation"}, "cloudformation", set.Region)
	out, err := session.invoke("sts", "AssumeRole", set.Region, params{"RoleSessionName": "AWSCloudFormationStackSet",
		"RoleArn": "arn:" + partition(set.Region) + ":iam::" + t.Account + ":role/" + set.Execution})
	if err != nil {
		return nil, invalid("Account %s should have '%s' role with trust relationship to Role '%s'.", t.Account, set.Execution, name)
	}
	credentials, _ := out["Credentials"].(obj)
	return s.callAs(*s.st.Keys[text(credentials["AccessKeyId"])], "cloudformation", t.Region), nil
}

// organizationRole is a session of the role that StackSets has in the member
// accounts of an organization that lets it in.
func (s *Sandbox) organizationRole(a *account) identity {
	name := "stacksets-exec-" + strings.TrimPrefix(digestOf("stacksets "+a.ID), "sha256:")[:32]
	r := a.IAM.Roles[name]
	if r == nil {
		trust, _ := json.Marshal(obj{"Version": "2012-10-17", "Statement": []obj{{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": obj{
			"AWS": "arn:aws:iam::" + s.st.Org.Management + ":role/aws-service-role/stacksets.cloudformation.amazonaws.com/AWSServiceRoleForCloudFormationStackSetsOrgAdmin"}}}})
		r = a.IAM.addRole(s, a.ID, name, "/", string(trust))
		r.Attached = []string{awsManaged + "AdministratorAccess"}
		r.Created = s.now()
	}
	return identity{Account: a.ID, Type: "role", Role: name, UserID: r.ID + ":AWSCloudFormation", ARN: "arn:aws:sts::" + a.ID + ":assumed-role/" + name + "/AWSCloudFormation"}
}
