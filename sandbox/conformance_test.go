package sandbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestConformance calls every operation through botocore and holds each raw
// response against the service models that botocore ships: no member that the
// model doesn't know, none missing, every scalar of its type, no error code
// that the operation doesn't name. An operation that isn't called fails the
// test: a new one needs a line in testdata/conformance.
func TestConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	python := pythonWithBotocore()
	if python == "" {
		t.Skip("no Python with botocore: neither ../.venv/bin/python nor python3 has it (make .venv/ready)")
	}
	s, err := New(Options{Organization: &OrgFile{
		Management: OrgAccount{ID: "111111111111", Name: "management", Email: "root@example.com"},
		Accounts: []OrgAccount{{ID: "222222222222", Name: "dev", Email: "dev@example.com"},
			{ID: "333333333333", Name: "qa", Email: "qa@example.com"},
			{ID: "444444444444", Name: "guest", Email: "guest@example.com", Invited: true}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.HandleFunc("PUT /-/stack-time/{duration}", func(w http.ResponseWriter, r *http.Request) { // see World.pace
		d, err := time.ParseDuration(r.PathValue("duration"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.lock()
		defer s.unlock()
		s.opts.StackTime = d
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer func() { _ = s.Close() }()
	key, secret := s.Credentials()

	cmd := exec.Command(python, filepath.Join("testdata", "conformance", "run.py"), server.URL, key, secret, "222222222222", "333333333333")
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	var found struct {
		Succeeded []string
		Problems  []struct{ Operation, Problem string }
	}
	if err := json.Unmarshal(stdout.Bytes(), &found); err != nil {
		t.Fatalf("output of %s: %v\n%s", cmd, err, stdout.String())
	}
	for _, p := range found.Problems {
		t.Errorf("%s: %s", p.Operation, p.Problem)
	}
	called := map[string]bool{}
	for _, op := range found.Succeeded {
		called[op] = true
	}
	for service, ops := range s.ops {
		for op := range ops {
			if !called[service+":"+op] {
				t.Errorf("%s:%s is served, and testdata/conformance doesn't see it succeed", service, op)
			}
		}
	}
}

// pythonWithBotocore is the project's own Python, or the machine's.
func pythonWithBotocore() string {
	for _, candidate := range []string{filepath.Join("..", ".venv", "bin", "python"), "python3"} {
		path, err := exec.LookPath(candidate)
		if err != nil {
			continue
		}
		if abs, err := filepath.Abs(path); err == nil {
			path = abs
		}
		if exec.Command(path, "-c", "import botocore").Run() == nil {
			return path
		}
	}
	return ""
}
