//go:build scenarios

package scenarios

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestVenv: one whose making was killed isn't taken for ready, and is made anew.
func TestVenv(t *testing.T) {
	t.Parallel()
	python := needVenv(t, "python")
	dir := t.TempDir()
	ready, left := filepath.Join(dir, "venv", "ready"), filepath.Join(dir, "venv", "lib", "left")
	nothing := filepath.Join(dir, "requirements.txt")
	there := func(path string) bool { _, err := os.Stat(path); return err == nil }
	make := func(python string) error {
		cmd := exec.CommandContext(t.Context(), "sh", filepath.Join("..", "venv.sh"), filepath.Dir(ready), nothing)
		cmd.Env = append(os.Environ(), "PYTHON="+python)
		out, err := cmd.CombinedOutput()
		t.Logf("venv.sh with %s: %v\n%s", python, err, out)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(left), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{ready, left, nothing} {
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := make("false"); err == nil || there(ready) {
		t.Fatal("it is ready, though making it failed")
	}
	if err := make(python); err != nil || !there(ready) {
		t.Fatal("it isn't ready, though making it went well")
	}
	if there(left) {
		t.Error("what was half made is still in it")
	}
}
