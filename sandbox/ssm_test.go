package sandbox_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"axle/sandbox"
)

// Values and options that Parameter Store refuses, or that would have no effect.
func TestParametersThatAreRefused(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	ctx, client := context.Background(), ssm.NewFromConfig(b.top)
	for text, change := range map[string]func(*ssm.PutParameterInput){
		"can't nest another parameter":    func(in *ssm.PutParameterInput) { in.Value = aws.String("a {{ b }} c") },
		"no parameter policies":           func(in *ssm.PutParameterInput) { in.Policies = aws.String(`[{"Type":"Expiration"}]`) },
		"data type is not supported: xml": func(in *ssm.PutParameterInput) { in.DataType = aws.String("xml") },
	} {
		in := &ssm.PutParameterInput{Name: aws.String("/a"), Value: aws.String("v"), Type: types.ParameterTypeString}
		change(in)
		_, err := client.PutParameter(ctx, in)
		refused(t, err, "ValidationException", text)
	}
	put := func(tier types.ParameterTier) (*ssm.PutParameterOutput, error) {
		return client.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/tier"), Value: aws.String("v"), Type: types.ParameterTypeString,
			Tier: tier, Overwrite: aws.Bool(true)})
	}
	for _, tier := range []types.ParameterTier{"Standard", "Advanced", ""} {
		if _, err := put(tier); err != nil {
			t.Fatal(err)
		}
	}
	_, err := put("Standard")
	refused(t, err, "ValidationException", "can't downgrade a parameter")
}
