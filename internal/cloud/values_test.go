package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"axle"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"golang.org/x/sync/errgroup"
)

var devHome = axle.Target{Account: "222222222222", Region: "eu-west-1"}

// library has parameters p0 to p23, a SecureString and secrets in dev.
func library(t *testing.T) (*house, *Cloud) {
	t.Helper()
	h := newHouse(t, sandbox.Options{})
	c := h.cloud(t, Access{For: func(axle.Account) Role { return Role{Name: "OrganizationAccountAccessRole"} }})
	ctx := context.Background()
	put, opt := c.SSM(devHome)
	for i := range 24 {
		if _, err := put.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String(fmt.Sprintf("p%d", i)), Value: aws.String(fmt.Sprint("v", i)), Type: types.ParameterTypeString}, opt); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := put.PutParameter(ctx, &ssm.PutParameterInput{Name: aws.String("/secure"), Value: aws.String("hunter2"), Type: types.ParameterTypeSecureString}, opt); err != nil {
		t.Fatal(err)
	}
	secrets, sopt := c.SecretsManager(devHome)
	for name, in := range map[string]*secretsmanager.CreateSecretInput{
		"json":   {SecretString: aws.String(`{"user": "hunter2", "port": 5432, "more": {"a": [1]}}`)},
		"text":   {SecretString: aws.String("hunter2")},
		"binary": {SecretBinary: []byte("hunter2")},
	} {
		in.Name = &name
		if _, err := secrets.CreateSecret(ctx, in, sopt); err != nil {
			t.Fatal(err)
		}
	}
	return h, c
}

func inDev(kind, name, key string) axle.Read {
	return axle.Read{Kind: kind, Account: devHome.Account, Region: devHome.Region, Name: name, Key: key}
}

func TestValues(t *testing.T) {
	_, c := library(t)
	for _, tt := range []struct {
		read   axle.Read
		want   string
		secret bool
		err    string
	}{
		{inDev("ssm", "p1", ""), "v1", false, ""},
		{inDev("ssm", "p1:1", ""), "v1", false, ""},
		{inDev("ssm", "arn:aws:ssm:eu-west-1:222222222222:parameter/p2", ""), "v2", false, ""},
		{inDev("ssm", "/secure", ""), "hunter2", true, ""},
		{inDev("ssm", "p99", ""), "", false, "there is no parameter p99 in 222222222222 eu-west-1"},
		{inDev("secret", "text", ""), "hunter2", true, ""},
		{inDev("secret", "json", "user"), "hunter2", true, ""},
		{inDev("secret", "json", "port"), "5432", true, ""},
		{inDev("secret", "json", "more"), `{"a": [1]}`, true, ""},
		{inDev("secret", "json", "usr"), "", false, `key "usr" of secret json in 222222222222 eu-west-1 can't be read: there is no such key`},
		{inDev("secret", "text", "user"), "", false, "it is not a JSON object"},
		{inDev("secret", "binary", ""), "", false, "it is binary"},
		{inDev("secret", "nosuch", "user"), "", false, "there is no secret nosuch in 222222222222 eu-west-1"},
		{inDev("export", "Shared", ""), "", false, "there is no export Shared in 222222222222 eu-west-1"},
	} {
		found := c.Values().Read(context.Background(), []axle.Read{tt.read})[tt.read]
		if tt.err == "" && (found.Err != nil || found.Value != tt.want || found.Secret != tt.secret) {
			t.Errorf("%s: %+v, want %q", tt.read, found, tt.want)
		}
		if tt.err != "" && (found.Err == nil || !strings.Contains(found.Err.Error(), tt.err) || strings.Contains(found.Err.Error(), "hunter2")) {
			t.Errorf("%s: %v, want %s", tt.read, found.Err, tt.err)
		}
		if strings.HasPrefix(tt.err, "there is no ") && !errors.Is(found.Err, axle.ErrNotFound) {
			t.Errorf("%s: %v isn't ErrNotFound", tt.read, found.Err)
		}
	}
}

// Ten parameters are one call, whoever asks for them how often, until they are
// forgotten.
func TestValuesAreReadOnce(t *testing.T) {
	h, c := library(t)
	v := c.Values()
	var reads []axle.Read
	for i := range 24 {
		reads = append(reads, inDev("ssm", fmt.Sprintf("p%d", i), ""))
	}
	reads = append(reads, inDev("secret", "json", "user"), inDev("secret", "json", "port"))
	before := h.Calls()
	var g errgroup.Group
	for range 20 {
		g.Go(func() error {
			for r, found := range v.Read(context.Background(), reads) {
				if found.Err != nil || r.Kind == "ssm" && found.Value != "v"+r.Name[1:] {
					return fmt.Errorf("%s: %+v", r, found)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	calls := func(op string) int { return h.Calls()[op] - before[op] }
	if n := calls("ssm:GetParameters"); n != 3 {
		t.Errorf("%d calls of GetParameters for 24 names, want 3", n)
	}
	if n := calls("secretsmanager:GetSecretValue"); n != 1 {
		t.Errorf("%d calls of GetSecretValue for one secret", n)
	}
	v.Forget(axle.Target{Account: devHome.Account, Region: "us-east-1"})
	v.Read(context.Background(), reads[:10])
	if n := calls("ssm:GetParameters"); n != 3 {
		t.Error("another region was forgotten, and this one read again")
	}
	v.Forget(devHome)
	v.Read(context.Background(), reads[:10])
	if n := calls("ssm:GetParameters"); n != 4 {
		t.Errorf("%d calls after it was forgotten, want 4", n)
	}
}

// A read that was given up is made again by the next.
func TestValuesAfterACancelledRead(t *testing.T) {
	_, c := library(t)
	v, r := c.Values(), inDev("ssm", "p1", "")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if found := v.Read(ctx, []axle.Read{r})[r]; found.Err == nil {
		t.Fatalf("read after the end: %+v", found)
	}
	if found := v.Read(context.Background(), []axle.Read{r})[r]; found.Value != "v1" {
		t.Errorf("%+v", found)
	}
}

// Of a batch only what is denied fails, and the failure says what is missing.
func TestValuesDenied(t *testing.T) {
	_, c := library(t)
	client, opt := c.IAM(devHome)
	if _, err := client.PutRolePolicy(context.Background(), &iam.PutRolePolicyInput{RoleName: aws.String("OrganizationAccountAccessRole"), PolicyName: aws.String("no"),
		PolicyDocument: aws.String(`{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "ssm:GetParameters", "Resource": "*:parameter/p3"}]}`)}, opt); err != nil {
		t.Fatal(err)
	}
	var reads []axle.Read
	for i := range 5 {
		reads = append(reads, inDev("ssm", fmt.Sprintf("p%d", i), ""))
	}
	for r, found := range c.Values().Read(context.Background(), reads) {
		if r.Name != "p3" {
			if found.Err != nil {
				t.Errorf("%s: %v", r, found.Err)
			}
			continue
		}
		var f *axle.Failure
		if !errors.As(found.Err, &f) || !strings.HasPrefix(f.Message, "read parameter p3 in 222222222222 eu-west-1: AccessDenied") ||
			f.Hint != "ssm:GetParameters is needed in 222222222222: an identity policy of the caller denies it" {
			t.Errorf("%+v", f)
		}
	}
}
