package cloud

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"sync"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// presumeFor is how long it is believed without asking that an access key is still
// whose it was: an IAM user may be renamed, and an emulator started anew.
const presumeFor = 15 * time.Minute

// callers is the file that keeps whose access keys were, by the hash of the key and
// of where it was asked. It has no credentials in it.
type callers struct {
	Version int                   `json:"version"`
	Callers map[string]callerSeen `json:"callers"`
}

type callerSeen struct {
	Identity Identity  `json:"identity"`
	Seen     time.Time `json:"seen"`
}

const callersVersion = 1

// callerKey is under which an access key's owner is kept.
func (c *Cloud) callerKey(accessKey string) string {
	sum := sha256.Sum256([]byte(accessKey + "\n" + aws.ToString(c.stsClient(c.region).Options().BaseEndpoint)))
	return hex.EncodeToString(sum[:16])
}

// readCallers reads what is still believed; a file that can't be read has nothing.
func readCallers(path string, now time.Time) map[string]callerSeen {
	var file callers
	body, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(body, &file) != nil || file.Version != callersVersion {
		return nil
	}
	for key, seen := range file.Callers {
		if age := now.Sub(seen.Seen); age > presumeFor || age < -time.Minute || !seen.Identity.valid() {
			delete(file.Callers, key)
		}
	}
	return file.Callers
}

// presume takes the caller for who had the same access key a while ago.
func (c *Cloud) presume(accessKey string) {
	if seen, ok := readCallers(c.callers, time.Now())[c.callerKey(accessKey)]; ok {
		c.presumed = &seen.Identity
	}
}

// Presumed is who the caller is as far as is known without asking AWS.
func (c *Cloud) Presumed() (Identity, bool) {
	if c.presumed == nil {
		return Identity{}, false
	}
	return *c.presumed, true
}

// caller is who the caller is: as presumed, or as AWS says. Nothing is done on a
// presumption but asking AWS to let the caller in, which tells whether it was right.
func (c *Cloud) caller(ctx context.Context) (Identity, error) {
	if id, ok := c.Presumed(); ok {
		return id, nil
	}
	return c.Identity(ctx)
}

// Certain returns without an error when the caller's credentials are good, and the
// caller is who was presumed: a role has been assumed with them, or AWS is asked. It
// waits for roles that are being assumed.
func (c *Cloud) Certain(ctx context.Context) error {
	if c.presumed == nil {
		return nil
	}
	if proven, err := c.proof.wait(ctx); proven || err != nil {
		return err
	}
	return c.verify(ctx)
}

// verify asks AWS whether the caller is who was presumed.
func (c *Cloud) verify(ctx context.Context) error {
	if c.presumed == nil {
		return nil
	}
	id, err := c.Identity(ctx)
	if err == nil && id != *c.presumed {
		err = &axle.Failure{Code: "CallerChanged", Blocked: true,
			Message: "the access key is " + id.ARN + "'s, and was " + c.presumed.ARN + "'s a while ago", Hint: "try again: that is forgotten now"}
	}
	return err
}

// proof tells whether the caller's credentials have been seen to be good.
type proof struct {
	mu       sync.Mutex
	good     bool
	underWay int           // what may prove it
	ended    chan struct{} // closed when one of these has ended
}

func (p *proof) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.underWay++; p.ended == nil {
		p.ended = make(chan struct{})
	}
}

func (p *proof) end(good bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.good = p.good || good
	p.underWay--
	close(p.ended)
	p.ended = make(chan struct{})
}

// wait returns whether it is proven, as soon as it is, or nothing is under way that
// may prove it.
func (p *proof) wait(ctx context.Context) (bool, error) {
	for {
		p.mu.Lock()
		good, underWay, ended := p.good, p.underWay, p.ended
		p.mu.Unlock()
		if good || underWay == 0 {
			return good, nil
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// Identity asks AWS once who the caller is.
func (c *Cloud) Identity(ctx context.Context) (Identity, error) {
	return c.identity.get(ctx, func(ctx context.Context) (Identity, error) {
		client, opt := c.stsAs(c.base, "")
		out, err := client.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, opt)
		if err != nil {
			return Identity{}, Translate(err, "ask AWS who the caller is (sts:GetCallerIdentity)", axle.Account{}, c.region)
		}
		id, err := newIdentity(aws.ToString(out.Account), aws.ToString(out.Arn), aws.ToString(out.UserId))
		if err == nil {
			c.rememberCaller(ctx, id)
		}
		return id, err
	})
}

// rememberCaller keeps whose access key it is for the next command. It is a call
// more there when it can't be kept.
func (c *Cloud) rememberCaller(ctx context.Context, id Identity) {
	creds, err := c.base.Retrieve(ctx)
	if err != nil || c.callers == "" {
		return
	}
	now, key := time.Now(), c.callerKey(creds.AccessKeyID)
	known := readCallers(c.callers, now)
	if seen, ok := known[key]; ok && seen.Identity == id && now.Sub(seen.Seen) < presumeFor/3 {
		return
	}
	if known == nil {
		known = map[string]callerSeen{}
	}
	known[key] = callerSeen{id, now.UTC()}
	body, err := json.Marshal(callers{callersVersion, known})
	if err == nil {
		err = writeWhole(c.callers, body)
	}
	if err != nil {
		c.log.Info("who the caller is isn't kept for the next command", "error", err)
	}
}
