package cloud

import (
	"log/slog"
	"sync"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/resourcegroupstaggingapi"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// clients are the SDK's clients, one for each service and region. The zero
// value is ready.
type clients struct {
	account        regional[account.Client]
	cloudformation regional[cloudformation.Client]
	cloudwatch     regional[cloudwatch.Client]
	dynamodb       regional[dynamodb.Client]
	ec2            regional[ec2.Client]
	iam            regional[iam.Client]
	kms            regional[kms.Client]
	lambda         regional[lambda.Client]
	organizations  regional[organizations.Client]
	s3             regional[s3.Client]
	quotas         regional[servicequotas.Client]
	secrets        regional[secretsmanager.Client]
	sns            regional[sns.Client]
	sqs            regional[sqs.Client]
	ssm            regional[ssm.Client]
	sts            regional[sts.Client]
	tagging        regional[resourcegroupstaggingapi.Client]
}

// regional holds the clients of one service by region.
type regional[C any] struct {
	mu       sync.RWMutex
	byRegion map[string]*C
}

func (r *regional[C]) in(c *Cloud, region string, build func(aws.Config) *C) *C {
	r.mu.RLock()
	client := r.byRegion[region]
	r.mu.RUnlock()
	if client != nil {
		return client
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if client = r.byRegion[region]; client != nil {
		return client
	}
	if r.byRegion == nil {
		r.byRegion = map[string]*C{}
	}
	cfg := c.cfg.Copy()
	cfg.Region = region
	client = build(cfg)
	r.byRegion[region] = client
	return client
}

// A pair is what a call to one account and region needs beside a client: the
// account's credentials, patience, and the limits that were learnt.
type pair struct {
	source   caller
	retryer  aws.Retryer
	lane     *lane
	attempts func(*stack) error
	target   axle.Target
	log      *slog.Logger
}

// caller is the part of a source that a call needs.
type caller interface {
	aws.CredentialsProvider
	generation() uint64
	drop(generation uint64)
}

func (c *Cloud) pair(t axle.Target) *pair {
	if p, ok := c.pairs.Load(t); ok {
		return p.(*pair)
	}
	p, _ := c.pairs.LoadOrStore(t, c.newPair(c.target(t.Account), t))
	return p.(*pair)
}

// newPair joins credentials with the lane of the account that pays for the
// calls.
func (c *Cloud) newPair(src caller, t axle.Target) *pair {
	l, ok := c.lanes.Load(t)
	if !ok {
		l, _ = c.lanes.LoadOrStore(t, newLane())
	}
	p := &pair{source: src, retryer: c.retryer, lane: l.(*lane), target: t, log: c.log}
	p.attempts = p.watch
	return p
}

// CloudFormation returns the region's client and the option that makes a call
// act in the target's account.
func (c *Cloud) CloudFormation(t axle.Target) (*cloudformation.Client, func(*cloudformation.Options)) {
	client := c.clients.cloudformation.in(c, t.Region, func(cfg aws.Config) *cloudformation.Client { return cloudformation.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *cloudformation.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// EC2 is like CloudFormation.
func (c *Cloud) EC2(t axle.Target) (*ec2.Client, func(*ec2.Options)) {
	client := c.clients.ec2.in(c, t.Region, func(cfg aws.Config) *ec2.Client { return ec2.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *ec2.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// SSM is like CloudFormation.
func (c *Cloud) SSM(t axle.Target) (*ssm.Client, func(*ssm.Options)) {
	return c.ssmAs(c.pair(t), t.Region)
}

func (c *Cloud) ssmAs(p *pair, region string) (*ssm.Client, func(*ssm.Options)) {
	client := c.clients.ssm.in(c, region, func(cfg aws.Config) *ssm.Client { return ssm.NewFromConfig(cfg) })
	return client, func(o *ssm.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// S3 is like CloudFormation. Behind an endpoint of one's own, buckets are part
// of the path.
func (c *Cloud) S3(t axle.Target) (*s3.Client, func(*s3.Options)) {
	client := c.clients.s3.in(c, t.Region, func(cfg aws.Config) *s3.Client {
		return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = o.BaseEndpoint != nil })
	})
	p := c.pair(t)
	return client, func(o *s3.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// IAM is like CloudFormation.
func (c *Cloud) IAM(t axle.Target) (*iam.Client, func(*iam.Options)) {
	client := c.clients.iam.in(c, t.Region, func(cfg aws.Config) *iam.Client { return iam.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *iam.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// SNS is like CloudFormation.
func (c *Cloud) SNS(t axle.Target) (*sns.Client, func(*sns.Options)) {
	client := c.clients.sns.in(c, t.Region, func(cfg aws.Config) *sns.Client { return sns.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *sns.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// SecretsManager is like CloudFormation.
func (c *Cloud) SecretsManager(t axle.Target) (*secretsmanager.Client, func(*secretsmanager.Options)) {
	client := c.clients.secrets.in(c, t.Region, func(cfg aws.Config) *secretsmanager.Client { return secretsmanager.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *secretsmanager.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// KMS is like CloudFormation.
func (c *Cloud) KMS(t axle.Target) (*kms.Client, func(*kms.Options)) {
	client := c.clients.kms.in(c, t.Region, func(cfg aws.Config) *kms.Client { return kms.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *kms.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// DynamoDB is like CloudFormation.
func (c *Cloud) DynamoDB(t axle.Target) (*dynamodb.Client, func(*dynamodb.Options)) {
	client := c.clients.dynamodb.in(c, t.Region, func(cfg aws.Config) *dynamodb.Client { return dynamodb.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *dynamodb.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// Lambda is like CloudFormation.
func (c *Cloud) Lambda(t axle.Target) (*lambda.Client, func(*lambda.Options)) {
	client := c.clients.lambda.in(c, t.Region, func(cfg aws.Config) *lambda.Client { return lambda.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *lambda.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// SQS is like CloudFormation.
func (c *Cloud) SQS(t axle.Target) (*sqs.Client, func(*sqs.Options)) {
	client := c.clients.sqs.in(c, t.Region, func(cfg aws.Config) *sqs.Client { return sqs.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *sqs.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// ServiceQuotas is like CloudFormation.
func (c *Cloud) ServiceQuotas(t axle.Target) (*servicequotas.Client, func(*servicequotas.Options)) {
	client := c.clients.quotas.in(c, t.Region, func(cfg aws.Config) *servicequotas.Client { return servicequotas.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *servicequotas.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// STS is like CloudFormation.
func (c *Cloud) STS(t axle.Target) (*sts.Client, func(*sts.Options)) {
	return c.stsClient(t.Region), stsOption(c.pair(t))
}

func (c *Cloud) stsClient(region string) *sts.Client {
	return c.clients.sts.in(c, region, func(cfg aws.Config) *sts.Client { return sts.NewFromConfig(cfg) })
}

func stsOption(p *pair) func(*sts.Options) {
	return func(o *sts.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// stsAs calls STS at home with the credentials of a source; account pays.
func (c *Cloud) stsAs(src caller, account string) (*sts.Client, func(*sts.Options)) {
	return c.stsClient(c.region), stsOption(c.newPair(src, axle.Target{Account: account, Region: c.region}))
}

// AccountAPI is like CloudFormation, for AWS's account management.
func (c *Cloud) AccountAPI(t axle.Target) (*account.Client, func(*account.Options)) {
	client := c.clients.account.in(c, t.Region, func(cfg aws.Config) *account.Client { return account.NewFromConfig(cfg) })
	p := c.pair(t)
	return client, func(o *account.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// Organizations is like CloudFormation; its one endpoint in a partition is
// found from any region.
func (c *Cloud) Organizations(t axle.Target) (*organizations.Client, func(*organizations.Options)) {
	return c.organizationsOf(c.pair(t))
}

// organizationsAs calls Organizations with the credentials of a source.
func (c *Cloud) organizationsAs(src caller, account string) (*organizations.Client, func(*organizations.Options)) {
	return c.organizationsOf(c.newPair(src, axle.Target{Account: account, Region: c.region}))
}

func (c *Cloud) organizationsOf(p *pair) (*organizations.Client, func(*organizations.Options)) {
	client := c.clients.organizations.in(c, c.region, func(cfg aws.Config) *organizations.Client { return organizations.NewFromConfig(cfg) })
	return client, func(o *organizations.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}

// taggingAs calls the tagging API with the credentials of a source.
func (c *Cloud) taggingAs(src caller, account, region string) (*resourcegroupstaggingapi.Client, func(*resourcegroupstaggingapi.Options)) {
	client := c.clients.tagging.in(c, region, func(cfg aws.Config) *resourcegroupstaggingapi.Client {
		return resourcegroupstaggingapi.NewFromConfig(cfg)
	})
	p := c.newPair(src, axle.Target{Account: account, Region: region})
	return client, func(o *resourcegroupstaggingapi.Options) {
		o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
	}
}
