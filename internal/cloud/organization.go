package cloud

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/sync/errgroup"
)

// discoverConcurrent bounds the calls to Organizations in flight: its throttles
// are low and belong to the whole organization.
const discoverConcurrent = 10

// pageSize is the most that Organizations returns at once.
const pageSize = 20

// Discover says what discovery should find.
type Discover struct {
	Tags bool // of accounts and OUs
}

// Organization finds the accounts of the organization and the OUs that have
// accounts somewhere under them, with as few calls as it can: ListAccounts with
// each account's path, the names of the OUs, and all accounts' tags at once;
// where one of these isn't there, a walk over the OUs from the top, or a call
// for each account. It works in the management account and as a delegated
// administrator, with the credentials after the first hop if these may, and
// with the caller's own if not.
func (c *Cloud) Organization(ctx context.Context, want Discover) (*axle.Organization, error) {
	id, err := c.Identity(ctx)
	if err != nil {
		return nil, err
	}
	var warnings []string
	for _, way := range c.ways(id) {
		var org *axle.Organization
		if org, err = newDiscovery(c, id, way).run(ctx, want); err == nil {
			org.Warnings = append(warnings, org.Warnings...)
			return org, nil
		}
		if !isDenied(err) {
			break
		}
		warnings = append(warnings, "the organization was listed with the caller's own credentials, as "+way.name(id)+" may not")
	}
	return nil, err
}

// ways are the credentials to try at home, in this order.
func (c *Cloud) ways(id Identity) []source {
	if hop, err := c.hop(id, ""); err == nil && hop != source(c.base) {
		return []source{hop, c.base}
	}
	return []source{c.base}
}

// OrganizationsAtHome gives the client of Organizations with the options of those
// who may ask it at home: the credentials after the first hop, and the caller's.
func (c *Cloud) OrganizationsAtHome(ctx context.Context) (*organizations.Client, []func(*organizations.Options), error) {
	id, err := c.Identity(ctx)
	if err != nil {
		return nil, nil, err
	}
	var client *organizations.Client
	var ways []func(*organizations.Options)
	for _, way := range c.ways(id) {
		var opt func(*organizations.Options)
		client, opt = c.organizationsAs(way, way.owner(id))
		ways = append(ways, opt)
	}
	return client, ways, nil
}

// discovery is one look at the organization.
type discovery struct {
	cloud  *Cloud
	id     Identity
	source source
	client *organizations.Client
	opt    func(*organizations.Options)

	mu    sync.Mutex
	calls map[string]int

	org  *axle.Organization
	ous  map[string]axle.OU // by id
	late []string           // warnings
}

func newDiscovery(c *Cloud, id Identity, way source) *discovery {
	d := &discovery{cloud: c, id: id, source: way, calls: map[string]int{}, ous: map[string]axle.OU{}}
	client, opt := c.organizationsAs(way, way.owner(id))
	d.client = client
	d.opt = func(o *organizations.Options) {
		opt(o)
		o.APIOptions = append(o.APIOptions, d.count)
	}
	return d
}

// count counts the attempts of a call, by operation.
func (d *discovery) count(s *stack) error {
	return s.Finalize.Insert(middleware.FinalizeMiddlewareFunc("axle:count", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
		middleware.FinalizeOutput, middleware.Metadata, error,
	) {
		d.mu.Lock()
		d.calls[awsmiddleware.GetOperationName(ctx)]++
		d.mu.Unlock()
		return next.HandleFinalize(ctx, in)
	}), "Retry", middleware.After)
}

func (d *discovery) run(ctx context.Context, want Discover) (*axle.Organization, error) {
	d.org = &axle.Organization{Source: "aws", Taken: time.Now().UTC(), Tagged: want.Tags, Calls: d.calls}
	var bulk map[string]map[string]string
	var bulkErr error
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.accounts(gctx) })
	if want.Tags {
		g.Go(func() error { // no reason to stop the others
			bulk, bulkErr = d.bulkTags(gctx)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, d.explain(ctx, err)
	}
	if len(d.org.Accounts) == 0 {
		return nil, &axle.Failure{Code: "NoAccounts", Message: "list the accounts of the organization as " + d.source.name(d.id) + ": AWS listed none",
			Hint: "use credentials of the management account or of a delegated administrator"}
	}
	if err := d.manager(ctx); err != nil {
		return nil, d.explain(ctx, err)
	}
	if want.Tags {
		if err := d.tags(ctx, bulk, bulkErr); err != nil {
			return nil, d.explain(ctx, err)
		}
	}
	for _, ou := range d.ous {
		d.org.OUs = append(d.org.OUs, ou)
	}
	d.org.Warnings = d.late
	d.org.Sort()
	return d.org, nil
}

// explain puts the error of a call into words.
func (d *discovery) explain(ctx context.Context, err error) error {
	management := ""
	if isDenied(err) && !isCredential(err) {
		if out, err := d.client.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{}, d.opt); err == nil && out.Organization != nil {
			management = aws.ToString(out.Organization.MasterAccountId)
		}
	}
	return organizationFailure(err, "list the accounts of the organization", d.source.name(d.id), d.source.owner(d.id), management)
}

// errNoPaths says that ListAccounts doesn't tell where accounts are.
var errNoPaths = errors.New("accounts without paths")

// accounts fills in accounts and OUs, one way or the other.
func (d *discovery) accounts(ctx context.Context) error {
	err := d.listAccounts(ctx)
	if err == nil {
		return d.nameOUs(ctx)
	}
	if errors.Is(err, errNoPaths) {
		return d.walk(ctx)
	}
	return err
}

