package cli

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/commands anew")

// TestDocs holds docs/commands against the commands: go test ./internal/cli -run
// TestDocs -update writes them.
func TestDocs(t *testing.T) {
	dir := filepath.Join("..", "..", "docs", "commands")
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		app := &App{Out: new(bytes.Buffer), Err: os.Stderr, Getenv: os.Getenv}
		if code := app.Run(t.Context(), []string{"docs", dir}); code != 0 {
			t.Fatalf("axle docs: exit code %d", code)
		}
	}
	pages := commandPages((&App{}).command())
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%v: -update writes it", err)
			continue
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is out of date (-command +file); -update writes it:\n%s", name, diff)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if pages[f.Name()] == nil {
			t.Errorf("%s describes no command", f.Name())
		}
	}
}

// Every command that can be run has a description, and examples unless there is
// nothing to add to its name.
func TestHelpTeaches(t *testing.T) {
	root := (&App{}).command()
	for _, c := range root.Commands() {
		if c.Name() == "completion" || c.Name() == "help" {
			continue // cobra's own
		}
		if c.Short == "" || c.Runnable() && c.Example == "" && c.Name() != "version" && c.Name() != "schema" {
			t.Errorf("%s: its help has no description or no example", c.CommandPath())
		}
		if c.GroupID == "" && !c.Hidden {
			t.Errorf("%s is in no group of the help", c.CommandPath())
		}
	}
}
