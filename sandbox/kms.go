package sandbox

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

// kmsState is what KMS keeps of one account and region.
type kmsState struct {
	Keys    map[string]*kmsKey  `json:"keys,omitempty"`    // by id
	Aliases map[string]kmsAlias `json:"aliases,omitempty"` // by name, "alias/..."
}

// kmsAlias is a name of a key.
type kmsAlias struct {
	Key     string    `json:"key"` // its id
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// kmsKey is a symmetric key. All its ciphertexts are of one material: rotation
// is a setting that the sandbox doesn't live long enough to act upon.
type kmsKey struct {
	ID      string `json:"id"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Service is the service of an AWS-managed key; "" for a customer's.
	Service      string               `json:"service,omitempty"`
	Description  string               `json:"description,omitempty"`
	Policy       policyText           `json:"policy"`
	Tags         map[string]string    `json:"tags,omitempty"`
	Created      time.Time            `json:"created"`
	Disabled     bool                 `json:"disabled,omitempty"`
	Deletion     time.Time            `json:"deletion,omitzero"` // when it will be gone
	RotationDays int                  `json:"rotation_days,omitempty"`
	Rotating     time.Time            `json:"rotating,omitzero"` // since when it rotates
	Material     []byte               `json:"material"`
	Grants       map[string]*kmsGrant `json:"grants,omitempty"` // by id
}

func (k *kmsKey) arn() string {
	return "arn:aws:kms:" + k.Region + ":" + k.Account + ":key/" + k.ID
}

// state is the key's state as KMS names it.
func (k *kmsKey) state() string {
	switch {
	case !k.Deletion.IsZero():
		return "PendingDeletion"
	case k.Disabled:
		return "Disabled"
	}
	return "Enabled"
}

// policyText is a resource's policy with what is needed to apply it as AWS
// does: to whom its principals were bound, and what was in force before.
type policyText struct {
	Text    string            `json:"text,omitempty"`
	Bound   map[string]string `json:"bound,omitempty"` // unique ids of the principals
	Was     string            `json:"was,omitempty"`
	Changed time.Time         `json:"changed,omitzero"`
}

// change puts another policy in force.
func (p *policyText) change(doc string, bound map[string]string, now time.Time) {
	*p = policyText{Text: doc, Bound: bound, Was: p.Text, Changed: now}
}

// inForce is the policy by which requests are judged now: in an unkind sandbox
// for a moment still the one before.
func (c *call) inForce(p *policyText) string {
	if c.stale(p.Changed) {
		return p.Was
	}
	return c.bound(p.Text, p.Bound)
}

// managedAliases are the services that have an AWS-managed key.
var managedAliases = []string{"dynamodb", "s3", "secretsmanager", "sns", "sqs", "ssm"}

var (
	keyIDs     = late.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	aliasNames = naming{late.MustCompile(`^alias/[A-Za-z0-9/_-]+$`), 7, 256}
)

// keyName is what an input says of a key, read: where it is, and which.
type keyName struct {
	Account, ID, Alias string // one of ID and Alias
}

// readKeyName reads an id, an ARN, an alias's name or its ARN. Without an ARN
// it is a key of the caller's account.
func (c *call) readKeyName(name string) (keyName, error) {
	n, rest := keyName{Account: c.Account.ID}, name
	if strings.HasPrefix(name, "arn:") {
		parts := strings.SplitN(name, ":", 6)
		if len(parts) != 6 || parts[2] != "kms" || !accountIDs.MatchString(parts[4]) {
			return n, fail("InvalidArnException", "ARN %s is not a valid KMS ARN", name)
		}
		if parts[3] != c.Region {
			return n, fail("NotFoundException", "Invalid arn %s", parts[3])
		}
		n.Account, rest = parts[4], strings.TrimPrefix(parts[5], "key/")
	}
	switch {
	case strings.HasPrefix(rest, "alias/"):
		n.Alias = rest
	case keyIDs.MatchString(rest):
		n.ID = rest
	default:
		return n, fail("NotFoundException", "Invalid keyId '%s'", name)
	}
	return n, nil
}

// arn is what the name stands for when no key is found: the ARN by which a
// refusal names it.
func (n keyName) arn(region string) string {
	if n.Alias != "" {
		return "arn:aws:kms:" + region + ":" + n.Account + ":" + n.Alias
	}
	return "arn:aws:kms:" + region + ":" + n.Account + ":key/" + n.ID
}

// keyAt finds the key; nil when there is none. An AWS-managed key is made when
// its alias is used for the first time.
func (c *call) keyAt(n keyName) *kmsKey {
	a := c.account(n.Account)
	if a == nil {
		return nil
	}
	st := &a.region(c.Region).KMS
	id := n.ID
	if n.Alias != "" {
		alias, ok := st.Aliases[n.Alias]
		if service, managed := strings.CutPrefix(n.Alias, "alias/aws/"); !ok && managed && slices.Contains(managedAliases, service) {
			return c.makeManagedKey(a, service)
		}
		id = alias.Key
	}
	k := st.Keys[id]
	if k != nil && !k.Deletion.IsZero() && c.now().After(k.Deletion) {
		c.dropKey(k)
		return nil
	}
	return k
}

// dropKey deletes a key whose time has come, with its aliases.
func (c *call) dropKey(k *kmsKey) {
	st := &c.account(k.Account).region(k.Region).KMS
	delete(st.Keys, k.ID)
	for name, alias := range st.Aliases {
		if alias.Key == k.ID {
			delete(st.Aliases, name)
		}
	}
}

// makeManagedKey makes the key that a service uses when it is told no other.
func (c *call) makeManagedKey(a *account, service string) *kmsKey {
	k := c.newKey(a.ID)
	k.Service = service
	k.Description = "Default key that protects my " + service + " data when no other key is defined"
	k.Policy.Text = managedKeyPolicy(a.ID, c.Region, service)
	k.Rotating, k.RotationDays = k.Created, 365
	st := &a.region(c.Region).KMS
	put(&st.Keys, k.ID, k)
	put(&st.Aliases, "alias/aws/"+service, kmsAlias{Key: k.ID, Created: k.Created, Updated: k.Created})
	return k
}

// managedKeyPolicy is the policy of an AWS-managed key, which nobody can
// change: everybody in the account uses it, but only through the service.
func managedKeyPolicy(account, region, service string) string {
	via := obj{"StringEquals": obj{"kms:ViaService": service + "." + region + ".amazonaws.com", "kms:CallerAccount": account}}
	return policyDocument("auto-"+service+"-1",
		obj{"Sid": "Allow access through the service for all principals in the account that are authorized to use it", "Effect": "Allow",
			"Principal": obj{"AWS": "*"}, "Resource": "*", "Condition": via,
			"Action": []string{"kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:CreateGrant", "kms:DescribeKey"}},
		obj{"Sid": "Allow direct access to key metadata to the account", "Effect": "Allow",
			"Principal": obj{"AWS": "arn:aws:iam::" + account + ":root"}, "Resource": "*",
			"Action": []string{"kms:Describe*", "kms:Get*", "kms:List*", "kms:RevokeGrant"}})
}

// defaultKeyPolicy leaves all to the identity policies of the account.
func defaultKeyPolicy(account string) string {
	return policyDocument("key-default-1", obj{"Sid": "Enable IAM User Permissions", "Effect": "Allow",
		"Principal": obj{"AWS": "arn:aws:iam::" + account + ":root"}, "Action": "kms:*", "Resource": "*"})
}

func policyDocument(id string, statements ...obj) string {
	doc, _ := json.Marshal(obj{"Version": "2012-10-17", "Id": id, "Statement": statements})
	return string(doc)
}

// keyOf is the ARN of the key under which a service keeps a resource of an
// account: key as the resource's owner gave it, "" for the service's
// AWS-managed key. An id or an alias is one of the owner's.
func (c *call) keyOf(owner, key, service string) string {
	switch {
	case key == "":
		key = "alias/aws/" + service
	case strings.HasPrefix(key, "arn:"):
		return key
	}
	if !strings.HasPrefix(key, "alias/") {
		key = "key/" + key
	}
	return "arn:aws:kms:" + c.Region + ":" + owner + ":" + key
}

// useKey checks that the caller may use a key for another service, and that
// the key is there to be used. key is an id, an ARN, an alias's name or ARN of
// the caller's account ("" for via's AWS-managed key); for what belongs to
// another account see keyOf. context is the encryption context. A refusal is
// in the words of the service that is called.
func (c *call) useKey(key, action, via string, context map[string]string) (*kmsKey, error) {
	return c.useKeyIf(key, action, via, context, nil)
}

// useKeyIf is useKey with further condition keys, such as the aws:SourceArn of
// a service that acts for itself.
func (c *call) useKeyIf(key, action, via string, context map[string]string, keys map[string][]string) (*kmsKey, error) {
	inner := *c
	inner.Service, inner.HTTP, inner.Body = "kms", nil, nil
	_, inner.Op, _ = strings.Cut(action, ":")
	if inner.Via == "" && c.Who.Type != "service" {
		inner.Via = via
	}
	k, a, err := inner.keyAccess(c.keyOf(c.Account.ID, key, via), action, context)
	if err == nil {
		if c.Who.Type != "service" {
			a.Context["kms:ViaService"] = []string{via + "." + c.Region + ".amazonaws.com"}
		}
		for name, v := range keys {
			a.Context[name] = v
		}
		err = inner.mayUseKey(k, a)
	}
	if err == nil {
		err = k.usable()
	}
	if err != nil {
		return nil, keyTrouble(via, k != nil && k.Service != "" && k.Account != c.Account.ID, action, err)
	}
	return k, nil
}

// usable refuses a key that can't be used in its state.
func (k *kmsKey) usable() error {
	switch k.state() {
	case "Disabled":
		return fail("DisabledException", "%s is disabled.", k.arn())
	case "PendingDeletion":
		return fail("KMSInvalidStateException", "%s is pending deletion.", k.arn())
	}
	return nil
}

func (s *Sandbox) kmsOps() map[string]operation {
	return map[string]operation{
		"CreateKey":                       {run: createKey, access: createKeyAccess},
		"DescribeKey":                     onKey(describeKey),
		"ListKeys":                        {run: listKMSKeys},
		"GetKeyPolicy":                    onKey(getKeyPolicy),
		"PutKeyPolicy":                    changing(putKeyPolicy),
		"CreateAlias":                     {run: createAlias, access: aliasAccess(aliasTarget)},
		"UpdateAlias":                     {run: updateAlias, access: aliasAccess(aliasKey, aliasTarget)},
		"DeleteAlias":                     {run: deleteAlias, access: aliasAccess(aliasKey)},
		"ListAliases":                     {run: listAliases},
		"Encrypt":                         using(encrypt),
		"Decrypt":                         {run: decrypt, open: true}, // which key it is, the ciphertext says
		"ReEncrypt":                       {run: reEncrypt, open: true},
		"GenerateDataKey":                 using(generateDataKey(true)),
		"GenerateDataKeyWithoutPlaintext": using(generateDataKey(false)),
		"CreateGrant":                     using(createGrant),
		"ListGrants":                      onKey(listGrants),
		"RevokeGrant":                     onKey(revokeGrant),
		"RetireGrant":                     {run: retireGrant, open: true}, // the grant says who may
		"EnableKey":                       changing(setKeyEnabled(true)),
		"DisableKey":                      changing(setKeyEnabled(false)),
		"ScheduleKeyDeletion":             changing(scheduleKeyDeletion),
		"CancelKeyDeletion":               onKey(cancelKeyDeletion),
		"EnableKeyRotation":               changing(enableKeyRotation),
		"DisableKeyRotation":              changing(disableKeyRotation),
		"GetKeyRotationStatus":            onKey(getKeyRotationStatus),
		"UpdateKeyDescription":            changing(updateKeyDescription),
		"TagResource":                     changing(tagKey),
		"UntagResource":                   changing(untagKey),
		"ListResourceTags":                onKey(listKeyTags),
	}
}
