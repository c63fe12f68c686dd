package cloud

import (
	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
)

// CloudWatch is like CloudFormation.
func (c *Cloud) CloudWatch(t axle.Target) (*cloudwatch.Client, func(*cloudwatch.Options)) {
	client := c.clients.cloudwatch.in(c, t.Region, func(cfg aws.Config) *cloudwatch.Client { return cloudwatch.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *cloudwatch.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}
