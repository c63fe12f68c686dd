package privilege

import (
	"slices"
	"strings"

	"axle/internal/late"
	"axle/internal/template"
)

const (
	partition = "${AWS::Partition}"
	account   = "${AWS::AccountId}"
	// chain bounds how far references from resource to resource are followed.
	chain = 8
)

var (
	placeholder = late.MustCompile(`\{([A-Za-z0-9.]+)\}`)
	variable    = late.MustCompile(`\$\{([^{}]*)\}`)
	wildcards   = late.MustCompile(`\*\*+`)
)

// place is one stack in one region.
type place struct {
	world template.World
	room  bool // Group.Room
	all   map[string]*template.Declared
}

func newPlace(t *template.Template, w template.World) (*place, []*template.Declared) {
	p := &place{world: w, all: map[string]*template.Declared{}}
	list := t.Expanded(w)
	for _, d := range list {
		p.all[d.Name] = d
		if d.As != "" {
			p.all[d.As] = d
		}
	}
	return p, list
}

// needs are the grants for one resource of a type of the table.
func (p *place) needs(k *kind, d *template.Declared, into grants) {
	for _, list := range k.lists() {
		p.grant(k, d, list, into)
	}
	for _, w := range k.when {
		if slices.ContainsFunc(strings.Fields(w.properties), func(path string) bool { return len(values(d.Properties, path)) > 0 }) {
			p.grant(k, d, w.actions, into)
		} else if p.room {
			p.grant(k, d, onItself(w.actions), into)
		}
	}
	for _, pass := range k.pass {
		for _, v := range values(d.Properties, pass.property) {
			into.pass(pass.service, p.roles(v, chain)...)
		}
	}
}

// onItself are those of a list's actions that are on the resource itself.
func onItself(actions string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(actions), func(token string) bool {
		return strings.ContainsAny(token, "@?")
	}), " ")
}

// grant adds actions as the table has them.
func (p *place) grant(k *kind, d *template.Declared, actions string, into grants) {
	for token := range strings.FieldsSeq(actions) {
		if token == serviceToken {
			p.invoke(d, into)
			continue
		}
		action, targets, given := strings.Cut(token, "@")
		if !given {
			into.on(action, p.own(k, d, chain)...)
			continue
		}
		service, _, _ := strings.Cut(action, ":")
		for target := range strings.SplitSeq(targets, "+") {
			if target != "*" && !strings.ContainsAny(target, ":{") {
				target = service + ":{r}:{a}:" + target + "/*"
			}
			into.on(action, p.expand(target, k, d, chain)...)
		}
	}
}

// own are the ARNs of a resource itself.
func (p *place) own(k *kind, d *template.Declared, depth int) []string {
	var out []string
	for pattern := range strings.FieldsSeq(k.self) {
		out = append(out, p.expand(pattern, k, d, depth)...)
	}
	return out
}

// expand fills a pattern of the table in. It gives several ARNs where a
// property has several values, and none where it has none.
func (p *place) expand(pattern string, k *kind, d *template.Declared, depth int) []string {
	if pattern == "*" {
		return []string{"*"}
	}
	region := p.world.Region
	if region == "" {
		region = "*"
	}
	text := "arn:" + p.partition() + ":" + strings.NewReplacer("{r}", region, "{a}", p.account()).Replace(pattern)
	if pattern[0] == '{' {
		text = pattern
	}
	out := []string{text}
	for {
		m := placeholder.FindStringSubmatchIndex(withoutVariables(out))
		if m == nil {
			return out
		}
		head, name, tail := out[0][:m[0]], out[0][m[2]:m[3]], out[0][m[1]:]
		var next []string
		for _, full := range p.fillIn(name, head, tail, k, d, depth) {
			next = append(next, wildcards.ReplaceAllString(full, "*"))
		}
		if len(next) != 1 { // only one placeholder of a pattern has several values
			return next
		}
		out = next
	}
}

