package cloud

import (
	"context"
	"strings"
	"sync"
	"time"

	"axle"
	"axle/internal/late"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// None, as a role, means: the credentials that are there, as they are.
const None = "none"

// Access says how accounts are entered: from the caller's own credentials,
// through an optional first hop, into a role of every account.
type Access struct {
	// Via is the first hop: a role's name in the hub account, or an ARN. It
	// is skipped when the caller is that role already. Empty: none.
	Via string
	// HubAccount is the account of a Via without one; UseHub sets it later.
	HubAccount string
	// SourceIdentity is passed on when set; both sides must allow it.
	SourceIdentity string
	// SessionPolicy (JSON) narrows the sessions in the target accounts.
	SessionPolicy string
	// Duration of a session; 0 is AWS's hour. More than an hour is possible
	// only where no role is chained.
	Duration time.Duration
	// For decides the role of an account; nil means None everywhere.
	For func(axle.Account) Role
}

// Role is how one account is entered.
type Role struct {
	// Name of the role in the account, with its path if it has one, or its
	// ARN; None or "": no role is assumed.
	Name       string
	ExternalID string
	// Via replaces Access.Via when set; None: no first hop.
	Via string
}

// target is one account and the way into it; its Retrieve gives the account's
// credentials to the SDK.
type target struct {
	cloud *Cloud

	mu      sync.Mutex
	account axle.Account
	source  source // nil until resolved
}

func (c *Cloud) target(account string) *target {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.targets[account]
	if t == nil {
		t = &target{cloud: c, account: c.accountLocked(account)}
		c.targets[account] = t
	}
	return t
}

// learn takes over what is now known of the account, which may mean another
// role. Called with the cloud's lock held.
func (t *target) learn(a axle.Account) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.account, t.source = a, nil
}

func (t *target) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.source = nil
}

func (t *target) known() (axle.Account, source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.account, t.source
}

// resolve finds the way into the account; it calls AWS at most once in all, to
// learn who the caller is.
func (t *target) resolve(ctx context.Context) (source, error) {
	account, src := t.known()
	if src != nil {
		return src, nil
	}
	src, err := t.cloud.enter(ctx, account)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.account.ID == account.ID && t.source == nil {
		t.source = src
	}
	return src, nil
}

// Retrieve implements aws.CredentialsProvider.
func (t *target) Retrieve(ctx context.Context) (aws.Credentials, error) {
	src, err := t.resolve(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialError{err}
	}
	return src.Retrieve(ctx)
}

func (t *target) generation() uint64 {
	if _, src := t.known(); src != nil {
		return src.generation()
	}
	return 0
}

func (t *target) drop(generation uint64) {
	if _, src := t.known(); src != nil {
		src.drop(generation)
	}
}

// enter is the rule of access: hop, then role.
func (c *Cloud) enter(ctx context.Context, account axle.Account) (source, error) {
	role := Role{Name: None}
	if c.access.For != nil {
		role = c.access.For(account)
	}
	who := c.caller
	if role.Name == "" || role.Name == None {
		who = c.Identity // whose account it is can't be presumed
	}
	id, err := who(ctx)
	if err != nil {
		return nil, err
	}
	from, err := c.hop(id, role.Via)
	if err != nil {
		return nil, err
	}
	if role.Name == "" || role.Name == None {
		if owner := from.owner(id); owner != account.ID {
			return nil, wrongAccount(account, owner, from.name(id))
		}
		return from, nil
	}
	arn := roleARN(id.Partition, account.ID, role.Name)
	if owner := arnAccount(arn); owner != account.ID {
		return nil, wrongAccount(account, owner, arn)
	}
	return c.session(from, arn, account, role.ExternalID, firstHop{}), nil
}

// firstHop is what axle.yaml says of a role that is the first hop.
type firstHop struct {
	place string // "" for a role that is none
	own   bool   // of the accounts that an override matches
	made  bool   // by axle bootstrap
}

// hop returns the credentials after the first hop, or the caller's own. own is
// the first hop of the account's override.
func (c *Cloud) hop(id Identity, own string) (source, error) {
	via, said := c.access.Via, firstHop{place: "access.via"}
	if own != "" && own != via {
		via, said = own, firstHop{place: "access.overrides", own: true}
	}
	if via == "" || via == None {
		return c.base, nil
	}
	c.mu.Lock()
	hub := c.hub
	c.mu.Unlock()
	if hub == "" && !strings.HasPrefix(via, "arn:") {
		return nil, &axle.Failure{Code: "HubUnknown", Blocked: true,
			Message: said.place + " names the first hop " + via + ", but the hub account isn't known",
			Hint:    "set hub.account, or write the role in " + said.place + " as an ARN"}
	}
	arn := roleARN(id.Partition, hub, via)
	if account, name, ok := id.Role(); ok && account == arnAccount(arn) && name == lastPart(arn) {
		return c.base, nil
	}
	said.made = !said.own && !strings.HasPrefix(via, "arn:")
	return c.session(c.base, arn, c.account(arnAccount(arn)), "", said), nil
}

// roleARN is the ARN of a role given by name, path and name, or ARN.
func roleARN(partition, account, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return "arn:" + partition + ":iam::" + account + ":role/" + strings.TrimPrefix(name, "/")
}

func arnAccount(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}

// lastPart of a role's ARN is its name without the path, as sessions have it;
// of an account's ARN it is the account's id.
func lastPart(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

var notInSessionName = late.MustCompile(`[^\w+=,.@-]+`)

// sessionName is what CloudTrail shows: axle-<run>-<who>, in the characters and
// the 64 of them that STS allows.
func sessionName(run, who string) string {
	name := "axle"
	for _, part := range []string{run, who} {
		if part = notInSessionName.ReplaceAllString(part, "-"); part != "" {
			name += "-" + part
		}
	}
	if len(name) > 64 {
		name = name[:64]
	}
	return name
}
