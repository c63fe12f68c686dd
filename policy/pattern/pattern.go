// Package pattern writes the ways of reaching a resource of another account as
// CloudFormation templates, policies and configuration: a role to assume, a
// policy on the resource, a Kubernetes service account. It is pure: what is
// asked comes in, texts come out; nothing is looked up in AWS, and no file is
// written. Every policy is exact: this caller, these ARNs, these actions; both
// sides are written together, since across accounts both must allow. What isn't
// in its table of services, or can't be made exact, is refused as a Mistake
// with a hint, never written loosely.
package pattern

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"axle/internal/late"
	"axle/policy"
)

// The patterns.
const (
	Role           = "role"
	ResourcePolicy = "resource-policy"
	Kubernetes     = "kubernetes"
)

// Ask is what is wanted.
type Ask struct {
	Pattern   string
	Resources []string // ARNs
	Needs     []string // words of the services' own, or actions
	KMSKeys   []string // ARNs of the keys that the resources are encrypted with

	Caller        string // the ARN of the role or user that calls
	CallerExists  bool   // it exists before any of this is deployed
	CreateCaller  bool   // make it too
	CallerTrust   string // who may assume the made one: a service, or an ARN
	ExternalID    string // role: what the caller must say
	Organization  string // o-..., the organization that the caller must be of
	TrustAccount  bool   // role: trust the caller's whole account
	Name          string // of the role that is made; of the project
	SessionSource string // role: where the profile's credentials come from

	ResourceAccount string // owner of resources whose ARN has no account
	Region          string // for what has no region in its ARN
	Create, Encrypt bool   // make the resources too; encrypt all of them with a made key

	Issuer, ServiceAccount, Audience string // kubernetes
	ProviderExists                   bool
	PodIdentity                      bool
	Cluster, ClusterAccount          string

	AccessRole, AccessVia string // of axle.yaml
	Fragment              bool   // only the stacks, for a project that exists
}

// Bundle is what an Ask comes to.
type Bundle struct {
	Pattern string `json:"pattern"`
	// Stacks in the order in which they are deployed.
	Stacks   []Stack    `json:"order"`
	Files    []File     `json:"files"`
	Policies []Document `json:"policies"`
	Notes    []string   `json:"notes,omitempty"`
}

// File is a text to be written under a path, which is relative.
type File struct {
	Path string `json:"path"`
	For  string `json:"for"` // what it is for, in one line
	Text string `json:"text"`
}

// Stack is one stack of the axle.yaml.
type Stack struct {
	Name         string   `json:"stack"`
	Accounts     []string `json:"accounts"`
	Region       string   `json:"region"`
	Template     string   `json:"template"`
	Capabilities []string `json:"capabilities,omitempty"`
	DependsOn    []string `json:"depends_on,omitempty"`
	Why          string   `json:"why"`
	params       []param
	body         Map
}

// Document is one policy with everything filled in, as it will be in AWS.
type Document struct {
	Kind    policy.Kind `json:"-"`
	Type    string      `json:"type"`
	Account string      `json:"account"`
	On      string      `json:"attached_to"` // the ARN of what it is attached to
	Policy  Map         `json:"policy"`
}

// builder collects a bundle.
type builder struct {
	ask       Ask
	partition string
	caller    principal
	resources []*resource
	keys      []*key
	out       *Bundle
}

// key is a KMS key that resources are encrypted with.
type key struct {
	arn     arn
	label   string
	param   string
	created bool
	users   []*resource
}

var (
	roleName     = late.MustCompile(`^[A-Za-z][A-Za-z0-9-]*$`)
	externalID   = late.MustCompile(`^[A-Za-z0-9_+=,.@:/-]{2,}$`)
	trustee      = late.MustCompile(`^([a-z0-9-]+(\.[a-z0-9-]+)*\.amazonaws\.com(\.cn)?|arn:[a-z-]+:iam::\d{12}:(root|(role|user)/[A-Za-z0-9_+=,.@/-]+))$`)
	organization = late.MustCompile(`^o-[a-z0-9]{10,32}$`)
	regionName   = late.MustCompile(`^[a-z]{2,}(-[a-z]+)+-\d$`)
)

// maxResources keeps templates below CloudFormation's 200 parameters.
const maxResources = 100

