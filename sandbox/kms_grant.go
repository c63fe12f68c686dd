package sandbox

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// kmsGrant lets a principal use a key, beside all policies: it needs neither a
// statement of the key policy nor one of an identity policy. Explicit denies,
// boundaries and the organization's policies still hold.
type kmsGrant struct {
	ID         string            `json:"id"`
	Token      string            `json:"token"`
	Name       string            `json:"name,omitempty"`
	Grantee    string            `json:"grantee"`
	Retiring   string            `json:"retiring,omitempty"`
	Bound      map[string]string `json:"bound,omitempty"` // unique ids of the two
	Issuer     string            `json:"issuer"`          // account
	Operations []string          `json:"operations"`
	Equals     map[string]string `json:"equals,omitempty"` // what the encryption context must be
	Subset     map[string]string `json:"subset,omitempty"` // what it must hold
	Created    time.Time         `json:"created"`
}

// grantOperations are those of symmetric keys. CreateGrant, with which a
// grantee passes on what it has, isn't served.
var grantOperations = []string{"Decrypt", "DescribeKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext",
	"ReEncryptFrom", "ReEncryptTo", "RetireGrant"}

// is says whether an ARN of a grant names the caller: itself, its role, or its
// account.
func (c *call) is(arn string, bound map[string]string) bool {
	if id, ok := c.principalExists(arn); !ok || id != bound[arn] {
		return false // gone, or made anew since
	}
	who := c.principal()
	return arn == who.ARN || arn == who.RoleARN || arn == "arn:aws:iam::"+who.Account+":root"
}

// granted says whether a grant on the key covers what policies don't allow.
func (c *call) granted(k *kmsKey, a access) bool {
	_, op, _ := strings.Cut(a.Action, ":")
	for _, g := range k.Grants {
		if !slices.Contains(g.Operations, op) || !g.covers(a.Context) || !c.is(g.Grantee, g.Bound) {
			continue
		}
		with := a
		with.Granted = !strings.HasSuffix(g.Grantee, ":root") // an account gives its own what it was given
		with.Policy = withStatement(a.Policy, obj{"Effect": "Allow", "Principal": obj{"AWS": g.Grantee}, "Action": a.Action, "Resource": "*"})
		if d, _ := c.decide(with); d.Allowed() {
			return true
		}
	}
	return false
}

// covers says whether the encryption context of a request is one that the
// grant is for.
func (g *kmsGrant) covers(keys map[string][]string) bool {
	if len(g.Equals) > 0 && len(keys["kms:EncryptionContextKeys"]) != len(g.Equals) {
		return false
	}
	for _, want := range []map[string]string{g.Equals, g.Subset} {
		for name, v := range want {
			if !slices.Equal(keys["kms:EncryptionContext:"+name], []string{v}) {
				return false
			}
		}
	}
	return true
}

// withStatement is a policy with one statement more.
func withStatement(doc string, statement obj) string {
	p := obj{}
	if json.Unmarshal([]byte(doc), &p) != nil {
		return doc
	}
	list, many := p["Statement"].([]any)
	if !many {
		list = []any{p["Statement"]}
	}
	p["Statement"] = append(slices.Clone(list), statement)
	out, err := json.Marshal(p)
	if err != nil {
		return doc
	}
	return string(out)
}

func createGrant(c *call, k *kmsKey) (obj, error) {
	g := &kmsGrant{Name: c.In.str("Name"), Grantee: c.In.str("GranteePrincipal"), Retiring: c.In.str("RetiringPrincipal"),
		Operations: c.In.strs("Operations"), Issuer: c.Account.ID, Created: c.now(), Bound: map[string]string{}}
	constraints := c.In.obj("Constraints")
	g.Equals, g.Subset = constraints.strMap("EncryptionContextEquals"), constraints.strMap("EncryptionContextSubset")
	if len(g.Operations) == 0 {
		return nil, fail("ValidationException", "A grant needs operations.")
	}
	for _, op := range g.Operations {
		if !slices.Contains(grantOperations, op) {
			return nil, fail("UnsupportedOperationException", "The sandbox doesn't grant %s.", op)
		}
	}
	for _, arn := range []string{g.Grantee, g.Retiring} {
		if arn == "" && g.Grantee != "" {
			continue
		}
		id, ok := c.principalExists(arn)
		if !ok || !strings.HasPrefix(arn, "arn:") {
			return nil, fail("InvalidArnException", "ARN does not refer to a valid principal: %s", arn)
		}
		if id != "" {
			g.Bound[arn] = id
		}
	}
	if old := k.grantLike(g); old != nil {
		return obj{"GrantId": old.ID, "GrantToken": old.Token}, nil
	}
	g.ID, g.Token = c.id(64), encoded([]byte(c.id(64)))
	put(&k.Grants, g.ID, g)
	return obj{"GrantId": g.ID, "GrantToken": g.Token}, nil
}

