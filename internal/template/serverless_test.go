package template

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata/sam")

// digested is a logical id that the transform ends in a digest.
var digested = regexp.MustCompile(`[0-9a-f]{10}$`)

// What becomes of a SAM template's resources is in the golden files, and is what
// AWS's own translator makes of them, where that is installed.
func TestExpanded(t *testing.T) {
	files, err := filepath.Glob("testdata/sam/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			parsed, problems := Parse(file, body)
			if err := problems.Err(); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range parsed.Expanded(World{}) {
				got = append(got, d.Type+" "+d.Name)
			}
			slices.Sort(got)
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(strings.Join(got, "\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, "\n")+"\n" != string(want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
			}
			compareTranslated(t, file, got)
		})
	}
}

// compareTranslated holds types and ids against AWS's translator; ids that it
// ends in a digest only by their type.
func compareTranslated(t *testing.T, file string, got []string) {
	python := filepath.Join("..", "..", ".venv", "bin", "python")
	if p := os.Getenv("AXLE_PYTHON"); p != "" {
		python = p
	}
	if err := exec.Command(python, "-c", "import samtranslator, yaml").Run(); err != nil {
		t.Log("no aws-sam-translator to compare with: .venv has none (make .venv/ready)")
		return
	}
	out, err := exec.Command(python, "testdata/translate.py", file).Output()
	if err != nil {
		t.Fatalf("translate %s: %v", file, err)
	}
	var translated map[string]string
	if err := json.Unmarshal(out, &translated); err != nil {
		t.Fatal(err)
	}
	types := func(lines []string) []string {
		var out []string
		for _, l := range lines {
			out = append(out, strings.Fields(l)[0])
		}
		slices.Sort(out)
		return out
	}
	var theirs []string
	for name, kind := range translated {
		theirs = append(theirs, kind+" "+name)
		if !digested.MatchString(name) && !slices.Contains(got, kind+" "+name) {
			t.Errorf("the translator makes %s %s, we don't", kind, name)
		}
	}
	ours, want := types(got), types(theirs)
	if slices.Equal(ours, want) {
		return
	}
	for _, kind := range slices.Compact(slices.Concat(ours, want)) {
		if a, b := count(ours, kind), count(want, kind); a != b {
			t.Errorf("%d of %s, the translator makes %d", a, kind, b)
		}
	}
}

func count(list []string, one string) int {
	n := 0
	for _, s := range list {
		if s == one {
			n++
		}
	}
	return n
}
