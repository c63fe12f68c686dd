package cloud

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	// chainedLimit is AWS's limit for a session that another session opened.
	chainedLimit = time.Hour
	// refreshEarly is how long before expiry credentials are renewed; jitter
	// of up to a fifth keeps accounts from renewing all at once.
	refreshEarly = 5 * time.Minute
	// retryRefresh is how long to wait after a renewal that failed while the
	// credentials are still valid.
	retryRefresh = 30 * time.Second
	// rememberDenied is how long a refusal answers for everybody who asks:
	// the steps of one broken account ask all at once.
	rememberDenied = 5 * time.Second
)

// source gives credentials: the environment's own or a role's.
type source interface {
	aws.CredentialsProvider
	// generation counts the credentials that were handed out.
	generation() uint64
	// drop forgets the credentials if they are still of this generation.
	drop(generation uint64)
	// owner is the account that the credentials act in, name whose they are.
	owner(Identity) string
	name(Identity) string
	// chained says whether a role that is assumed with these is chained.
	chained(Identity) bool
}

// baseSource is the SDK's default chain, which renews itself.
type baseSource struct {
	cloud    *Cloud
	provider aws.CredentialsProvider
	dropped  atomic.Uint64
}

func (b *baseSource) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := b.provider.Retrieve(ctx)
	if err != nil {
		return creds, &credentialError{configFailure(err)}
	}
	return creds, nil
}

func (b *baseSource) generation() uint64 { return b.dropped.Load() }

func (b *baseSource) drop(generation uint64) {
	if cache, ok := b.provider.(*aws.CredentialsCache); ok && b.dropped.CompareAndSwap(generation, generation+1) {
		cache.Invalidate()
	}
}

func (b *baseSource) owner(id Identity) string { return id.Account }
func (b *baseSource) name(id Identity) string  { return id.ARN }
func (b *baseSource) chained(id Identity) bool { _, _, ok := id.Role(); return ok }

// sessionKey is what makes two sessions the same.
type sessionKey struct {
	from       source
	arn        string
	externalID string
	narrowed   bool // by the session policy
}

// session is an assumed role: its credentials, renewed before they expire by
// one caller while the others go on with what is valid.
type session struct {
	cloud   *Cloud
	key     sessionKey
	account axle.Account // of the role, for messages
	hop     firstHop

	gate    gate // held by the one who calls STS
	current atomic.Pointer[lease]

	mu     sync.Mutex
	denied error // remembered until
	until  time.Time
}

// lease is one set of credentials.
type lease struct {
	creds   aws.Credentials
	number  uint64
	refresh atomic.Int64 // unix nanoseconds from when on a renewal is due
	dropped atomic.Bool
}

func (l *lease) valid(now time.Time) bool {
	return l != nil && !l.dropped.Load() && now.Before(l.creds.Expires)
}

func (l *lease) fresh(now time.Time) bool {
	return l.valid(now) && now.UnixNano() < l.refresh.Load()
}

// session returns the cached session of a role; the first hop's isn't narrowed. What
// it knows of the account is replaced, as names are learnt late.
func (c *Cloud) session(from source, arn string, account axle.Account, externalID string, hop firstHop) *session {
	key := sessionKey{from, arn, externalID, hop.place == "" && c.access.SessionPolicy != ""}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[key]
	if s == nil {
		s = &session{cloud: c, key: key, account: account, hop: hop, gate: newGate()}
		c.sessions[key] = s
	}
	if account.Name != "" {
		s.mu.Lock()
		s.account = account
		s.mu.Unlock()
	}
	return s
}

func (s *session) owner(Identity) string { return arnAccount(s.key.arn) }
func (s *session) name(Identity) string  { return s.key.arn }
func (s *session) chained(Identity) bool { return true }

func (s *session) generation() uint64 {
	if l := s.current.Load(); l != nil {
		return l.number
	}
	return 0
}

func (s *session) drop(generation uint64) {
	if l := s.current.Load(); l != nil && l.number == generation {
		l.dropped.Store(true)
	}
}

// Retrieve implements aws.CredentialsProvider. A renewal that fails is no error
// while the old credentials are valid.
func (s *session) Retrieve(ctx context.Context) (aws.Credentials, error) {
	now := time.Now()
	l := s.current.Load()
	if l.fresh(now) {
		return l.creds, nil
	}
	if l.valid(now) {
		if s.gate.tryEnter() {
			defer s.gate.leave()
			if renewed, err := s.renew(ctx); err == nil {
				return renewed.creds, nil
			} else {
				l.refresh.Store(now.Add(retryRefresh).UnixNano())
				s.cloud.log.Warn("renewing credentials early", "role", s.key.arn, "expires", l.creds.Expires, "error", err)
			}
		}
		return l.creds, nil
	}
	if err := s.gate.enter(ctx); err != nil {
		return aws.Credentials{}, &credentialError{err}
	}
	defer s.gate.leave()
	if l := s.current.Load(); l.fresh(time.Now()) {
		return l.creds, nil // somebody else was faster
	}
	if err := s.remembered(time.Now()); err != nil {
		return aws.Credentials{}, &credentialError{err}
	}
	l, err := s.renew(ctx)
	if err != nil {
		return aws.Credentials{}, &credentialError{err}
	}
	return l.creds, nil
}

func (s *session) remembered(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.denied != nil && now.Before(s.until) {
		return s.denied
	}
	return nil
}

