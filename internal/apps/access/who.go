package access

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"axle"
	"axle/policy"

	"golang.org/x/sync/errgroup"
)

// Listing is who can do something with a resource.
type Listing struct {
	Resource        string   `json:"resource"`
	ResourceAccount string   `json:"resource_account"`
	Actions         []string `json:"actions"`
	Rows            []Row    `json:"rows"`
	// Missing is what couldn't be read: there may be more.
	Missing []Gap  `json:"missing,omitempty"`
	Note    string `json:"note,omitempty"`
}

// Row is one principal that can do some of the actions in one way.
type Row struct {
	Principal string   `json:"principal"` // ARN, service, identity provider, or *
	Kind      string   `json:"kind"`      // role, user, root, service, oidc, outside, public
	Account   string   `json:"account,omitempty"`
	Path      string   `json:"path"` // one of the paths below
	Via       []string `json:"via,omitempty"`
	// Subjects are whom an identity provider vouches for, as the trust policy
	// names them.
	Subjects []string `json:"subjects,omitempty"`
	Actions  []string `json:"actions"`
	Verdict  Verdict  `json:"verdict"` // allowed, conditional, unknown
	Keys     []string `json:"keys,omitempty"`
	Grants   []string `json:"grants,omitempty"` // the policies that allow it
}

// The paths by which somebody gets at a resource.
const (
	PathDirect     = "direct"             // the resource's policy names the principal
	PathEveryone   = "everyone"           // the resource's policy names everyone, and a condition may narrow that
	PathDelegation = "account delegation" // it names the account, whose own policies do the rest
	PathIdentity   = "identity"           // the account's own policies alone
	PathService    = "service"
	PathChain      = "role chain"
	PathOIDC       = "OIDC"
	PathOutside    = "outside account"
	PathPublic     = "public"
)

