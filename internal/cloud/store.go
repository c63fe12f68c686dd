package cloud

import (
	"context"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TableAndBucket returns clients for a region that act in the hub account, with
// the credentials after the first hop; where those are another account's, the
// hub is entered as any account is. Without a hub it is the account of these
// credentials.
func (c *Cloud) TableAndBucket(ctx context.Context, hub, region string) (account string, table *dynamodb.Client, bucket *s3.Client, err error) {
	id, err := c.Identity(ctx)
	if err != nil {
		return "", nil, nil, err
	}
	from, err := c.hop(id, "")
	if err != nil {
		return "", nil, nil, err
	}
	if hub == "" {
		hub = from.owner(id)
	}
	at := axle.Target{Account: hub, Region: region}
	p := c.newPair(from, at)
	if from.owner(id) != hub {
		p = c.pair(at)
	}
	cfg := c.cfg.Copy()
	cfg.Region, cfg.Credentials, cfg.Retryer = region, p.source, func() aws.Retryer { return p.retryer }
	cfg.APIOptions = append(cfg.APIOptions[:len(cfg.APIOptions):len(cfg.APIOptions)], p.attempts)
	return hub, dynamodb.NewFromConfig(cfg), s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil }), nil
}
