// Package cloud is the door to AWS: who we are, the credentials of every
// account, throttled clients for every account and region, and the organization
// with its accounts. It keeps one SDK client for each service and region and
// puts the account's credentials in per call, over one HTTP transport.
//
// It decides nothing about what is done with them, keeps no state but caches,
// and translates AWS's errors for people (errors.go).
package cloud

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go/logging"
)

// ErrNoCredentials says that the SDK's default chain found no credentials, or
// that what it found can't be used.
var ErrNoCredentials = errors.New("no AWS credentials")

// Options say where home is and how accounts are entered.
type Options struct {
	// Region is the home region: STS, Organizations and other calls that
	// belong to no target go there. Empty: the region of the environment or
	// profile, else us-east-1.
	Region string
	Access Access
	// Run goes into the session names that CloudTrail records.
	Run string
	// MaxConcurrent is how many calls may be in flight; it sizes the pool of
	// connections. 0 means 64.
	MaxConcurrent int
	Log           *slog.Logger // nil: nothing is logged
	// Callers is a file that keeps whose access keys are, for the next command;
	// "" keeps nothing. With Presume it is believed until Certain: the caller
	// isn't asked for, where a role is to be assumed anyway.
	Callers string
	Presume bool
	// UserAgent is our product token, such as "axle/1.2.0".
	UserAgent string
}

// Cloud is safe for concurrent use.
type Cloud struct {
	cfg    aws.Config
	region string // home
	access Access
	run    string
	log    *slog.Logger
	base   *baseSource

	retryer aws.Retryer

	clients clients
	pairs   sync.Map // axle.Target -> *pair
	lanes   sync.Map // axle.Target -> *lane, of calls made with a hop's credentials too

	identity *once[Identity]
	callers  string    // file
	presumed *Identity // nil: AWS is asked
	proof    proof     // of the caller's credentials: a role was assumed with them

	mu       sync.Mutex
	hub      string                  // account id; "" while unknown
	accounts map[string]axle.Account // what Know has told
	targets  map[string]*target      // by account id
	sessions map[sessionKey]*session
}

// New loads the SDK's default configuration and checks that there are
// credentials. The error is an *axle.Failure; ErrNoCredentials is in its chain
// when there are none. AWS_ENDPOINT_URL and its relatives work as in the SDK.
func New(ctx context.Context, opts Options) (*Cloud, error) {
	log := opts.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	retryer := newRetryer()
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(newTransport(opts.MaxConcurrent)),
		config.WithLogger(logging.LoggerFunc(func(c logging.Classification, format string, v ...any) {
			log.Debug(fmt.Sprintf(format, v...), "sdk", string(c))
		})),
		// Calls outside of a target (SSO, for one) get the same patience.
		config.WithRetryer(func() aws.Retryer { return retryer }),
	}
	if opts.Region != "" {
		load = append(load, config.WithRegion(opts.Region))
	}
	if name, version, ok := strings.Cut(opts.UserAgent, "/"); ok {
		load = append(load, config.WithAPIOptions([]func(*stack) error{awsmiddleware.AddUserAgentKeyValue(name, version)}))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, configFailure(err)
	}
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	cfg.HTTPClient = freeze(cfg.HTTPClient)
	c := &Cloud{
		cfg: cfg, region: cfg.Region, access: opts.Access, run: opts.Run, log: log, retryer: retryer,
		identity: newOnce[Identity](), callers: opts.Callers,
		hub:      opts.Access.HubAccount,
		accounts: map[string]axle.Account{},
		targets:  map[string]*target{},
		sessions: map[sessionKey]*session{},
	}
	c.base = &baseSource{cloud: c, provider: cfg.Credentials}
	creds, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, configFailure(err)
	}
	if opts.Presume {
		c.presume(creds.AccessKeyID)
	}
	return c, nil
}

// Region is the home region.
func (c *Cloud) Region() string { return c.region }

// Endpoint is the endpoint that overrides AWS's own, "" when there is none.
func (c *Cloud) Endpoint() string { return aws.ToString(c.cfg.BaseEndpoint) }

// Know tells the cloud of accounts, so that errors can name them and
// Access.For can decide by name, OU and tags. Credentials that were found
// before for the same account under the same role stay in the cache.
func (c *Cloud) Know(accounts []axle.Account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range accounts {
		c.accounts[a.ID] = a
		if t := c.targets[a.ID]; t != nil {
			t.learn(a)
		}
	}
}

// UseHub tells which account a first hop without an account is in, once an
// expression has told it.
func (c *Cloud) UseHub(account string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hub = account
	for _, t := range c.targets {
		t.forget()
	}
}

// account is what is known of an account.
func (c *Cloud) account(id string) axle.Account {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accountLocked(id)
}

func (c *Cloud) accountLocked(id string) axle.Account {
	if a, ok := c.accounts[id]; ok {
		return a
	}
	return axle.Account{ID: id}
}

// Identity is who the credentials of the environment belong to.
type Identity struct {
	Account   string `json:"account"`
	ARN       string `json:"arn"`
	UserID    string `json:"user_id"`
	Partition string `json:"partition"` // aws, aws-cn, aws-us-gov, ...
}

func newIdentity(account, arn, userID string) (Identity, error) {
	id := Identity{Account: account, ARN: arn, UserID: userID}
	if parts := strings.SplitN(arn, ":", 3); len(parts) == 3 {
		id.Partition = parts[1]
	}
	if !id.valid() {
		return Identity{}, fmt.Errorf("ask AWS who the caller is: answer has no valid account (%q) or ARN (%q)", account, arn)
	}
	return id, nil
}

func (i Identity) valid() bool {
	return axle.ValidAccountID(i.Account) && i.Partition != "" && strings.HasPrefix(i.ARN, "arn:"+i.Partition+":")
}

// Role returns the account and name of the role that the identity is a session
// of; ok is false for users and roots.
func (i Identity) Role() (account, name string, ok bool) {
	rest, found := strings.CutPrefix(i.ARN, "arn:"+i.Partition+":sts::"+i.Account+":assumed-role/")
	if !found {
		return "", "", false
	}
	name, _, _ = strings.Cut(rest, "/")
	return i.Account, name, true
}

// name is the user's or session's name, for session names.
func (i Identity) name() string { return i.ARN[strings.LastIndexByte(i.ARN, '/')+1:] }

// CallerRole asks IAM for the ARN of the role that the caller is a session of:
// the session's own ARN lacks the role's path. It is "" for users, and where the
// caller may not ask.
func (c *Cloud) CallerRole(ctx context.Context) string {
	id, err := c.Identity(ctx)
	if err != nil {
		return ""
	}
	account, name, ok := id.Role()
	if !ok {
		return ""
	}
	client := c.clients.iam.in(c, c.region, func(cfg aws.Config) *iam.Client { return iam.NewFromConfig(cfg) })
	p := c.newPair(c.base, axle.Target{Account: account, Region: c.region})
	out, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: &name}, func(o *iam.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	})
	if err != nil || out.Role == nil {
		return ""
	}
	return aws.ToString(out.Role.Arn)
}
