package sandbox

import (
	"strings"
	"time"

	"axle/internal/late"
)

// secretState is what Secrets Manager keeps of one account and region.
type secretState struct {
	Secrets map[string]*secret `json:"secrets,omitempty"` // by ARN
}

// secret is a secret with its versions. Values are kept as they are; who may
// not use the key that they should be under doesn't get them.
type secret struct {
	ARN         string            `json:"arn"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	KeyID       string            `json:"key_id,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Policy      string            `json:"policy,omitempty"`
	Bound       map[string]string `json:"bound,omitempty"` // unique ids of the policy's principals
	PolicyWas   string            `json:"policy_was,omitempty"`
	Created     time.Time         `json:"created"`
	Changed     time.Time         `json:"changed"`
	Deleted     time.Time         `json:"deleted,omitzero"` // when deletion was asked for
	Purge       time.Time         `json:"purge,omitzero"`   // when it will be gone
	Versions    []secretVersion   `json:"versions,omitempty"`

	PolicyChanged time.Time `json:"policy_changed,omitzero"`
}

// secretVersion is one value of a secret, with its staging labels.
type secretVersion struct {
	ID      string    `json:"id"`
	Text    string    `json:"text,omitempty"`
	Binary  string    `json:"binary,omitempty"` // base64
	Stages  []string  `json:"stages,omitempty"`
	Key     string    `json:"key,omitempty"` // ARN of the KMS key
	Created time.Time `json:"created"`
}

func (s *Sandbox) secretsOps() map[string]operation {
	on := func(run func(*call, *secret) (obj, error), marked bool) operation {
		return operation{access: secretAccess, run: func(c *call) (obj, error) {
			sec, err := c.secret()
			if err != nil {
				return nil, err
			}
			if !marked && !sec.Deleted.IsZero() {
				return nil, fail("InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.")
			}
			return run(c, sec)
		}}
	}
	return map[string]operation{
		"CreateSecret":             {run: createSecret, access: createSecretAccess},
		"ListSecrets":              {run: listSecrets},
		"DescribeSecret":           on(describeSecret, true),
		"GetRandomPassword":        {run: getRandomPassword},
		"ListSecretVersionIds":     on(listSecretVersions, true),
		"UpdateSecretVersionStage": on(updateSecretStage, false),
		"GetSecretValue":           on(getSecretValue, false),
		"PutSecretValue":           on(putSecretValue, false),
		"UpdateSecret":             on(updateSecret, false),
		"DeleteSecret":             on(deleteSecret, true),
		"RestoreSecret":            on(restoreSecret, true),
		"TagResource":              on(tagSecret, false),
		"UntagResource":            on(untagSecret, false),
		"PutResourcePolicy":        on(putSecretPolicy, false),
		"GetResourcePolicy":        on(getSecretPolicy, true),
		"DeleteResourcePolicy":     on(deleteSecretPolicy, false),
	}
}

// findSecret finds a secret by name, ARN or ARN without its random end; nil
// when there is none. One of another account has to be named by its whole ARN.
func (c *call) findSecret(id string) *secret {
	if parts := strings.SplitN(id, ":", 7); len(parts) == 7 && parts[0] == "arn" {
		a := c.account(parts[4])
		if a == nil || parts[3] != c.Region {
			return nil
		}
		if a != c.Account {
			return a.region(c.Region).Secrets.Secrets[id]
		}
	}
	secrets := c.here().Secrets.Secrets
	if sec := secrets[id]; sec != nil {
		return sec
	}
	for arn, sec := range secrets {
		if sec.Name == id || len(arn) > 7 && arn[:len(arn)-7] == id {
			return sec
		}
	}
	return nil
}

