package lint

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"axle/internal/diag"
	"axle/internal/late"
	"axle/internal/template"
	"axle/policy"

	"go.yaml.in/yaml/v3"
)

func syntaxRules() []Rule {
	return []Rule{
		{ID: "AX074", Severity: Error, Where: "T", Title: "An asterisk without quotes",
			Why: "In YAML a bare * begins an alias, so the whole template can't be read.",
			Fix: `Put it in quotes: "*".`},
		{ID: "AX075", Severity: Error, Where: "TL", Title: "An element of a statement stands outside of it",
			Why:   "Indented too little it belongs to the policy or its list, where it has no meaning, and the statement lacks it.",
			Fix:   "Indent it as far as the statement's Action.",
			check: checks(eachDocument(checkDedented), eachResource(checkDedentedPolicies))},
		{ID: "AX076", Severity: Error, Where: "T", Title: "A stray closing brace",
			Why: "It was left over from JSON; in YAML's indented style nothing opened it.",
			Fix: "Remove the line."},
		{ID: "AX108", Severity: Error, Where: "TL", Title: "A policy that IAM refuses",
			Why:   "It isn't saved, and the stack or the change fails.",
			Fix:   "Correct what the message names.",
			check: eachDocument(checkMalformed)},
	}
}

// Read reads a file's text: a template, or else a policy document. What YAML
// stumbles over, and is known by its looks, becomes a finding and is mended for
// what follows, so that one mistake doesn't hide all others. Both are nil when
// the text can't be read; then the problems say why.
func Read(file string, body []byte) (t *template.Template, doc *Doc, found []Finding, problems diag.List) {
	if !readable(body) {
		var mended []byte
		mended, found = mend(file, body)
		if len(found) == 0 || !readable(mended) {
			_, problems = template.Parse(file, body)
			return nil, nil, found, problems
		}
		body = mended
	}
	n, err := readNode(file, body)
	if n != nil && n.Get("Statement") != nil && n.Get("Resources") == nil && err == nil {
		d := &Doc{File: file, Body: body, Kind: KindOf(file, body)}
		return nil, d, found, nil
	}
	t, problems = template.Parse(file, body)
	if len(t.Resources) == 0 && n.Get("Resources") == nil {
		return nil, nil, found, problems
	}
	return t, nil, append(found, Diagnostics(problems)...), nil
}

// Diagnostics makes findings of what is wrong with a file's text.
func Diagnostics(list diag.List) []Finding {
	row := ruleRow("AX000")
	var out []Finding
	for _, d := range list {
		f := Finding{Rule: row.ID, Severity: row.Severity, Pos: d.Pos, Title: row.Title, Message: d.Summary, Why: row.Why, Fix: d.Hint}
		if d.Warning {
			f.Severity = Warning
		}
		out = append(out, f)
	}
	return out
}

func readable(body []byte) bool {
	if len(body) > template.MaxSize {
		return true // Parse says what is wrong
	}
	var doc yaml.Node
	text := bytes.TrimSpace(body)
	if bytes.HasPrefix(text, []byte("{")) {
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" "))
	}
	return yaml.Unmarshal(text, &doc) == nil
}

var (
	bareStar   = late.MustCompile(`(?:^|[\s{,\[])(?:"?[A-Za-z]+"?:|-)\s+(\*)\s*(?:[,}\]].*|#.*)?$`)
	onlyCloses = late.MustCompile(`^\s*([}\]]),?\s*(?:#.*)?$`)
	blockStart = late.MustCompile(`(?::|-)\s+[|>][+-]?[0-9]?\s*(?:#.*)?$`)
)

// mend finds bare asterisks and stray braces, and gives the text without them.
// Positions in it are those of the original, but for what follows in the line.
func mend(file string, body []byte) ([]byte, []Finding) {
	rules := syntaxRules()
	row := func(id string) Rule { return rules[slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })] }
	var found []Finding
	add := func(rule Rule, line, col int, message string) {
		found = append(found, Finding{Rule: rule.ID, Severity: rule.Severity, Title: rule.Title, Why: rule.Why, Fix: rule.Fix,
			Pos: diag.Pos{File: file, Line: line, Col: col}, Message: message})
	}
	lines := strings.Split(string(body), "\n")
	flow, block := 0, -1 // depth of braces; indentation of a block scalar's key
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if block >= 0 {
			if strings.TrimSpace(line) == "" || indent > block {
				continue
			}
			block = -1
		}
		if m := bareStar.FindStringSubmatchIndex(line); m != nil {
			key := strings.TrimSpace(strings.TrimRight(line[:m[2]], " "))
			add(row("AX074"), i+1, m[2]+1, "`"+key+" *` is a YAML alias without a name; write `"+key+` "*"`+"`")
			lines[i] = line[:m[2]] + `"*"` + line[m[3]:]
		}
		if m := onlyCloses.FindStringSubmatchIndex(line); m != nil && flow == 0 {
			add(row("AX076"), i+1, m[2]+1, "`"+line[m[2]:m[3]]+"` closes nothing")
			lines[i] = ""
			continue
		}
		flow = max(0, flow+braces(lines[i]))
		if flow == 0 && blockStart.MatchString(line) {
			block = indent
		}
	}
	return []byte(strings.Join(lines, "\n")), found
}

