package sandbox

import (
	"errors"
	"testing"
)

// SDKs check what an operation can't do without before they call. Others don't,
// and mustn't hear that nothing went well.
func TestWhatIsRequiredIsAskedFor(t *testing.T) {
	s := testSandbox(t)
	s.lock()
	defer s.unlock()
	for service, ops := range map[string][]string{
		"iam": {"CreateAccountAlias", "DeleteOpenIDConnectProvider", "ListAttachedUserPolicies", "ListGroupsForUser", "ListUserPolicies",
			"ListUserTags", "PutUserPermissionsBoundary", "TagUser", "UntagUser"},
		"ssm":     {"DeleteParameters", "GetParameters", "PutParameter"},
		"tagging": {"GetTagValues"},
	} {
		for _, op := range ops {
			c := s.callAs(*s.st.Keys[s.st.Admin], service, "us-east-1")
			c.Op = op
			out, err := c.run(s.ops[service][op])
			var api *apiError
			if !errors.As(err, &api) || api.Status >= 500 {
				t.Errorf("%s:%s without anything: %v, %v", service, op, out, err)
			}
		}
	}
}
