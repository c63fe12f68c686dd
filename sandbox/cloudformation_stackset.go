package sandbox

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"axle/internal/late"
)

// stackSet is a stack set, kept in the account and region that administers it:
// service-managed ones in the management account, also when a delegated
// administrator made them, as AWS does.
type stackSet struct {
	ID          string `json:"id"` // name:uuid
	Name        string `json:"name"`
	Home        string `json:"home"` // account
	Region      string `json:"region"`
	Description string `json:"description,omitempty"`
	Deleted     bool   `json:"deleted,omitempty"`
	stackVersion
	Version   int                       `json:"version"` // counts what makes instances outdated
	Model     string                    `json:"model"`   // SELF_MANAGED | SERVICE_MANAGED
	Admin     string                    `json:"admin,omitempty"`
	Execution string                    `json:"execution,omitempty"`
	Auto      *autoDeployment           `json:"auto,omitempty"`
	Managed   bool                      `json:"managed_execution,omitempty"`
	Units     []string                  `json:"units,omitempty"`   // OUs that were ever targeted and not dropped since
	Regions   []string                  `json:"regions,omitempty"` // in the order of their first use
	Token     string                    `json:"token,omitempty"`
	Instances map[string]*stackInstance `json:"instances,omitempty"` // by account/region
	// Operations are all that there were, oldest first.
	Operations []*setOperation `json:"operations,omitempty"`
}

// autoDeployment says that accounts get a service-managed stack set's stacks as
// they come into its OUs, and lose them as they leave.
type autoDeployment struct {
	Enabled   bool     `json:"enabled,omitempty"`
	Retain    bool     `json:"retain,omitempty"`
	DependsOn []string `json:"depends_on,omitempty"`
}

// stackInstance stands for a stack of a stack set.
type stackInstance struct {
	Account   string            `json:"account"`
	Region    string            `json:"region"`
	Unit      string            `json:"unit,omitempty"`
	Stack     string            `json:"stack,omitempty"` // id
	Status    string            `json:"status"`          // CURRENT | OUTDATED | INOPERABLE
	Detail    string            `json:"detail"`
	Reason    string            `json:"reason,omitempty"`
	Overrides map[string]string `json:"overrides,omitempty"`
	Operation string            `json:"operation,omitempty"` // the last one
	Version   int               `json:"version"`
}

func (i *stackInstance) key() string { return i.Account + "/" + i.Region }

const (
	serviceManaged = "SERVICE_MANAGED"
	selfManaged    = "SELF_MANAGED"
	defaultAdmin   = "AWSCloudFormationStackSetAdministrationRole"
	defaultExec    = "AWSCloudFormationStackSetExecutionRole"
)

// stackSetOps are the operations of StackSets.
func stackSetOps() map[string]operation {
	on := func(run func(*call, *stackSet) (obj, error)) operation {
		return operation{resources: stackSetARNs, run: func(c *call) (obj, error) {
			set, err := c.stackSet()
			if err != nil {
				return nil, err
			}
			return run(c, set)
		}}
	}
	return map[string]operation{
		"CreateStackSet":               {run: createStackSet, resources: stackSetARNs},
		"DeleteStackSet":               {run: deleteStackSet, resources: stackSetARNs},
		"ListStackSets":                {run: listStackSets},
		"DescribeStackSet":             on(describeStackSet),
		"UpdateStackSet":               on(updateStackSet),
		"CreateStackInstances":         on(createStackInstances),
		"UpdateStackInstances":         on(updateStackInstances),
		"DeleteStackInstances":         on(deleteStackInstances),
		"ListStackInstances":           on(listStackInstances),
		"DescribeStackInstance":        on(describeStackInstance),
		"DescribeStackSetOperation":    on(describeSetOperation),
		"ListStackSetOperations":       on(listSetOperations),
		"ListStackSetOperationResults": on(listSetResults),
		"StopStackSetOperation":        on(stopSetOperation),
	}
}

// setHome is the state that holds the stack sets that the caller works with.
func (c *call) setHome() (*cfnState, *account) {
	if c.In.str("CallAs") == "DELEGATED_ADMIN" {
		a := c.account(c.st.Org.Management)
		return &a.region(c.Region).CFN, a
	}
	return c.cfn(), c.Account
}

