package cloud

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// The limits of policies, in bytes.
const (
	maxBucketPolicy = 20 * 1024
	maxKeyPolicy    = 32 * 1024
)

// readSid marks our statement of a policy; others stay as they are.
const readSid = "AxleRead"

// statement is one of a policy.
type statement = map[string]any

// readStatement lets the readers read the bucket.
func (a *Artifacts) readStatement(ctx context.Context) (statement, error) {
	s, err := a.forReaders(ctx, "s3:GetObject")
	if err == nil {
		s["Resource"] = "arn:" + a.partition(ctx) + ":s3:::" + a.bucket + "/*"
	}
	return s, err
}

// decryptStatement lets the readers use the key, to read this bucket and nothing
// else. With the bucket's own key the encryption context is the bucket, else the
// object (S3 User Guide, "Reducing the cost of SSE-KMS with S3 Bucket Keys").
func (a *Artifacts) decryptStatement(ctx context.Context) (statement, error) {
	s, err := a.forReaders(ctx, "kms:Decrypt")
	if err != nil {
		return nil, err
	}
	arn := "arn:" + a.partition(ctx) + ":s3:::" + a.bucket
	s["Resource"] = "*"
	condition, _ := s["Condition"].(map[string]any)
	if condition == nil {
		condition = map[string]any{}
	}
	condition["StringLike"] = map[string]any{"kms:ViaService": "s3." + a.hub.Region + ".*", "kms:EncryptionContext:aws:s3:arn": []any{arn, arn + "/*"}}
	s["Condition"] = condition
	return s, nil
}

// forReaders allows an action to the readers.
func (a *Artifacts) forReaders(ctx context.Context, action string) (statement, error) {
	id, err := a.cloud.Identity(ctx)
	if err != nil {
		return nil, err
	}
	s := statement{"Sid": readSid, "Effect": "Allow", "Action": action}
	if a.readers.Organization != "" {
		s["Principal"] = map[string]any{"AWS": "*"}
		s["Condition"] = map[string]any{"StringEquals": map[string]any{"aws:PrincipalOrgID": a.readers.Organization}}
		return s, nil
	}
	var principals []any
	for _, account := range slices.Compact(slices.Sorted(slices.Values(append([]string{a.hub.Account}, a.readers.Accounts...)))) {
		principals = append(principals, "arn:"+id.Partition+":iam::"+account+":root")
	}
	s["Principal"] = map[string]any{"AWS": principals}
	return s, nil
}

// partition is the caller's, which forReaders has asked for.
func (a *Artifacts) partition(ctx context.Context) string {
	id, _ := a.cloud.Identity(ctx)
	return id.Partition
}

// withStatement puts our statement into a policy, in the place of what it says
// now; has: it is there already. Other people's statements stay, and the
// accounts that other projects let in by theirs stay let in.
func withStatement(current string, ours statement, limit int, of string) (policy string, has bool, err error) {
	document := map[string]any{"Version": "2012-10-17"}
	if current != "" {
		document = map[string]any{}
		if err := json.Unmarshal([]byte(current), &document); err != nil {
			return "", false, fmt.Errorf("read the policy of %s: %w", of, err)
		}
	}
	list, ok := document["Statement"].([]any)
	if one := document["Statement"]; !ok && one != nil {
		list = []any{one}
	}
	var out []any
	for _, s := range list {
		m, _ := s.(map[string]any)
		if m["Sid"] == makeSid {
			giveUp(m)
		}
		if m["Sid"] != readSid {
			out = append(out, s)
			continue
		}
		ours = joined(ours, m)
		if reflect.DeepEqual(canonical(m), canonical(ours)) {
			return current, true, nil
		}
	}
	document["Statement"] = append(out, ours)
	body, err := json.Marshal(document)
	if err == nil && len(body) > limit {
		err = fmt.Errorf("the policy of %s would be %d bytes, AWS allows %d: so many accounts can be let in only by the organization's id (organization.source: aws)", of, len(body), limit)
	}
	return string(body), false, err
}

// giveUp takes the right to delete a key from who has made it: it is for a key
// that came second, which never gets readers.
func giveUp(made statement) {
	actions, _ := made["Action"].([]any)
	made["Action"] = slices.DeleteFunc(actions, func(a any) bool { return a == deleteKey })
}

// joined adds the accounts that the statement lets in now, which another project
// of the hub may need.
func joined(ours, now statement) statement {
	mine, ok := ours["Principal"].(map[string]any)["AWS"].([]any)
	theirs, isMap := now["Principal"].(map[string]any)
	if !ok || !isMap || now["Condition"] != nil && ours["Condition"] == nil {
		return ours
	}
	all := slices.Clone(mine)
	switch list := theirs["AWS"].(type) {
	case string:
		all = append(all, list)
	case []any:
		all = append(all, list...)
	}
	all = slices.DeleteFunc(all, func(p any) bool { text, ok := p.(string); return !ok || !isRoot(text) })
	slices.SortFunc(all, byText)
	out := statement{}
	for k, v := range ours {
		out[k] = v
	}
	out["Principal"] = map[string]any{"AWS": slices.Compact(all)}
	return out
}

func isRoot(principal string) bool {
	return len(principal) > 5 && principal[len(principal)-5:] == ":root"
}

func byText(a, b any) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }

// canonical is the same for two values that mean the same in a policy: AWS may
// give back a list of one as its only item, and lists in another order.
func canonical(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, item := range v {
			out[k] = canonical(item)
		}
		return out
	case []any:
		if len(v) == 1 {
			return canonical(v[0])
		}
		out := slices.Clone(v)
		slices.SortFunc(out, byText)
		return out
	}
	return v
}
