package sandbox_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func (c *cloud) kms(account string) *kms.Client {
	c.t.Helper()
	return kms.NewFromConfig(c.in(account, "eu-west-1"))
}

// key makes a key with the default policy.
func (c *cloud) key(account string) string {
	c.t.Helper()
	return *must[*kms.CreateKeyOutput](c.t)(c.kms(account).CreateKey(context.Background(), &kms.CreateKeyInput{})).KeyMetadata.Arn
}

// keyPolicy gives a key the default policy with further statements.
func (c *cloud) keyPolicy(account, key, statements string) {
	c.t.Helper()
	doc := keyDocument(account, statements)
	_ = must[*kms.PutKeyPolicyOutput](c.t)(c.kms(account).PutKeyPolicy(context.Background(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: &doc}))
}

func keyDocument(account, statements string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Action":"kms:*","Resource":"*"},%s]}`, account, statements)
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
	_, err = dev.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/none")})
	refused(t, err, "NotFoundException", "Alias arn:aws:kms:eu-west-1:222222222222:alias/none is not found.")
	_, err = dev.CreateKey(ctx, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	refused(t, err, "UnsupportedOperationException", "multi-Region")

	alias := &kms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: key.KeyId}
	_ = must[*kms.CreateAliasOutput](t)(dev.CreateAlias(ctx, alias))
	_, err = dev.CreateAlias(ctx, alias)
	refused(t, err, "AlreadyExistsException", "An alias with the name arn:aws:kms:eu-west-1:222222222222:alias/app already exists")
	sealed := must[*kms.EncryptOutput](t)(dev.Encrypt(ctx, &kms.EncryptInput{KeyId: alias.AliasName, Plaintext: []byte("secret"), EncryptionContext: map[string]string{"a": "b"}}))
	open := func(blob []byte, context map[string]string, id *string) (string, error) {
		out, err := dev.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: context, KeyId: id})
		if err != nil {
			return "", err
		}
		return string(out.Plaintext), nil
	}
	if plain, err := open(sealed.CiphertextBlob, map[string]string{"a": "b"}, nil); plain != "secret" || err != nil {
		t.Fatal(plain, err)
	}
	_, err = open(sealed.CiphertextBlob, nil, nil)
	refused(t, err, "InvalidCiphertextException", "")
	_, err = open([]byte("nonsense"), nil, nil)
	refused(t, err, "InvalidCiphertextException", "")
	other := c.key(devAccount)
	_, err = open(sealed.CiphertextBlob, map[string]string{"a": "b"}, &other)
	refused(t, err, "IncorrectKeyException", "The key ID in the request does not identify a CMK")
	moved := must[*kms.ReEncryptOutput](t)(dev.ReEncrypt(ctx, &kms.ReEncryptInput{CiphertextBlob: sealed.CiphertextBlob,
		SourceEncryptionContext: map[string]string{"a": "b"}, DestinationKeyId: &other}))
	if plain, err := open(moved.CiphertextBlob, nil, &other); plain != "secret" || err != nil {
		t.Fatal(plain, err)
	}
	data := must[*kms.GenerateDataKeyOutput](t)(dev.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: key.Arn, KeySpec: "AES_256"}))
	if plain, err := open(data.CiphertextBlob, nil, nil); plain != string(data.Plaintext) || len(plain) != 32 || err != nil {
		t.Fatal(err)
	}

	_ = must[*kms.DisableKeyOutput](t)(dev.DisableKey(ctx, &kms.DisableKeyInput{KeyId: key.KeyId}))
	_, err = open(sealed.CiphertextBlob, map[string]string{"a": "b"}, nil)
	refused(t, err, "DisabledException", "is disabled")
	_ = must[*kms.ScheduleKeyDeletionOutput](t)(dev.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId, PendingWindowInDays: aws.Int32(7)}))
	_, err = open(sealed.CiphertextBlob, map[string]string{"a": "b"}, nil)
	refused(t, err, "KMSInvalidStateException", "is pending deletion")
	_, err = dev.EnableKey(ctx, &kms.EnableKeyInput{KeyId: key.KeyId})
	refused(t, err, "KMSInvalidStateException", "is pending deletion")
	_ = must[*kms.CancelKeyDeletionOutput](t)(dev.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: key.KeyId}))
	if state := must[*kms.DescribeKeyOutput](t)(dev.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.Arn})).KeyMetadata.KeyState; state != "Disabled" {
		t.Errorf("after its deletion was cancelled the key is %s", state)
	}
}

