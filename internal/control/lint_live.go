package control

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"axle"
	"axle/internal/apps/access"
	"axle/internal/diag"
	"axle/internal/lint"
	"axle/policy"

	"golang.org/x/sync/errgroup"
)

// LintLive looks at policies as they are: the roles and users of every account
// that --where leaves, the policies of the organization, and those of resources
// that are named by ARN. It only reads.
func LintLive(ctx context.Context, o Options, haveFile bool, resources []string) (*LintResult, error) {
	w, err := OpenOrg(ctx, o, haveFile)
	if err != nil {
		return nil, err
	}
	accounts, err := w.narrowed()
	if err != nil {
		return nil, err
	}
	c := &liveDocs{live: w.live(time.Now()), seen: map[string]bool{}}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for _, a := range accounts {
		g.Go(func() error {
			c.principals(gctx, a)
			c.guardrails(gctx, a)
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, arn := range resources {
		if err := c.resource(ctx, arn, w.org); err != nil {
			return nil, err
		}
	}
	// Equal texts are told once: the first of them by account and name, whoever
	// answered first.
	slices.SortFunc(c.docs, func(a, b lint.Doc) int { return strings.Compare(a.File, b.File) })
	var docs []lint.Doc
	seen := map[string]bool{}
	for _, d := range c.docs {
		key := d.Kind.String() + string(d.Body)
		if d.Kind == policy.TrustPolicy { // what it means depends on whose it is
			key += d.Account
		}
		if !seen[key] {
			seen[key] = true
			docs = append(docs, d)
		}
	}
	slices.Sort(c.gaps)
	out := &LintResult{Files: len(c.docs), Unchecked: slices.Compact(c.gaps)}
	found, problems := lint.PoliciesOf(w.org, docs)
	out.Findings, out.Unreadable = found, problems
	return out, nil
}

// narrowed are the active accounts that --where leaves.
func (w *Work) narrowed() ([]axle.Account, error) {
	var out []axle.Account
	for _, a := range w.org.Accounts {
		keep := a.Active()
		if w.where != nil && keep {
			var err error
			if keep, err = w.where.Match(w.Scope(a)); err != nil {
				return nil, err
			}
		}
		if keep {
			out = append(out, a)
		}
	}
	return out, nil
}

// liveDocs collects policies of many accounts.
type liveDocs struct {
	live *access.Live
	mu   sync.Mutex
	docs []lint.Doc
	gaps []string
	seen map[string]bool // policies of the organization, by name
}

func (c *liveDocs) add(d access.Document, kind policy.Kind, account, service, resource string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d.Unread != "" || d.Text == "" {
		if d.Unread != "" {
			c.gaps = append(c.gaps, d.Name+" wasn't read: "+d.Unread)
		}
		return
	}
	c.docs = append(c.docs, lint.Doc{File: d.Name, Name: d.Name, Body: []byte(d.Text), Kind: kind, Account: account, Service: service, Resource: resource, Live: true})
}

func (c *liveDocs) gap(what string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	why := err.Error()
	var f *axle.Failure
	if errors.As(err, &f) {
		why = f.Message
	}
	c.gaps = append(c.gaps, what+": "+why)
}

func (c *liveDocs) principals(ctx context.Context, a axle.Account) {
	facts, err := c.live.Account(ctx, a)
	if err != nil {
		c.gap("the roles and users of "+a.Label()+" weren't read", err)
		return
	}
	for _, p := range facts.Principals {
		// AWS keeps these; nobody else can change them.
		if strings.Contains(p.ARN, ":role/aws-service-role/") || strings.Contains(p.ARN, ":role/aws-reserved/") {
			continue
		}
		if p.Trust != nil {
			c.add(*p.Trust, policy.TrustPolicy, a.ID, "sts", p.ARN)
		}
		for _, d := range p.Policies {
			c.add(d, policy.IdentityPolicy, a.ID, "", p.ARN)
		}
	}
}

func (c *liveDocs) guardrails(ctx context.Context, a axle.Account) {
	rails, err := c.live.Guardrails(ctx, a)
	if err != nil {
		c.gap("the organization's policies weren't read", err)
		return
	}
	for kind, levels := range map[policy.Kind][][]access.Document{policy.ServiceControlPolicy: rails.SCP, policy.ResourceControlPolicy: rails.RCP} {
		for _, level := range levels {
			for _, d := range level {
				c.mu.Lock()
				known := c.seen[d.Name]
				c.seen[d.Name] = true
				c.mu.Unlock()
				if !known {
					c.add(d, kind, "", "", "")
				}
			}
		}
	}
}

func (c *liveDocs) resource(ctx context.Context, arn string, org *axle.Organization) error {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		var list diag.List
		list.Add(diag.Pos{File: "--live"}, "such as arn:aws:sns:eu-west-1:111111111111:orders", "%q is not an ARN", arn)
		return list
	}
	account := parts[4]
	if account == "" {
		var err error
		if account, err = c.live.Owner(ctx, arn, org.Accounts); err == nil && account == "" {
			err = errors.New("no account that can be entered has it")
		}
		if err != nil {
			c.gap(arn+" wasn't found", err)
			return ctx.Err()
		}
	}
	r, err := c.live.Resource(ctx, arn, account)
	if err != nil {
		c.gap("the policy of "+arn+" wasn't read", err)
		return ctx.Err()
	}
	for _, m := range r.Missing {
		c.gap(m.What+" wasn't read", errors.New(m.Why))
	}
	if r.Policy != nil {
		c.add(*r.Policy, policy.ResourcePolicy, account, parts[2], r.ARN)
	}
	return nil
}