// Generate writes a pattern. An error that is a *Mistake is the asker's.
func Generate(ask Ask) (*Bundle, error) {
	b := &builder{ask: ask, out: &Bundle{Pattern: ask.Pattern}}
	if err := b.read(); err != nil {
		return nil, err
	}
	var err error
	switch {
	case ask.Pattern == Role:
		err = b.role()
	case ask.Pattern == ResourcePolicy:
		err = b.resourcePolicy()
	case ask.Pattern == Kubernetes && ask.PodIdentity:
		err = b.podIdentity()
	case ask.Pattern == Kubernetes:
		err = b.kubernetes()
	default:
		err = mistake("role, resource-policy or kubernetes", "there is no pattern %q", ask.Pattern)
	}
	if err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	b.project()
	return b.out, nil
}

func (b *builder) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text != "" && !slices.Contains(b.out.Notes, text) {
		b.out.Notes = append(b.out.Notes, text)
	}
}

// read checks what was asked, and fills in what follows from it.
func (b *builder) read() error {
	a := &b.ask
	if len(a.Resources) == 0 {
		return mistake("name what is to be reached: --resource arn:aws:...", "--resource is missing")
	}
	if len(a.Resources) > maxResources {
		return mistake("generate it in parts, each with another --name", "%d resources are too many for one template: at most %d", len(a.Resources), maxResources)
	}
	for what, id := range map[string]string{"--resource-account": a.ResourceAccount, "--cluster-account": a.ClusterAccount} {
		if id != "" && !accountID.MatchString(id) {
			return mistake("an account id has 12 digits", "%s can't be %q", what, id)
		}
	}
	if a.Region != "" && !regionName.MatchString(a.Region) {
		return mistake("such as eu-west-1", "--region can't be %q", a.Region)
	}
	if a.Organization != "" && !organization.MatchString(a.Organization) {
		return mistake("it looks like o-a1b2c3d4e5: aws organizations describe-organization", "--org can't be %q", a.Organization)
	}
	if a.AccessVia != "" && !strings.HasPrefix(a.AccessVia, "arn:") {
		return mistake("write arn:aws:iam::ACCOUNT:role/"+a.AccessVia, "--access-via %q is a bare name, which only an axle.yaml with a hub can have", a.AccessVia)
	}
	if a.Name != "" && (len(a.Name) > 48 || !roleName.MatchString(a.Name)) {
		return mistake("letters, digits and -, at most 48, beginning with a letter", "--name can't be %q", a.Name)
	}
	if err := b.readCaller(); err != nil {
		return err
	}
	for _, text := range a.Resources {
		r, err := b.readResource(text)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(b.resources, func(o *resource) bool { return o.arn.text == text }) {
			return mistake("name each once", "--resource %s is there twice", text)
		}
		b.resources = append(b.resources, r)
	}
	b.nameResources()
	if err := b.readRegions(); err != nil {
		return err
	}
	if err := b.resolveNeeds(); err != nil {
		return err
	}
	return b.readKeys()
}

func (b *builder) readCaller() error {
	a := &b.ask
	if a.Pattern == Kubernetes {
		first, err := parseARN(a.Resources[0], "--resource")
		b.partition = first.partition
		return err
	}
	var err error
	if b.caller, err = parseCaller(a.Caller, "--caller"); err != nil {
		return err
	}
	b.partition = b.caller.arn.partition
	switch {
	case a.CreateCaller && a.CallerExists:
		return mistake("it exists, or it is made", "--caller-exists and --create-caller contradict each other")
	case a.CreateCaller && b.caller.user:
		return mistake("make it a role: users have keys that never end", "--create-caller makes roles, and %s is a user", a.Caller)
	case a.CreateCaller && a.CallerTrust == "":
		return mistake("who may assume it: --caller-trust lambda.amazonaws.com, ec2.amazonaws.com, or the ARN of a role", "--create-caller needs --caller-trust")
	case !a.CreateCaller && a.CallerTrust != "":
		return mistake("add --create-caller", "--caller-trust is for a caller that is made")
	case a.CallerTrust != "" && !trustee.MatchString(a.CallerTrust):
		return mistake("a service such as lambda.amazonaws.com, or the ARN of a role, a user or an account's root", "--caller-trust can't be %q", a.CallerTrust)
	case a.ExternalID != "" && (!externalID.MatchString(a.ExternalID) || len(a.ExternalID) > 1224):
		return mistake("2 to 1,224 letters, digits and + = , . @ : / -", "--external-id can't be %q", a.ExternalID)
	case accountID.MatchString(a.ExternalID):
		return mistake("something that nobody can guess: uuidgen", "--external-id %q is an account's id, which everybody knows", a.ExternalID)
	}
	return nil
}

