package sandbox

import (
	"encoding/json"
	"strings"

	"axle/internal/late"
	"axle/policy"
)

// checkDocument refuses what isn't a policy of the kind.
func checkDocument(doc string, kind policy.Kind) error {
	if strings.TrimSpace(doc) == "" {
		return iamFail("MalformedPolicyDocument", "The policy is empty.")
	}
	p, err := policy.Parse([]byte(doc))
	if err == nil {
		err = p.Check(kind)
	}
	if err != nil {
		return iamFail("MalformedPolicyDocument", "%s", strings.TrimPrefix(err.Error(), "policy: "))
	}
	return nil
}

// principalsOf are the values under "AWS" in the Principal elements.
func principalsOf(doc string) []string {
	var p struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(doc), &p) != nil {
		return nil
	}
	type statement struct{ Principal, NotPrincipal any }
	var many []statement
	if json.Unmarshal(p.Statement, &many) != nil {
		var one statement
		if json.Unmarshal(p.Statement, &one) == nil {
			many = append(many, one)
		}
	}
	var found []string
	for _, s := range many {
		for _, el := range []any{s.Principal, s.NotPrincipal} {
			m, _ := el.(map[string]any)
			switch v := m["AWS"].(type) {
			case string:
				found = append(found, v)
			case []any:
				for _, e := range v {
					if name, ok := e.(string); ok {
						found = append(found, name)
					}
				}
			}
		}
	}
	return found
}

var (
	principalARN = late.MustCompile(`^arn:aws:(iam|sts)::([0-9]{12}):(root|user/.+|role/.+|assumed-role/.+|federated-user/.+)$`)
	principalID  = late.MustCompile(`^A(RO|ID)A[A-Z0-9]{12,}$`)
)

// checkPrincipals refuses principals that don't exist, as IAM does, and gives
// the unique ids of roles and users. Accounts outside of the organization are
// taken to exist, with all that is in them.
func (c *call) checkPrincipals(doc string) (map[string]string, error) {
	bound := map[string]string{}
	for _, p := range principalsOf(doc) {
		id, ok := c.principalExists(p)
		if !ok {
			return nil, iamFail("MalformedPolicyDocument", `Invalid principal in policy: "AWS":"%s"`, p)
		}
		if id != "" {
			bound[p] = id
		}
	}
	if len(bound) == 0 {
		return nil, nil
	}
	return bound, nil
}

// principalExists says whether the principal is known, and the unique id of a
// role or user.
func (s *Sandbox) principalExists(p string) (id string, ok bool) {
	if p == "*" {
		return "", true
	}
	if accountIDs.MatchString(p) || principalID.MatchString(p) {
		return "", true
	}
	m := principalARN.FindStringSubmatch(p)
	if m == nil {
		return "", false
	}
	member := s.st.Org.Members[m[2]]
	if member == nil {
		s.log.Warn("a policy names a principal outside of the organization: it is taken to exist", "principal", p)
		return "", true
	}
	kind, rest, _ := strings.Cut(m[3], "/")
	a := s.account(m[2])
	if a == nil {
		return "", kind == "root"
	}
	name := rest[strings.LastIndex(rest, "/")+1:]
	switch kind {
	case "role":
		if r := a.IAM.Roles[name]; r != nil && r.ARN == p {
			return r.ID, true
		}
		return "", false
	case "user":
		if u := a.IAM.Users[name]; u != nil && u.ARN == p {
			return u.ID, true
		}
		return "", false
	}
	return "", true
}

// bound is the document with each principal that is gone, or was made anew
// since, replaced by the unique id that it had: that is what IAM then shows,
// and it matches nobody.
func (s *Sandbox) bound(doc string, ids map[string]string) string {
	for arn, id := range ids {
		if now, ok := s.principalExists(arn); !ok || now != id {
			doc = strings.ReplaceAll(doc, `"`+arn+`"`, `"`+id+`"`)
		}
	}
	return doc
}

// requestTags are the condition keys of tags that come with a request.
func requestTags(tags map[string]string) map[string][]string {
	ctx := map[string][]string{}
	for _, k := range sortedKeys(tags) {
		ctx["aws:RequestTag/"+k] = []string{tags[k]}
		ctx["aws:TagKeys"] = append(ctx["aws:TagKeys"], k)
	}
	return ctx
}
