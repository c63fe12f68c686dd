package sandbox

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"axle/internal/late"
)

// maxFunctionPolicy is the size of a function's policy in bytes.
const maxFunctionPolicy = 20480

var (
	statementID  = naming{late.MustCompile(`^[a-zA-Z0-9_-]+$`), 1, 100}
	lambdaAction = late.MustCompile(`^(lambda:[*]|lambda:[a-zA-Z]+|[*])$`)
	servicePart  = late.MustCompile(`^[a-z0-9.-]+\.amazonaws\.com$`)
	orgIDs       = late.MustCompile(`^o-[a-z0-9]{10,32}$`)
)

// addPermissionAccess says whom the permission is for, so that policies can
// limit that.
func addPermissionAccess(c *call) ([]access, error) {
	r, err := c.readFunction(c.In.str("FunctionName"), c.In.str("Qualifier"))
	a := c.functionAccess("AddPermission", r)
	a.Context["lambda:Principal"] = []string{c.In.str("Principal")}
	if kind := c.In.str("FunctionUrlAuthType"); kind != "" {
		a.Context["lambda:FunctionUrlAuthType"] = []string{kind}
	}
	return []access{a}, err
}

// statements reads the policy's statements.
func (p *functionPolicy) statements() []map[string]any {
	var doc struct{ Statement []map[string]any }
	if p == nil || json.Unmarshal([]byte(p.Text), &doc) != nil {
		return nil
	}
	return doc.Statement
}

// setStatements puts a policy of these statements in force under a qualifier;
// none takes the policy away.
func (c *call) setStatements(policies *map[string]*functionPolicy, qualifier string, statements []map[string]any) error {
	doc := ""
	if len(statements) > 0 {
		doc = documentText(map[string]any{"Version": "2012-10-17", "Id": "default", "Statement": anyList(statements)})
	}
	if len(doc) > maxFunctionPolicy {
		return fail("PolicyLengthExceededException", "The final policy size (%d) is bigger than the limit (%d).", len(doc), maxFunctionPolicy)
	}
	var bound map[string]string
	if doc != "" {
		var err error
		if bound, err = c.checkResourcePolicy(doc, "lambda:"); err == nil && c.Via != "cloudformation" { // which waits for new roles
			err = c.known(bound)
		}
		if err != nil {
			return invalidLambda("The provided principal was invalid. Please check the principal and try again.")
		}
	}
	p := (*policies)[qualifier]
	if p == nil {
		p = &functionPolicy{}
		put(policies, qualifier, p)
	}
	p.change(doc, bound, c.now())
	p.Revision = c.uuid()
	return nil
}

// policyPlace is where the policy of a qualifier is kept.
func (f *lambdaFunction) policyPlace(r functionRef) (string, error) {
	switch {
	case r.Qualifier == "":
		return "", nil
	case r.Qualifier == latest:
		return "", invalidLambda("We currently do not support adding policies for $LATEST.")
	case f.version(r.Qualifier) == nil:
		return "", noFunction(r)
	}
	return r.Qualifier, nil
}

func addPermission(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	place, err := f.policyPlace(r)
	if err != nil {
		return nil, err
	}
	p := f.Policies[place]
	if err := c.checkRevision(p.revision(), "GetPolicy"); err != nil {
		return nil, err
	}
	sid := c.In.str("StatementId")
	statements := p.statements()
	switch {
	case !statementID.MatchString(sid):
		return nil, breaks(sid, "statementId", `Member must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)`)
	case !lambdaAction.MatchString(c.In.str("Action")):
		return nil, breaks(c.In.str("Action"), "action", `Member must satisfy regular expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])`)
	case slices.ContainsFunc(statements, func(s map[string]any) bool { return text(s["Sid"]) == sid }):
		return nil, &apiError{Status: 409, Code: "ResourceConflictException",
			Message: "The statement id (" + sid + ") provided already exists. Please provide a new statement id, or remove the existing statement."}
	}
	statement, err := c.permission(f, place)
	if err != nil {
		return nil, err
	}
	if err := c.setStatements(&f.Policies, place, append(statements, statement)); err != nil {
		return nil, err
	}
	return obj{"Statement": documentText(statement)}, nil
}

func (p *functionPolicy) revision() string {
	if p == nil {
		return ""
	}
	return p.Revision
}

