package cli

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"axle/internal/config"
	"axle/sandbox"

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

var (
	codeBlock = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	axleLine  = regexp.MustCompile(`(?m)(?:^|[;&] )axle ([^;#&|\n]+)`)
	pageLink  = regexp.MustCompile(`\]\(([^)#]*)(?:#[^)]*)?\)`)
)

// TestPages holds what the pages in docs show against what there is: every link
// leads somewhere, every axle.yaml is one, every command line is understood, and
// axle-yaml.md has every key.
func TestPages(t *testing.T) {
	dir := filepath.Join("..", "..", "docs")
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, page := range append(pages, filepath.Join(dir, "..", "README.md")) {
		body, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pageLink.FindAllSubmatch(body, -1) {
			link := string(m[1])
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), link)); err != nil && !strings.HasPrefix(link, "https://") && link != "bench/README.md" {
				t.Errorf("%s: the link to %s leads nowhere", page, link)
			}
		}
		for _, m := range codeBlock.FindAllSubmatch(body, -1) {
			if kind, text := string(m[1]), string(m[2]); kind == "sh" {
				checkCommands(t, page, text)
			} else if kind == "yaml" {
				checkYAML(t, page, text)
			}
		}
	}
	reference, err := os.ReadFile(filepath.Join(dir, "axle-yaml.md"))
	if err != nil {
		t.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for _, key := range schemaKeys(schema) {
		if !regexp.MustCompile("`" + key + "`").Match(reference) {
			t.Errorf("axle-yaml.md says nothing of `%s`", key)
		}
	}
}

// checkCommands finds the command of each line, and its flags.
func checkCommands(t *testing.T, page, text string) {
	for _, m := range axleLine.FindAllStringSubmatch(text, -1) {
		args := words(m[1])
		root := (&App{}).command()
		cmd, rest, err := root.Find(args)
		if err == nil && cmd == root {
			err = fmt.Errorf("no such command")
		}
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err == nil {
			err = cmd.ValidateArgs(cmd.Flags().Args())
		}
		if err != nil {
			t.Errorf("%s: axle %s: %v", page, m[1], err)
		}
	}
}

// words splits a command line as a shell does, as far as the pages need it.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		for _, w := range strings.Fields(part) {
			if strings.HasPrefix(w, ">") {
				return out
			}
			out = append(out, w)
		}
	}
	return out
}

// checkYAML reads a block by what it is.
func checkYAML(t *testing.T, page, text string) {
	var err error
	switch {
	case strings.Contains(text, "\nstacks:"):
		text = strings.TrimPrefix(text, "# axle.yaml\n")
		_, problems := config.Parse("axle.yaml", []byte(text), "")
		err = problems.Err()
	case strings.HasPrefix(text, "management:"):
		_, err = sandbox.ParseOrgFile("accounts.yaml", []byte(text))
	case strings.HasPrefix(text, "faults:"):
		_, err = sandbox.ParseFaults("faults.yaml", []byte(text))
	}
	if err != nil {
		t.Errorf("%s: %v", page, err)
	}
}

// schemaKeys are the names of all properties.
func schemaKeys(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		for name, under := range v {
			if properties, ok := under.(map[string]any); ok && name == "properties" {
				out = slices.AppendSeq(out, maps.Keys(properties))
			}
			out = append(out, schemaKeys(under)...)
		}
	case []any:
		for _, under := range v {
			out = append(out, schemaKeys(under)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
