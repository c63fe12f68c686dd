package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"axle/internal/late"
	"axle/policy"
)

func (s *Sandbox) stsOps() map[string]operation {
	return map[string]operation{
		"GetCallerIdentity": {run: getCallerIdentity, open: true},
		"AssumeRole":        {run: assumeRole, open: true}, // checks trust and permission itself
		"GetSessionToken":   {run: getSessionToken, open: true},
		// Asks the trust policy itself, and checks the token in the place of a signature.
		"AssumeRoleWithWebIdentity":  {run: assumeRoleWithWebIdentity, open: true},
		"DecodeAuthorizationMessage": {run: decodeMessage},
		"GetAccessKeyInfo":           {run: getAccessKeyInfo},
	}
}

func getCallerIdentity(c *call) (obj, error) {
	return obj{"Account": c.Who.Account, "Arn": c.Who.ARN, "UserId": c.Who.UserID}, nil
}

func getAccessKeyInfo(c *call) (obj, error) {
	id := c.st.Keys[c.In.str("AccessKeyId")]
	if id == nil {
		return nil, fail("ValidationError", "Access key %s does not exist", c.In.str("AccessKeyId"))
	}
	return obj{"Account": id.Account}, nil
}

var (
	roleARN     = late.MustCompile(`^arn:aws:iam::([0-9]{12}):role(/(?:[!-~]+/)?)([\w+=,.@-]+)$`)
	sessionName = naming{late.MustCompile(`^[\w+=,.@-]+$`), 2, 64}
	externalID  = late.MustCompile(`^[\w+=,.@:/\\-]+$`)
)

// chainedMax is the longest session of a role that another role assumes.
const chainedMax = 3600

// assumeRole follows https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html.
// A role that doesn't exist is refused in the words of one that isn't allowed.
func assumeRole(c *call) (obj, error) {
	if err := checkAssumeRole(c.In); err != nil {
		return nil, err
	}
	arn := c.In.str("RoleArn")
	denied := &apiError{Status: 403, Code: "AccessDenied",
		Message: "User: " + c.Who.ARN + " is not authorized to perform: sts:AssumeRole on resource: " + arn}
	if c.Who.Type == "root" {
		return nil, &apiError{Status: 403, Code: "AccessDenied", Message: "Roles may not be assumed by root accounts."}
	}
	m := roleARN.FindStringSubmatch(arn)
	target := c.account(m[1])
	if target == nil || !c.st.Org.usable(m[1]) {
		return nil, denied
	}
	role := target.IAM.Roles[m[3]]
	if role == nil || role.ARN != arn {
		return nil, denied
	}
	trust, seen := role.trustAt(c.now())
	if !seen {
		return nil, denied
	}
	if err := c.mayAssume(role, target, trust); err != nil {
		return nil, err
	}
	if err := c.keepsInherited(arn); err != nil {
		return nil, err
	}
	return c.openSession(role, target)
}

// keepsInherited refuses to change what the session passes on to those that it
// opens: its source identity and its transitive tags.
func (c *call) keepsInherited(role string) error {
	if was, now := c.Who.SourceID, c.In.str("SourceIdentity"); was != "" && now != "" && was != now {
		return &apiError{Status: 403, Code: "AccessDenied",
			Message: "User: " + c.Who.ARN + " is not authorized to perform: sts:SetSourceIdentity on resource: " + role}
	}
	tags := c.In.tags("Tags")
	for _, k := range sortedKeys(tags) {
		if slices.ContainsFunc(c.Who.Transitive, func(t string) bool { return strings.EqualFold(t, k) }) {
			return fail("ValidationError", "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.")
		}
	}
	for _, k := range c.In.strs("TransitiveTagKeys") {
		if _, given := tags[k]; !given {
			return fail("ValidationError", "The specified transitive tag key must be included in the requested tags.")
		}
	}
	return nil
}

