package sandbox

import (
	"crypto/sha1"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

// oidcProvider is an OpenID Connect identity provider that an account trusts.
type oidcProvider struct {
	ARN         string            `json:"arn"`
	URL         string            `json:"url"` // without https://
	Clients     []string          `json:"clients,omitempty"`
	Thumbprints []string          `json:"thumbprints,omitempty"`
	Created     time.Time         `json:"created"`
	Tags        map[string]string `json:"tags,omitempty"`
}

func oidcOps() map[string]operation {
	on := onProvider
	return map[string]operation{
		"CreateOpenIDConnectProvider":             {run: createOIDC, access: createOIDCAccess},
		"GetOpenIDConnectProvider":                {run: getOIDC, resources: on},
		"ListOpenIDConnectProviders":              {run: listOIDC},
		"DeleteOpenIDConnectProvider":             {run: deleteOIDC, resources: on},
		"AddClientIDToOpenIDConnectProvider":      {run: addOIDCClient, resources: on},
		"RemoveClientIDFromOpenIDConnectProvider": {run: removeOIDCClient, resources: on},
		"UpdateOpenIDConnectProviderThumbprint":   {run: updateOIDCThumbprint, resources: on},
		"TagOpenIDConnectProvider":                {run: tagOIDC, access: tagOIDCAccess},
		"UntagOpenIDConnectProvider":              {run: untagOIDC, resources: on},
		"ListOpenIDConnectProviderTags":           {run: listOIDCTags, resources: on},
	}
}

func onProvider(c *call) []string { return []string{c.In.str("OpenIDConnectProviderArn")} }

func oidcARN(account, host string) string {
	return "arn:aws:iam::" + account + ":oidc-provider/" + host
}

func createOIDCAccess(c *call) ([]access, error) {
	a := access{Action: "iam:CreateOpenIDConnectProvider", Context: requestTags(c.In.tags("Tags")),
		Resource: oidcARN(c.Account.ID, strings.TrimPrefix(c.In.str("Url"), "https://"))}
	needs := []access{a}
	if len(c.In.list("Tags")) > 0 {
		a.Action = "iam:TagOpenIDConnectProvider"
		needs = append(needs, a)
	}
	return needs, nil
}

func tagOIDCAccess(c *call) ([]access, error) {
	return []access{{Action: "iam:TagOpenIDConnectProvider", Resource: c.In.str("OpenIDConnectProviderArn"), Context: requestTags(c.In.tags("Tags"))}}, nil
}

// provider finds the identity provider that the call names.
func (c *call) provider() (*oidcProvider, error) {
	arn := c.In.str("OpenIDConnectProviderArn")
	if !strings.HasPrefix(arn, "arn:aws:iam::") || !strings.Contains(arn, ":oidc-provider/") {
		return nil, iamFail("InvalidInput", "Invalid ARN: %s", arn)
	}
	if p := c.Account.IAM.OIDC[arn]; p != nil {
		return p, nil
	}
	return nil, iamFail("NoSuchEntity", "OpenIDConnect Provider not found for arn %s", arn)
}

const (
	maxOIDC        = 100 // providers of an account
	maxClients     = 100 // audiences of a provider
	maxThumbprints = 5
)

var thumbprints = late.MustCompile(`^[0-9A-Fa-f]{40}$`)

// issuerHost checks the URL of an issuer and gives it without its scheme.
func issuerHost(raw string) (string, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return "", iamFail("ValidationError", "1 validation error detected: Value null at 'url' failed to satisfy constraint: Member must not be null")
	case err != nil || u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Port() != "" || len(raw) > 255:
		return "", iamFail("InvalidInput", "Invalid Open ID Connect Provider URL")
	}
	return strings.TrimSuffix(strings.ToLower(u.Host)+u.EscapedPath(), "/"), nil
}

func checkThumbprints(list []string) error {
	if len(list) > maxThumbprints {
		return iamFail("InvalidInput", "Thumbprint list must contain fewer than %d entries.", maxThumbprints+1)
	}
	for _, t := range list {
		if !thumbprints.MatchString(t) {
			return iamFail("ValidationError", "1 validation error detected: Value '%s' at 'thumbprintList' failed to satisfy constraint: Member must have length greater than or equal to 40", t)
		}
	}
	return nil
}

