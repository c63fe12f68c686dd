package sandbox

import (
	"bytes"
	"compress/flate"
	"crypto/aes"
	gcm "crypto/cipher" // SSM has a cipher of its own
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"

	"axle/policy"
)

// failureMessage is what EC2 appends to a denial: why, encoded, for whoever
// may call sts:DecodeAuthorizationMessage in the same account. It says nothing
// to others, so it is sealed with a key that only the sandbox has.
func (c *call) failureMessage(d policy.Decision, req *policy.Request, p *policy.Policies) string {
	text, err := json.Marshal(c.failureDetail(d, req, p))
	if err != nil {
		return ""
	}
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return ""
	}
	_, _ = z.Write(text)
	_ = z.Close()
	seal, err := c.messageSeal()
	if err != nil {
		return ""
	}
	nonce := make([]byte, seal.NonceSize())
	_, _ = rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(seal.Seal(nonce, nonce, packed.Bytes(), []byte(c.Who.Account)))
}

// messageSeal is a function of the administrator's secret, which the state keeps.
func (s *Sandbox) messageSeal() (gcm.AEAD, error) {
	key := sha256.Sum256([]byte("authorization message " + s.st.Keys[s.st.Admin].Secret))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return gcm.NewGCM(block)
}

func decodeMessage(c *call) (obj, error) {
	text, err := c.openMessage(c.In.str("EncodedMessage"))
	if err != nil {
		return nil, fail("InvalidAuthorizationMessageException", "Message is not valid")
	}
	return obj{"DecodedMessage": string(text)}, nil
}

func (c *call) openMessage(encoded string) ([]byte, error) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return nil, err
	}
	seal, err := c.messageSeal()
	if err != nil {
		return nil, err
	}
	if len(raw) < seal.NonceSize() {
		return nil, io.ErrUnexpectedEOF
	}
	packed, err := seal.Open(nil, raw[:seal.NonceSize()], raw[seal.NonceSize():], []byte(c.Who.Account))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
}

// items is a list as the decoded message writes it.
type items[T any] struct {
	Items []T `json:"items"`
}

type itemValue struct {
	Value string `json:"value"`
}

type conditionItem struct {
	Key    string           `json:"key"`
	Values items[itemValue] `json:"values"`
}

func itemsOf(values []string) items[itemValue] {
	out := items[itemValue]{Items: []itemValue{}}
	for _, v := range values {
		out.Items = append(out.Items, itemValue{v})
	}
	return out
}

// matchedStatement is a statement that denied. Conditions are those of the
// statement, as key and values.
type matchedStatement struct {
	StatementID     string               `json:"statementId"`
	Effect          string               `json:"effect"`
	Principals      items[itemValue]     `json:"principals"`
	PrincipalGroups items[itemValue]     `json:"principalGroups"`
	Actions         items[itemValue]     `json:"actions"`
	Resources       items[itemValue]     `json:"resources"`
	Conditions      items[conditionItem] `json:"conditions"`
}

type failureDetail struct {
	Allowed           bool                    `json:"allowed"`
	ExplicitDeny      bool                    `json:"explicitDeny"`
	MatchedStatements items[matchedStatement] `json:"matchedStatements"`
	Failures          items[itemValue]        `json:"failures"`
	Context           failureContext          `json:"context"`
}

type failureContext struct {
	Principal struct {
		ID   string `json:"id"`
		Name string `json:"name,omitempty"`
		ARN  string `json:"arn"`
	} `json:"principal"`
	Action     string               `json:"action"`
	Resource   string               `json:"resource"`
	Conditions items[conditionItem] `json:"conditions"`
}

// failureDetail follows
// https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html.
func (c *call) failureDetail(d policy.Decision, req *policy.Request, p *policy.Policies) failureDetail {
	out := failureDetail{ExplicitDeny: d.Verdict == policy.ExplicitDeny, Failures: itemsOf(nil)}
	out.MatchedStatements.Items = []matchedStatement{}
	out.Context.Principal.ID, out.Context.Principal.ARN = c.Who.UserID, c.Who.ARN
	out.Context.Principal.Name = c.Who.User
	out.Context.Action, out.Context.Resource = req.Action, req.Resource
	out.Context.Conditions.Items = []conditionItem{}
	for _, k := range sortedKeys(req.Context) {
		out.Context.Conditions.Items = append(out.Context.Conditions.Items, conditionItem{k, itemsOf(req.Context[k])})
	}
	if out.ExplicitDeny {
		if s := c.guard.statement(d, p); s != nil {
			out.MatchedStatements.Items = append(out.MatchedStatements.Items, showStatement(s, c.Who.UserID))
		}
	}
	return out
}

// statement is the text of the statement that decided, if its document is known.
func (g *guard) statement(d policy.Decision, p *policy.Policies) params {
	at := func(list []*policy.Policy) *policy.Policy {
		if d.Policy < 0 || d.Policy >= len(list) {
			return nil
		}
		return list[d.Policy]
	}
	level := func(levels [][]*policy.Policy) []*policy.Policy {
		if d.Level < 0 || d.Level >= len(levels) {
			return nil
		}
		return levels[d.Level]
	}
	var found *policy.Policy
	switch d.Kind {
	case policy.IdentityPolicy:
		found = at(p.Identity)
	case policy.SessionPolicy:
		found = at(p.Session)
	case policy.BoundaryPolicy:
		found = p.Boundary
	case policy.ResourcePolicy, policy.TrustPolicy:
		found = p.Resource
	case policy.ServiceControlPolicy:
		found = at(level(p.SCP))
	case policy.ResourceControlPolicy:
		found = at(level(p.RCP))
	}
	if found == nil {
		return nil
	}
	for doc, compiled := range g.docs {
		if compiled != found {
			continue
		}
		if all := statements(doc); d.Statement >= 0 && d.Statement < len(all) {
			return all[d.Statement]
		}
	}
	return nil
}

// statements are those of a document, which may have a single one bare.
func statements(doc string) []params {
	var p params
	if json.Unmarshal([]byte(doc), &p) != nil {
		return nil
	}
	if one := asParams(p["Statement"]); one != nil {
		return []params{one}
	}
	return p.list("Statement")
}

// oneOrMany reads an element that may be a string or a list of them.
func oneOrMany(v any) []string {
	if list, ok := v.([]any); ok {
		return params{"v": list}.strs("v")
	}
	if s := text(v); s != "" {
		return []string{s}
	}
	return nil
}

func showStatement(s params, principal string) matchedStatement {
	out := matchedStatement{StatementID: s.str("Sid"), Effect: strings.ToUpper(s.str("Effect")),
		Principals: itemsOf([]string{principal}), PrincipalGroups: itemsOf(nil),
		Actions:   itemsOf(append(oneOrMany(s["Action"]), oneOrMany(s["NotAction"])...)),
		Resources: itemsOf(append(oneOrMany(s["Resource"]), oneOrMany(s["NotResource"])...))}
	out.Conditions.Items = []conditionItem{}
	for _, operator := range slices.Sorted(maps.Keys(s.obj("Condition"))) {
		keys := s.obj("Condition").obj(operator)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			out.Conditions.Items = append(out.Conditions.Items, conditionItem{k, itemsOf(oneOrMany(keys[k]))})
		}
	}
	return out
}
