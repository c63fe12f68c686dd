package lint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"axle"
	"axle/internal/diag"
	"axle/internal/late"
	"axle/internal/template"
	"axle/policy"

	"go.yaml.in/yaml/v3"
)

// Doc is a policy document by itself: a file, or a live policy.
type Doc struct {
	File string // what positions name
	Body []byte // JSON or YAML
	Kind policy.Kind
	// Name is the policy's, for people: "role axle-spoke, inline policy permissions".
	Name string
	// Account and Region own it; Service is that of a resource policy, such as
	// "sns"; Resource is what it is attached to. All may be empty.
	Account, Region, Service, Resource string
	// Live: it was read from an account.
	Live bool
}

// Policies checks documents that stand alone. What isn't a policy is an error
// of the list.
func Policies(docs []Doc) ([]Finding, diag.List) { return PoliciesOf(nil, docs) }

// PoliciesOf is Policies where the organization is known.
func PoliciesOf(org *axle.Organization, docs []Doc) ([]Finding, diag.List) {
	var problems diag.List
	var good []Doc
	for _, d := range docs {
		if _, err := readNode(d.File, d.Body); err != nil {
			problems.Add(err.Pos, "", "%s", err.Summary)
			continue
		}
		good = append(good, d)
	}
	return Check(Input{Docs: good, Org: org}), problems
}

// document is a policy document that rules look at.
type document struct {
	kind                               policy.Kind
	name                               string
	account, region, service, resource string
	node                               *template.Node
	version                            *template.Node
	statements                         []*statement
	owner                              *template.Declared // the resource it stands in, or nil
	unit                               *unit              // the template it stands in, or nil
	live                               bool
}

func (d *document) trust() bool    { return d.kind == policy.TrustPolicy }
func (d *document) identity() bool { return d.kind == policy.IdentityPolicy }
func (d *document) shared() bool   { return d.kind == policy.ResourcePolicy }
func (d *document) key() bool      { return d.kind == policy.ResourcePolicy && d.service == "kms" }

// own says whether an account is the document's own.
func (d *document) own(account string) bool {
	return account != "" && account == d.account || account == "${AWS::AccountId}"
}

// foreign says whether an account is, or may be, another than the document's.
func (d *document) foreign(account string) bool {
	return account != "" && account != "*" && !d.own(account)
}

// statement is one statement of a document.
type statement struct {
	doc        *document
	node       *template.Node
	allow      bool
	actions    []*template.Node // of Action or NotAction
	resources  []*template.Node // of Resource or NotResource
	notAction  *template.Node
	notRes     *template.Node
	notPrinc   *template.Node
	principals []principal
	conditions []condition
}

// principal is one value of Principal; kind is AWS, Service, Federated or
// CanonicalUser. A bare "*" is AWS.
type principal struct {
	kind string
	node *template.Node
}

func (p principal) text() string { return p.node.Str() }

// account is the account that an AWS principal is in, "" when it has none.
func (p principal) account() string {
	text := p.text()
	if accountForm.MatchString(text) {
		return text
	}
	if a, ok := splitARN(text); ok {
		return a.account
	}
	if m := parameterForm.FindStringSubmatch(text); m != nil {
		return text
	}
	return ""
}

// wholeAccount says whether it names an account rather than somebody in it.
func (p principal) wholeAccount() bool {
	if p.kind != "AWS" {
		return false
	}
	if accountForm.MatchString(p.text()) || p.text() == "${AWS::AccountId}" {
		return true
	}
	a, ok := splitARN(p.text())
	return ok && a.service == "iam" && a.resource == "root"
}

// condition is one key under one operator.
type condition struct {
	operator string // as written
	base     string // StringEquals, without quantifier and IfExists
	forAll   bool
	forAny   bool
	ifExists bool
	key      string
	opPos    diag.Pos
	keyPos   diag.Pos
	values   []*template.Node
}

// negated says whether an absent key satisfies the operator.
func (c condition) negated() bool { return strings.Contains(c.base, "Not") }

// binds says whether the condition demands its key: an Allow with it grants
// nothing to requests without the key.
func (c condition) binds() bool {
	if c.base == "Null" {
		return false
	}
	return !c.ifExists && !c.forAll && !c.negated()
}

var (
	accountForm   = late.MustCompile(`^[0-9]{12}$`)
	parameterForm = late.MustCompile(`^\$\{[A-Za-z0-9:]+\}$`)
)