func (d *discovery) listAccounts(ctx context.Context) error {
	pages := organizations.NewListAccountsPaginator(d.client, &organizations.ListAccountsInput{MaxResults: aws.Int32(pageSize)})
	var found []axle.Account
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, d.opt)
		if err != nil {
			return err
		}
		for _, a := range page.Accounts {
			ids := pathIDs(a.Paths)
			if len(ids) == 0 {
				return errNoPaths
			}
			found = append(found, d.accountOf(a, ids))
		}
	}
	d.org.Accounts = found
	return nil
}

// pathIDs takes the ids from the root down out of a path such as
// "o-a1b2c3d4e5/r-ab12/ou-ab12-11111111/ou-ab12-22222222/" (an account's id may
// follow).
func pathIDs(paths []string) []string {
	if len(paths) == 0 {
		return nil
	}
	var ids []string
	for _, part := range strings.Split(paths[0], "/") {
		if strings.HasPrefix(part, "r-") || strings.HasPrefix(part, "ou-") {
			ids = append(ids, part)
		}
	}
	return ids
}

// accountOf translates, and learns whose organization it is: the ARN is
// "arn:aws:organizations::111111111111:account/o-a1b2c3d4e5/222222222222".
func (d *discovery) accountOf(a types.Account, ids []string) axle.Account {
	d.mu.Lock()
	if d.org.Management == "" {
		if parts := strings.Split(aws.ToString(a.Arn), "/"); len(parts) == 3 {
			d.org.ID, d.org.Management = parts[1], arnAccount(parts[0])
		}
	}
	d.mu.Unlock()
	status := string(a.State)
	if status == "" {
		status = string(a.Status) // what State replaces
	}
	return axle.Account{
		ID: aws.ToString(a.Id), Name: aws.ToString(a.Name), Email: aws.ToString(a.Email), OUIDs: ids,
		Status: status, Joined: aws.ToTime(a.JoinedTimestamp).UTC(), JoinedMethod: string(a.JoinedMethod),
	}
}

// manager fills in the organization's id and management account, if the
// accounts' ARNs haven't told.
func (d *discovery) manager(ctx context.Context) error {
	defer func() {
		for i := range d.org.Accounts {
			a := &d.org.Accounts[i]
			a.Management = a.ID == d.org.Management
		}
	}()
	if d.org.Management != "" {
		return nil
	}
	out, err := d.client.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{}, d.opt)
	if err != nil {
		return err
	}
	if out.Organization == nil {
		return errors.New("describe the organization: AWS answered without one")
	}
	d.org.ID = aws.ToString(out.Organization.Id)
	d.org.Management = aws.ToString(out.Organization.MasterAccountId)
	return nil
}

// nameOUs finds the names of the OUs that accounts are in, and of those above:
// by listing the children of each that has such children.
func (d *discovery) nameOUs(ctx context.Context) error {
	used, parents := map[string]bool{}, map[string]bool{}
	for _, a := range d.org.Accounts {
		for i, id := range a.OUIDs {
			used[id] = true
			if i > 0 {
				parents[a.OUIDs[i-1]] = true
			}
		}
	}
	children, err := d.childrenOf(ctx, used, parents)
	if err != nil {
		return err
	}
	for i := range d.org.Accounts {
		a := &d.org.Accounts[i]
		a.OU = "/"
		for n, id := range a.OUIDs {
			ou := axle.OU{ID: id, Name: "Root", Path: "/"}
			if n > 0 {
				ou.Name, ou.Parent = aws.ToString(children[id].Name), a.OUIDs[n-1]
				ou.Path = axle.JoinOU(a.OU, ou.Name)
			}
			d.ous[id] = ou
			a.OU = ou.Path
		}
	}
	return nil
}

// childrenOf gets the used OUs by id.
func (d *discovery) childrenOf(ctx context.Context, used, parents map[string]bool) (map[string]types.OrganizationalUnit, error) {
	children := map[string]types.OrganizationalUnit{}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(discoverConcurrent)
	for parent := range parents {
		g.Go(func() error {
			found, err := d.childOUs(gctx, parent)
			mu.Lock()
			defer mu.Unlock()
			for _, ou := range found {
				children[aws.ToString(ou.Id)] = ou
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	// An OU that moved while we looked isn't among its parent's children.
	for id := range used {
		if _, ok := children[id]; ok || strings.HasPrefix(id, "r-") {
			continue
		}
		out, err := d.client.DescribeOrganizationalUnit(ctx, &organizations.DescribeOrganizationalUnitInput{OrganizationalUnitId: &id}, d.opt)
		if err != nil {
			return nil, err
		}
		if out.OrganizationalUnit != nil {
			children[id] = *out.OrganizationalUnit
		}
	}
	return children, nil
}

func (d *discovery) childOUs(ctx context.Context, parent string) ([]types.OrganizationalUnit, error) {
	pages := organizations.NewListOrganizationalUnitsForParentPaginator(d.client,
		&organizations.ListOrganizationalUnitsForParentInput{ParentId: &parent, MaxResults: aws.Int32(pageSize)})
	var found []types.OrganizationalUnit
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, d.opt)
		if err != nil {
			return nil, err
		}
		found = append(found, page.OrganizationalUnits...)
	}
	return found, nil
}

func (d *discovery) childAccounts(ctx context.Context, ou axle.OU, above []string) ([]axle.Account, error) {
	pages := organizations.NewListAccountsForParentPaginator(d.client,
		&organizations.ListAccountsForParentInput{ParentId: &ou.ID, MaxResults: aws.Int32(pageSize)})
	var found []axle.Account
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, d.opt)
		if err != nil {
			return nil, err
		}
		for _, a := range page.Accounts {
			account := d.accountOf(a, above)
			account.OU = ou.Path
			found = append(found, account)
		}
	}
	return found, nil
}