// readRegions gives a region to what has none in its ARN: --region, or that of
// the others.
func (b *builder) readRegions() error {
	fallback := b.ask.Region
	for _, r := range b.resources {
		if fallback == "" {
			fallback = r.region
		}
	}
	for _, k := range b.ask.KMSKeys {
		if a, err := parseARN(k, "--kms-key"); err == nil && fallback == "" {
			fallback = a.region
		}
	}
	if fallback == "" {
		return mistake("say where the bucket, and the stacks, are: --region eu-west-1", "no --resource has a region in its ARN")
	}
	b.ask.Region = fallback
	for _, r := range b.resources {
		if r.region == "" {
			r.region = fallback
		}
	}
	return nil
}

// readKeys finds which resources each key is for, and makes keys where asked.
func (b *builder) readKeys() error {
	for i, text := range b.ask.KMSKeys {
		if strings.HasPrefix(text, "alias/") || strings.Contains(text, ":alias/") {
			return mistake("name the key: aws kms describe-key --key-id alias/... --query KeyMetadata.Arn; an AWS managed key (alias/aws/...) can't be shared at all",
				"--kms-key %q is an alias, which means another key in every account", text)
		}
		a, err := parseARN(text, "--kms-key")
		if err != nil {
			return mistake("write the key's full ARN: arn:aws:kms:eu-west-1:222222222222:key/...", "--kms-key %q isn't an ARN", text)
		}
		if a.service != "kms" || !strings.HasPrefix(a.rest, "key/") || a.account == "" || a.region == "" {
			return mistake("it looks like arn:aws:kms:eu-west-1:222222222222:key/...", "--kms-key %q isn't a KMS key", text)
		}
		k := &key{arn: a, label: "key", param: "KeyArn"}
		if len(b.ask.KMSKeys) > 1 {
			k.label, k.param = fmt.Sprintf("key-%d", i+1), fmt.Sprintf("Key%dArn", i+1)
		}
		for _, r := range b.resources {
			if r.service.via != "" && r.region == a.region && len(r.kms) > 0 {
				k.users = append(k.users, r)
			}
		}
		if len(k.users) == 0 {
			return mistake("a key serves resources of its own region, and needs that read or write them", "--kms-key %s belongs to no --resource", text)
		}
		b.keys = append(b.keys, k)
	}
	return nil
}

// keysOf are the keys that a resource is encrypted with.
func (b *builder) keysOf(r *resource) []*key {
	var out []*key
	for _, k := range b.keys {
		if slices.Contains(k.users, r) {
			out = append(out, k)
		}
	}
	return out
}

// check holds every policy against the parser that will evaluate it: what IAM
// would refuse is never given out.
func (b *builder) check() error {
	for _, d := range b.out.Policies {
		p, err := compiled(d.Policy)
		if err == nil {
			err = p.Check(d.Kind)
		}
		if err != nil {
			return fmt.Errorf("the policy for %s in %s isn't one: %w", d.On, d.Account, err)
		}
		if n, most := len(d.Policy.compact()), b.limit(d); n > most {
			return mistake("generate it in parts, with fewer --resource each and another --name", "the %s of %s would have %d characters, and AWS takes %d", d.Type, d.On, n, most)
		}
	}
	return nil
}

// limit is how long a policy may be, without white space: a trust policy's is
// the quota's default, a managed policy's and a role's inline policies' are fixed.
func (b *builder) limit(d Document) int {
	managed := d.On == b.caller.arn.text || d.Account == b.ask.ClusterAccount
	switch {
	case d.Kind == policy.TrustPolicy:
		return 2048
	case d.Kind == policy.IdentityPolicy && managed:
		return 6144
	case d.Kind == policy.IdentityPolicy:
		return 10240
	}
	return 32768 // a resource's own is looked at where it is made
}

// compiled is a document as the engine takes it.
func compiled(doc Map) (*policy.Policy, error) {
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("write a policy: %w", err)
	}
	return policy.Parse(raw)
}

// add records a policy that is in one of the templates.
func (b *builder) add(kind policy.Kind, account, on string, doc Map) {
	b.out.Policies = append(b.out.Policies, Document{kind, kind.String(), account, on, doc})
}
