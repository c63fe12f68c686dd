package cloud

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"axle"
	"axle/internal/diag"
	"axle/internal/late"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"go.yaml.in/yaml/v3"
)

// FromFile reads an organization from a YAML file (DESIGN.md section 5). All
// mistakes are reported at once, each with its place.
func FromFile(path string) (*axle.Organization, diag.List) {
	body, err := os.ReadFile(path)
	if err != nil {
		var list diag.List
		list.Add(diag.Pos{File: path}, "organization.source: file: is relative to axle.yaml", "read the organization: %v", err)
		return nil, list
	}
	return parseOrganization(path, "file:"+path, body)
}

// FromSSM reads an organization from a parameter at home, which holds the same
// YAML as a file, or account ids: a JSON list, or separated by commas.
func (c *Cloud) FromSSM(ctx context.Context, name string) (*axle.Organization, error) {
	id, err := c.Identity(ctx)
	if err != nil {
		return nil, err
	}
	var body string
	for _, way := range c.ways(id) {
		if body, err = c.parameter(ctx, way, id, name); err == nil || !isDenied(err) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	org, problems := parseOrganization("ssm:"+name, "ssm:"+name, []byte(body))
	if err := problems.Err(); err != nil {
		return nil, err
	}
	return org, nil
}

func (c *Cloud) parameter(ctx context.Context, way source, id Identity, name string) (string, error) {
	home := axle.Target{Account: way.owner(id), Region: c.region}
	client, opt := c.ssmAs(c.newPair(way, home), c.region)
	out, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)}, opt)
	if err != nil {
		return "", Translate(err, "read the organization from parameter "+name, c.account(home.Account), c.region)
	}
	if out.Parameter == nil {
		return "", fmt.Errorf("read the organization from parameter %s: AWS answered without it", name)
	}
	return aws.ToString(out.Parameter.Value), nil
}

var idList = late.MustCompile(`^[\s\d,]+$`)

func parseOrganization(file, source string, body []byte) (*axle.Organization, diag.List) {
	p := &orgParser{file: file, org: &axle.Organization{Source: source, Taken: time.Now().UTC(), Tagged: true}, ids: map[string]diag.Pos{}}
	if idList.Match(body) {
		for _, id := range strings.FieldsFunc(string(body), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' }) {
			p.bare(id, diag.Pos{File: file})
		}
	} else {
		p.document(body)
	}
	if len(p.problems.Errors()) > 0 {
		return nil, p.problems
	}
	if len(p.org.Accounts) == 0 {
		p.problems.Warn(diag.Pos{File: file}, "", "no accounts")
	}
	p.org.Sort()
	return p.org, p.problems
}

// orgParser walks over the YAML nodes and goes on after mistakes. The ids of
// OUs, which a file doesn't have, are their paths.
type orgParser struct {
	file     string
	org      *axle.Organization
	ids      map[string]diag.Pos
	problems diag.List
}

func (p *orgParser) pos(n *yaml.Node) diag.Pos {
	return diag.Pos{File: p.file, Line: n.Line, Col: n.Column}
}

