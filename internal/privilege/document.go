package privilege

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The sizes that IAM takes, in characters without white space.
const (
	MaxManaged  = 6144  // of one managed policy
	MaxInline   = 10240 // of all inline policies of a role
	MaxAttached = 10    // managed policies of a role, unless the quota was raised
)

// Statement is one Allow statement. In resources ${AWS::Partition} and
// ${AWS::AccountId} stand for what differs by account.
type Statement struct {
	Sid       string
	Actions   []string
	Resources []string
	Passed    []string // iam:PassedToService
	When      Condition
}

// Condition is the condition of a statement: keys and values by operator.
type Condition map[string]map[string][]string

// condition is that of the statement, nil when it has none.
func (s *Statement) condition() Condition {
	if len(s.Passed) > 0 {
		return Condition{"StringEquals": {"iam:PassedToService": s.Passed}}
	}
	return s.When
}

// statements makes as few statements as say the same: the actions of each
// resource together, and resources with the same actions together.
func statements(g grants) []Statement {
	type on struct{ resource, passed, when string }
	actions := map[on][]string{}
	for one := range g {
		k := on{one.resource, one.passed, one.when}
		actions[k] = append(actions[k], one.action)
	}
	// Roles that go to several services have one statement.
	passed := map[string][]string{}
	for k := range actions {
		if k.passed != "" {
			passed[k.resource] = append(passed[k.resource], k.passed)
		}
	}
	merged := map[string]*Statement{}
	for k, list := range actions {
		slices.Sort(list)
		s := Statement{Actions: list}
		if k.passed != "" {
			slices.Sort(passed[k.resource])
			s.Passed = passed[k.resource]
		}
		if k.when != "" {
			_ = json.Unmarshal([]byte(k.when), &s.When) // onlyIf wrote it
		}
		key := service(k.resource) + strings.Join(list, " ") + "|" + strings.Join(s.Passed, " ") + k.when
		if merged[key] == nil {
			merged[key] = &s
		}
		if !slices.Contains(merged[key].Resources, k.resource) {
			merged[key].Resources = append(merged[key].Resources, k.resource)
		}
	}
	out := make([]Statement, 0, len(merged))
	for _, key := range slices.Sorted(maps.Keys(merged)) {
		slices.Sort(merged[key].Resources)
		out = append(out, *merged[key])
	}
	slices.SortStableFunc(out, func(a, b Statement) int { return strings.Compare(a.about()+a.Resources[0], b.about()+b.Resources[0]) })
	name(out)
	return out
}

// service is the service in an ARN.
func service(arn string) string {
	if parts := strings.SplitN(arn, ":", 4); len(parts) > 3 {
		return parts[2]
	}
	return ""
}

// name gives each statement a Sid that says what it is about.
func name(list []Statement) {
	seen := map[string]int{}
	for i := range list {
		sid := list[i].about()
		if seen[sid]++; seen[sid] > 1 {
			sid = fmt.Sprintf("%s%d", sid, seen[sid])
		}
		list[i].Sid = sid
	}
}

// about is the service, and the kind of resource where ARNs have one.
func (s *Statement) about() string {
	if len(s.Passed) > 0 {
		return "PassRoles"
	}
	if s.Resources[0] == "*" && len(s.When) > 0 {
		return titled(strings.Split(s.Actions[0], ":")[0])
	}
	if s.Resources[0] == "*" {
		return "Look"
	}
	parts := strings.SplitN(strings.ReplaceAll(s.Resources[0], "${AWS::", "{"), ":", 6)
	if len(parts) < 6 {
		return "Resources"
	}
	what := titled(parts[2])
	if kind, _, ok := strings.Cut(strings.ReplaceAll(parts[5], "/", ":"), ":"); ok && parts[2] != "s3" {
		what += titled(kind)
	}
	return what
}

// titled is a name in the letters that a Sid takes, beginning with a capital.
func titled(s string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return r > 127 || !isAlphanumeric(byte(r)) }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// Document is a policy as JSON. The placeholders of an account and a partition
// that aren't known become *.
func Document(list []Statement) []byte {
	fill := strings.NewReplacer(partition, "*", account, "*")
	return document(list, fill.Replace)
}

// wire is a statement in the form of IAM's policies.
type wire struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  []string
	Condition Condition `json:",omitempty"`
}

