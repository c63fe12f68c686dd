package pattern

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"axle/internal/late"
)

// resource is one thing that is to be reached.
type resource struct {
	arn     arn
	account string // its owner
	region  string // where its stack goes
	service *service
	grants  []grant  // what is needed on it
	kms     []string // what its key is needed for
	label   string   // unique among the resources: the stack's name
	param   string   // the parameter that has its ARN
	created bool
	// match is the ARN as identity policies name it: a secret's has a suffix.
	match string
}

// lastName is the name at the end of an ARN.
func (r *resource) lastName() string {
	name := strings.TrimPrefix(r.arn.rest, r.service.kind)
	if r.service.prefix == "s3" {
		name, _, _ = strings.Cut(name, "/")
	}
	return name
}

// logical is the resource's id in the template that makes it.
func (r *resource) logical() string { return camel(r.service.label) }

func (r *resource) nameParam() string { return r.logical() + "Name" }

// name is the resource's name in its own stack.
func (r *resource) name() any {
	if r.created {
		return ref(r.logical())
	}
	return ref(r.nameParam())
}

// self is the resource's ARN in its own stack, for those whose Ref is the ARN.
func (r *resource) self() any {
	if r.created {
		return ref(r.logical())
	}
	return r.arn.text
}

// queueURL is the address of a queue in the account where the stack is.
func (r *resource) queueURL() any {
	if r.created {
		return ref(r.logical())
	}
	return sub("https://sqs.${AWS::Region}.${AWS::URLSuffix}/${AWS::AccountId}/${" + r.nameParam() + "}")
}

// arns are where a grant is: the resource's own ARN with what follows it.
func (r *resource) arns(g grant) []string {
	if g.own {
		return []string{"*"}
	}
	var out []string
	for _, end := range g.on {
		switch {
		case end == "{glue}":
			out = append(out, r.glueChain()...)
		case r.service.prefix == "s3" && strings.Contains(r.arn.rest, "/"):
			out = append(out, r.match) // the objects are named already
		default:
			out = append(out, r.match+end)
		}
	}
	return out
}

// glueChain: Glue asks for the catalog and the database of a table too.
func (r *resource) glueChain() []string {
	base := strings.TrimSuffix(r.arn.text, r.arn.rest)
	parts := strings.Split(r.arn.rest, "/")
	out := []string{base + "catalog"}
	if len(parts) > 1 {
		out = append(out, base+"database/"+parts[1])
	}
	return append(out, r.arn.text)
}

var (
	randomSuffix = late.MustCompile(`-[A-Za-z0-9]{6}$`)
	lowerSuffix  = late.MustCompile(`-[a-z]{6}$`)
)

// readResource reads an ARN that is to be reached.
func (b *builder) readResource(text string) (*resource, error) {
	if strings.HasPrefix(text, "https://sqs.") {
		return nil, mistake("the queue's ARN is arn:aws:sqs:REGION:ACCOUNT:NAME", "--resource %q is a queue's URL", text)
	}
	a, err := parseARN(text, "--resource")
	if err != nil {
		return nil, err
	}
	r := &resource{arn: a, account: a.account, region: a.region, service: find(a), match: a.text, created: b.ask.Create}
	if a.service == "kms" && strings.HasPrefix(a.rest, "alias/") {
		return nil, mistake("name the key: aws kms describe-key --key-id "+a.rest+" --query KeyMetadata.Arn", "--resource %q is an alias, which means another key in every account and grants nothing on the key", text)
	}
	if a.rest == "*" || strings.HasPrefix(a.rest, "*") {
		return nil, mistake("name the resource", "--resource %q is everything", text)
	}
	if strings.ContainsAny(r.lastName(), "*?") {
		return nil, mistake("give each as a --resource of its own", "--resource %q names several resources with a wildcard", text)
	}
	if r.account == "" {
		if r.account = b.ask.ResourceAccount; r.account == "" {
			return nil, mistake("say whose it is: --resource-account 222222222222", "--resource %q has no account in its ARN", text)
		}
	}
	if r.region == "" {
		r.region = b.ask.Region
	}
	if a.partition != b.partition {
		return nil, mistake("partitions share no identities: the caller needs credentials of that partition", "--resource %q is in partition %s and the caller in %s", text, a.partition, b.partition)
	}
	if a.service == "secretsmanager" {
		b.readSecret(r)
	}
	return r, nil
}

// readSecret finds out whether the ARN has the six random characters that
// Secrets Manager appends to a secret's name.
func (b *builder) readSecret(r *resource) {
	switch {
	case r.created:
		r.match = r.arn.text + "-??????"
	case strings.HasSuffix(r.arn.text, "-??????") || strings.HasSuffix(r.arn.text, "*"):
	case randomSuffix.MatchString(r.arn.rest) && !lowerSuffix.MatchString(r.arn.rest):
	default:
		r.match = r.arn.text + "-??????"
		b.note("%s is taken as a name without the six characters that Secrets Manager appends: the caller's policy says %s.", r.arn.text, r.match)
	}
}

