package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"axle"
	"axle/sandbox"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// house is a sandbox that is served, and the environment that leads there.
type house struct {
	*sandbox.Sandbox
	*httptest.Server
	// between sees a request before the sandbox does; it answers it itself if
	// it returns true. after may change the body of an answer.
	between func(http.ResponseWriter, *http.Request) bool
	after   func(operation string, body []byte) []byte
}

const sandboxYAML = `
management: {id: "111111111111", name: management, tags: {env: root}}
ous:
  - name: Workloads
    tags: {tier: apps}
    accounts: [{id: "222222222222", name: dev, tags: {env: dev}}, {id: "333333333333", name: qa, tags: {env: qa}}]
    ous:
      - name: Prod
        tags: {tier: prod}
        accounts: [{id: "444444444444", name: prod, tags: {env: prod}}, {id: "555555555555", name: old, status: SUSPENDED}]
  - name: Empty
accounts: [{id: "666666666666", name: tools, invited: true, regions: [me-south-1]}]
`

func newHouse(t *testing.T, opts sandbox.Options) *house {
	t.Helper()
	if opts.Organization == nil && opts.Accounts == 0 {
		org, err := sandbox.ParseOrgFile("test", []byte(sandboxYAML))
		if err != nil {
			t.Fatal(err)
		}
		opts.Organization = org
	}
	s, err := sandbox.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{Sandbox: s}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h.between != nil && h.between(w, r) {
			return
		}
		if h.after == nil {
			s.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		for k, v := range rec.Header() {
			if k != "Content-Length" && !strings.HasPrefix(k, "X-Amz-Crc") {
				w.Header()[k] = v
			}
		}
		w.WriteHeader(rec.Code)
		body, _ := io.ReadAll(rec.Body)
		_, _ = w.Write(h.after(operation(r), body))
	}))
	t.Cleanup(func() { h.Server.Close(); _ = s.Close() })
	key, secret := s.Credentials()
	for k, v := range map[string]string{"AWS_ENDPOINT_URL": h.URL, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} {
		t.Setenv(k, v)
	}
	return h
}

// operation is that of a JSON protocol.
func operation(r *http.Request) string {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	return op
}

func (h *house) cloud(t *testing.T, access Access) *Cloud {
	t.Helper()
	c, err := New(context.Background(), Options{Region: "eu-west-1", Access: access, Run: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// refuse answers an operation with an error of a JSON protocol.
func refuse(op, code, message string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if operation(r) != op {
			return false
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(400)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": code, "message": message})
		return true
	}
}

var paths = regexp.MustCompile(`"Paths":\[[^\]]*\],?`)

// Discovery finds the same whichever way AWS leaves open.
func TestDiscoveryIsTheSameEachWay(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	c := h.cloud(t, Access{})
	ctx := context.Background()
	want, err := c.Organization(ctx, Discover{Tags: true})
	if err != nil {
		t.Fatal(err)
	}
	if want.Calls["ListAccounts"] != 1 || want.Calls["ListOrganizationalUnitsForParent"] != 2 || want.Calls["GetResources"] != 1 ||
		want.Calls["ListAccountsForParent"] != 0 || want.Calls["ListTagsForResource"] != 3 {
		t.Errorf("calls of the short way: %v", want.Calls)
	}
	var names []string
	for _, a := range want.Accounts {
		names = append(names, fmt.Sprint(a.Name, " ", a.OU, " ", a.Tags["env"], " ", a.OUTags["tier"], " ", a.Status, " ", a.JoinedMethod, " ", a.Management))
	}
	if diff := cmp.Diff([]string{
		"management / root  ACTIVE INVITED true",
		"dev /Workloads dev apps ACTIVE CREATED false", "qa /Workloads qa apps ACTIVE CREATED false",
		"prod /Workloads/Prod prod prod ACTIVE CREATED false", "old /Workloads/Prod  prod SUSPENDED CREATED false",
		"tools /   ACTIVE INVITED false",
	}, names); diff != "" {
		t.Error(diff)
	}
	if len(want.OUs) != 3 {
		t.Errorf("OUs that accounts are in: %v", want.OUs)
	}

	withoutPaths := func(op string, body []byte) []byte {
		if strings.HasPrefix(op, "ListAccounts") {
			return paths.ReplaceAll(body, nil)
		}
		return body
	}
	statusOnly := func(_ string, body []byte) []byte {
		return regexp.MustCompile(`"State":"[A-Z_]+",?`).ReplaceAll(body, nil)
	}
	for _, x := range []struct {
		name    string
		between func(http.ResponseWriter, *http.Request) bool
		after   func(string, []byte) []byte
		calls   map[string]int
	}{
		{name: "walk", after: withoutPaths, calls: map[string]int{"ListAccounts": 1, "ListRoots": 1, "ListAccountsForParent": 4, "ListOrganizationalUnitsForParent": 4, "GetResources": 1, "ListTagsForResource": 3}},
		{name: "tags one by one", between: refuse("GetResources", "AccessDeniedException", "no"), calls: map[string]int{"ListAccounts": 1, "ListOrganizationalUnitsForParent": 2, "GetResources": 1, "ListTagsForResource": 9}},
		{name: "only the old status", after: statusOnly},
	} {
		t.Run(x.name, func(t *testing.T) {
			h.between, h.after = x.between, x.after
			defer func() { h.between, h.after = nil, nil }()
			got, err := c.Organization(ctx, Discover{Tags: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(axle.Organization{}, "Taken", "Calls", "Warnings")); diff != "" {
				t.Error(diff)
			}
			if x.calls != nil {
				if diff := cmp.Diff(x.calls, got.Calls); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	without, err := c.Organization(ctx, Discover{})
	if err != nil {
		t.Fatal(err)
	}
	if without.Tagged || without.Accounts[0].Tags != nil || len(without.Calls) != 2 {
		t.Errorf("tags that nobody wanted: %v", without.Calls)
	}
}

func TestDiscoveryFromAMember(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	c := h.cloud(t, Access{Via: "arn:aws:iam::222222222222:role/OrganizationAccountAccessRole"})
	_, err := c.Organization(context.Background(), Discover{})
	if err != nil {
		t.Fatalf("the caller's own credentials may: %v", err)
	}

	member := memberEnvironment(t, h, "222222222222")
	_, err = member.Organization(context.Background(), Discover{})
	var f *axle.Failure
	if !errors.As(err, &f) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"222222222222", "AccessDenied"} {
		if !strings.Contains(f.Message, want) {
			t.Errorf("message %q lacks %q", f.Message, want)
		}
	}
	for _, want := range []string{"111111111111", "delegated administrator", "file:"} {
		if !strings.Contains(f.Hint, want) {
			t.Errorf("hint %q lacks %q", f.Hint, want)
		}
	}
}

// memberEnvironment signs in as OrganizationAccountAccessRole of a member.
func memberEnvironment(t *testing.T, h *house, id string) *Cloud {
	t.Helper()
	c := h.cloud(t, Access{For: all(spoke("OrganizationAccountAccessRole"))})
	creds, err := c.Credentials(context.Background(), axle.Account{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", creds.AccessKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", creds.SecretAccessKey)
	t.Setenv("AWS_SESSION_TOKEN", creds.SessionToken)
	return h.cloud(t, Access{})
}