// withoutVariables hides ${...}, which isn't a placeholder of the table.
func withoutVariables(list []string) string {
	return variable.ReplaceAllStringFunc(list[0], func(s string) string { return strings.Repeat("_", len(s)) })
}

// fillIn gives the ARNs with one placeholder filled in.
func (p *place) fillIn(name, head, tail string, k *kind, d *template.Declared, depth int) []string {
	switch name {
	case "n":
		var out []string
		for _, n := range p.names(k, d) {
			out = append(out, head+strings.TrimPrefix(n, slashed(head))+tail)
		}
		return out
	case "path":
		path := p.fill(d.Properties.Get("Path").Str())
		if path == "" {
			path = "/"
		}
		return []string{head + path + tail}
	}
	var out []string
	for _, v := range values(d.Properties, name) {
		at := head
		if strings.HasSuffix(strings.ToLower(name), "arn") && p.fill(v.Str()) == "*" && !strings.HasSuffix(head, ":role/") {
			at = p.anywhere(head)
		}
		out = append(out, p.pointed(v, at, tail, depth)...)
	}
	return out
}

// anywhere takes region and account out of the beginning of an ARN: one that
// isn't known may be another account's, such as a topic's that is subscribed to.
func (p *place) anywhere(head string) string {
	return strings.Replace(head, ":"+orElse(p.world.Region, "*")+":"+p.account()+":", ":*:*:", 1)
}

// slashed is what to take off a name before it is put after head: the names of
// SSM parameters begin with a slash that their ARNs have already.
func slashed(head string) string {
	if strings.HasSuffix(head, ":parameter/") {
		return "/"
	}
	return ""
}

// pointed is what a property's value points at: another resource of the
// template, an ARN, or something by its name.
func (p *place) pointed(v *template.Node, head, tail string, depth int) []string {
	if depth > 0 && len(v.Refs) == 1 {
		d := p.all[v.Refs[0].Name]
		if k, ok := kindOfMade(d); ok && k.self != "" && (head == "" || serviceOf(k.self) == serviceOf(strings.TrimPrefix(head, "arn:"+p.partition()+":"))) {
			var out []string
			for _, arn := range p.own(&k, d, depth-1) {
				out = append(out, follow(arn, tail))
			}
			return out
		}
	}
	text := p.fill(v.Str())
	switch {
	case strings.HasPrefix(text, "alias/aws/"): // AWS's own keys take no permission
		return nil
	case strings.HasPrefix(text, "alias/") && strings.HasSuffix(head, ":key/"):
		text = "*"
	case strings.HasPrefix(text, "arn:"), text == "*" && head == "":
		return []string{follow(text, tail)}
	case strings.HasPrefix(text, "https://") && strings.Contains(head, ":sqs:"):
		text = text[strings.LastIndexByte(text, '/')+1:]
	}
	text = strings.TrimPrefix(text, "https://")
	if strings.Contains(head, ":secret:") && !strings.HasSuffix(text, "*") {
		text += "-*"
	}
	return []string{head + follow(text, tail)}
}

// kindOfMade finds the type of a resource that a reference leads to. What nested
// stacks and custom resources give may be anything: not themselves.
func kindOfMade(d *template.Declared) (kind, bool) {
	if d == nil || d.Type == nestedStack || d.Type == customResource {
		return kind{}, false
	}
	return kindOf(d.Type)
}

// serviceOf is the service of an ARN without arn:PARTITION: before it.
func serviceOf(arn string) string {
	service, _, _ := strings.Cut(arn, ":")
	return service
}

// follow puts tail behind text, which covers it already when it ends in *.
func follow(text, tail string) string {
	if strings.HasSuffix(text, "*") {
		return text
	}
	return text + tail
}