// resolveNeeds turns needs into grants on each resource. A need that no
// resource knows is a mistake.
func (b *builder) resolveNeeds() error {
	if len(b.ask.Needs) == 0 {
		return mistake("say what the caller does: --need read, or actions such as dynamodb:GetItem", "--need is missing")
	}
	for _, word := range b.ask.Needs {
		used, known := false, ""
		for _, r := range b.resources {
			if strings.Contains(word, ":") {
				used = r.addAction(word) || used
				continue
			}
			if n := r.service.need(word); n != nil {
				r.grants, r.kms, used = append(r.grants, n.grants...), append(r.kms, n.kms...), true
			} else if len(b.ask.Needs) == 1 || known == "" {
				known = fmt.Sprintf("%s knows %s", r.arn.text, orActions(r.service))
			}
		}
		switch {
		case strings.ContainsAny(word, "*?"):
			return mistake("name the actions: a wildcard gives what comes tomorrow too", "--need %q has a wildcard", word)
		case !used && strings.Contains(word, ":"):
			return mistake("an action goes to the resources of its service", "--need %q belongs to no --resource", word)
		case !used:
			return mistake(known, "--need %q isn't a need of any resource", word)
		}
	}
	for _, r := range b.resources {
		b.onlyObjects(r)
		if len(r.grants) == 0 {
			return mistake("it knows "+orActions(r.service), "nothing of --need applies to %s", r.arn.text)
		}
		r.grants = mergeGrants(r.grants)
		slices.Sort(r.kms)
		r.kms = slices.Compact(r.kms)
	}
	return nil
}

// onlyObjects leaves out what is about a whole bucket where objects are named.
func (b *builder) onlyObjects(r *resource) {
	if r.service.prefix != "s3" || !strings.Contains(r.arn.rest, "/") {
		return
	}
	n := len(r.grants)
	r.grants = slices.DeleteFunc(r.grants, func(g grant) bool { return slices.Equal(g.on, self) })
	if len(r.grants) < n && n > 0 {
		b.note("%s are objects: listing the bucket isn't allowed, and a key that isn't there gives 403, not 404. Name the bucket itself if it is to be.", r.arn.text)
	}
}

func orActions(s *service) string {
	if names := s.needNames(); names != "" {
		return names + ", or actions such as " + s.needs[0].grants[0].actions[0]
	}
	return "no words yet, only actions such as " + s.prefix + ":ACTION"
}

// addAction adds one explicit action, if it is one of this resource's service.
func (r *resource) addAction(action string) bool {
	prefix, _, _ := strings.Cut(action, ":")
	if prefix != r.service.prefix || strings.ContainsAny(action, "*?") {
		return false
	}
	for _, n := range r.service.needs {
		for _, g := range n.grants {
			for _, known := range g.actions {
				if strings.EqualFold(known, action) {
					r.grants, r.kms = append(r.grants, grant{[]string{known}, g.on, g.own}), append(r.kms, n.kms...)
					return true
				}
			}
		}
	}
	g := grant{actions: []string{action}, on: self}
	if prefix == "s3" && strings.Contains(action, "Object") {
		g.on = objects
	}
	r.grants = append(r.grants, g)
	name := action[len(prefix)+1:]
	switch {
	case r.service.via == "":
	case strings.HasPrefix(name, "Get") || strings.HasPrefix(name, "Receive") || strings.HasPrefix(name, "Query"):
		r.kms = append(r.kms, decrypt...)
	case strings.HasPrefix(name, "Put") || strings.HasPrefix(name, "Update"):
		r.kms = append(r.kms, both...)
	}
	return true
}

// mergeGrants puts actions on the same ARNs together, each once.
func mergeGrants(list []grant) []grant {
	var out []grant
	for _, g := range list {
		i := slices.IndexFunc(out, func(o grant) bool { return o.own == g.own && slices.Equal(o.on, g.on) })
		if i < 0 {
			out, i = append(out, grant{on: g.on, own: g.own}), len(out)
		}
		out[i].actions = append(out[i].actions, g.actions...)
	}
	for i := range out {
		slices.Sort(out[i].actions)
		out[i].actions = slices.Compact(out[i].actions)
	}
	return out
}

// nameResources gives each a label and the name of its parameter, which are
// those of its kind, numbered where there are several.
func (b *builder) nameResources() {
	total, seen := map[string]int{}, map[string]int{}
	for _, r := range b.resources {
		total[r.service.label]++
	}
	for _, r := range b.resources {
		kind := r.service.label
		seen[kind]++
		r.label, r.param = kind, camel(kind)+"Arn"
		if total[kind] > 1 {
			r.label, r.param = fmt.Sprintf("%s-%d", kind, seen[kind]), fmt.Sprintf("%s%dArn", camel(kind), seen[kind])
		}
	}
}

// camel is a label as part of a logical id.
func camel(s string) string {
	up := true
	return strings.Map(func(c rune) rune {
		if !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			up = true
			return -1
		}
		if up {
			c, up = unicode.ToUpper(c), false
		}
		return c
	}, s)
}