// braces counts what a line opens less what it closes, outside of quotes,
// comments and ${...}.
func braces(line string) int {
	depth, quote := 0, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#' && (i == 0 || line[i-1] == ' '):
			return depth
		case c == '$' && i+1 < len(line) && line[i+1] == '{':
			if end := strings.IndexByte(line[i:], '}'); end > 0 {
				i += end
			}
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	return depth
}

var statementOnly = []string{"Resource", "NotResource", "Action", "NotAction", "Effect", "Principal", "NotPrincipal", "Condition", "Sid"}

// checkDedented: keys of a statement in the document itself.
func checkDedented(r *run, d *document) {
	for _, k := range d.node.Keys {
		if slices.Contains(statementOnly, k.Name) {
			f := r.inDoc(d, nil, "%s is beside Statement in %s, not in a statement", k.Name, d.label())
			f.Pos = k.Pos
		}
	}
}

// checkDedentedPolicies: keys of a statement beside PolicyDocument.
func checkDedentedPolicies(r *run, _ *unit, d *template.Declared) {
	holders := append([]*template.Node{d.Properties}, d.Properties.Get("Policies").List()...)
	for i, h := range holders {
		if h.Get("PolicyDocument").Get("Statement") == nil {
			continue
		}
		for _, k := range h.Keys {
			if slices.Contains(statementOnly, k.Name) && (i > 0 || k.Name == "Resource" || k.Name == "Effect" || k.Name == "Action") {
				r.at(k.Pos, d.Name, "%s is beside PolicyDocument, not in a statement of it", k.Name)
			}
		}
	}
}

// checkMalformed asks the parser, whose errors are IAM's. Unknown operators are
// AX001, elements outside of statements AX075.
func checkMalformed(r *run, d *document) {
	for _, s := range d.statements {
		for _, c := range s.conditions {
			if !slices.Contains(operators, c.base) {
				return
			}
		}
	}
	if slices.ContainsFunc(d.node.Keys, func(k template.Key) bool { return slices.Contains(statementOnly, k.Name) }) {
		return
	}
	body := d.node.JSON()
	if d.unit != nil {
		body = []byte(d.unit.sealText(string(body)))
	}
	p, err := policy.Parse(body)
	if err == nil && !d.live && !openStatements(d) {
		err = p.Check(d.kind)
	}
	var at *policy.ParseError
	if !errors.As(err, &at) {
		return
	}
	n := d.node.At(at.Path)
	if n.Str() == "" && n != d.node && unresolvedBelow(n, 0) {
		return
	}
	if strings.Contains(n.Str(), "<") || strings.Contains(n.Str(), "${") || made(n, 0) {
		return // what isn't known, or may be given otherwise, may well be right
	}
	r.inDoc(d, n, "%s: %s", d.label(), at.Problem)
}

// openStatements says whether part of the document isn't known, so that what
// seems to be missing may be there.
func openStatements(d *document) bool {
	return slices.ContainsFunc(d.statements, func(s *statement) bool {
		p, res := s.node.Get("Principal"), s.node.Get("Resource")
		return unresolvedBelow(p, 0) && len(s.principals) == 0 || unresolvedBelow(res, 0) && len(s.resources) == 0
	})
}

func unresolvedBelow(n *template.Node, depth int) bool {
	if n == nil || depth > maxDepth {
		return false
	}
	return !n.Known
}

// made says whether a scalar at or below a node was made of parameters, whose
// default isn't what a stack must use.
func made(n *template.Node, depth int) bool {
	if n == nil || depth > 2 {
		return false
	}
	return len(n.Refs) > 0 || slices.ContainsFunc(n.Items, func(i *template.Node) bool { return made(i, depth+1) })
}