// names are what a resource may be called.
func (p *place) names(k *kind, d *template.Declared) []string {
	var out []string
	named := false
	if k.name != "" {
		for _, v := range values(d.Properties, k.name) {
			named = !v.Optional
			if n := p.fill(v.Str()); n != "" {
				out = append(out, n)
			}
		}
	}
	if !named || len(out) == 0 {
		out = append(out, p.made(k, d.Name))
	}
	return out
}

// made is a pattern of the name that CloudFormation makes for a resource whose
// template doesn't name it: stack and logical id, shortened when that is longer
// than the service takes, and a random part.
func (p *place) made(k *kind, logical string) string {
	pattern := k.made
	if pattern == "" {
		pattern = "{S}-{L}-*"
	}
	const random = 14                                                   // with the hyphens
	length := len(p.world.Stack) + 11*strings.Count(p.world.Stack, "*") // names of nested stacks have random parts, too
	if room := (k.limit - random - 2) / 2; k.limit > 0 && length+len(logical)+random > k.limit {
		pattern = p.world.Stack[:min(room, len(p.world.Stack))] + "*"
	}
	out := strings.NewReplacer("{S}", p.world.Stack, "{L}", logical).Replace(pattern)
	if k.lower {
		out = strings.ToLower(out)
	}
	return out
}

// fill turns a value into a pattern: what isn't known becomes *, and what
// CloudFormation will name becomes the pattern of that name.
func (p *place) fill(text string) string {
	out := variable.ReplaceAllStringFunc(text, func(v string) string {
		switch v {
		case partition:
			return p.partition()
		case account:
			return p.account()
		}
		name := v[2 : len(v)-1]
		if d := p.all[name]; d != nil {
			if d.Type == "AWS::SecretsManager::Secret" && d.Properties.Get("Name").Str() != "" {
				return "*" // the six characters that AWS adds to its name
			}
			if k, ok := kindOfMade(d); ok {
				return p.names(&k, d)[0]
			}
		}
		return "*"
	})
	if strings.Contains(out, "{{resolve:") {
		return "*"
	}
	return wildcards.ReplaceAllString(out, "*")
}

func (p *place) partition() string { return orElse(p.world.Partition, partition) }
func (p *place) account() string   { return orElse(p.world.Account, account) }

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// roles are the ARNs of the roles that a value names.
func (p *place) roles(v *template.Node, depth int) []string {
	if len(v.Refs) == 1 && depth > 0 {
		if d := p.all[v.Refs[0].Name]; d != nil && d.Type == "AWS::IAM::InstanceProfile" {
			var out []string
			for _, role := range values(d.Properties, "Roles") {
				out = append(out, p.roles(role, depth-1)...)
			}
			return out
		}
	}
	return p.pointed(v, "arn:"+p.partition()+":iam::"+p.account()+":role/", "", depth)
}

// invoke adds what a custom resource's ServiceToken takes.
func (p *place) invoke(d *template.Declared, into grants) {
	head := "arn:" + p.partition() + ":lambda:" + orElse(p.world.Region, "*") + ":" + p.account() + ":function:"
	for _, v := range values(d.Properties, "ServiceToken") {
		for _, arn := range p.pointed(v, head, "", chain) {
			if strings.Contains(arn, ":sns:") {
				into.on("sns:Publish", arn)
			} else {
				into.on("lambda:InvokeFunction", arn)
			}
		}
	}
}

// values are the nodes at a path of properties, through lists and the branches
// of conditions that aren't known.
func values(n *template.Node, path string) []*template.Node {
	if n == nil || n.Kind == template.NullNode {
		return nil
	}
	var out []*template.Node
	if n.Else != nil {
		out = values(n.Else, path)
	}
	switch {
	case n.Kind == template.ListNode:
		for _, item := range n.Items {
			out = append(out, values(item, path)...)
		}
		return out
	case path == "":
		return append(out, n)
	}
	name, rest, _ := strings.Cut(path, ".")
	return append(out, values(n.Get(name), rest)...)
}
