package access

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"

	"axle"
	"axle/internal/cloud"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"
)

// Live reads facts from AWS, with the access role of each account. It needs
// iam:GetAccountAuthorizationDetails there (iam:GetPolicy and
// iam:GetPolicyVersion for AWS's own policies that are boundaries only), the
// reading of the resource's policy where the resource is, and for the
// organization's policies organizations:ListPoliciesForTarget and
// organizations:DescribePolicy in the management account.
type Live struct {
	Cloud *cloud.Cloud
	Org   *axle.Organization
	// Home is the region of calls that belong to none.
	Home string
	// Cache keeps what was read for the next time; nil: nothing is kept.
	Cache *Cache

	mu       sync.Mutex
	targets  map[string]*once[[]Document] // policies by target and type
	contents map[string]*once[string]
	buckets  map[string]string // regions by name
	way      int               // by which Organizations was asked with success
}

// Account implements Source: one paged call gives all users and roles.
func (l *Live) Account(ctx context.Context, a axle.Account) (*Account, error) {
	if found := l.Cache.account(a.ID); found != nil {
		return found, nil
	}
	r := &reader{live: l, account: a, managed: map[string]string{}}
	client, opt := l.Cloud.IAM(axle.Target{Account: a.ID, Region: l.Home})
	r.client, r.opt = client, opt
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(client, &iam.GetAccountAuthorizationDetailsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, allowHint(cloud.Translate(err, "read who is in the account (iam:GetAccountAuthorizationDetails)", a, ""))
		}
		r.users, r.roles, r.groups = append(r.users, page.UserDetailList...), append(r.roles, page.RoleDetailList...), append(r.groups, page.GroupDetailList...)
		for _, p := range page.Policies {
			for _, v := range p.PolicyVersionList {
				if v.IsDefaultVersion {
					r.managed[aws.ToString(p.Arn)] = unescape(v.Document)
				}
			}
		}
	}
	found := r.read(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	l.Cache.keepAccount(found)
	return found, nil
}

// allowHint says how the access role gets what reading needs.
func allowHint(err error) error {
	var f *axle.Failure
	if errors.As(err, &f) && strings.HasPrefix(f.Code, "AccessDenied") && !strings.HasPrefix(f.Message, "assume role") {
		f.Hint = "axle bootstrap --yes --allow iam:GetAccountAuthorizationDetails gives the access role what reading policies needs"
	}
	return err
}

// reader puts the answer of GetAccountAuthorizationDetails together.
type reader struct {
	live    *Live
	account axle.Account
	client  *iam.Client
	opt     func(*iam.Options)
	users   []types.UserDetail
	roles   []types.RoleDetail
	groups  []types.GroupDetail
	managed map[string]string // text by ARN
}

