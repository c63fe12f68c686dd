package sandbox

import (
	"cmp"
	"slices"
	"strings"
)

// secretKey checks that the caller may do the actions with the key that a
// version is, or is to be, encrypted under, and gives its ARN. A key that isn't
// given by its ARN is looked for in the caller's account, which need not be the
// secret's.
func (c *call) secretKey(sec *secret, key, version string, actions ...string) (string, error) {
	context := map[string]string{"SecretARN": sec.ARN, "SecretVersionId": version}
	owner := sec.owner()
	if key != "" {
		owner = c.Account.ID
	}
	return c.useKeys(owner, key, "secretsmanager", context, actions...)
}

// find gives the version with an id and a stage; either may be "".
func (sec *secret) find(id, stage string) *secretVersion {
	for i := range sec.Versions {
		v := &sec.Versions[i]
		if (id == "" || v.ID == id) && (stage == "" || slices.Contains(v.Stages, stage)) {
			return v
		}
	}
	return nil
}

// addVersion adds the given value; the token makes a repeated call harmless.
// Without stages it becomes the current one, as does a secret's first.
func (c *call) addVersion(sec *secret, stages []string) (*secretVersion, error) {
	id := c.In.str("ClientRequestToken")
	if id == "" {
		id = c.uuid()
	}
	if len(id) < 32 || len(id) > 64 {
		return nil, fail("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
	}
	text, binary := c.In.str("SecretString"), c.In.str("SecretBinary")
	switch {
	case text != "" && binary != "":
		return nil, fail("InvalidParameterException", "You can't specify both a binary secret value and a string secret value in the same secret.")
	case text == "" && binary == "":
		return nil, fail("InvalidParameterException", "You must provide either SecretString or SecretBinary.")
	case len(text) > 65536 || len(binary) > 65536*4/3+4:
		return nil, fail("ValidationException", "1 validation error detected: the secret value must have length less than or equal to 65536")
	}
	if v := sec.find(id, ""); v != nil {
		if v.Text != text || v.Binary != binary {
			return nil, fail("ResourceExistsException", "You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", id, sec.ARN)
		}
		return v, nil
	}
	key, err := c.secretKey(sec, sec.KeyID, id, "kms:GenerateDataKey", "kms:Decrypt")
	if err != nil {
		return nil, err
	}
	if len(stages) == 0 {
		stages = []string{"AWSCURRENT"}
	}
	if len(sec.Versions) == 0 && !slices.Contains(stages, "AWSCURRENT") {
		stages = append(slices.Clone(stages), "AWSCURRENT")
	}
	sec.Versions = append(sec.Versions, secretVersion{ID: id, Text: text, Binary: binary, Key: key, Created: c.now()})
	for _, stage := range stages {
		sec.move(stage, id)
	}
	sec.drop()
	sec.Changed = c.now()
	return sec.find(id, ""), nil
}

// move gives a stage to one version, from whichever has it; who was current is
// then the previous one. id "" leaves it to none.
func (sec *secret) move(stage, id string) {
	was := sec.find("", stage)
	if was != nil && was.ID == id {
		return
	}
	for i := range sec.Versions {
		v := &sec.Versions[i]
		v.Stages = slices.DeleteFunc(v.Stages, func(s string) bool { return s == stage })
		if v.ID == id {
			v.Stages = append(v.Stages, stage)
		}
	}
	if stage == "AWSCURRENT" && was != nil {
		sec.move("AWSPREVIOUS", was.ID)
	}
}

// drop forgets the oldest versions without stages beyond the hundred that are kept.
func (sec *secret) drop() {
	for i := 0; len(sec.Versions) > 100 && i < len(sec.Versions); {
		if len(sec.Versions[i].Stages) > 0 {
			i++
			continue
		}
		sec.Versions = slices.Delete(sec.Versions, i, i+1)
	}
}

// recrypt puts the versions in use under another key.
func (c *call) recrypt(sec *secret, key string) error {
	arn := ""
	for _, v := range sec.Versions {
		if len(v.Stages) == 0 {
			continue
		}
		if _, err := c.secretKey(sec, cmp.Or(v.Key, sec.KeyID), v.ID, "kms:Decrypt"); err != nil {
			return err
		}
		var err error
		if arn, err = c.secretKey(sec, key, v.ID, "kms:GenerateDataKey", "kms:Decrypt"); err != nil {
			return err
		}
	}
	for i := range sec.Versions {
		if len(sec.Versions[i].Stages) > 0 {
			sec.Versions[i].Key = arn
		}
	}
	sec.KeyID = key
	return nil
}

func getSecretValue(c *call, sec *secret) (obj, error) {
	id, stage := c.In.str("VersionId"), c.In.str("VersionStage")
	if id == "" && stage == "" {
		stage = "AWSCURRENT"
	}
	v := sec.find(id, stage)
	switch {
	case v == nil && id != "":
		return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for VersionId: %s", id)
	case v == nil:
		return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret value for staging label: %s", stage)
	}
	if _, err := c.secretKey(sec, cmp.Or(v.Key, sec.KeyID), v.ID, "kms:Decrypt"); err != nil {
		return nil, err
	}
	out := obj{"ARN": sec.ARN, "Name": sec.Name, "VersionId": v.ID, "VersionStages": append([]string{}, v.Stages...), "CreatedDate": v.Created}
	if v.Binary != "" {
		out["SecretBinary"] = v.Binary
	} else {
		out["SecretString"] = v.Text
	}
	return out, nil
}

func putSecretValue(c *call, sec *secret) (obj, error) {
	v, err := c.addVersion(sec, c.In.strs("VersionStages"))
	if err != nil {
		return nil, err
	}
	return obj{"ARN": sec.ARN, "Name": sec.Name, "VersionId": v.ID, "VersionStages": append([]string{}, v.Stages...)}, nil
}

func updateSecret(c *call, sec *secret) (obj, error) {
	key := c.In.str("KmsKeyId")
	out, value := obj{"ARN": sec.ARN, "Name": sec.Name}, c.In.has("SecretString") || c.In.has("SecretBinary")
	if c.In.has("KmsKeyId") && key != sec.KeyID {
		if err := c.recrypt(sec, key); err != nil {
			return nil, err
		}
	}
	if value {
		v, err := c.addVersion(sec, nil)
		if err != nil {
			return nil, err
		}
		out["VersionId"] = v.ID
	}
	if c.In.has("Description") {
		sec.Description = c.In.str("Description")
	}
	sec.Changed = c.now()
	return out, nil
}

func listSecretVersions(c *call, sec *secret) (obj, error) {
	var ids []string
	byID := map[string]secretVersion{}
	for _, v := range sec.Versions {
		if len(v.Stages) > 0 || c.In.bool("IncludeDeprecated") {
			ids = append(ids, v.ID)
			byID[v.ID] = v
		}
	}
	slices.Sort(ids)
	page, next, ok := paginate(c.Sandbox, ids, same, c.In.str("NextToken"), c.In.int("MaxResults", 100))
	if !ok {
		return nil, fail("InvalidNextTokenException", "The NextToken value is invalid.")
	}
	list := make([]obj, 0, len(page))
	for _, id := range page {
		v := byID[id]
		key := "DefaultEncryptionKey"
		if sec.KeyID != "" {
			key = v.Key
		}
		list = append(list, obj{"VersionId": id, "VersionStages": append([]string{}, v.Stages...), "CreatedDate": v.Created, "KmsKeyIds": []string{key}})
	}
	return obj{"ARN": sec.ARN, "Name": sec.Name, "Versions": list, "NextToken": optional(next)}, nil
}

// updateSecretStage moves a stage. Who has it must be named, so that nobody
// takes it away unaware.
func updateSecretStage(c *call, sec *secret) (obj, error) {
	stage, from, to := c.In.str("VersionStage"), c.In.str("RemoveFromVersionId"), c.In.str("MoveToVersionId")
	holder := sec.find("", stage)
	switch {
	case to != "" && sec.find(to, "") == nil, from != "" && sec.find(from, "") == nil:
		return nil, fail("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.")
	case from != "" && (holder == nil || holder.ID != from), from == "" && holder != nil && holder.ID != to:
		return nil, fail("InvalidParameterException", "The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, holderID(holder))
	case to == "" && stage == "AWSCURRENT":
		return nil, fail("InvalidParameterException", "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
	}
	sec.move(stage, to)
	sec.Changed = c.now()
	return obj{"ARN": sec.ARN, "Name": sec.Name}, nil
}

func holderID(v *secretVersion) string {
	if v == nil {
		return "none"
	}
	return v.ID
}

const (
	lowerLetters = "abcdefghijklmnopqrstuvwxyz"
	digits       = "0123456789"
	punctuation  = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
)

func getRandomPassword(c *call) (obj, error) {
	length := c.In.int("PasswordLength", 32)
	if length < 1 || length > 4096 {
		return nil, fail("InvalidParameterException", "PasswordLength must be between 1 and 4096.")
	}
	var kinds []string
	for _, kind := range []struct{ without, letters string }{{"ExcludeLowercase", lowerLetters}, {"ExcludeUppercase", strings.ToUpper(lowerLetters)},
		{"ExcludeNumbers", digits}, {"ExcludePunctuation", punctuation}} {
		if !c.In.bool(kind.without) {
			kinds = append(kinds, kind.letters)
		}
	}
	if c.In.bool("IncludeSpace") {
		kinds = append(kinds, " ")
	}
	excluded := c.In.str("ExcludeCharacters")
	for i := range kinds {
		kinds[i] = strings.Map(func(r rune) rune {
			if strings.ContainsRune(excluded, r) {
				return -1
			}
			return r
		}, kinds[i])
	}
	kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "" })
	each := !c.In.has("RequireEachIncludedType") || c.In.bool("RequireEachIncludedType")
	if len(kinds) == 0 || each && length < len(kinds) {
		return nil, fail("InvalidParameterException", "The password can't be made of the characters that are left, in this length.")
	}
	all, word := strings.Join(kinds, ""), make([]byte, length)
	for i := range word {
		letters := all
		if each && i < len(kinds) {
			letters = kinds[i]
		}
		word[i] = letters[c.rand.IntN(len(letters))]
	}
	c.rand.Shuffle(length, func(i, j int) { word[i], word[j] = word[j], word[i] })
	return obj{"RandomPassword": string(word)}, nil
}
