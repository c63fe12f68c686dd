package access

import (
	"context"
	"errors"
	"strings"

	"axle"
)

// Resource is what is known of a resource.
type Resource struct {
	// ARN is the one that policies see: of a key that was named by its alias,
	// the key's.
	ARN string
	// Policy is the resource's own; nil when it has none.
	Policy *Document
	// Key encrypts it; nil when no KMS key does.
	Key *Key
	// Tags are known of planned resources only.
	Tags map[string]string
	// Missing are the parts that couldn't be read.
	Missing []Gap
}

// Key is the KMS key that encrypts a resource.
type Key struct {
	// ID is the key's ARN or alias, or "" for the service's AWS-managed key.
	ID      string
	Managed bool // by AWS: it works in its own account only
	Unread  string
}

// ErrNotFound is in the chain of errors about a resource that isn't there.
var ErrNotFound = errors.New("not found")

// object is a resource that is asked for.
type object struct {
	arn     string
	name    string
	account axle.Account // its owner; only the id is known outside of the organization
	inside  bool
	policy  *Document
	key     *Key
	tags    map[string]string
	missing []Gap
	note    string

	read     *reading // the policy compiled; nil when there is none
	grantees grantees // whom it names
}

// ready compiles the policy once for all who ask.
func (f *Facts) ready(r *object) *object {
	if r.policy != nil {
		r.read, r.grantees = f.read(*r.policy, true), granteesOf(r.policy.Text)
	}
	return r
}

// object finds the resource, its owner and its policy.
func (f *Facts) object(ctx context.Context, arn, owner string, s *subject) (*object, error) {
	r, err := f.findObject(ctx, arn, owner, s)
	if err != nil {
		return nil, err
	}
	return f.ready(r), nil
}

func (f *Facts) findObject(ctx context.Context, arn, owner string, s *subject) (*object, error) {
	if arn == "*" || arn == "" {
		r := &object{arn: "*", name: "*", account: s.account, inside: s.inside}
		r.account.ID = s.Account
		return r, nil
	}
	if serviceOf(arn) == "" {
		return nil, badResource(arn, "it isn't an ARN")
	}
	if owner != "" {
		switch found, err := f.org.One(owner); {
		case err == nil:
			owner = found.ID
		case !axle.ValidAccountID(owner): // else it is outside of the organization
			return nil, err
		}
	}
	id, err := f.owner(ctx, arn, owner, s)
	if err != nil {
		return nil, err
	}
	r := &object{arn: arn, name: arn}
	if r.account, r.inside = f.org.Account(id); !r.inside {
		r.account = axle.Account{ID: id}
	}
	if id == "" {
		r.note = "the ARN doesn't say whose it is: " + s.account.Label() + " is taken"
		r.account, r.inside = s.account, s.inside
	}
	if !r.inside {
		r.missing = []Gap{{What: "the policy of " + arn, Why: "account " + id + " isn't in the organization"}}
		allowed := Document{Name: "the policy of " + arn, Unread: r.missing[0].Why}
		r.policy = &allowed
		return r, nil
	}
	if serviceOf(arn) == "iam" {
		return r, f.fillRole(ctx, r)
	}
	return r, f.fillResource(ctx, r)
}

func badResource(arn, why string) error {
	return &axle.Failure{Code: "UnknownResource", Message: arn + ": " + why, Hint: `give the whole ARN, such as arn:aws:s3:::bucket/key, or "*" for an action without resources`}
}

// owner finds whose the resource is.
func (f *Facts) owner(ctx context.Context, arn, given string, s *subject) (string, error) {
	if id := accountOf(arn); id != "" || given != "" {
		if given != "" && id == "" {
			id = given
		}
		return id, nil
	}
	if f.planned != nil {
		if id := f.planned.owner(arn); id != "" {
			return id, nil
		}
	}
	if serviceOf(arn) != "s3" {
		return "", nil
	}
	var among []axle.Account
	if s != nil && s.inside {
		among = append(among, s.account)
	}
	for _, a := range f.org.Accounts {
		if a.Active() && (len(among) == 0 || a.ID != among[0].ID) {
			among = append(among, a)
		}
	}
	id, err := f.source.Owner(ctx, arn, among)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err == nil && id == "" {
		err = errors.New("it is in no account of the organization")
	}
	if err != nil {
		g := gapOf("", err)
		return "", &axle.Failure{Code: "UnknownResource", Message: "find the account of " + arn + ": " + g.Why, Hint: "say it with --resource-account", Err: err}
	}
	return id, nil
}

// fillRole takes a role's trust policy from the facts of its account.
func (f *Facts) fillRole(ctx context.Context, r *object) error {
	kind, rest, _ := strings.Cut(restOf(r.arn), "/")
	if kind != "role" {
		return nil
	}
	r.name = "role " + rest[strings.LastIndexByte(rest, '/')+1:] + " in " + r.account.Label()
	facts, err := f.account(ctx, r.account)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p := facts.byARN(r.arn)
	switch {
	case p != nil:
		r.policy, r.tags = p.Trust, p.Tags
	case err != nil:
		g := gapOf("the trust policy of "+r.name, err)
		r.missing = append(r.missing, g)
		r.policy = &Document{Name: g.What, Unread: g.Why}
	case strings.ContainsAny(r.arn, "*?"):
	default:
		r.note = r.name + " isn't there"
	}
	return nil
}

// fillResource reads the resource's own policy, planned or live.
func (f *Facts) fillResource(ctx context.Context, r *object) error {
	key := r.account.ID + " " + r.arn
	res, err := remember(f, f.resources, key, func() (*Resource, error) {
		res, err := f.source.Resource(ctx, r.arn, r.account.ID)
		if f.planned != nil {
			return f.planned.overResource(r.arn, r.account.ID, res, err)
		}
		return res, err
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, ErrNotFound) {
		return &axle.Failure{Code: "UnknownResource", Message: r.arn + " isn't there: " + gapOf("", err).Why,
			Hint: "check the ARN; what isn't deployed yet needs --planned", Err: err}
	}
	if err != nil {
		g := gapOf("the policy of "+r.arn, err)
		r.missing = append(r.missing, g)
		r.policy = &Document{Name: g.What, Unread: g.Why}
		return nil
	}
	r.arn, r.policy, r.key, r.tags = res.ARN, res.Policy, res.Key, res.Tags
	r.missing = append(r.missing, res.Missing...)
	return nil
}