// guarded says whether the statement demands one of the keys (in lower case;
// a key that ends in / stands for all below it).
func (s *statement) guarded(keys ...string) bool {
	for _, c := range s.conditions {
		if !c.binds() {
			continue
		}
		for _, k := range keys {
			if low := strings.ToLower(c.key); low == k || strings.HasSuffix(k, "/") && strings.HasPrefix(low, k) {
				return !slices.ContainsFunc(c.values, func(v *template.Node) bool { return v.Str() == "*" })
			}
		}
	}
	return false
}

// callerKeys are the keys that say who calls.
func (s *statement) knowsCaller() bool {
	return s.guarded("aws:principalarn", "aws:principalorgid", "aws:principalorgpaths", "aws:principaltag/", "aws:userid", "aws:username",
		"sts:externalid", "aws:sourceidentity", "sts:sourceidentity", "aws:principalaccount", "aws:sourcevpce", "aws:sourcevpc",
		"aws:sourceip", "aws:sourceowner", "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths", "kms:calleraccount", "s3:dataaccesspointaccount")
}

// does says whether an Allow or Deny of the statement reaches an action, such as
// "sts:AssumeRole", through its Action.
func (s *statement) does(action string) bool {
	if s.notAction != nil {
		return false
	}
	return slices.ContainsFunc(s.actions, func(a *template.Node) bool { return policy.MatchAction(a.Str(), action) })
}

// denies says whether the document denies an action, on whatever, in any case.
func (d *document) denies(action string) bool {
	return slices.ContainsFunc(d.statements, func(s *statement) bool {
		return !s.allow && len(s.conditions) == 0 && s.anyResource() != nil && s.does(action)
	})
}

// anyResource is the first resource that is "*" alone.
func (s *statement) anyResource() *template.Node {
	if s.notRes != nil {
		return nil
	}
	for _, n := range s.resources {
		if n.Str() == "*" {
			return n
		}
	}
	return nil
}

// strangers says whether the statement lets in somebody of another account.
func (s *statement) strangers() (principal, bool) {
	if !s.allow {
		return principal{}, false
	}
	for _, p := range s.principals {
		if p.kind == "AWS" && (p.text() == "*" || s.doc.foreign(p.account())) {
			return p, true
		}
	}
	return principal{}, false
}

// build reads the statements out of the document's tree.
func (d *document) build() *document {
	d.version = d.node.Get("Version")
	for _, n := range every(d.node.Get("Statement")) {
		if n.Kind != template.MapNode {
			continue
		}
		s := &statement{doc: d, node: n, allow: n.Get("Effect").Str() == "Allow",
			notAction: n.Get("NotAction"), notRes: n.Get("NotResource"), notPrinc: n.Get("NotPrincipal")}
		s.actions = append(every(n.Get("Action")), every(s.notAction)...)
		s.resources = append(every(n.Get("Resource")), every(s.notRes)...)
		for _, from := range []*template.Node{n.Get("Principal"), s.notPrinc} {
			s.principals = append(s.principals, principalsOf(from)...)
		}
		s.conditions = conditionsOf(n.Get("Condition"))
		d.statements = append(d.statements, s)
	}
	return d
}

// every lists the items of a value, in all branches of conditions that aren't known.
func every(n *template.Node) []*template.Node {
	var out []*template.Node
	for ; n != nil; n = n.Else {
		out = append(out, n.List()...)
	}
	return out
}

func principalsOf(n *template.Node) []principal {
	var out []principal
	for ; n != nil; n = n.Else {
		if n.Kind == template.ScalarNode {
			out = append(out, principal{"AWS", n})
		}
		for _, k := range n.Keys {
			for _, v := range every(k.Value) {
				if v.Kind == template.ScalarNode {
					out = append(out, principal{k.Name, v})
				}
			}
		}
	}
	return out
}

func conditionsOf(n *template.Node) []condition {
	if n == nil {
		return nil
	}
	var out []condition
	for _, op := range n.Keys {
		for _, k := range entries(op.Value) {
			c := condition{operator: op.Name, key: k.Name, opPos: op.Pos, keyPos: k.Pos, values: k.Value.List()}
			c.base = op.Name
			if rest, ok := strings.CutPrefix(c.base, "ForAllValues:"); ok {
				c.base, c.forAll = rest, true
			} else if rest, ok := strings.CutPrefix(c.base, "ForAnyValue:"); ok {
				c.base, c.forAny = rest, true
			}
			if rest, ok := strings.CutSuffix(c.base, "IfExists"); ok {
				c.base, c.ifExists = rest, true
			}
			out = append(out, c)
		}
	}
	return out
}

