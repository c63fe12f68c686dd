package sandbox

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// limiter holds the request rates of AWS, or a part of them: a token bucket for
// each account, region and API.
type limiter struct {
	on      bool
	part    float64 // 1 is AWS's rates
	buckets map[bucketKey]*tokenBucket
}

type bucketKey struct{ account, region, api string }

type tokenBucket struct {
	tokens float64
	at     time.Time
}

// rate is how a bucket refills in a second, and how much it holds.
type rate struct{ refill, size float64 }

// rates by "service:Operation" and, for what isn't there, by service. Those of
// STS, EC2, SSM, S3, KMS, tagging, EventBridge and API Gateway are published; those of CloudFormation are
// what users report; those of IAM and Organizations are guesses on the small
// side.
var rates = map[string]rate{
	"sts":                                {600, 600},
	"ec2":                                {5, 50},
	"ec2:Describe":                       {20, 100},
	"cloudformation":                     {5, 10},
	"cloudformation:DescribeStacks":      {5, 10},
	"cloudformation:DescribeStackEvents": {5, 10},
	"cloudformation:ValidateTemplate":    {3, 5},
	"iam":                                {15, 30},
	"organizations":                      {5, 8},
	"organizations:ListTagsForResource":  {10, 15},
	"organizations:DescribeAccount":      {20, 30},
	"organizations:ListAccounts":         {5, 10},
	"organizations:CreateAccount":        {0.2, 5},
	"organizations:MoveAccount":          {1, 3},
	"account":                            {5, 10},
	"tagging":                            {15, 30},
	"ssm":                                {20, 40},
	"ssm:GetParameter":                   {40, 40},
	"ssm:GetParameters":                  {40, 40},
	"ssm:GetParametersByPath":            {40, 40},
	"ssm:PutParameter":                   {3, 10},
	"sns":                                {30, 60},
	"sns:Publish":                        {300, 300},
	"secretsmanager":                     {40, 100},
	"secretsmanager:GetSecretValue":      {10000, 10000},
	"s3":                                 {3500, 3500},
	"kms":                                {1000, 1000},
	"kms:CreateKey":                      {5, 10},
	"kms:CreateAlias":                    {5, 10},
	"kms:PutKeyPolicy":                   {15, 15},
	"kms:ScheduleKeyDeletion":            {15, 15},
	"dynamodb":                           {3000, 3000},
	"dynamodb:CreateTable":               {50, 50},
	"dynamodb:UpdateTable":               {50, 50},
	"dynamodb:DeleteTable":               {50, 50},
	"servicequotas":                      {10, 10},
	"lambda":                             {15, 15},
	"lambda:Invoke":                      {10000, 10000},
	"events":                             {50, 50},
	"events:PutEvents":                   {2400, 2400},
	"scheduler":                          {50, 50},
	"apigateway":                         {10, 40},
	"apigateway:CreateRestApi":           {1.0 / 3, 1},
	"apigateway:ImportRestApi":           {1.0 / 3, 1},
	"apigateway:DeleteRestApi":           {1.0 / 30, 1},
	"apigateway:CreateDeployment":        {1.0 / 5, 1},
	"apigatewayv2":                       {10, 40},
}

// newLimiter takes "" for none, "aws" for AWS's rates and "aws/10" for a tenth
// of them.
func newLimiter(limits string) (*limiter, error) {
	l := &limiter{on: limits != "", part: 1, buckets: map[bucketKey]*tokenBucket{}}
	kind, divisor, divided := strings.Cut(limits, "/")
	if divided {
		n, err := strconv.Atoi(divisor)
		if err != nil || n < 1 {
			kind = ""
		}
		l.part = 1 / float64(n)
	}
	if l.on && kind != "aws" {
		return nil, fmt.Errorf(`limits %q: want "aws", a part of its rates such as "aws/10", or nothing`, limits)
	}
	return l, nil
}

// Rate is how many calls of an API ("sts:AssumeRole") one account may make in a
// second and region, and how many at once, under limits as in Options; false
// where there is no limit. Benchmarks work out from it what can't be beaten.
func Rate(limits, api string) (perSecond, atOnce float64, ok bool) {
	l, err := newLimiter(limits)
	if err != nil || !l.on {
		return 0, 0, false
	}
	r, ok := l.rate(api)
	return r.refill, r.size, ok
}

// rate is that of "service:Operation"; a bucket holds one token at least.
func (l *limiter) rate(api string) (rate, bool) {
	service, op, _ := strings.Cut(api, ":")
	r, ok := rates[api]
	if !ok && service == "ec2" && (strings.HasPrefix(op, "Describe") || strings.HasPrefix(op, "Get")) {
		r, ok = rates["ec2:Describe"], true
	}
	if !ok {
		r, ok = rates[service]
	}
	return rate{r.refill * l.part, max(r.size*l.part, 1)}, ok
}

// take lets a request through, or says that it comes too soon.
func (l *limiter) take(c *call, now time.Time) bool {
	if !l.on {
		return true
	}
	key := bucketKey{c.Account.ID, c.Region, c.Service + ":" + c.Op}
	r, ok := l.rate(key.api)
	if !ok {
		return true
	}
	if c.Service == "organizations" { // one endpoint for all of the organization
		key.region = ""
	}
	b := l.buckets[key]
	if b == nil {
		b = &tokenBucket{tokens: r.size, at: now}
		l.buckets[key] = b
	}
	b.tokens = min(r.size, b.tokens+now.Sub(b.at).Seconds()*r.refill)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
