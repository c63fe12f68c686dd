package policy

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// corpusCase is a line of testdata/corpus*.jsonl.
type corpusCase struct {
	*Case  `json:"-"`
	Line   string  `json:"-"`
	Note   string  `json:"note"`
	Expect *string `json:"expect"`
}

func readCorpus(tb testing.TB) []corpusCase {
	tb.Helper()
	var cases []corpusCase
	var reader CaseReader
	for _, name := range []string{"corpus.jsonl", "corpus-random.jsonl"} {
		f, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			tb.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			c := corpusCase{Line: lines.Text()}
			err := json.Unmarshal(lines.Bytes(), &c)
			if err == nil {
				c.Case, err = reader.Decode(lines.Bytes())
			}
			if err != nil {
				tb.Fatalf("%s: %v", name, err)
			}
			cases = append(cases, c)
		}
		if err := lines.Err(); err != nil {
			tb.Fatal(err)
		}
		f.Close()
	}
	return cases
}

// disagreements are the cases in which we differ from the corpus, with AWS's
// documentation as the judge.
var disagreements = map[string]string{}

// contestedCases are those for which the corpus has no expectation and which
// answer Unknown; the documentation is clear enough about its others.
var contestedCases = []string{"sts-path-002", "session-same-019", "session-same-021", "session-same-022", "session-same-024",
	"notprincipal-006", "notprincipal-011", "notprincipal-012", "condition-048", "condition-084"}

// TestCorpus runs every case on which two independent evaluators agree. Of the
// others those that are contested answer Unknown, and no other does.
func TestCorpus(t *testing.T) {
	cases := readCorpus(t)
	if len(cases) != 1361 {
		t.Errorf("%d cases, want 1361", len(cases))
	}
	var unknown []string
	for _, c := range cases {
		got := c.Outcome()
		if got == WordUnknown {
			unknown = append(unknown, c.ID)
		}
		if c.Err == nil {
			if explained := Explain(c.Request, c.Policies).Outcome(); explained != got {
				t.Errorf("%s: %s, explained as %s", c.ID, got, explained)
			}
		}
		if c.Expect == nil || *c.Expect == got {
			continue
		}
		if why := disagreements[c.ID]; why != "" {
			t.Logf("%s: %s, the corpus says %s: %s", c.ID, got, *c.Expect, why)
			continue
		}
		t.Errorf("%s (%s): %s, want %s (%v)", c.ID, c.Note, got, *c.Expect, c.Err)
	}
	if !slices.Equal(unknown, contestedCases) {
		t.Errorf("contested: %q", unknown)
	}
}