// arn are the parts of an ARN. Parts may have ${...} in them.
type arn struct{ partition, service, region, account, resource string }

// splitARN splits at the colons that aren't inside ${...}.
func splitARN(s string) (arn, bool) {
	var parts []string
	depth, start := 0, 0
	for i := 0; i < len(s) && len(parts) < 5; i++ {
		switch {
		case s[i] == '$' && i+1 < len(s) && s[i+1] == '{':
			depth++
		case s[i] == '}' && depth > 0:
			depth--
		case s[i] == ':' && depth == 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	if len(parts) < 5 || parts[0] != "arn" {
		return arn{}, false
	}
	return arn{parts[1], parts[2], parts[3], parts[4], s[start:]}, true
}

var yamlPlace = late.MustCompile(`line (\d+)`)

// readNode reads JSON or YAML into a tree with positions.
func readNode(file string, body []byte) (*template.Node, *diag.Diagnostic) {
	text := bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))
	if json.Valid(text) {
		text = bytes.ReplaceAll(text, []byte("\t"), []byte(" ")) // YAML refuses them; JSON strings have none
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		d := &diag.Diagnostic{Pos: diag.Pos{File: file}, Summary: "it is neither JSON nor YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
		if m := yamlPlace.FindStringSubmatch(err.Error()); m != nil {
			d.Pos.Line, _ = strconv.Atoi(m[1])
		}
		return nil, d
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) == 0 {
		return nil, &diag.Diagnostic{Pos: diag.Pos{File: file}, Summary: "the file is empty"}
	}
	n := nodeOf(file, doc.Content[0], 0)
	if n.Get("Statement") == nil {
		return n, &diag.Diagnostic{Pos: n.Pos, Summary: "it is neither a template nor a policy: it has no Resources and no Statement"}
	}
	return n, nil
}

// maxDepth bounds nesting; policies stay below ten.
const maxDepth = 200

func nodeOf(file string, n *yaml.Node, depth int) *template.Node {
	out := &template.Node{Pos: diag.Pos{File: file, Line: n.Line, Col: n.Column}, Known: true}
	if depth > maxDepth {
		return out
	}
	switch n.Kind {
	case yaml.ScalarNode:
		if out.Tag = n.ShortTag(); out.Tag != "!!null" || n.Value != "" {
			out.Kind, out.Text = template.ScalarNode, n.Value
		}
	case yaml.SequenceNode:
		out.Kind = template.ListNode
		for _, c := range n.Content {
			out.Items = append(out.Items, nodeOf(file, c, depth+1))
		}
	case yaml.MappingNode:
		out.Kind = template.MapNode
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			out.Keys = append(out.Keys, template.Key{Name: k.Value, Pos: diag.Pos{File: file, Line: k.Line, Col: k.Column}, Value: nodeOf(file, n.Content[i+1], depth+1)})
		}
	}
	return out
}

// KindOf guesses what sort of policy a document is from what it has: principals
// and only sts actions make a trust policy, other principals a resource policy.
func KindOf(file string, body []byte) policy.Kind {
	n, err := readNode(file, body)
	if err != nil {
		return policy.IdentityPolicy
	}
	d := (&document{node: n}).build()
	kind := policy.IdentityPolicy
	for _, s := range d.statements {
		if s.node.Get("Principal") == nil && s.notPrinc == nil {
			continue
		}
		kind = policy.ResourcePolicy
		trust := len(s.actions) > 0 && s.node.Get("Resource") == nil
		for _, a := range s.actions {
			trust = trust && strings.HasPrefix(strings.ToLower(a.Str()), "sts:")
		}
		if trust {
			return policy.TrustPolicy
		}
	}
	return kind
}

// serviceOf guesses the service of a resource policy from its actions.
func (d *document) serviceOf() string {
	for _, s := range d.statements {
		for _, a := range s.actions {
			if service, _, ok := strings.Cut(a.Str(), ":"); ok {
				return strings.ToLower(service)
			}
		}
	}
	return ""
}

func (d *document) label() string {
	switch {
	case d.name != "":
		return d.name
	case d.owner != nil:
		return d.owner.Name
	}
	return fmt.Sprintf("the %s", d.kind)
}

// entries are the keys of a map; of anything else none.
func entries(n *template.Node) []template.Key {
	if n == nil {
		return nil
	}
	return n.Keys
}