// permission is the statement that the input asks for.
func (c *call) permission(f *lambdaFunction, place string) (map[string]any, error) {
	principal, err := c.permissionPrincipal()
	if err != nil {
		return nil, err
	}
	arn := f.arn()
	if place != "" {
		arn += ":" + place
	}
	statement := map[string]any{"Sid": c.In.str("StatementId"), "Effect": "Allow", "Principal": principal, "Action": c.In.str("Action"), "Resource": arn}
	equals := map[string]any{}
	for field, key := range map[string]string{"SourceAccount": "AWS:SourceAccount", "PrincipalOrgID": "aws:PrincipalOrgID",
		"EventSourceToken": "lambda:EventSourceToken", "FunctionUrlAuthType": "lambda:FunctionUrlAuthType"} {
		if v := c.In.str(field); v != "" {
			equals[key] = v
		}
	}
	condition := map[string]any{}
	if len(equals) > 0 {
		condition["StringEquals"] = equals
	}
	if c.In.has("InvokedViaFunctionUrl") {
		condition["Bool"] = map[string]any{"lambda:InvokedViaFunctionUrl": c.In.str("InvokedViaFunctionUrl")}
	}
	if source := c.In.str("SourceArn"); source != "" {
		if !strings.HasPrefix(source, "arn:") {
			return nil, breaks(source, "sourceArn", `Member must satisfy regular expression pattern: arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:([a-z]{2}(-gov)?(-iso([a-z]?))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`)
		}
		condition["ArnLike"] = map[string]any{"AWS:SourceArn": source}
	}
	if len(condition) > 0 {
		statement["Condition"] = condition
	}
	switch {
	case c.In.str("SourceAccount") != "" && !accountIDs.MatchString(c.In.str("SourceAccount")):
		return nil, breaks(c.In.str("SourceAccount"), "sourceAccount", `Member must satisfy regular expression pattern: \d{12}`)
	case c.In.str("PrincipalOrgID") != "" && !orgIDs.MatchString(c.In.str("PrincipalOrgID")):
		return nil, breaks(c.In.str("PrincipalOrgID"), "principalOrgID", `Member must satisfy regular expression pattern: o-[a-z0-9]{10,32}`)
	}
	return statement, nil
}

// permissionPrincipal reads the principal: a service, an account or one of its
// users and roles, or everybody.
func (c *call) permissionPrincipal() (any, error) {
	p := c.In.str("Principal")
	switch {
	case p == "*":
		return "*", nil
	case accountIDs.MatchString(p):
		return map[string]any{"AWS": "arn:aws:iam::" + p + ":root"}, nil
	case strings.HasPrefix(p, "arn:"):
		return map[string]any{"AWS": p}, nil
	case servicePart.MatchString(p):
		return map[string]any{"Service": p}, nil
	}
	return nil, invalidLambda("The provided principal was invalid. Please check the principal and try again.")
}

func getFunctionPolicy(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	place := r.Qualifier
	if place == latest {
		place = ""
	}
	p := f.Policies[place]
	if p == nil || c.inForce(&p.policyText) == "" {
		return nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "The resource you requested does not exist."}
	}
	return obj{"Policy": c.inForce(&p.policyText), "RevisionId": p.Revision}, nil
}

func removePermission(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	place, err := f.policyPlace(r)
	if err != nil {
		return nil, err
	}
	p, sid := f.Policies[place], c.In.str("StatementId")
	statements := p.statements()
	if len(statements) == 0 {
		return nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "No policy is associated with the given resource."}
	}
	if err := c.checkRevision(p.Revision, "GetPolicy"); err != nil {
		return nil, err
	}
	kept := slices.DeleteFunc(slices.Clone(statements), func(s map[string]any) bool { return text(s["Sid"]) == sid })
	if len(kept) == len(statements) {
		return nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Statement " + sid + " is not found in resource policy."}
	}
	var refused *apiError
	if err := c.setStatements(&f.Policies, place, kept); errors.As(err, &refused) { // a principal of the rest is gone
		p.Text, p.Revision = documentText(map[string]any{"Version": "2012-10-17", "Id": "default", "Statement": anyList(kept)}), c.uuid()
	}
	return obj{}, nil
}