// Who may decrypt: the key policy decides, in the account as across accounts;
// what it leaves to an account that account's own policies must allow too.
func TestKMSAccess(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	key := c.key(devAccount)
	sealed := must[*kms.EncryptOutput](t)(c.kms(devAccount).Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})).CiphertextBlob
	allow := `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`
	who := map[string]*kms.Client{}
	for name, in := range map[string][2]string{"dev": {devAccount, allow}, "devBare": {devAccount, ""}, "qa": {qaAccount, allow}, "qaBare": {qaAccount, ""}} {
		who[name] = kms.NewFromConfig(c.actor(in[0], name, in[1]))
	}
	decrypt := func(name string) error {
		_, err := who[name].Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed, KeyId: &key})
		return err
	}
	naming := func(account, role string) string {
		principal := account
		if role != "" {
			principal = "arn:aws:iam::" + account + ":role/" + role
		}
		return fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":["kms:Decrypt","kms:ScheduleKeyDeletion"],"Resource":"*"}`, principal)
	}
	identity, resource := "because no identity-based policy allows the kms:Decrypt action", "because no resource-based policy allows the kms:Decrypt action"
	for _, row := range []struct{ statements, who, denied string }{
		{naming(devAccount, ""), "dev", ""},
		{naming(devAccount, ""), "devBare", identity},
		{naming(devAccount, ""), "qa", resource},
		{naming(devAccount, "devBare"), "devBare", ""},
		{naming(qaAccount, ""), "qa", ""},
		{naming(qaAccount, ""), "qaBare", identity},
		{naming(qaAccount, "qa"), "qa", ""},
		{naming(qaAccount, "qaBare"), "qa", resource},
		{naming(qaAccount, "qaBare"), "qaBare", identity},
	} {
		c.keyPolicy(devAccount, key, row.statements)
		err := decrypt(row.who)
		if row.denied != "" {
			refused(t, err, "AccessDeniedException", row.denied)
		} else if err != nil {
			t.Errorf("%s under %s: %v", row.who, row.statements, err)
		}
	}
	c.keyPolicy(devAccount, key, naming(qaAccount, ""))
	_, err := who["qa"].ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &key})
	refused(t, err, "AccessDeniedException", "kms:ScheduleKeyDeletion")
	_, err = who["qa"].Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed})
	if err != nil {
		t.Error("the ciphertext names the key: ", err)
	}
	_, err = who["qaBare"].Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed})
	refused(t, err, "AccessDeniedException", "on the resource associated with this ciphertext because no identity-based policy")

	// Without the account in the key policy, permissions of the account are nothing.
	doc := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:role/OrganizationAccountAccessRole"},"Action":"kms:*","Resource":"*"}]}`, devAccount)
	_ = must[*kms.PutKeyPolicyOutput](t)(c.kms(devAccount).PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: &doc}))
	refused(t, decrypt("dev"), "AccessDeniedException", resource)
}