// defaultActions are what is asked of a service's resources: reading, writing,
// and changing who may.
var defaultActions = map[string][]string{
	"s3":             {"s3:GetObject", "s3:PutObject", "s3:DeleteObject"},
	"kms":            {"kms:Decrypt", "kms:GenerateDataKey", "kms:PutKeyPolicy"},
	"secretsmanager": {"secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"},
	"sns":            {"sns:Publish", "sns:Subscribe"},
	"sqs":            {"sqs:SendMessage", "sqs:ReceiveMessage"},
	"dynamodb":       {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:DeleteItem"},
	"lambda":         {"lambda:InvokeFunction", "lambda:UpdateFunctionCode"},
	"ssm":            {"ssm:GetParameter", "ssm:PutParameter"},
	"iam":            {"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"},
}

// Who lists everybody who can do any of the actions; without actions those that
// are usual for the service.
func (f *Facts) Who(ctx context.Context, resource, owner string, actions []string) (*Listing, error) {
	if len(actions) == 0 {
		actions = defaultActions[serviceOf(resource)]
	}
	if serviceOf(resource) == "s3" && !strings.Contains(restOf(resource), "/") {
		actions = forBucket(actions)
	}
	if len(actions) == 0 {
		return nil, &axle.Failure{Code: "UnknownActions", Message: "which actions on " + resource + " isn't known", Hint: "say them with --action, such as --action ecr:BatchGetImage"}
	}
	r, err := f.object(ctx, resource, owner, &subject{})
	if err != nil {
		return nil, err
	}
	if r.note != "" {
		return nil, badResource(resource, r.note)
	}
	l := &Listing{Resource: r.arn, ResourceAccount: r.account.ID, Actions: actions, Rows: []Row{}}
	l.Missing = append(l.Missing, r.missing...)
	w := &who{facts: f, list: l, target: r, has: map[string]map[string]int{}}
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(l.Rows, compareRows)
	return l, nil
}

// forBucket are the actions on a bucket itself, when one is asked for without a
// key.
func forBucket(actions []string) []string {
	if slices.Equal(actions, defaultActions["s3"]) {
		return []string{"s3:ListBucket", "s3:PutBucketPolicy"}
	}
	return actions
}

var pathOrder = []string{PathPublic, PathOutside, PathOIDC, PathService, PathEveryone, PathDirect, PathDelegation, PathIdentity, PathChain}

func compareRows(a, b Row) int {
	if c := slices.Index(pathOrder, a.Path) - slices.Index(pathOrder, b.Path); c != 0 {
		return c
	}
	if c := len(a.Via) - len(b.Via); c != 0 {
		return c
	}
	if c := strings.Compare(a.Principal, b.Principal); c != 0 {
		return c
	}
	return strings.Compare(strings.Join(a.Actions, ","), strings.Join(b.Actions, ","))
}

// who is one search.
type who struct {
	facts  *Facts
	list   *Listing
	target *object
	// has is how surely a principal has been found to do an action, as ranks.
	has map[string]map[string]int
}

// better are the actions that a principal wasn't found to do as surely before.
func (w *who) better(arn string, actions []string, v Verdict) []string {
	if w.has[arn] == nil {
		w.has[arn] = map[string]int{}
	}
	var out []string
	for _, action := range actions {
		if rank(v) > w.has[arn][action] {
			w.has[arn][action] = rank(v)
			out = append(out, action)
		}
	}
	return out
}

// found is a role that has the access, and how the rest of the way goes.
type found struct {
	role    *Principal
	via     []string
	actions []string
	verdict Verdict
	keys    []string
}

func (w *who) run(ctx context.Context) error {
	var direct []found
	err := w.each(ctx, w.target, w.list.Actions, func(s *subject, row Row) {
		w.list.Rows = append(w.list.Rows, row)
		w.better(s.ARN, row.Actions, row.Verdict)
		if s.facts != nil && s.facts.role() {
			direct = append(direct, found{s.facts, []string{s.ARN}, row.Actions, row.Verdict, row.Keys})
		}
	})
	if err != nil {
		return err
	}
	level := direct
	for depth := 1; depth <= maxHops && len(level) > 0; depth++ {
		if level, err = w.behind(ctx, level); err != nil {
			return err
		}
	}
	return nil
}

// behind lists who can assume the roles of a level, with what they gain by it.
func (w *who) behind(ctx context.Context, level []found) ([]found, error) {
	var next []found
	for _, x := range level {
		target := w.facts.roleObject(x.role)
		err := w.each(ctx, target, []string{"sts:AssumeRole", "sts:AssumeRoleWithWebIdentity"}, func(s *subject, row Row) {
			if row.Kind == "service" || row.Kind == "root" && s.inside {
				return // services act with the roles that they are given
			}
			row.Actions, row.Verdict = x.actions, worse(row.Verdict, x.verdict)
			if s.inside && s.facts != nil {
				if row.Actions = w.better(s.ARN, x.actions, row.Verdict); len(row.Actions) == 0 {
					return
				}
			}
			if row.Path != PathOIDC && row.Path != PathOutside && row.Path != PathPublic {
				row.Path = PathChain
			}
			row.Via = x.via
			row.Keys = slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(row.Keys), x.keys...))))
			w.list.Rows = append(w.list.Rows, row)
			if s.facts != nil && s.facts.role() {
				next = append(next, found{s.facts, append([]string{s.ARN}, x.via...), row.Actions, row.Verdict, row.Keys})
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return next, nil
}

// each finds all who can do any of the actions on a resource by themselves.
func (w *who) each(ctx context.Context, r *object, actions []string, add func(*subject, Row)) error {
	subjects, err := w.inside(ctx, r)
	if err != nil {
		return err
	}
	subjects = append(subjects, w.others(r)...)
	rows := make([][]Row, len(subjects))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(concurrent)
	for i, s := range subjects {
		group.Go(func() (err error) {
			rows[i], err = w.rows(gctx, s, r, actions)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, s := range subjects {
		for _, row := range rows[i] {
			add(s, row)
		}
	}
	return nil
}

// inside are the users and roles of the accounts that may have access, with the
// root user of the resource's.
func (w *who) inside(ctx context.Context, r *object) ([]*subject, error) {
	f := w.facts
	accounts := append(r.grantees.inAccounts(), r.account.ID)
	if r.grantees.everyone || r.policy != nil && r.policy.Unread != "" {
		for _, a := range f.org.Accounts {
			accounts = append(accounts, a.ID)
		}
	}
	slices.Sort(accounts)
	accounts = slices.Compact(accounts)
	if err := f.readAll(ctx, accounts); err != nil {
		return nil, err
	}
	var out []*subject
	for _, id := range accounts {
		a, ok := f.org.Account(id)
		if !ok || !a.Active() {
			continue
		}
		facts, err := f.account(ctx, a)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			w.miss(gapOf("who is in "+a.Label(), err))
		}
		for _, p := range facts.Principals {
			if p.ARN != r.arn {
				out = append(out, f.subjectOf(p))
			}
		}
	}
	if root, err := f.subject(ctx, "arn:"+partitionOf(r.arn)+":iam::"+r.account.ID+":root"); err == nil && r.inside {
		out = append(out, root)
	}
	return out, nil
}

func (w *who) miss(g Gap) {
	if !slices.ContainsFunc(w.list.Missing, func(have Gap) bool { return have.What == g.What }) {
		w.list.Missing = append(w.list.Missing, g)
	}
}

// others are those outside of the inventory that the policy names: services,
// identity providers, other accounts, everybody.
func (w *who) others(r *object) []*subject {
	g := r.grantees
	var out []*subject
	add := func(p policy.Principal, name string, gap bool) {
		s := &subject{Principal: p, name: name}
		if gap {
			s.missing = &Gap{What: "the policies of " + name, Why: "it is outside of the organization"}
		}
		out = append(out, s)
	}
	for _, service := range unique(g.services) {
		add(policy.Principal{Type: policy.Service, ARN: service}, service, false)
	}
	for _, provider := range unique(g.federated) {
		p := policy.ParsePrincipal(provider)
		p.Type, p.ARN = policy.WebIdentity, provider
		add(p, provider, false)
	}
	strangers := slices.Clone(g.arns)
	for _, id := range g.accounts {
		strangers = append(strangers, "arn:"+partitionOf(r.arn)+":iam::"+id+":root")
	}
	for _, arn := range unique(strangers) {
		if _, inside := w.facts.org.Account(accountOf(arn)); !inside && accountOf(arn) != "" {
			add(policy.ParsePrincipal(arn), arn, true)
		}
	}
	if g.everyone {
		add(policy.Principal{}, "anybody", false)
	}
	return out
}

func unique(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// rows are what one principal can do, one for each verdict and way.
func (w *who) rows(ctx context.Context, s *subject, r *object, actions []string) ([]Row, error) {
	var rows []Row
	for _, action := range actions {
		web := strings.EqualFold(action, "sts:AssumeRoleWithWebIdentity")
		if strings.HasPrefix(strings.ToLower(action), "sts:assumerole") && web != (s.Type == policy.WebIdentity) && s.Type != policy.Anonymous {
			continue
		}
		if w.facts.quick(ctx, s, action, r, nil) {
			continue
		}
		a, err := w.facts.answer(ctx, s, action, r, nil)
		if err != nil {
			return nil, err
		}
		if a.Verdict == Denied || a.Verdict == Unsupported {
			continue
		}
		row := Row{Principal: a.Principal, Kind: kindOf(s), Account: s.Account, Path: pathFor(s, r, a), Actions: []string{action}, Verdict: a.Verdict, Keys: a.Keys}
		if row.Path == PathOutside && row.Verdict == Unknown {
			row.Verdict = Conditional // on what the other side says, which is nobody's business here
			row.Keys = append(row.Keys, "its own policies")
		}
		if s.Type == policy.WebIdentity && r.policy != nil {
			row.Subjects = subjectsOf(r.policy.Text, s.ARN)
		}
		for _, p := range a.Policies {
			if (p.Says == "allows" || p.Says == "depends") && grants(p.Kind) {
				row.Grants = append(row.Grants, p.Name)
			}
		}
		row.Grants = unique(row.Grants)
		i := slices.IndexFunc(rows, func(have Row) bool {
			return have.Verdict == row.Verdict && have.Path == row.Path && slices.Equal(have.Keys, row.Keys)
		})
		if i < 0 {
			rows = append(rows, row)
			continue
		}
		rows[i].Actions = append(rows[i].Actions, action)
		rows[i].Grants = unique(append(rows[i].Grants, row.Grants...))
	}
	return rows, nil
}

// grants says whether policies of a kind give something, rather than limit it.
func grants(kind string) bool {
	return kind == policy.IdentityPolicy.String() || kind == policy.ResourcePolicy.String() || kind == policy.TrustPolicy.String()
}

func kindOf(s *subject) string {
	switch {
	case s.Type == policy.Anonymous:
		return "public"
	case s.Type == policy.Service:
		return "service"
	case s.Type == policy.WebIdentity:
		return "oidc"
	case !s.inside:
		return "outside"
	case s.Type == policy.Root:
		return "root"
	}
	return s.facts.kind()
}

// pathFor says by which way a principal gets there.
func pathFor(s *subject, r *object, a *Answer) string {
	switch kindOf(s) {
	case "public":
		return PathPublic
	case "service":
		return PathService
	case "oidc":
		return PathOIDC
	case "outside":
		return PathOutside
	}
	if r.policy == nil {
		return PathIdentity
	}
	granted := false
	for _, p := range a.Policies {
		if p.Name == r.policy.Name && (p.Says == "allows" || p.Says == "depends") {
			granted = true
		}
	}
	if !granted {
		return PathIdentity
	}
	g := r.grantees
	switch {
	case slices.Contains(g.arns, s.ARN), s.RoleARN != "" && slices.Contains(g.arns, s.RoleARN):
		return PathDirect
	case slices.Contains(g.accounts, s.Account):
		return PathDelegation
	}
	return PathEveryone
}

// subjectsOf are the subjects that a trust policy accepts from a provider.
func subjectsOf(trust, provider string) []string {
	issuer := restOf(provider)
	issuer = strings.TrimPrefix(issuer, "oidc-provider/")
	var out []string
	for _, s := range statements(trust) {
		principal, _ := s["Principal"].(map[string]any)
		if s["Effect"] != "Allow" || !slices.Contains(texts(principal["Federated"]), provider) {
			continue
		}
		subjects := conditionValues(s, issuer+":sub")
		if len(subjects) == 0 {
			subjects = []string{fmt.Sprintf("every subject of %s", issuer)}
		}
		out = append(out, subjects...)
	}
	return unique(out)
}
