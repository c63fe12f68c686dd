package sandbox_test

import (
	"context"
	"testing"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

func (c *cloud) kms(account string) *kms.Client {
	c.t.Helper()
	return kms.NewFromConfig(c.in(account, "eu-west-1"))
}

func TestKMSKeys(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.kms(devAccount)
	key := must[*kms.CreateKeyOutput](t)(dev.CreateKey(ctx, &kms.CreateKeyInput{Description: aws.String("d")})).KeyMetadata
	seen := must[*kms.DescribeKeyOutput](t)(dev.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.Arn})).KeyMetadata
	if *seen.Description != "d" || seen.KeyState != "Enabled" {
		t.Fatalf("%+v", seen)
	}
	_, err := dev.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("00000000-0000-4000-8000-000000000000")})
	refused(t, err, "NotFoundException", "Key 'arn:aws:kms:eu-west-1:222222222222:key/00000000-0000-4000-8000-000000000000' does not exist")
	_, err = c.kms(qaAccount).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.Arn})
	refused(t, err, "AccessDeniedException", "because no resource-based policy allows the kms:DescribeKey action")
}
