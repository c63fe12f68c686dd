package sandbox

import (
	"encoding/json"
	"encoding/xml"
	"strings"
)

func getBucketPolicy(c *call, b *bucket) (obj, error) {
	if b.Policy == "" {
		return nil, noPolicy(b)
	}
	return s3Reply{body: []byte(c.bound(b.Policy, b.Bound)), header: map[string]string{"Content-Type": "application/json"}}.answer()
}

func noPolicy(b *bucket) error {
	return &apiError{Status: 404, Code: "NoSuchBucketPolicy", Message: "The bucket policy does not exist", Extra: obj{"BucketName": b.Name}}
}

// putBucketPolicy checks the document, its principals, and that every resource
// is the bucket or in it.
func putBucketPolicy(c *call, b *bucket) (obj, error) {
	doc := string(c.body())
	bound, err := c.checkResourcePolicy(doc, "s3:")
	if err != nil {
		if e, ok := err.(*apiError); ok && e.Code == "PrincipalNotFound" {
			return nil, &apiError{Code: "MalformedPolicy", Message: "Invalid principal in policy", Extra: obj{"Detail": `"AWS" : "` + e.Message + `"`}}
		}
		return nil, fail("MalformedPolicy", "%s", strings.TrimPrefix(err.Error(), "policy: "))
	}
	for _, s := range s3Statements(doc) {
		for _, r := range append(textList(s.Resource), textList(s.NotResource)...) {
			if !b.within(r) {
				return nil, fail("MalformedPolicy", "Policy has invalid resource")
			}
		}
	}
	if b.blocks("BlockPublicPolicy") && publicPolicy(doc) {
		return nil, &apiError{Status: 403, Code: "AccessDenied", Message: "User: " + c.Who.ARN + " is not authorized to perform: s3:PutBucketPolicy on resource: \"" + b.arn() +
			"\" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."}
	}
	b.Policy, b.Bound = doc, bound
	return empty()
}

// within says whether a policy's resource, which may have wildcards and
// variables, can be the bucket or in it.
func (b *bucket) within(resource string) bool {
	fixed, wild := resource, strings.IndexAny(resource, "*?$")
	if wild >= 0 {
		fixed = resource[:wild]
	}
	return resource == b.arn() || strings.HasPrefix(fixed, b.arn()+"/") || wild >= 0 && strings.HasPrefix(b.arn()+"/", fixed)
}

func deleteBucketPolicy(_ *call, b *bucket) (obj, error) {
	b.Policy, b.Bound = "", nil
	return empty()
}

func getBucketPolicyStatus(_ *call, b *bucket) (obj, error) {
	if b.Policy == "" {
		return nil, noPolicy(b)
	}
	return s3Reply{doc: el("PolicyStatus", el("IsPublic", publicPolicy(b.Policy)))}.answer()
}

// s3Statement is what S3 itself reads of a policy.
type s3Statement struct {
	Effect                string
	Principal             any
	Resource, NotResource any
	Condition             map[string]map[string]any
}

func s3Statements(doc string) []s3Statement {
	var p struct{ Statement json.RawMessage }
	if json.Unmarshal([]byte(doc), &p) != nil {
		return nil
	}
	var many []s3Statement
	if json.Unmarshal(p.Statement, &many) == nil {
		return many
	}
	one := make([]s3Statement, 1)
	if json.Unmarshal(p.Statement, &one[0]) != nil {
		return nil
	}
	return one
}

// textList is an element of a policy that is a string or a list of strings.
func textList(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	return listOf(v)
}

// fixing are the condition keys that, with values that aren't wildcards, keep
// an open policy from being public, after S3's "The meaning of public".
var fixing = []string{"aws:sourceip", "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount",
	"aws:userid", "aws:principalorgid", "aws:principalorgpaths", "aws:principalarn", "aws:principalaccount",
	"s3:x-amz-server-side-encryption-aws-kms-key-id", "s3:dataaccesspointaccount", "s3:dataaccesspointarn"}

// publicPolicy says whether a policy grants something to everybody.
func publicPolicy(doc string) bool {
	for _, s := range s3Statements(doc) {
		if s.Effect != "Allow" || !everybody(s.Principal) {
			continue
		}
		public := true
		for operator, keys := range s.Condition {
			if strings.Contains(operator, "Not") || strings.Contains(operator, "IfExists") {
				continue
			}
			for key, values := range keys {
				for _, f := range fixing {
					if strings.EqualFold(key, f) && !strings.ContainsAny(strings.Join(textList(values), ""), "*?") {
						public = false
					}
				}
			}
		}
		if public {
			return true
		}
	}
	return false
}

func everybody(principal any) bool {
	if principal == "*" {
		return true
	}
	m, _ := principal.(map[string]any)
	for _, p := range textList(m["AWS"]) {
		if p == "*" {
			return true
		}
	}
	return false
}

// publicAccess are the four settings of Block Public Access, on from the start.
type publicAccess struct {
	XMLName               xml.Name `xml:"PublicAccessBlockConfiguration"`
	BlockPublicAcls       bool
	IgnorePublicAcls      bool
	BlockPublicPolicy     bool
	RestrictPublicBuckets bool
}

// blocks says whether one of the bucket's settings is on.
func (b *bucket) blocks(setting string) bool {
	doc, changed := b.Documents["PublicAccessBlockConfiguration"]
	if !changed {
		return true
	}
	var p publicAccess
	if doc == "" || xml.Unmarshal([]byte("<PublicAccessBlockConfiguration>"+doc+"</PublicAccessBlockConfiguration>"), &p) != nil {
		return false
	}
	return setting == "BlockPublicPolicy" && p.BlockPublicPolicy || setting == "RestrictPublicBuckets" && p.RestrictPublicBuckets
}