func TestKMSPolicies(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, key := c.kms(devAccount), c.key(devAccount)
	put := func(doc string, bypass bool) error {
		_, err := dev.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: &doc, BypassPolicyLockoutSafetyCheck: bypass})
		return err
	}
	locked := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + qaAccount + `"},"Action":"kms:*","Resource":"*"}]}`
	refused(t, put(locked, false), "MalformedPolicyDocumentException", "The new key policy will not allow you to update the key policy in the future.")
	refused(t, put("{", false), "MalformedPolicyDocumentException", "")
	refused(t, put(keyDocument(devAccount, `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+qaAccount+`:role/none"},"Action":"kms:*","Resource":"*"}`), false),
		"MalformedPolicyDocumentException", "invalid principals")
	if err := put(locked, true); err != nil {
		t.Fatal(err)
	}
	_, err := dev.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	refused(t, err, "AccessDeniedException", "because no resource-based policy allows")
}

// AWS-managed keys are made on first use, and are used through their service
// by their own account.
func TestKMSManagedKeys(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev := c.kms(devAccount)
	name := aws.String("alias/aws/secretsmanager")
	key := must[*kms.DescribeKeyOutput](t)(dev.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: name})).KeyMetadata
	if key.KeyManager != "AWS" {
		t.Fatalf("%+v", key)
	}
	_, err := dev.Encrypt(ctx, &kms.EncryptInput{KeyId: name, Plaintext: []byte("x")})
	refused(t, err, "AccessDeniedException", "because no resource-based policy allows the kms:Encrypt action")
	_, err = dev.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key.Arn, Policy: aws.String(keyDocument(devAccount, ""))})
	refused(t, err, "AccessDeniedException", "")
	_, err = c.kms(qaAccount).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.Arn})
	refused(t, err, "AccessDeniedException", "because no resource-based policy")
}

// A grant is a way of its own, which needs no policy.
func TestKMSGrants(t *testing.T) {
	ctx := context.Background()
	c := newCloud(t, sandbox.Options{})
	dev, key := c.kms(devAccount), c.key(devAccount)
	bare := kms.NewFromConfig(c.actor(qaAccount, "Bare", ""))
	context1 := map[string]string{"app": "1"}
	sealed := must[*kms.EncryptOutput](t)(dev.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x"), EncryptionContext: context1})).CiphertextBlob
	decrypt := func() error {
		_, err := bare.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: sealed, EncryptionContext: context1})
		return err
	}
	refused(t, decrypt(), "AccessDeniedException", "")
	grant := must[*kms.CreateGrantOutput](t)(dev.CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: aws.String("arn:aws:iam::" + qaAccount + ":role/Bare"),
		Operations: []types.GrantOperation{"Decrypt"}, Constraints: &types.GrantConstraints{EncryptionContextSubset: context1}}))
	if err := decrypt(); err != nil {
		t.Fatal(err)
	}
	_, err := bare.Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("x")})
	refused(t, err, "AccessDeniedException", "kms:Encrypt")
	deny := `{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`
	c.keyPolicy(devAccount, key, deny)
	refused(t, decrypt(), "AccessDeniedException", "explicit deny")
	c.keyPolicy(devAccount, key, `{"Effect":"Deny","Principal":"*","Action":"kms:Sign","Resource":"*"}`)
	_ = must[*kms.RevokeGrantOutput](t)(dev.RevokeGrant(ctx, &kms.RevokeGrantInput{KeyId: &key, GrantId: grant.GrantId}))
	refused(t, decrypt(), "AccessDeniedException", "")
}

// An unkind sandbox goes on with the old policy for a moment.
func TestKMSPolicyPropagates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		c := stillCloud(t, sandbox.Options{Unkind: true})
		key := c.key(devAccount)
		qa := kms.NewFromConfig(c.in(qaAccount, "eu-west-1"))
		describe := func() error {
			_, err := qa.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
			return err
		}
		refused(t, describe(), "AccessDeniedException", "")
		c.keyPolicy(devAccount, key, `{"Effect":"Allow","Principal":{"AWS":"`+qaAccount+`"},"Action":"kms:DescribeKey","Resource":"*"}`)
		refused(t, describe(), "AccessDeniedException", "")
		inTheEnd(t, "AccessDeniedException", "", describe)
	})
}
