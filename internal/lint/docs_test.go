package lint

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/lint.md")

var escape = strings.NewReplacer("<", "&lt;", "*", `\*`)

const page = "../../docs/lint.md"

const intro = `# Rules of axle lint

Generated from the table in internal/lint: ` + "`go test ./internal/lint -update`" + ` writes it anew.

` + "`axle lint`" + ` looks at a project, ` + "`axle access lint FILE...`" + ` at templates or policy documents by
themselves. An **error** won't work, or lets strangers in; a **warning** is likely a mistake; **advice** is worth
a thought. The exit code is 1 when there are errors (with ` + "`--strict`" + ` also for warnings), 2 when a file can't be
read, else 0. ` + "`--output sarif`" + ` is for code scanning.

Rules are seen in a template (T), in live policies (L), or between the templates of a project (P), where both sides
of an access are known. What isn't known before the deploy (a parameter without value, an import) is never reported.

A finding is suppressed in the metadata of its resource, or of the template for all of it. The reason is needed, and a
suppression that suppresses nothing is told:

` + "```yaml" + `
Metadata:
  axle:
    ignore:
      - {rule: AX013, reason: the account is the one of our deploy tool}
` + "```" + `

In the examples ` + "`# <- AXnnn`" + ` marks what is found.

`

// TestPage holds docs/lint.md against the table and the examples.
func TestPage(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(intro)
	b.WriteString("| rule | severity | where | |\n|---|---|---|---|\n")
	rules := Rules()
	for _, r := range rules {
		where := r.Where
		if where == "" {
			where = "-"
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", r.ID, strings.ToLower(r.ID), r.Severity, where, r.Title)
	}
	examples := map[string]fixture{}
	for _, f := range fixtures(t) {
		examples[f.id] = f
	}
	for _, r := range rules {
		fmt.Fprintf(&b, "\n## %s\n\n**%s.** %s\n%s\n", r.ID, r.Title, escape.Replace(r.Why), escape.Replace(r.Fix))
		switch {
		case r.check == nil && r.Blind != "":
			fmt.Fprintf(&b, "\nCan't be seen by a linter here: %s\n", r.Blind)
		case r.Blind != "":
			fmt.Fprintf(&b, "\nOnly a sign of it is seen: %s\n", r.Blind)
		}
		f, ok := examples[r.ID]
		if !ok {
			continue
		}
		example(&b, f, "bad", "Found")
		example(&b, f, "good", "Fine")
	}
	got, _ := os.ReadFile(page)
	if *update {
		if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(got, b.Bytes()) {
		t.Error("docs/lint.md is out of date: go test ./internal/lint -update")
	}
}

var mark = regexp.MustCompile(`#!.*`)

// long is how many lines of a file are shown whole.
const long = 26

func example(b *bytes.Buffer, f fixture, half, title string) {
	first := true
	for _, file := range f.archive.Files {
		if file.Name != half && !strings.HasPrefix(file.Name, half+"/") {
			continue
		}
		lines := excerpt(strings.Split(strings.TrimRight(string(file.Data), "\n"), "\n"))
		if len(lines) == 0 {
			continue
		}
		if first {
			fmt.Fprintf(b, "\n%s:\n\n```yaml\n", title)
		}
		if _, place, ok := strings.Cut(file.Name, "/"); ok {
			stack, where, _ := strings.Cut(place, "@")
			if !first {
				b.WriteString("---\n")
			}
			fmt.Fprintf(b, "# stack %s in account %s\n", stack, strings.Replace(where, "@", ", ", 1))
		}
		first = false
		for _, line := range lines {
			b.WriteString(mark.ReplaceAllString(line, "# <- "+f.id) + "\n")
		}
	}
	if !first {
		b.WriteString("```\n")
	}
}

// excerpt leaves of a long text what is around its marks, or nothing.
func excerpt(lines []string) []string {
	if len(lines) <= long {
		return lines
	}
	var out []string
	shown := 0
	for i, line := range lines {
		if !mark.MatchString(line) {
			continue
		}
		from, to := max(shown, i-6), min(len(lines), i+4)
		if from > shown {
			out = append(out, "# ...")
		}
		if from < to {
			out = append(out, lines[from:to]...)
			shown = to
		}
	}
	return out
}