func (c *call) secret() (*secret, error) {
	sec := c.findSecret(c.In.str("SecretId"))
	if sec != nil && !sec.Purge.IsZero() && c.now().After(sec.Purge) {
		c.purge(sec)
		sec = nil
	}
	if sec == nil {
		return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return sec, nil
}

// owner is the account of the secret.
func (sec *secret) owner() string { return strings.SplitN(sec.ARN, ":", 6)[4] }

// purge deletes a secret, whoever's it is.
func (c *call) purge(sec *secret) {
	delete(c.account(sec.owner()).region(c.Region).Secrets.Secrets, sec.ARN)
}

// secretAccess is the permission on the secret that the call names, to which
// its own policy has a say.
func secretAccess(c *call) ([]access, error) {
	a := access{Action: "secretsmanager:" + c.Op, Resource: c.In.str("SecretId"), Context: requestTags(c.In.tags("Tags"))}
	for _, name := range []string{"VersionId", "VersionStage", "BlockPublicPolicy", "ForceDeleteWithoutRecovery", "RecoveryWindowInDays"} {
		if c.In.has(name) {
			a.Context["secretsmanager:"+name] = []string{c.In.str(name)}
		}
	}
	sec := c.findSecret(a.Resource)
	if sec == nil {
		if parts := strings.SplitN(a.Resource, ":", 7); len(parts) == 7 && parts[0] == "arn" {
			a.Owner = parts[4]
		} else {
			a.Resource = c.secretARN(a.Resource)
		}
		return []access{a}, nil
	}
	a.Resource, a.Owner, a.Policy = sec.ARN, sec.owner(), c.secretPolicy(sec)
	a.Context["secretsmanager:SecretId"] = []string{sec.ARN}
	for k, v := range sec.Tags {
		a.Context["aws:resourcetag/"+k], a.Context["secretsmanager:ResourceTag/"+k] = []string{v}, []string{v}
	}
	return []access{a}, nil
}

func createSecretAccess(c *call) ([]access, error) {
	a := access{Action: "secretsmanager:CreateSecret", Resource: c.secretARN(c.In.str("Name")) + "-??????", Context: requestTags(c.In.tags("Tags"))}
	a.Context["secretsmanager:Name"] = []string{c.In.str("Name")}
	if c.In.has("KmsKeyId") {
		a.Context["secretsmanager:KmsKeyArn"] = []string{c.keyOf(c.Account.ID, c.In.str("KmsKeyId"), "secretsmanager")}
	}
	needs := []access{a}
	if len(c.In.list("Tags")) > 0 {
		a.Action = "secretsmanager:TagResource"
		needs = append(needs, a)
	}
	return needs, nil
}

func (c *call) secretARN(name string) string {
	return "arn:aws:secretsmanager:" + c.Region + ":" + c.Account.ID + ":secret:" + name
}

var secretNames = naming{late.MustCompile(`^[A-Za-z0-9/_+=.@-]+$`), 1, 512}

func createSecret(c *call) (obj, error) {
	name := c.In.str("Name")
	if !secretNames.MatchString(name) {
		return nil, fail("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!")
	}
	if c.In.has("AddReplicaRegions") {
		return nil, fail("InvalidParameterException", "The sandbox doesn't replicate secrets to other regions.")
	}
	old := c.findSecret(name)
	if old != nil && !old.Purge.IsZero() && c.now().After(old.Purge) {
		c.purge(old)
		old = nil
	}
	if old != nil {
		if !old.Deleted.IsZero() {
			return nil, fail("InvalidRequestException", "You can't create this secret because a secret with this name is already scheduled for deletion.")
		}
		return nil, fail("ResourceExistsException", "The operation failed because the secret %s already exists.", name)
	}
	sec := &secret{
		ARN: c.secretARN(name) + "-" + c.id(6), Name: name, Description: c.In.str("Description"), KeyID: c.In.str("KmsKeyId"),
		Tags: c.In.tags("Tags"), Created: c.now(), Changed: c.now(),
	}
	out := obj{"ARN": sec.ARN, "Name": name}
	if c.In.has("SecretString") || c.In.has("SecretBinary") {
		v, err := c.addVersion(sec, nil)
		if err != nil {
			return nil, err
		}
		out["VersionId"] = v.ID
	}
	st := &c.here().Secrets
	if st.Secrets == nil {
		st.Secrets = map[string]*secret{}
	}
	st.Secrets[sec.ARN] = sec
	return out, nil
}

func describeSecret(_ *call, sec *secret) (obj, error) {
	return showSecret(sec, "VersionIdsToStages"), nil
}

func showSecret(sec *secret, versions string) obj {
	stages := obj{}
	for _, v := range sec.Versions {
		if len(v.Stages) > 0 {
			stages[v.ID] = v.Stages
		}
	}
	out := obj{
		"ARN": sec.ARN, "Name": sec.Name, "Description": optional(sec.Description), "KmsKeyId": optional(sec.KeyID),
		"CreatedDate": sec.Created, "LastChangedDate": sec.Changed, "Tags": tagList(sec.Tags), versions: stages,
	}
	if !sec.Deleted.IsZero() {
		out["DeletedDate"] = sec.Deleted
	}
	return out
}

func listSecrets(c *call) (obj, error) {
	all := c.here().Secrets.Secrets
	var arns []string
	for _, arn := range sortedKeys(all) {
		if (all[arn].Deleted.IsZero() || c.In.bool("IncludePlannedDeletion")) && secretMatches(all[arn], c.In.list("Filters")) {
			arns = append(arns, arn)
		}
	}
	page, next, ok := paginate(c.Sandbox, arns, same, c.In.str("NextToken"), c.In.int("MaxResults", 100))
	if !ok {
		return nil, fail("InvalidNextTokenException", "The NextToken value is invalid.")
	}
	list := make([]obj, 0, len(page))
	for _, arn := range page {
		list = append(list, showSecret(all[arn], "SecretVersionsToStages"))
	}
	return obj{"SecretList": list, "NextToken": optional(next)}, nil
}

// secretMatches applies the filters name, description, tag-key and tag-value,
// which match the beginnings of values.
func secretMatches(sec *secret, filters []params) bool {
	for _, f := range filters {
		var have []string
		switch f.str("Key") {
		case "name":
			have = []string{sec.Name}
		case "description":
			have = []string{sec.Description}
		case "tag-key":
			have = sortedKeys(sec.Tags)
		case "tag-value":
			for _, k := range sortedKeys(sec.Tags) {
				have = append(have, sec.Tags[k])
			}
		}
		if !anyMatch(have, f.strs("Values"), "BeginsWith") {
			return false
		}
	}
	return true
}

// deleteSecret marks for deletion, in 30 days unless told otherwise, or
// deletes at once.
func deleteSecret(c *call, sec *secret) (obj, error) {
	days := c.In.int("RecoveryWindowInDays", 30)
	force := c.In.bool("ForceDeleteWithoutRecovery")
	switch {
	case force && c.In.has("RecoveryWindowInDays"):
		return nil, fail("InvalidParameterException", "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case days < 7 || days > 30:
		return nil, fail("InvalidParameterException", "RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	sec.Deleted = c.now()
	sec.Purge = sec.Deleted.AddDate(0, 0, days)
	if force {
		sec.Purge = sec.Deleted
		c.purge(sec)
	}
	return obj{"ARN": sec.ARN, "Name": sec.Name, "DeletionDate": sec.Purge}, nil
}

func restoreSecret(_ *call, sec *secret) (obj, error) {
	sec.Deleted, sec.Purge = time.Time{}, time.Time{}
	return obj{"ARN": sec.ARN, "Name": sec.Name}, nil
}

func tagSecret(c *call, sec *secret) (obj, error) {
	if sec.Tags == nil {
		sec.Tags = map[string]string{}
	}
	for k, v := range c.In.tags("Tags") {
		sec.Tags[k] = v
	}
	return obj{}, nil
}

func untagSecret(c *call, sec *secret) (obj, error) {
	for _, k := range c.In.strs("TagKeys") {
		delete(sec.Tags, k)
	}
	return obj{}, nil
}