// callAsRight refuses a caller who says that it is a delegated administrator and
// isn't.
func (c *call) callAsRight() error {
	switch c.In.str("CallAs") {
	case "", "SELF":
		return nil
	case "DELEGATED_ADMIN":
		if _, ok := c.st.Org.Delegates[c.Account.ID][stackSets]; ok {
			return nil
		}
		return invalid("Account used is not a delegated administrator")
	}
	return invalid("1 validation error detected: Value '%s' at 'callAs' failed to satisfy constraint: Member must satisfy enum value set: [SELF, DELEGATED_ADMIN]", c.In.str("CallAs"))
}

// stackSetARNs is what a call needs permission on.
func stackSetARNs(c *call) []string {
	name := c.In.str("StackSetName")
	home, admin := c.setHome()
	if set := home.set(name); set != nil {
		return []string{set.arn()}
	}
	if strings.Contains(name, ":") {
		return []string{"arn:aws:cloudformation:" + c.Region + ":" + admin.ID + ":stackset/" + name}
	}
	return []string{"arn:aws:cloudformation:" + c.Region + ":" + admin.ID + ":stackset/" + name + ":*"}
}

func (set *stackSet) arn() string {
	return "arn:aws:cloudformation:" + set.Region + ":" + set.Home + ":stackset/" + set.ID
}

// set finds a stack set by name (not a deleted one) or id.
func (st *cfnState) set(nameOrID string) *stackSet {
	if _, id, ok := strings.Cut(nameOrID, ":stackset/"); ok { // by ARN
		nameOrID = id
	}
	for _, set := range st.Sets {
		if set.ID == nameOrID || set.Name == nameOrID && !set.Deleted {
			return set
		}
	}
	return nil
}

func notFound(code, format string, args ...any) *apiError {
	e := fail(code, format, args...)
	e.Status = 404
	return e
}

func conflict(code, format string, args ...any) *apiError {
	e := fail(code, format, args...)
	e.Status = 409
	return e
}

// stackSet finds the stack set that the call names.
func (c *call) stackSet() (*stackSet, error) {
	name := c.In.str("StackSetName")
	if name == "" {
		return nil, missing("stackSetName")
	}
	if err := c.callAsRight(); err != nil {
		return nil, err
	}
	home, _ := c.setHome()
	set := home.set(name)
	if set == nil || set.Deleted && !strings.HasPrefix(c.Op, "Describe") || c.In.str("CallAs") == "DELEGATED_ADMIN" && set.Model != serviceManaged {
		return nil, notFound("StackSetNotFoundException", "StackSet %s not found", name)
	}
	return set, nil
}

