package control

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"axle"
	"axle/internal/cloud"
	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/plan"
)

// snapshotAge is how long a discovered organization is used again.
const snapshotAge = 15 * time.Minute

// Open loads the project and finds out who we are and which accounts there are.
func Open(ctx context.Context, o Options) (*Work, error) {
	w, err := Load(o)
	if err != nil {
		return nil, err
	}
	if err := w.connect(ctx, w.needsTags(), true); err != nil {
		return nil, err
	}
	if err := w.fetchTemplates(ctx); err != nil {
		return nil, err
	}
	return w, nil
}

// connect opens the door to AWS and discovers the organization. The hub must be
// there, but for those that only look at the organization.
func (w *Work) connect(ctx context.Context, tags, hub bool) error {
	if err := w.door(ctx); err != nil {
		return err
	}
	c := w.cloud
	var err error
	if w.org, err = w.discover(ctx, tags); err != nil {
		return err
	}
	c.Know(w.org.Accounts)
	found, problems := plan.FindHub(w.project, w.org)
	if err := problems.Err(); err != nil && hub {
		return err
	} else if err == nil {
		w.hub = found
	}
	if w.hub.Account.ID != "" {
		c.UseHub(w.hub.Account.ID)
	}
	w.opts.opened = w
	return nil
}

// door opens the door to AWS, and finds out who we are.
func (w *Work) door(ctx context.Context) error {
	c, err := cloud.New(ctx, cloud.Options{Region: w.project.Hub.Region.Value, Access: w.access(), Run: w.run,
		MaxConcurrent: w.limits().Global, Log: w.opts.Log, UserAgent: "axle/" + w.opts.Version,
		Callers: filepath.Join(stateDir(w.project.File), "callers.json"), Presume: w.opts.Presume && !w.opts.Refresh})
	if err != nil {
		return err
	}
	w.cloud, w.buckets = c, &buckets{open: map[bucketKey]*cloud.Artifacts{}}
	var presumed bool
	if w.identity, presumed = c.Presumed(); !presumed {
		w.identity, err = c.Identity(ctx)
	}
	return err
}

// enterHub opens the door for calls to the hub account alone. A hub that is told
// by an expression, and overrides, need the organization for that.
func (w *Work) enterHub(ctx context.Context) error {
	hub := &w.project.Hub
	if hub.AccountID == "" || len(w.project.Access.Overrides) > 0 {
		return w.connect(ctx, w.needsTags(), true)
	}
	w.hub = plan.Hub{Account: axle.Account{ID: hub.AccountID}, Region: hub.Region.Value}
	return w.door(ctx)
}

// access turns the configuration's access rules into the cloud's.
func (w *Work) access() cloud.Access {
	a := &w.project.Access
	return cloud.Access{Via: a.Via.Value, HubAccount: w.project.Hub.AccountID, SourceIdentity: a.SourceIdentity.Value,
		SessionPolicy: a.SessionPolicy.Value, Duration: a.SessionDuration, For: w.roleFor}
}

// roleFor is the first override that matches, else the default role.
func (w *Work) roleFor(account axle.Account) cloud.Role {
	a := &w.project.Access
	role := cloud.Role{Name: a.Role.Value, ExternalID: a.ExternalID.Value}
	if w.opts.Role != "" {
		role.Name = w.opts.Role
	}
	o := w.override(account)
	if o == nil {
		return role
	}
	if o.Role.Value != "" {
		role.Name = o.Role.Value
	}
	if o.ExternalID.Value != "" {
		role.ExternalID = o.ExternalID.Value
	}
	role.Via = o.Via.Value
	return role
}

// override is the first that matches an account, or nil.
func (w *Work) override(a axle.Account) *config.Override {
	for i := range w.project.Access.Overrides {
		o := &w.project.Access.Overrides[i]
		if ok, err := o.Where.Match(w.Scope(a)); err == nil && ok {
			return o
		}
	}
	return nil
}

// needsTags says whether any expression reads tags: they cost calls.
func (w *Work) needsTags() bool {
	p := w.project
	selectors := []*expr.Selector{w.where, p.Hub.Account}
	for i := range p.Access.Overrides {
		selectors = append(selectors, p.Access.Overrides[i].Where)
	}
	for i := range p.Stacks {
		selectors = append(selectors, p.Stacks[i].Targets)
		var alarms []config.Parameter
		if r := p.Stacks[i].Rollout; r != nil {
			if r.OrderBy != nil && r.OrderBy.NeedsTags() {
				return true
			}
			if r.Health != nil {
				alarms = r.Health.Alarms
			}
		}
		for _, list := range [][]config.Parameter{p.Stacks[i].Parameters, p.Stacks[i].Tags, alarms} {
			for j := range list {
				if list[j].Value.NeedsTags() {
					return true
				}
			}
		}
	}
	for _, s := range selectors {
		if s != nil && s.NeedsTags() {
			return true
		}
	}
	return false
}