// createOIDC trusts an issuer. IAM itself connects to it when no thumbprint is
// given; here every issuer is taken to answer, with a thumbprint of its name's.
func createOIDC(c *call) (obj, error) {
	host, err := issuerHost(c.In.str("Url"))
	if err != nil {
		return nil, err
	}
	p := &oidcProvider{ARN: oidcARN(c.Account.ID, host), URL: host, Thumbprints: c.In.strs("ThumbprintList"), Created: c.now().Truncate(time.Second), Tags: c.In.tags("Tags")}
	if c.Account.IAM.OIDC[p.ARN] != nil {
		return nil, iamFail("EntityAlreadyExists", "Provider with url https://%s already exists.", host)
	}
	if err := checkThumbprints(p.Thumbprints); err != nil {
		return nil, err
	}
	for _, id := range c.In.strs("ClientIDList") {
		if err := p.addClient(id); err != nil {
			return nil, err
		}
	}
	if err := c.checkIAMTags(c.In.list("Tags")); err != nil {
		return nil, err
	}
	if limit := int(c.quota(quotaOIDC)); len(c.Account.IAM.OIDC) >= limit {
		return nil, iamFail("LimitExceeded", "Cannot exceed quota for OpenIdConnectProvidersPerAccount: %d", limit)
	}
	if len(p.Thumbprints) == 0 {
		sum := sha1.Sum([]byte(host))
		p.Thumbprints = []string{hex.EncodeToString(sum[:])}
	}
	if c.Account.IAM.OIDC == nil {
		c.Account.IAM.OIDC = map[string]*oidcProvider{}
	}
	c.Account.IAM.OIDC[p.ARN] = p
	out := obj{"OpenIDConnectProviderArn": p.ARN}
	if len(p.Tags) > 0 {
		out["Tags"] = tagList(p.Tags)
	}
	return out, nil
}

func (p *oidcProvider) addClient(id string) error {
	switch {
	case id == "" || len(id) > 255:
		return iamFail("InvalidInput", "A client ID has 1 to 255 characters.")
	case slices.Contains(p.Clients, id):
		return nil
	case len(p.Clients) >= maxClients:
		return iamFail("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: %d", maxClients)
	}
	p.Clients = append(p.Clients, id)
	return nil
}

func getOIDC(c *call) (obj, error) {
	p, err := c.provider()
	if err != nil {
		return nil, err
	}
	out := obj{"Url": p.URL, "ClientIDList": append([]string{}, p.Clients...), "ThumbprintList": p.Thumbprints, "CreateDate": p.Created}
	if len(p.Tags) > 0 {
		out["Tags"] = tagList(p.Tags)
	}
	return out, nil
}

func listOIDC(c *call) (obj, error) {
	list := []obj{}
	for _, arn := range sortedKeys(c.Account.IAM.OIDC) {
		list = append(list, obj{"Arn": arn})
	}
	return obj{"OpenIDConnectProviderList": list}, nil
}

// deleteOIDC is no error for a provider that isn't there.
func deleteOIDC(c *call) (obj, error) {
	if err := c.required("OpenIDConnectProviderArn"); err != nil {
		return nil, err
	}
	delete(c.Account.IAM.OIDC, c.In.str("OpenIDConnectProviderArn"))
	return nil, nil
}

func addOIDCClient(c *call) (obj, error) {
	p, err := c.provider()
	if err != nil {
		return nil, err
	}
	return nil, p.addClient(c.In.str("ClientID"))
}

// removeOIDCClient is no error for an audience that isn't there.
func removeOIDCClient(c *call) (obj, error) {
	p, err := c.provider()
	if err != nil {
		return nil, err
	}
	id := c.In.str("ClientID")
	p.Clients = slices.DeleteFunc(slices.Clone(p.Clients), func(s string) bool { return s == id })
	return nil, nil
}

func updateOIDCThumbprint(c *call) (obj, error) {
	p, err := c.provider()
	if err != nil {
		return nil, err
	}
	list := c.In.strs("ThumbprintList")
	if len(list) == 0 {
		return nil, iamFail("InvalidInput", "Thumbprint list must contain at least one entry.")
	}
	if err := checkThumbprints(list); err != nil {
		return nil, err
	}
	p.Thumbprints = list
	return nil, nil
}

func tagOIDC(c *call) (obj, error) {
	p, err := c.provider()
	if err == nil {
		err = c.checkIAMTags(c.In.list("Tags"))
	}
	if err != nil {
		return nil, err
	}
	if p.Tags == nil {
		p.Tags = map[string]string{}
	}
	for k, v := range c.In.tags("Tags") {
		p.Tags[k] = v
	}
	return nil, nil
}

func untagOIDC(c *call) (obj, error) {
	p, err := c.provider()
	if err != nil {
		return nil, err
	}
	for _, k := range c.In.strs("TagKeys") {
		delete(p.Tags, k)
	}
	return nil, nil
}

func listOIDCTags(c *call) (obj, error) {
	p, err := c.provider()
	if err != nil {
		return nil, err
	}
	return iamPage(c, "Tags", sortedKeys(p.Tags), same, func(k string) any { return obj{"Key": k, "Value": p.Tags[k]} })
}