var stackSetNames = naming{late.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]*$`), 1, 128}

func createStackSet(c *call) (obj, error) {
	name := c.In.str("StackSetName")
	if name == "" {
		return nil, missing("stackSetName")
	}
	if !stackSetNames.MatchString(name) {
		return nil, invalid("1 validation error detected: Value '%s' at 'stackSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	}
	if c.In.has("StackId") {
		return nil, invalid("Importing a stack into a stack set isn't supported by this version of the sandbox")
	}
	if err := c.callAsRight(); err != nil {
		return nil, err
	}
	set := &stackSet{Name: name, Description: c.In.str("Description"), Model: c.In.or("PermissionModel", selfManaged), Token: c.In.str("ClientRequestToken"), Version: 1}
	if err := c.setModel(set); err != nil {
		return nil, err
	}
	if err := c.setContent(set, nil); err != nil {
		return nil, err
	}
	home, admin := c.setHome()
	if set.Model == serviceManaged && admin.ID != c.st.Org.Management {
		return nil, invalid("You must be the management account or delegated admin account of an organization before operating a SERVICE_MANAGED stack set")
	}
	if old := home.set(name); old != nil {
		if set.Token != "" && old.Token == set.Token {
			return obj{"StackSetId": old.ID}, nil
		}
		return nil, conflict("NameAlreadyExistsException", "StackSet %s already exists", name)
	}
	set.ID, set.Home, set.Region = name+":"+c.uuid(), admin.ID, c.Region
	put(&home.Sets, set.ID, set)
	return obj{"StackSetId": set.ID}, nil
}

// setModel reads who manages the permissions, and how.
func (c *call) setModel(set *stackSet) error {
	auto := c.In.obj("AutoDeployment")
	switch set.Model {
	case serviceManaged:
		if c.Account.ID != c.st.Org.Management && c.In.str("CallAs") != "DELEGATED_ADMIN" {
			return invalid("You must be the management account or delegated admin account of an organization before operating a SERVICE_MANAGED stack set")
		}
		if _, on := c.st.Org.Trusted[stackSets]; !on {
			return invalid("You must enable organizations access to operate a service managed stack set")
		}
		if c.In.has("AdministrationRoleARN") || c.In.has("ExecutionRoleName") {
			return invalid("AdministrationRoleARN and ExecutionRoleName cannot be specified for a stack set with SERVICE_MANAGED permission model")
		}
		if c.In.has("AutoDeployment") {
			set.Auto = &autoDeployment{Enabled: auto.bool("Enabled"), Retain: auto.bool("RetainStacksOnAccountRemoval"), DependsOn: auto.strs("DependsOn")}
			if !set.Auto.Enabled && set.Auto.Retain {
				return invalid("RetainStacksOnAccountRemoval can only be specified if AutoDeployment is enabled")
			}
		}
	case selfManaged:
		if len(auto) > 0 {
			return invalid("AutoDeployment cannot be specified for a stack set with SELF_MANAGED permission model")
		}
		if c.In.str("CallAs") == "DELEGATED_ADMIN" {
			return invalid("CallAs DELEGATED_ADMIN is only for stack sets with SERVICE_MANAGED permission model")
		}
		if c.In.has("AdministrationRoleARN") || set.Admin == "" {
			set.Admin = c.In.or("AdministrationRoleARN", "arn:"+partition(c.Region)+":iam::"+c.Account.ID+":role/"+defaultAdmin)
		}
		if c.In.has("ExecutionRoleName") || set.Execution == "" {
			set.Execution = c.In.or("ExecutionRoleName", defaultExec)
		}
		if c.In.has("AdministrationRoleARN") {
			return c.mayPass(set.Admin, "cloudformation.amazonaws.com")
		}
	default:
		return invalid("1 validation error detected: Value '%s' at 'permissionModel' failed to satisfy constraint: Member must satisfy enum value set: [SERVICE_MANAGED, SELF_MANAGED]", set.Model)
	}
	return nil
}

// setContent reads template, parameters, tags and capabilities.
func (c *call) setContent(set *stackSet, old *stack) error {
	t, err := c.requestedTemplate(old)
	if err != nil {
		return err
	}
	var previous map[string]stackParameter
	if old != nil {
		previous = old.Parameters
	}
	next := stackVersion{Template: t.digest, Capabilities: c.In.strs("Capabilities")}
	if next.Parameters, err = t.parametersFor(c.In.list("Parameters"), previous); err != nil {
		return err
	}
	if next.Tags, err = c.requestedTags(old); err != nil {
		return err
	}
	if err := c.checkCapabilities(t); err != nil {
		return err
	}
	if set.Model == serviceManaged && len(t.transforms) > 0 {
		return invalid("StackSets with SERVICE_MANAGED permission model do not support templates with transforms")
	}
	set.stackVersion = next
	if c.In.has("ManagedExecution") {
		set.Managed = c.In.obj("ManagedExecution").bool("Active")
	}
	return nil
}

func updateStackSet(c *call, set *stackSet) (obj, error) {
	if m := c.In.str("PermissionModel"); m != "" && m != set.Model {
		return nil, invalid("The permission model of a stack set with stack instances can't be changed by this version of the sandbox")
	}
	next := *set
	if err := c.setModel(&next); err != nil {
		return nil, err
	}
	if err := c.setContent(&next, &stack{stackVersion: set.stackVersion}); err != nil {
		return nil, err
	}
	if c.In.has("Description") {
		next.Description = c.In.str("Description")
	}
	if err := c.mayOperate(set); err != nil {
		return nil, err
	}
	places, err := c.setPlaces(set, false)
	if err != nil {
		return nil, err
	}
	op, err := c.newOperation("UPDATE")
	if err != nil {
		return nil, err
	}
	next.Version++
	*set = next
	for _, key := range sortedKeys(set.Instances) {
		i := set.Instances[key]
		if i.Status == "CURRENT" {
			i.Status, i.Detail = "OUTDATED", "PENDING"
		}
		if wanted := slices.ContainsFunc(places, func(p setPlace) bool { return p.key() == i.key() }); wanted && i.Status != "INOPERABLE" {
			op.Tasks = append(op.Tasks, &setTask{Account: i.Account, Region: i.Region, Unit: i.Unit})
		}
	}
	return c.startOperation(set, op), nil
}

func deleteStackSet(c *call) (obj, error) {
	set, err := c.stackSet()
	if err != nil {
		if e := (*apiError)(nil); asError(err, &e) && e.Code == "StackSetNotFoundException" {
			return obj{}, nil // as AWS: deleting what isn't there succeeds
		}
		return nil, err
	}
	if len(set.Instances) > 0 {
		return nil, conflict("StackSetNotEmptyException", "StackSet is not empty")
	}
	if op := set.running(); op != nil {
		return nil, set.inProgress(op)
	}
	set.Deleted = true
	return obj{}, nil
}

func asError(err error, into **apiError) bool {
	e, ok := err.(*apiError)
	*into = e
	return ok
}

func describeStackSet(c *call, set *stackSet) (obj, error) {
	status := "ACTIVE"
	if set.Deleted {
		status = "DELETED"
	}
	var regions []string
	for _, i := range set.Instances {
		if !slices.Contains(regions, i.Region) {
			regions = append(regions, i.Region)
		}
	}
	slices.Sort(regions)
	o := obj{"StackSetName": set.Name, "StackSetId": set.ID, "StackSetARN": set.arn(), "Status": status, "Description": optional(set.Description),
		"TemplateBody": c.st.Templates[set.Template], "Parameters": shownParameters(c.keptTemplate(set.Template), set.given()), "Tags": tagList(set.Tags),
		"PermissionModel": set.Model, "AdministrationRoleARN": optional(set.Admin), "ExecutionRoleName": optional(set.Execution),
		"OrganizationalUnitIds": nonNil(set.Units), "Regions": nonNil(regions), "ManagedExecution": obj{"Active": set.Managed}, "AutoDeployment": set.Auto.shown()}
	if len(set.Capabilities) > 0 {
		o["Capabilities"] = set.Capabilities
	}
	return obj{"StackSet": o}, nil
}

// given are the parameters that somebody gave: a template's defaults aren't
// among a stack set's parameters.
func (set *stackSet) given() map[string]stackParameter {
	out := maps.Clone(set.Parameters)
	maps.DeleteFunc(out, func(_ string, p stackParameter) bool { return p.Default })
	return out
}

func (a *autoDeployment) shown() any {
	if a == nil {
		return nil
	}
	o := obj{"Enabled": a.Enabled}
	if a.Enabled {
		o["RetainStacksOnAccountRemoval"] = a.Retain
	}
	if len(a.DependsOn) > 0 {
		o["DependsOn"] = a.DependsOn
	}
	return o
}

func listStackSets(c *call) (obj, error) {
	if err := c.callAsRight(); err != nil {
		return nil, err
	}
	home, _ := c.setHome()
	var sets []*stackSet
	for _, set := range home.Sets {
		status := c.In.str("Status")
		if (status == "" || set.Deleted == (status == "DELETED")) && (c.In.str("CallAs") != "DELEGATED_ADMIN" || set.Model == serviceManaged) {
			sets = append(sets, set)
		}
	}
	slices.SortFunc(sets, func(a, b *stackSet) int { return cmp.Compare(a.ID, b.ID) })
	page, next, ok := paginate(c.Sandbox, sets, func(s *stackSet) string { return s.ID }, c.In.str("NextToken"), c.In.int("MaxResults", 100))
	if !ok {
		return nil, badToken(c)
	}
	out := []obj{}
	for _, set := range page {
		status := "ACTIVE"
		if set.Deleted {
			status = "DELETED"
		}
		out = append(out, obj{"StackSetName": set.Name, "StackSetId": set.ID, "Description": optional(set.Description), "Status": status,
			"AutoDeployment": set.Auto.shown(), "PermissionModel": set.Model, "DriftStatus": "NOT_CHECKED", "ManagedExecution": obj{"Active": set.Managed}})
	}
	return obj{"Summaries": out, "NextToken": optional(next)}, nil
}