// unescape undoes the URL encoding of the documents in IAM's answers.
func unescape(text *string) string {
	s := aws.ToString(text)
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

func (r *reader) read(ctx context.Context) *Account {
	out := &Account{ID: r.account.ID}
	groups := map[string][]Document{}
	for _, g := range r.groups {
		name := aws.ToString(g.GroupName)
		groups[name] = r.policies(ctx, "group "+name, g.GroupPolicyList, g.AttachedManagedPolicies)
	}
	for _, u := range r.users {
		who := "user " + aws.ToString(u.UserName)
		p := &Principal{ARN: aws.ToString(u.Arn), ID: aws.ToString(u.UserId), Tags: tagsOf(u.Tags),
			Policies: r.policies(ctx, who, u.UserPolicyList, u.AttachedManagedPolicies), Boundary: r.boundary(ctx, who, u.PermissionsBoundary)}
		for _, g := range u.GroupList {
			p.Policies = append(p.Policies, groups[g]...)
		}
		out.Principals = append(out.Principals, p)
	}
	for _, role := range r.roles {
		who := "role " + aws.ToString(role.RoleName)
		p := &Principal{ARN: aws.ToString(role.Arn), ID: aws.ToString(role.RoleId), Tags: tagsOf(role.Tags),
			Policies: r.policies(ctx, who, role.RolePolicyList, role.AttachedManagedPolicies), Boundary: r.boundary(ctx, who, role.PermissionsBoundary)}
		p.Trust = &Document{Name: trustName(who, r.account), Text: unescape(role.AssumeRolePolicyDocument)}
		out.Principals = append(out.Principals, p)
	}
	slices.SortFunc(out.Principals, func(a, b *Principal) int { return strings.Compare(a.ARN, b.ARN) })
	return out
}

func trustName(who string, a axle.Account) string {
	return "trust policy of " + who + " in " + a.Label()
}

func tagsOf(tags []types.Tag) map[string]string {
	var out map[string]string
	for _, t := range tags {
		if out == nil {
			out = map[string]string{}
		}
		out[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

func (r *reader) policies(ctx context.Context, who string, inline []types.PolicyDetail, attached []types.AttachedPolicy) []Document {
	var out []Document
	for _, p := range inline {
		out = append(out, Document{Name: inlineName(who, r.account, aws.ToString(p.PolicyName)), Text: unescape(p.PolicyDocument)})
	}
	for _, p := range attached {
		d := Document{Name: attachedName(who, r.account, aws.ToString(p.PolicyName))}
		out = append(out, r.text(ctx, d, aws.ToString(p.PolicyArn)))
	}
	return out
}

func inlineName(who string, a axle.Account, policy string) string {
	return who + " of " + a.Label() + ", inline policy " + policy
}

func attachedName(who string, a axle.Account, policy string) string {
	return who + " of " + a.Label() + ", policy " + policy
}

func boundaryName(who string, a axle.Account, arn string) string {
	return who + " of " + a.Label() + ", permissions boundary " + arn[strings.LastIndexByte(arn, '/')+1:]
}

func (r *reader) boundary(ctx context.Context, who string, b *types.AttachedPermissionsBoundary) *Document {
	if b == nil || b.PermissionsBoundaryArn == nil {
		return nil
	}
	arn := aws.ToString(b.PermissionsBoundaryArn)
	d := r.text(ctx, Document{Name: boundaryName(who, r.account, arn)}, arn)
	return &d
}

// text finds a managed policy. Those of AWS that nothing is attached to aren't in
// the answer, and are read by themselves.
func (r *reader) text(ctx context.Context, d Document, arn string) Document {
	if text, ok := r.managed[arn]; ok {
		d.Text = text
		return d
	}
	text, err := r.live.managed(ctx, r.client, r.opt, arn)
	if err != nil {
		d.Unread = gapOf("", cloud.Translate(err, "read policy "+arn, r.account, "")).Why
		return d
	}
	r.managed[arn] = text
	d.Text = text
	return d
}

// managed reads the default version of a managed policy.
func (l *Live) managed(ctx context.Context, client *iam.Client, opt func(*iam.Options), arn string) (string, error) {
	p, err := client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn}, opt)
	if err != nil {
		return "", err
	}
	if p.Policy == nil {
		return "", errors.New("AWS answered without it")
	}
	v, err := client.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: p.Policy.DefaultVersionId}, opt)
	if err != nil {
		return "", err
	}
	if v.PolicyVersion == nil {
		return "", errors.New("AWS answered without it")
	}
	return unescape(v.PolicyVersion.Document), nil
}

// Managed reads a managed policy.
func (l *Live) Managed(ctx context.Context, a axle.Account, arn string) (string, error) {
	client, opt := l.Cloud.IAM(axle.Target{Account: a.ID, Region: l.Home})
	text, err := l.managed(ctx, client, opt, arn)
	if err != nil {
		return "", cloud.Translate(err, "read policy "+arn, a, "")
	}
	return text, nil
}

// codeOf is the code of AWS's error.
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// missingCodes say that a resource isn't there.
var missingCodes = map[string]bool{"NoSuchBucket": true, "NotFoundException": true, "NotFound": true, "ResourceNotFoundException": true,
	"QueueDoesNotExist": true, "AWS.SimpleQueueService.NonExistentQueue": true, "NoSuchEntity": true, "ParameterNotFound": true}

// unreadable translates an error about a resource.
func unreadable(err error, what string, a axle.Account, region string) error {
	translated := cloud.Translate(err, what, a, region)
	if missingCodes[codeOf(err)] {
		return fmt.Errorf("%w: %w", ErrNotFound, translated)
	}
	return translated
}
