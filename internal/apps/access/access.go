// Package access answers who can do what across the accounts of an
// organization: it gathers the policies that have a say, live from the accounts
// or from templates that aren't deployed yet, and lets package policy decide.
// Everything is read only. What couldn't be read is a gap with a name, and an
// answer that depends on one is unknown, never a guess. It knows the policies
// that AWS evaluates, not network paths, KMS grants, ACLs or RAM shares.
package access

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"axle"
	"axle/policy"

	"golang.org/x/sync/errgroup"
)

// Verdict is what an answer comes to.
type Verdict string

// The verdicts.
const (
	Allowed     Verdict = "allowed"
	Denied      Verdict = "denied"
	Conditional Verdict = "conditional" // it depends on condition keys: Answer.Keys
	Unsupported Verdict = "unsupported" // policies allow it, the service doesn't do it across accounts
	Unknown     Verdict = "unknown"     // it depends on what couldn't be read: Answer.Missing
)

// maxHops is how many roles a chain may have.
const maxHops = 3

// concurrent is how many accounts are read at once.
const concurrent = 16

// Request is one question.
type Request struct {
	// Principal is an ARN (role, user, session, root), account/name, the name
	// of a service, or * for everybody.
	Principal string
	Action    string
	Resource  string // an ARN, or *
	// ResourceAccount owns the resource; needed where the ARN doesn't say and
	// the account can't be found.
	ResourceAccount string
	// Context are condition keys that are known; a key with no values is
	// known to be absent. For sts:AssumeRole in particular sts:ExternalId.
	Context map[string][]string
	// Direct: no role chains are searched.
	Direct bool
}

// Answer is what became of a Request.
type Answer struct {
	Principal string `json:"principal"` // its ARN, or a service's name
	Name      string `json:"name"`      // for people
	Action    string `json:"action"`
	Resource  string `json:"resource"`
	// ResourceAccount is who owns the resource.
	ResourceAccount string  `json:"resource_account,omitempty"`
	Verdict         Verdict `json:"verdict"`
	// Direct is the verdict without role chains, when it differs.
	Direct Verdict `json:"direct,omitempty"`
	// Via are the roles to be assumed one after the other, when a chain
	// leads there; Hops has the answer for each, and for the access by the
	// last of them.
	Via  []string  `json:"via,omitempty"`
	Hops []*Answer `json:"hops,omitempty"`
	// Keys are the condition keys on which it depends.
	Keys     []string `json:"keys,omitempty"`
	Policies []Says   `json:"policies"`
	Changes  []Change `json:"changes,omitempty"`
	// Missing is what couldn't be read. It stands in the way only where the
	// verdict is unknown.
	Missing []Gap `json:"missing,omitempty"`
	// Encryption is the second access that an encrypted resource needs.
	Encryption *Answer `json:"encryption,omitempty"`
	Note       string  `json:"note,omitempty"`
}

// Says is what one policy says.
type Says struct {
	Kind      string `json:"kind"`
	Account   string `json:"account,omitempty"`
	Name      string `json:"name"`
	Says      string `json:"says"` // allows, denies, doesn't allow, depends, isn't there, isn't known
	Statement int    `json:"statement"`
	SID       string `json:"sid,omitempty"`
	Line      int    `json:"line,omitempty"`
	Why       string `json:"why,omitempty"`
	// Matters: the verdict follows from it.
	Matters bool `json:"-"`
}

// Change is one change to one policy that would, with the others, allow it.
type Change struct {
	Account string          `json:"account,omitempty"`
	Policy  string          `json:"policy"`
	Text    string          `json:"text"`
	Add     json.RawMessage `json:"add,omitempty"`
}

// Gap is something that has a say and couldn't be read.
type Gap struct {
	What string `json:"what"`
	Why  string `json:"why"`
	Hint string `json:"hint,omitempty"`
}

// Source reads facts. An error is what stands in the way, best an
// *axle.Failure; it becomes a gap.
type Source interface {
	// Account has the users and roles of an account.
	Account(ctx context.Context, a axle.Account) (*Account, error)
	// Guardrails are the policies of the organization that hold for an account.
	Guardrails(ctx context.Context, a axle.Account) (*Guardrails, error)
	// Owner finds the account of a resource whose ARN doesn't name it; "" when
	// it is in none of those that could be asked.
	Owner(ctx context.Context, arn string, among []axle.Account) (string, error)
	// Resource has the resource's own policy.
	Resource(ctx context.Context, arn, account string) (*Resource, error)
}