func document(list []Statement, fill func(string) string) []byte {
	out := struct {
		Version   string
		Statement []wire
	}{Version: "2012-10-17", Statement: []wire{}}
	for _, s := range list {
		w := wire{Sid: s.Sid, Effect: "Allow", Action: s.Actions}
		for _, r := range s.Resources {
			w.Resource = append(w.Resource, fill(r))
		}
		w.Condition = s.condition()
		out.Statement = append(out.Statement, w)
	}
	text, err := json.Marshal(out)
	if err != nil { // strings alone
		return nil
	}
	return text
}

// Size is how many characters of IAM's limits a policy takes.
func Size(list []Statement) int {
	fill := strings.NewReplacer(partition, "aws-us-gov", account, "123456789012")
	return len(document(list, fill.Replace))
}

// Split divides statements into policies of at most limit characters. Longer
// statements are divided, too.
func Split(list []Statement, limit int) [][]Statement {
	var out [][]Statement
	var current []Statement
	for _, s := range halves(list, limit) {
		if len(current) > 0 && Size(append(slices.Clone(current), s)) > limit {
			out = append(out, current)
			current = nil
		}
		current = append(current, s)
	}
	if len(current) > 0 {
		out = append(out, current)
	}
	return out
}

// halves divides the statements that are too long for a policy of their own.
func halves(list []Statement, limit int) []Statement {
	var out []Statement
	for _, s := range list {
		a, b := s, s
		switch {
		case Size([]Statement{s}) <= limit:
			out = append(out, s)
			continue
		case len(s.Resources) > 1:
			half := len(s.Resources) / 2
			a.Resources, b.Resources = s.Resources[:half], s.Resources[half:]
		case len(s.Actions) > 1:
			half := len(s.Actions) / 2
			a.Actions, b.Actions = s.Actions[:half], s.Actions[half:]
		default: // one action on one resource is as short as it gets
			out = append(out, s)
			continue
		}
		a.Sid, b.Sid = s.Sid+"a", s.Sid+"b" // both, or halves of halves would share one
		out = append(out, halves([]Statement{a, b}, limit)...)
	}
	return out
}

// YAML writes statements as the items of a YAML list in a CloudFormation
// template.
func YAML(list []Statement, indent int) string {
	var b strings.Builder
	in := strings.Repeat(" ", indent)
	items := func(key string, list []string) {
		b.WriteString(in + "  " + key + ":\n")
		for _, item := range list {
			b.WriteString(in + "    - " + scalar(item) + "\n")
		}
	}
	for _, s := range list {
		b.WriteString(in + "- Sid: " + s.Sid + "\n" + in + "  Effect: Allow\n")
		items("Action", s.Actions)
		items("Resource", s.Resources)
		if c := s.condition(); len(c) > 0 {
			b.WriteString(in + "  Condition:\n")
			for _, operator := range slices.Sorted(maps.Keys(c)) {
				b.WriteString(in + "    " + operator + ":\n")
				for _, key := range slices.Sorted(maps.Keys(c[operator])) {
					b.WriteString(in + "      " + key + ":\n")
					for _, v := range c[operator][key] {
						b.WriteString(in + "        - " + quoted(v) + "\n")
					}
				}
			}
		}
	}
	return b.String()
}

// scalar is a text as YAML; one with placeholders is for Fn::Sub.
func scalar(s string) string {
	switch {
	case strings.Contains(s, "${"):
		return "!Sub " + quoted(s)
	default:
		return quoted(s)
	}
}

func quoted(s string) string {
	if s == "" || strings.ContainsAny(s[:1], "*&!|>%@`{[-?:,#'\"") || strings.ContainsAny(s, " #'\"\\") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
	}
	return s
}

// ParseDocument reads statements back from a policy that this package wrote and
// somebody may have edited: Allow statements, whose only conditions are on the
// service that a role is passed to, and on what a key is used for.
func ParseDocument(text []byte) ([]Statement, error) {
	var doc struct{ Statement []wire }
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("read a policy: %w", err)
	}
	var out []Statement
	for _, w := range doc.Statement {
		passed := w.Condition["StringEquals"]["iam:PassedToService"]
		key := len(w.Condition) > 0 && !slices.ContainsFunc(w.Action, func(a string) bool { return !strings.HasPrefix(a, "kms:") })
		if w.Effect != "Allow" || len(w.Action) == 0 || len(w.Resource) == 0 || len(w.Condition) > 0 && len(passed) == 0 && !key {
			return nil, fmt.Errorf("statement %s isn't one that axle access least-privilege writes", w.Sid)
		}
		s := Statement{Sid: w.Sid, Actions: w.Action, Resources: w.Resource, Passed: passed}
		if len(passed) == 0 {
			s.When = w.Condition
		}
		out = append(out, s)
	}
	return out, nil
}