func checkAssumeRole(in params) error {
	invalid := func(field, value, constraint string) error {
		return fail("ValidationError", "1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: %s", value, field, constraint)
	}
	arn, name, external := in.str("RoleArn"), in.str("RoleSessionName"), in.str("ExternalId")
	switch {
	case arn == "":
		return fail("ValidationError", "1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null")
	case name == "":
		return fail("ValidationError", "1 validation error detected: Value null at 'roleSessionName' failed to satisfy constraint: Member must not be null")
	case len(name) < 2:
		return invalid("roleSessionName", name, "Member must have length greater than or equal to 2")
	case len(name) > 64:
		return invalid("roleSessionName", name, "Member must have length less than or equal to 64")
	case !sessionName.MatchString(name):
		return invalid("roleSessionName", name, `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	case external != "" && (len(external) < 2 || len(external) > 1224 || !externalID.MatchString(external)):
		return invalid("externalId", external, `Member must satisfy regular expression pattern: [\w+=,.@:\/-]*`)
	case in.has("SourceIdentity") && !sessionName.MatchString(in.str("SourceIdentity")):
		return invalid("sourceIdentity", in.str("SourceIdentity"), `Member must satisfy regular expression pattern: [\w+=,.@-]*`)
	case !roleARN.MatchString(arn):
		return fail("ValidationError", "%s is invalid", arn)
	}
	return nil
}

// sessionSeconds is how long the session lasts.
func sessionSeconds(c *call, role *iamRole) (int, error) {
	seconds := c.In.int("DurationSeconds", 3600)
	switch {
	case seconds < 900:
		return 0, fail("ValidationError", "1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900", seconds)
	case seconds > 43200:
		return 0, fail("ValidationError", "1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 43200", seconds)
	case c.Who.Type == "role" && seconds > chainedMax:
		return 0, fail("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	case seconds > role.MaxSession:
		return 0, fail("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return seconds, nil
}

// sessionPolicies are the policies given with the call, as JSON, and how much
// of their limit they take in percent.
func (c *call) sessionPolicies(target *account) ([]string, int, error) {
	var docs []string
	size := 0
	if doc := c.In.str("Policy"); doc != "" {
		if err := checkDocument(doc, policy.SessionPolicy); err != nil {
			return nil, 0, err
		}
		docs = append(docs, doc)
		size = len(compact(doc))
	}
	for _, p := range c.In.list("PolicyArns") {
		doc, ok := target.IAM.managed(p.str("arn"))
		if !ok {
			return nil, 0, fail("ValidationError", "Policy %s does not exist or is not attachable.", p.str("arn"))
		}
		docs = append(docs, doc)
		size += len(p.str("arn"))
	}
	if size > 2048 {
		return nil, 0, fail("PackedPolicyTooLarge", "Packed size of session tags and policies exceeds the limit: %d%%", size*100/2048)
	}
	return docs, size * 100 / 2048, nil
}

func compact(doc string) string {
	var v any
	if json.Unmarshal([]byte(doc), &v) != nil {
		return doc
	}
	b, _ := json.Marshal(v)
	return string(b)
}

// openSession makes the credentials, as long and as narrow as they are asked for.
func (c *call) openSession(role *iamRole, target *account) (obj, error) {
	seconds, err := sessionSeconds(c, role)
	if err != nil {
		return nil, err
	}
	policies, packed, err := c.sessionPolicies(target)
	if err != nil {
		return nil, err
	}
	name := c.In.str("RoleSessionName")
	id := &identity{
		Account: target.ID, Type: "role", Role: role.Name,
		ARN:    "arn:aws:sts::" + target.ID + ":assumed-role/" + role.Name + "/" + name,
		UserID: role.ID + ":" + name, Secret: c.id(40), Token: "IQoJb3JpZ2luX2Vj" + c.id(64),
		Created: c.now(), Expires: c.now().Add(time.Duration(seconds) * time.Second).Truncate(time.Second),
		Policies: policies, SourceID: c.In.or("SourceIdentity", c.Who.SourceID),
		Tags: c.sessionTags(role),
	}
	id.Transitive = append(id.Transitive, c.In.strs("TransitiveTagKeys")...)
	id.Transitive = append(id.Transitive, c.Who.Transitive...)
	key := c.key("ASIA", 20)
	c.keep(key, id)
	role.LastUsed = c.now()
	out := obj{
		"Credentials":     credentials(key, id),
		"AssumedRoleUser": obj{"AssumedRoleId": id.UserID, "Arn": id.ARN},
		"SourceIdentity":  optional(id.SourceID),
	}
	if packed > 0 {
		out["PackedPolicySize"] = packed
	}
	return out, nil
}

// sessionTags are the role's own tags, under those of the session, under
// those that an earlier session made transitive.
func (c *call) sessionTags(role *iamRole) map[string]string {
	tags := map[string]string{}
	for k, v := range role.Tags {
		tags[k] = v
	}
	for k, v := range c.In.tags("Tags") {
		tags[k] = v
	}
	for _, k := range c.Who.Transitive {
		tags[k] = c.Who.Tags[k]
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

func credentials(key string, id *identity) obj {
	return obj{"AccessKeyId": key, "SecretAccessKey": id.Secret, "SessionToken": id.Token, "Expiration": id.Expires}
}

// keep stores temporary credentials, and forgets those that expired long ago
// each time that the number of them has doubled.
func (s *Sandbox) keep(key string, id *identity) {
	s.st.Keys[key] = id
	if len(s.st.Keys) < max(1024, 2*s.swept) {
		return
	}
	old := s.now().Add(-time.Hour)
	for k, v := range s.st.Keys {
		if !v.Expires.IsZero() && v.Expires.Before(old) {
			delete(s.st.Keys, k)
		}
	}
	s.swept = len(s.st.Keys)
}

func getSessionToken(c *call) (obj, error) {
	if c.Who.Token != "" {
		return nil, &apiError{Status: 403, Code: "AccessDenied", Message: "Cannot call GetSessionToken with session credentials"}
	}
	seconds := c.In.int("DurationSeconds", 43200)
	if seconds < 900 || seconds > 129600 {
		return nil, fail("ValidationError", "1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 129600", seconds)
	}
	id := *c.Who
	id.Secret, id.Token = c.id(40), "IQoJb3JpZ2luX2Vj"+c.id(64)
	id.Created = c.now()
	id.Expires = c.now().Add(time.Duration(seconds) * time.Second).Truncate(time.Second)
	key := c.key("ASIA", 20)
	c.keep(key, &id)
	return obj{"Credentials": credentials(key, &id)}, nil
}

// roleOf is the ARN of the role behind a session's ARN, which lacks the path.
func (s *Sandbox) roleOf(id *identity) string {
	if id.Type == "role" {
		if a := s.account(id.Account); a != nil {
			if r := a.IAM.Roles[id.Role]; r != nil && strings.HasPrefix(id.UserID, r.ID+":") {
				return r.ARN
			}
		}
	}
	return id.ARN
}
