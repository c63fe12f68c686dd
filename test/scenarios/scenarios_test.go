//go:build scenarios

// Package scenarios runs the same scenarios, each written once, on the sandbox
// and on emulators that nobody here wrote, with the axle binary as a user runs it.
// What is deployed is looked at with aws-sdk-go-v2 directly, never through Axle.
// README.md says what runs where, and why not elsewhere.
package scenarios

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// axleBinary and venv are made by the Makefile; the binary is made anew, so that
// a run by hand never tests an old one.
var axleBinary, venv string

func TestMain(m *testing.M) {
	root, err := filepath.Abs("../..")
	if err == nil {
		axleBinary, venv = filepath.Join(root, "bin", "axle"), filepath.Join(root, ".venv")
		build := exec.CommandContext(context.Background(), "go", "build", "-o", axleBinary, "./cmd/axle")
		build.Dir, build.Stdout, build.Stderr = root, os.Stderr, os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build axle:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// needVenv returns a program of the Python venv. CI must have it; elsewhere a
// missing one skips the test.
func needVenv(t *testing.T, program string) string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(venv, "ready")); err != nil {
		const what = "no .venv with moto, ministack, boto3 and awscli; `sh test/venv.sh .venv test/requirements.txt` makes it"
		if os.Getenv("CI") != "" {
			t.Fatal(what)
		}
		t.Skip(what)
	}
	return filepath.Join(venv, "bin", program)
}

// TestOrganization is a hub and spokes in several accounts and two regions, with
// outputs and peering between accounts, from discovery to destruction.
func TestOrganization(t *testing.T) {
	on(t, organization, sandbox(alone...), unkindSandbox(alone...), moto(), ministack(), ministackIAM())
}

// TestLifecycle is a stack's life in one account.
func TestLifecycle(t *testing.T) {
	on(t, lifecycle, sandbox(alone...), unkindSandbox(alone...), ministack())
}

// TestClients is AWS's own clients on the sandbox.
func TestClients(t *testing.T) {
	t.Parallel()
	t.Run("awscli", awscli)
	t.Run("boto3", boto3)
	t.Run("everywhere", everywhere)
}