// Facts are the policies of an organization, read as they are needed and each
// once. They are safe for concurrent use.
type Facts struct {
	org     *axle.Organization
	source  Source
	planned *Planned
	now     time.Time

	mu         sync.Mutex
	accounts   map[string]*once[*Account]
	guardrails map[string]*once[*Guardrails]
	resources  map[string]*once[*Resource]
	documents  map[string]*reading
	own        map[*Principal]*own
}

// New makes facts of an organization. planned may be nil.
func New(org *axle.Organization, source Source, planned *Planned, now time.Time) *Facts {
	return &Facts{org: org, source: source, planned: planned, now: now,
		accounts: map[string]*once[*Account]{}, guardrails: map[string]*once[*Guardrails]{}, resources: map[string]*once[*Resource]{},
		documents: map[string]*reading{}, own: map[*Principal]*own{}}
}

// once is a value that is read once, with the error that it ended in.
type once[T any] struct {
	sync.Once
	value T
	err   error
}

func remember[T any](f *Facts, in map[string]*once[T], key string, read func() (T, error)) (T, error) {
	f.mu.Lock()
	o := in[key]
	if o == nil {
		o = &once[T]{}
		in[key] = o
	}
	f.mu.Unlock()
	o.Do(func() { o.value, o.err = read() })
	return o.value, o.err
}

// account has the users and roles of an account, those that are planned included.
func (f *Facts) account(ctx context.Context, a axle.Account) (*Account, error) {
	return remember(f, f.accounts, a.ID, func() (*Account, error) {
		live, err := f.source.Account(ctx, a)
		if err != nil {
			live = &Account{ID: a.ID}
		}
		if f.planned == nil {
			return live, err
		}
		found := f.planned.over(live)
		f.readManaged(ctx, a, found)
		return found, err
	})
}

func (f *Facts) rails(ctx context.Context, a axle.Account) (*Guardrails, error) {
	return remember(f, f.guardrails, a.ID, func() (*Guardrails, error) { return f.source.Guardrails(ctx, a) })
}

// readAll reads accounts beforehand, several at once. Those that can't be read
// are found out again where they matter.
func (f *Facts) readAll(ctx context.Context, ids []string) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrent)
	for _, id := range ids {
		a, ok := f.org.Account(id)
		if !ok || !a.Active() {
			continue
		}
		g.Go(func() error {
			_, _ = f.account(gctx, a)
			return gctx.Err()
		})
	}
	return g.Wait()
}

// label is an account's name and number, or its number.
func (f *Facts) label(id string) string {
	if a, ok := f.org.Account(id); ok {
		return a.Label()
	}
	return id
}

// Can answers one question. The error is about the question, such as a
// principal that isn't there; what couldn't be read is in the answer.
func (f *Facts) Can(ctx context.Context, q Request) (*Answer, error) {
	s, err := f.subject(ctx, q.Principal)
	if err != nil {
		return nil, err
	}
	r, err := f.object(ctx, q.Resource, q.ResourceAccount, s)
	if err != nil {
		return nil, err
	}
	a, err := f.answer(ctx, s, q.Action, r, q.Context)
	if err != nil {
		return nil, err
	}
	if q.Direct || a.Verdict == Allowed || a.Verdict == Conditional || !s.assumes() {
		return a, ctx.Err()
	}
	if err := f.chain(ctx, a, s, q, r); err != nil {
		return nil, err
	}
	return a, ctx.Err()
}

// CanAssume says whether a principal can assume a role with an external id; ""
// means that none is sent.
func (f *Facts) CanAssume(ctx context.Context, principal, roleARN, externalID string) (*Answer, error) {
	ids := []string{}
	if externalID != "" {
		ids = append(ids, externalID)
	}
	return f.Can(ctx, Request{Principal: principal, Action: "sts:AssumeRole", Resource: roleARN,
		Context: map[string][]string{"sts:ExternalId": ids}, Direct: true})
}

// answer decides one access, and with it the one to the key that encrypts the
// resource.
func (f *Facts) answer(ctx context.Context, s *subject, action string, r *object, given map[string][]string) (*Answer, error) {
	a, err := f.decide(ctx, s, action, r, given, true)
	if err != nil || a.Verdict == Denied {
		return a, err
	}
	return a, f.addEncryption(ctx, a, s, action, r, given)
}

// worse is the verdict of two accesses that are both needed.
func worse(a, b Verdict) Verdict {
	for _, v := range []Verdict{Denied, Unsupported, Unknown, Conditional} {
		if a == v || b == v {
			return v
		}
	}
	return Allowed
}

// verdictOf translates the engine's verdict.
func verdictOf(v policy.Verdict) Verdict {
	switch v {
	case policy.Allowed:
		return Allowed
	case policy.Conditional:
		return Conditional
	case policy.Unsupported:
		return Unsupported
	}
	return Denied
}