// forgive forgets a refusal, so that the next Retrieve asks again.
func (s *session) forgive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = nil
}

// renew assumes the role and keeps the credentials; the gate is held.
func (s *session) renew(ctx context.Context) (*lease, error) {
	creds, err := s.assume(ctx)
	if err != nil {
		if isDenied(err) {
			s.mu.Lock()
			s.denied, s.until = err, time.Now().Add(rememberDenied)
			s.mu.Unlock()
		}
		return nil, err
	}
	l := &lease{creds: creds, number: s.generation() + 1}
	l.refresh.Store(refreshAt(time.Now(), creds.Expires, rand.Float64()).UnixNano())
	s.current.Store(l)
	return l, nil
}

// refreshAt is when to renew: five to six minutes before expiry, or when a
// quarter of a short session is left.
func refreshAt(now, expires time.Time, jitter float64) time.Time {
	early := min(refreshEarly, expires.Sub(now)/4)
	return expires.Add(-early - time.Duration(jitter*float64(early)/5))
}

// assume assumes the role. Where that fails and the caller is presumed, it is told
// first that his credentials are no good, or another's.
func (s *session) assume(ctx context.Context) (aws.Credentials, error) {
	id, err := s.cloud.caller(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	if s.key.from != source(s.cloud.base) {
		return s.assumeAs(ctx, id)
	}
	s.cloud.proof.begin()
	creds, err := s.assumeAs(ctx, id)
	s.cloud.proof.end(err == nil)
	if err != nil {
		if cerr := s.cloud.verify(ctx); cerr != nil {
			err = cerr
		}
	}
	return creds, err
}

func (s *session) assumeAs(ctx context.Context, id Identity) (aws.Credentials, error) {
	c := s.cloud
	s.mu.Lock()
	account := s.account
	s.mu.Unlock()
	in := &sts.AssumeRoleInput{RoleArn: &s.key.arn, RoleSessionName: aws.String(sessionName(c.run, id.name()))}
	if s.key.externalID != "" {
		in.ExternalId = &s.key.externalID
	}
	if s.key.narrowed {
		in.Policy = &c.access.SessionPolicy
	}
	if c.access.SourceIdentity != "" {
		in.SourceIdentity = &c.access.SourceIdentity
	}
	if d := c.access.Duration; d > 0 {
		if s.key.from.chained(id) {
			d = min(d, chainedLimit)
		}
		in.DurationSeconds = aws.Int32(int32(d / time.Second))
	}
	client, opt := c.stsAs(s.key.from, s.key.from.owner(id))
	out, err := client.AssumeRole(ctx, in, opt)
	if err != nil && aws.ToInt32(in.DurationSeconds) > 3600 && isTooLong(err) {
		c.log.Info("the role's maximum session is shorter; asking for an hour", "role", s.key.arn)
		in.DurationSeconds = aws.Int32(3600)
		out, err = client.AssumeRole(ctx, in, opt)
	}
	if err != nil {
		return aws.Credentials{}, assumeFailure(err, s.key.arn, account, s.key.from.name(id), s.key.externalID, s.hop)
	}
	if out.Credentials == nil {
		return aws.Credentials{}, errors.New("assume role " + s.key.arn + ": AWS answered without credentials")
	}
	return aws.Credentials{
		AccessKeyID:     aws.ToString(out.Credentials.AccessKeyId),
		SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken:    aws.ToString(out.Credentials.SessionToken),
		Expires:         aws.ToTime(out.Credentials.Expiration),
		CanExpire:       true,
		Source:          "axle",
		AccountID:       arnAccount(s.key.arn),
	}, nil
}

// Credentials returns credentials for an account, from the cache if they last.
// The error is an *axle.Failure that says who couldn't assume what.
func (c *Cloud) Credentials(ctx context.Context, account axle.Account) (aws.Credentials, error) {
	if account.Name != "" && c.account(account.ID).Name == "" {
		c.Know([]axle.Account{account})
	}
	creds, err := c.target(account.ID).Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, Translate(err, "get credentials", account, "")
	}
	return creds, nil
}

// CredentialsWait is Credentials for roles that were made a moment ago: IAM is
// eventually consistent, so a refusal is asked again until bound has passed.
func (c *Cloud) CredentialsWait(ctx context.Context, account axle.Account, bound time.Duration) (aws.Credentials, error) {
	t := c.target(account.ID)
	deadline := time.Now().Add(bound)
	for pause := time.Second; ; pause = min(pause*3/2, 10*time.Second) {
		creds, err := c.Credentials(ctx, account)
		if err == nil || !isDenied(err) || time.Now().Add(pause).After(deadline) {
			return creds, err
		}
		if err := sleep(ctx, pause); err != nil {
			return aws.Credentials{}, err
		}
		if src, err := t.resolve(ctx); err == nil {
			forgiveAll(src)
		}
	}
}

// forgiveAll clears remembered refusals along the chain of roles.
func forgiveAll(src source) {
	for {
		s, ok := src.(*session)
		if !ok {
			return
		}
		s.forgive()
		src = s.key.from
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// credentialError marks an error as one of getting credentials, which has had
// its own retries: the call that wanted them isn't repeated for it.
type credentialError struct{ err error }

func (e *credentialError) Error() string        { return e.err.Error() }
func (e *credentialError) Unwrap() error        { return e.err }
func (e *credentialError) RetryableError() bool { return false }