// grantLike is a grant of the same name that says the same: making it again
// gives it back.
func (k *kmsKey) grantLike(g *kmsGrant) *kmsGrant {
	for _, old := range k.Grants {
		same := old.Grantee == g.Grantee && old.Retiring == g.Retiring && slices.Equal(old.Operations, g.Operations) &&
			maps.Equal(old.Equals, g.Equals) && maps.Equal(old.Subset, g.Subset) && reflect.DeepEqual(old.Bound, g.Bound)
		if g.Name != "" && old.Name == g.Name && same {
			return old
		}
	}
	return nil
}

func listGrants(c *call, k *kmsKey) (obj, error) {
	var ids []string
	for _, id := range sortedKeys(k.Grants) {
		if (!c.In.has("GrantId") || c.In.str("GrantId") == id) &&
			(!c.In.has("GranteePrincipal") || c.In.str("GranteePrincipal") == k.Grants[id].Grantee) {
			ids = append(ids, id)
		}
	}
	page, next, err := kmsPage(c, ids, 50)
	if err != nil {
		return nil, err
	}
	list := make([]obj, 0, len(page))
	for _, id := range page {
		g := k.Grants[id]
		shown := obj{"KeyId": k.arn(), "GrantId": id, "Name": optional(g.Name), "CreationDate": g.Created, "GranteePrincipal": g.Grantee,
			"RetiringPrincipal": optional(g.Retiring), "IssuingAccount": "arn:aws:iam::" + g.Issuer + ":root", "Operations": g.Operations}
		constraints := obj{}
		if len(g.Equals) > 0 {
			constraints["EncryptionContextEquals"] = stringMap(g.Equals)
		}
		if len(g.Subset) > 0 {
			constraints["EncryptionContextSubset"] = stringMap(g.Subset)
		}
		if len(constraints) > 0 {
			shown["Constraints"] = constraints
		}
		list = append(list, shown)
	}
	return kmsList("Grants", list, next), nil
}

// stringMap is a map of strings as an output.
func stringMap(m map[string]string) obj {
	out := obj{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func revokeGrant(c *call, k *kmsKey) (obj, error) {
	if k.Grants[c.In.str("GrantId")] == nil {
		return nil, fail("NotFoundException", "Grant ID %s not found", c.In.str("GrantId"))
	}
	delete(k.Grants, c.In.str("GrantId"))
	return nil, nil
}

// retireGrant is for the retiring principal, for a grantee who was granted it,
// and for whom policies let.
func retireGrant(c *call) (obj, error) {
	k, g := c.grantMeant()
	if g == nil {
		return nil, fail("NotFoundException", "Grant not found")
	}
	retiring := g.Retiring != "" && c.is(g.Retiring, g.Bound)
	if !retiring {
		_, a, err := c.keyAccess(k.arn(), "kms:RetireGrant", nil)
		if err == nil {
			err = c.mayUseKey(k, a)
		}
		if err != nil {
			return nil, err
		}
	}
	delete(k.Grants, g.ID)
	return nil, nil
}

// grantMeant finds the grant by its token, or by its key's ARN and its id.
func (c *call) grantMeant() (*kmsKey, *kmsGrant) {
	if n, err := c.readKeyName(c.In.str("KeyId")); err == nil {
		if k := c.keyAt(n); k != nil {
			return k, k.Grants[c.In.str("GrantId")]
		}
		return nil, nil
	}
	for _, a := range c.st.Accounts {
		if a.Regions[c.Region] == nil {
			continue
		}
		for _, k := range a.Regions[c.Region].KMS.Keys {
			for _, g := range k.Grants {
				if token := c.In.str("GrantToken"); token != "" && g.Token == token {
					return k, g
				}
			}
		}
	}
	return nil, nil
}
