package sandbox_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"axle/sandbox"
)

func TestSSMParameters(t *testing.T) {
	b := newBox(t, sandbox.Options{})
	client, ctx := ssm.NewFromConfig(b.top), context.Background()
	put := func(name, value string, kind types.ParameterType, overwrite bool) error {
		_, err := client.PutParameter(ctx, &ssm.PutParameterInput{Name: &name, Value: &value, Type: kind, Overwrite: &overwrite})
		return err
	}
	for _, n := range []string{"/a/1", "/a/2", "/a/b/3", "/ab/4", "plain"} {
		if err := put(n, "v-"+n, types.ParameterTypeString, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("/a/secret", "hidden", types.ParameterTypeSecureString, false); err != nil {
		t.Fatal(err)
	}
	refused(t, put("/a/1", "x", types.ParameterTypeString, false), "ParameterAlreadyExists", "")
	refused(t, put("/aws/x", "x", types.ParameterTypeString, false), "AccessDeniedException", "reserved")
	refused(t, put("/n", strings.Repeat("x", 5000), types.ParameterTypeString, false), "ValidationException", "4096")
	if err := put("/a/1", "second", types.ParameterTypeString, true); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/a/1": "second", "/a/1:1": "v-/a/1", "/a/1:2": "second", "plain": "v-plain",
		"arn:aws:ssm:eu-west-1:111111111111:parameter/a/2": "v-/a/2"} {
		out, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
		if err != nil || *out.Parameter.Value != want {
			t.Errorf("%s: %v, %v", name, out, err)
		}
	}
	_, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/none")})
	refused(t, err, "ParameterNotFound", "")
	_, err = client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/a/1:9")})
	refused(t, err, "ParameterVersionNotFound", "")
	sealed, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/a/secret")})
	if err != nil || strings.Contains(*sealed.Parameter.Value, "hidden") {
		t.Error("a secret is shown without decryption", err)
	}
	open, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/a/secret"), WithDecryption: aws.Bool(true)})
	if err != nil || *open.Parameter.Value != "hidden" {
		t.Error(open, err)
	}
	for recursive, want := range map[bool]string{false: "[/a/1 /a/2 /a/secret]", true: "[/a/1 /a/2 /a/b/3 /a/secret]"} {
		out, err := client.GetParametersByPath(ctx, &ssm.GetParametersByPathInput{Path: aws.String("/a/"), Recursive: &recursive})
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range out.Parameters {
			names = append(names, *p.Name)
		}
		if fmt.Sprint(names) != want {
			t.Errorf("recursive %v: %v", recursive, names)
		}
	}
	if _, err := client.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String("/a/1")}); err != nil {
		t.Error(err)
	}
	_, err = client.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String("/a/1")})
	refused(t, err, "ParameterNotFound", "")
}

// A secret under the default key isn't read from another account, whatever its
// policy and the reader's allow.
func TestSecretsManager(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 1})
	client, ctx := secretsmanager.NewFromConfig(b.top), context.Background()
	made, err := client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("/app/db"), SecretString: aws.String("one")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("/app/db"), SecretString: aws.String("one")})
	refused(t, err, "ResourceExistsException", "")
	if _, err := client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: made.Name, SecretString: aws.String("two")}); err != nil {
		t.Fatal(err)
	}
	read := func(c *secretsmanager.Client, stage *string) (string, error) {
		out, err := c.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: made.ARN, VersionStage: stage})
		if err != nil {
			return "", err
		}
		return *out.SecretString, nil
	}
	if v, err := read(client, nil); v != "two" || err != nil {
		t.Error(v, err)
	}
	if v, err := read(client, aws.String("AWSPREVIOUS")); v != "one" || err != nil {
		t.Error(v, err)
	}
	member := secretsmanager.NewFromConfig(b.in(firstAccount))
	_, err = read(member, nil)
	refused(t, err, "AccessDeniedException", "because no resource-based policy allows the secretsmanager:GetSecretValue action")
	shared := aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + firstAccount + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)
	if _, err := client.PutResourcePolicy(ctx, &secretsmanager.PutResourcePolicyInput{SecretId: made.ARN, ResourcePolicy: shared}); err != nil {
		t.Fatal(err)
	}
	_, err = read(member, nil)
	refused(t, err, "InvalidRequestException", "default KMS service key")
	if _, err := client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: made.Name}); err != nil {
		t.Fatal(err)
	}
	_, err = read(client, nil)
	refused(t, err, "InvalidRequestException", "marked for deletion")
}