// discover finds the accounts by the project's source, from the snapshot when
// it is fresh enough.
func (w *Work) discover(ctx context.Context, tags bool) (*axle.Organization, error) {
	src := w.project.Organization
	switch src.Kind {
	case "file":
		path := src.Arg
		if !filepath.IsAbs(path) {
			path = filepath.Join(w.project.Dir, path)
		}
		org, problems := cloud.FromFile(path)
		if err := problems.Err(); err != nil {
			return nil, err
		}
		return org, nil
	case "ssm":
		return w.cloud.FromSSM(ctx, src.Arg)
	}
	path := filepath.Join(stateDir(w.project.File), "organization.json")
	key := w.cloud.SnapshotKey(w.identity)
	if !w.opts.Refresh {
		if org, _ := cloud.LoadSnapshot(path, key, snapshotAge, tags); org != nil {
			return org, nil
		}
	}
	if err := w.cloud.Certain(ctx); err != nil {
		return nil, err
	}
	org, err := w.cloud.Organization(ctx, cloud.Discover{Tags: tags})
	if err != nil {
		return nil, err
	}
	w.Warnings = append(w.Warnings, org.Warnings...)
	if err := cloud.SaveSnapshot(path, key, org); err != nil {
		w.warn("the organization wasn't kept for the next time: %v", err)
	}
	return org, nil
}

// Organization is the organization as the project sees it.
func (w *Work) Organization() *axle.Organization { return w.org }

// Hub is the hub account and region.
func (w *Work) Hub() plan.Hub { return w.hub }

// Where is the expression that narrows the targets; nil when there is none.
func (w *Work) Where() *expr.Selector { return w.where }

// Scope is what an expression sees of an account.
func (w *Work) Scope(a axle.Account) expr.Scope {
	return expr.Scope{Account: a, HubAccount: w.hub.Account, HubRegion: w.hub.Region, Vars: w.project.Vars, Env: w.project.Env}
}

// OpenOrg discovers the organization without a project's stacks, for axle org
// and axle init: axle.yaml is used when there is one.
func OpenOrg(ctx context.Context, o Options, haveFile bool) (*Work, error) {
	if haveFile {
		w, err := load(o, false)
		if err != nil {
			return nil, err
		}
		return w, w.connect(ctx, true, false)
	}
	w := &Work{opts: o, run: NewRunID(time.Now()), project: &config.Project{File: o.File, Dir: filepath.Dir(o.File), Organization: config.Organization{Kind: "aws"}}}
	if o.Where != "" {
		sel, problems := expr.CompileSelector(o.Where, diag.Pos{File: "--where", Line: 1, Col: 1})
		if err := problems.Err(); err != nil {
			return nil, err
		}
		w.where = sel
	}
	return w, w.connect(ctx, true, false)
}

// Account finds one account by id or name.
func (w *Work) Account(idOrName string) (axle.Account, error) {
	return w.org.One(idOrName)
}

// Credentials are temporary credentials for an account, by the access rules.
func (w *Work) Credentials(ctx context.Context, account axle.Account) (Credentials, error) {
	c, err := w.cloud.Credentials(ctx, account)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{Version: 1, AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken, Expiration: c.Expires}, nil
}

// Credentials are in the form that the SDKs' credential_process wants.
type Credentials struct {
	Version         int       `json:"Version"`
	AccessKeyID     string    `json:"AccessKeyId"`
	SecretAccessKey string    `json:"SecretAccessKey"`
	SessionToken    string    `json:"SessionToken,omitempty"`
	Expiration      time.Time `json:"Expiration,omitzero"`
}

// IsConfig says whether an error is about what the user wrote.
func IsConfig(err error) bool {
	var list diag.List
	return errors.As(err, &list)
}

// Region is the home region: the hub's, or that of the credentials.
func (w *Work) Region() string {
	if w.hub.Region != "" {
		return w.hub.Region
	}
	return w.cloud.Region()
}
