package sandbox

import (
	"strings"

	"axle/policy"
)

// denial is AWS's sentence for a refused request as this service writes it:
// they agree on the form, not on how they name actions and resources.
func (c *call) denial(d policy.Decision, req *policy.Request) string {
	action, on := req.Action, req.Resource
	switch c.Service {
	case "sns":
		action = strings.Replace(action, "sns:", "SNS:", 1)
	case "sqs":
		action = strings.ToLower(action)
	case "s3":
		on = `"` + on + `"`
	case "iam":
		on = c.namedByIAM(req)
	case "secretsmanager": // the secret as the caller names it
		if id := c.In.str("SecretId"); id != "" && strings.HasPrefix(req.Action, "secretsmanager:") {
			on = id
		}
	}
	if req.Resource == "*" && !sayStar[c.Service] {
		on = ""
	}
	if on != "" {
		on = " on resource: " + on
	}
	return "User: " + c.Who.ARN + " is not authorized to perform: " + action + on + " " + d.Reason(action)
}

// sayStar are the services that name the resource * too.
var sayStar = map[string]bool{"organizations": true, "kms": true, "lambda": true}

// namedByIAM is how IAM names a role, user or policy that is there: by its
// kind and name. What is created, listed or passed has its ARN.
func (c *call) namedByIAM(req *policy.Request) string {
	op := strings.TrimPrefix(req.Action, "iam:")
	kind, field := "", ""
	switch {
	case op == "PassRole" || op == "CreateRole" || op == "CreateUser" || op == "CreateGroup" || op == "CreatePolicy" || op == "ListGroups" || op == "ListRoles" || op == "ListUsers" || op == "ListPolicies":
		return req.Resource
	case c.In.has("GroupName"):
		kind, field = "group", "GroupName"
	case c.In.has("RoleName"):
		kind, field = "role", "RoleName"
	case c.In.has("UserName"):
		kind, field = "user", "UserName"
	case c.In.has("PolicyArn"):
		kind, field = "policy", "PolicyArn"
	default:
		return req.Resource
	}
	return kind + " " + c.In.str(field)
}
