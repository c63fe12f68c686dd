package policy

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// corpusCase is a line of testdata/corpus*.jsonl.
type corpusCase struct {
	ID      string `json:"id"`
	Request struct {
		Principal       string              `json:"principal"`
		Action          string              `json:"action"`
		Resource        string              `json:"resource"`
		ResourceAccount string              `json:"resourceAccount"`
		Context         map[string]oneOrAll `json:"context"`
	} `json:"request"`
	Identity []json.RawMessage   `json:"identityPolicies"`
	Resource json.RawMessage     `json:"resourcePolicy"`
	Boundary json.RawMessage     `json:"permissionBoundary"`
	Session  json.RawMessage     `json:"sessionPolicy"`
	SCPs     [][]json.RawMessage `json:"scps"`
	RCPs     [][]json.RawMessage `json:"rcps"`
	Note     string              `json:"note"`
	Doubt    string              `json:"doubt"`
	Expect   *string             `json:"expect"`
}

// oneOrAll is a value or a list of them.
type oneOrAll []string

func (o *oneOrAll) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = oneOrAll{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

func (c *corpusCase) request() *Request {
	r := &Request{
		Principal:       ParsePrincipal(c.Request.Principal),
		Action:          c.Request.Action,
		Resource:        c.Request.Resource,
		ResourceAccount: c.Request.ResourceAccount,
		Context:         map[string][]string{},
	}
	for k, v := range c.Request.Context {
		r.Context[k] = v
	}
	return r
}

func (c *corpusCase) policies() (*Policies, error) {
	p := &Policies{}
	var failed error
	parse := func(raw json.RawMessage) *Policy {
		doc, err := Parse(raw)
		if err != nil {
			failed = err
		}
		return doc
	}
	parseAll := func(raws []json.RawMessage) []*Policy {
		list := make([]*Policy, len(raws))
		for i, raw := range raws {
			list[i] = parse(raw)
		}
		return list
	}
	p.Identity = parseAll(c.Identity)
	if c.Resource != nil {
		p.Resource = parse(c.Resource)
	}
	if c.Boundary != nil {
		p.Boundary = parse(c.Boundary)
	}
	if c.Session != nil {
		p.Session = []*Policy{parse(c.Session)}
	}
	for _, level := range c.SCPs {
		p.SCP = append(p.SCP, parseAll(level))
	}
	for _, level := range c.RCPs {
		p.RCP = append(p.RCP, parseAll(level))
	}
	return p, failed
}

func readCorpus(tb testing.TB) []corpusCase {
	tb.Helper()
	var cases []corpusCase
	for _, name := range []string{"corpus.jsonl", "corpus-random.jsonl"} {
		f, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			tb.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var c corpusCase
			if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
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

// TestCorpus runs every case on which two independent evaluators agree. Cases
// without an expectation must evaluate, to whatever.
func TestCorpus(t *testing.T) {
	cases := readCorpus(t)
	if len(cases) != 1361 {
		t.Errorf("%d cases, want 1361", len(cases))
	}
	for _, c := range cases {
		got := "Error"
		if p, err := c.policies(); err == nil {
			got = Evaluate(c.request(), p).Verdict.String()
		}
		if c.Expect == nil || *c.Expect == got {
			continue
		}
		if why := disagreements[c.ID]; why != "" {
			t.Logf("%s: %s, the corpus says %s: %s", c.ID, got, *c.Expect, why)
			continue
		}
		t.Errorf("%s (%s): %s, want %s", c.ID, c.Note, got, *c.Expect)
	}
}