func (p *orgParser) document(body []byte) {
	var doc yaml.Node
	if err := yaml.Unmarshal(body, &doc); err != nil {
		p.problems.Add(diag.Pos{File: p.file}, "", "not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return
	}
	if len(doc.Content) == 0 {
		p.problems.Add(diag.Pos{File: p.file}, "see organization.source in the documentation", "empty")
		return
	}
	if p.aliases(doc.Content[0], "") {
		return // what contains itself can't be walked
	}
	top := doc.Content[0]
	root := axle.OU{ID: "/", Name: "Root", Path: "/"}
	if top.Kind == yaml.SequenceNode {
		p.org.OUs = append(p.org.OUs, root)
		for _, n := range top.Content {
			if n.Kind == yaml.ScalarNode {
				p.bare(n.Value, p.pos(n))
			} else {
				p.account(n, root, []string{"/"})
			}
		}
		return
	}
	fields := p.fields(top, "the organization", "management", "tags", "ous", "accounts")
	root.Tags = p.tags(fields["tags"])
	p.org.OUs = append(p.org.OUs, root)
	if n := fields["management"]; n != nil {
		if id := p.account(n, root, []string{"/"}); id != "" {
			p.org.Management = id
			p.org.Accounts[len(p.org.Accounts)-1].Management = true
		}
	}
	p.inside(fields, root, []string{"/"})
}

// inside reads what an OU or the root holds.
func (p *orgParser) inside(fields map[string]*yaml.Node, ou axle.OU, above []string) {
	for _, n := range p.list(fields["accounts"], "accounts") {
		p.account(n, ou, above)
	}
	names := map[string]bool{}
	for _, n := range p.list(fields["ous"], "ous") {
		f := p.fields(n, "an OU", "name", "tags", "accounts", "ous")
		if f == nil {
			continue
		}
		name := p.text(f["name"])
		switch {
		case name == "":
			p.problems.Add(p.pos(n), "", "an OU needs a name")
		case strings.Contains(name, "/"):
			p.problems.Add(p.pos(f["name"]), "nest OUs with ous:", "the name of an OU can't have a slash: %q", name)
		case names[name]:
			p.problems.Add(p.pos(f["name"]), "", "second OU %q in %s", name, ou.Path)
		}
		names[name] = true
		path := axle.JoinOU(ou.Path, name)
		child := axle.OU{ID: path, Name: name, Path: path, Parent: ou.ID, Tags: p.tags(f["tags"])}
		p.org.OUs = append(p.org.OUs, child)
		p.inside(f, child, append(slices.Clone(above), path))
	}
}

// account reads an account and returns its id, "" if it has none that is valid.
func (p *orgParser) account(n *yaml.Node, ou axle.OU, above []string) string {
	// regions is for the sandbox alone: it says what the account opted into.
	f := p.fields(n, "an account", "id", "name", "email", "tags", "status", "invited", "regions")
	if f == nil {
		return ""
	}
	a := axle.Account{Name: p.text(f["name"]), Email: p.text(f["email"]), OU: ou.Path, OUIDs: above,
		Status: p.text(f["status"]), Tags: p.tags(f["tags"]), JoinedMethod: "CREATED"}
	switch invited := p.text(f["invited"]); invited {
	case "true":
		a.JoinedMethod = "INVITED"
	case "", "false":
	default:
		p.problems.Add(p.pos(f["invited"]), "true or false", "bad value %q of invited", invited)
	}
	switch {
	case a.Status == "":
		a.Status = "ACTIVE"
	case !slices.Contains(states, a.Status):
		p.problems.Add(p.pos(f["status"]), "one of "+strings.Join(states, ", "), "unknown status %q", a.Status)
	}
	if f["name"] == nil {
		p.problems.Add(p.pos(n), "", "an account needs a name")
	}
	if f["id"] == nil {
		p.problems.Add(p.pos(n), `such as id: "222222222222"`, "an account needs an id")
		return ""
	}
	a.ID = p.text(f["id"])
	if !p.claim(a.ID, p.pos(f["id"])) {
		return ""
	}
	p.org.Accounts = append(p.org.Accounts, a)
	return a.ID
}

var states = []string{"PENDING_ACTIVATION", "ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED"}

// bare takes an account of which only the id is known.
func (p *orgParser) bare(id string, at diag.Pos) {
	if p.claim(id, at) {
		p.org.Accounts = append(p.org.Accounts, axle.Account{ID: id, OU: "/", OUIDs: []string{"/"}, Status: "ACTIVE"})
	}
}

// claim checks an id and that nobody else has it.
func (p *orgParser) claim(id string, at diag.Pos) bool {
	if !axle.ValidAccountID(id) {
		p.problems.Add(at, "an account id has 12 digits; quote it, so that leading zeros stay", "bad account id %q", id)
		return false
	}
	if first, ok := p.ids[id]; ok {
		p.problems.Add(at, "", "account %s is listed already, at %s", id, first)
		return false
	}
	p.ids[id] = at
	return true
}

// aliases reports the aliases outside of tags, and whether there are any.
func (p *orgParser) aliases(n *yaml.Node, key string) bool {
	if n.Kind == yaml.AliasNode && key != "tags" {
		p.problems.Add(p.pos(n), "write it out", "an alias can stand only for tags")
		return true
	}
	found := false
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 1 {
			key = n.Content[i-1].Value
		}
		found = p.aliases(child, key) || found
	}
	return found
}

// fields returns the values of a mapping, nil if it isn't one.
func (p *orgParser) fields(n *yaml.Node, what string, known ...string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		p.problems.Add(p.pos(n), "keys: "+strings.Join(known, ", "), "%s must be a mapping", what)
		return nil
	}
	found := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		switch {
		case !slices.Contains(known, key.Value):
			hint := "known are " + strings.Join(known, ", ")
			if near := diag.Nearest(key.Value, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			p.problems.Add(p.pos(key), hint, "unknown key %q of %s", key.Value, what)
		case found[key.Value] != nil:
			p.problems.Add(p.pos(key), "", "key %q a second time", key.Value)
		default:
			found[key.Value] = n.Content[i+1]
		}
	}
	return found
}

func isNull(n *yaml.Node) bool { return n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func (p *orgParser) list(n *yaml.Node, what string) []*yaml.Node {
	if isNull(n) {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		p.problems.Add(p.pos(n), "", "%s must be a list", what)
		return nil
	}
	return n.Content
}

func (p *orgParser) text(n *yaml.Node) string {
	if isNull(n) {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		p.problems.Add(p.pos(n), "", "must be a text")
		return ""
	}
	return n.Value
}

func (p *orgParser) tags(n *yaml.Node) map[string]string {
	if isNull(n) {
		return nil
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		p.problems.Add(p.pos(n), "such as tags: {env: dev}", "tags must be a mapping")
		return nil
	}
	var tags map[string]string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if _, ok := tags[key.Value]; ok {
			p.problems.Add(p.pos(key), "", "tag %q a second time", key.Value)
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[key.Value] = p.text(n.Content[i+1])
	}
	return tags
}
