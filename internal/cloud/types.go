package cloud

import (
	"context"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// TypeSchema reads the schema of a resource type with the caller's own
// credentials: it is the same in all accounts.
func (c *Cloud) TypeSchema(ctx context.Context, region, name string) ([]byte, error) {
	client := c.clients.cloudformation.in(c, region, func(cfg aws.Config) *cloudformation.Client { return cloudformation.NewFromConfig(cfg) })
	t := axle.Target{Region: region}
	p := c.newPair(c.base, t)
	out, err := client.DescribeType(ctx, &cloudformation.DescribeTypeInput{Type: types.RegistryTypeResource, TypeName: &name},
		func(o *cloudformation.Options) {
			o.Credentials, o.Retryer, o.APIOptions = p.source, p.retryer, append(o.APIOptions, p.attempts)
		})
	if err != nil {
		return nil, Translate(err, "read the schema of "+name, axle.Account{}, region)
	}
	return []byte(aws.ToString(out.Schema)), nil
}

// IsUnknownType says whether an error of TypeSchema means that CloudFormation
// doesn't know the type.
func IsUnknownType(err error) bool {
	code := code(err)
	return code == "TypeNotFoundException" || code == "CFNRegistryException"
}
