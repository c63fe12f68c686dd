package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"axle/internal/late"

	"github.com/golang-jwt/jwt/v5"
)

// cluster is a fake Kubernetes cluster: an OpenID Connect issuer whose tokens
// the sandbox mints and whose keys STS here knows without asking a network.
// A real one does it by its API server and projected service account tokens.
type cluster struct {
	Name    string            `json:"name"`
	Issuers []string          `json:"issuers"` // URLs; the first is that of its discovery document
	Keys    map[string]string `json:"keys"`    // algorithm -> private key, PKCS 8 in base64
}

// issuerPath is where the issuers are, for whoever asks without a signature: no
// AWS service has anonymous requests there.
const issuerPath = "/oidc/id/"

var (
	clusterNames = naming{late.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`), 1, 100}
	namespaces   = naming{late.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`), 1, 63}
	accountNames = naming{late.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`), 1, 253}
)

// serveIssuer answers for the clusters: discovery document, keys, and POST of
// a token to be minted.
func (s *Sandbox) serveIssuer(r *http.Request, body []byte) *reply {
	rec := &reply{header: http.Header{"Content-Type": {"application/json"}}, status: http.StatusOK}
	say := func(status int, out any) *reply {
		rec.WriteHeader(status)
		b, _ := json.Marshal(out)
		_, _ = rec.Write(b)
		return rec
	}
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, issuerPath), "/")
	if r.Method == http.MethodPost && rest == "token" {
		out, err := s.mintFrom(name, body)
		if err != nil {
			return say(http.StatusBadRequest, obj{"message": err.Error()})
		}
		return say(http.StatusOK, out)
	}
	s.lock()
	defer s.unlock()
	k := s.st.Clusters[name]
	switch {
	case k == nil || r.Method != http.MethodGet && r.Method != http.MethodHead:
		return say(http.StatusNotFound, obj{"message": "the sandbox has no cluster " + name + ": it knows those that tokens were minted for"})
	case rest == "keys":
		return say(http.StatusOK, obj{"keys": k.jwks()})
	case rest != ".well-known/openid-configuration":
		return say(http.StatusNotFound, obj{"message": "there is .well-known/openid-configuration, keys and, by POST, token"})
	}
	return say(http.StatusOK, obj{
		"issuer": k.Issuers[0], "jwks_uri": "http://" + r.Host + issuerPath + name + "/keys",
		"authorization_endpoint":   "urn:kubernetes:programmatic_authorization",
		"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
		"claims_supported": []string{"sub", "iss"}, "id_token_signing_alg_values_supported": slices.Sorted(maps.Keys(k.Keys)),
	})
}

// TokenRequest asks a fake cluster for the token of a service account, as the
// kubelet asks a real one.
type TokenRequest struct {
	Namespace      string         `json:"namespace,omitempty"`
	ServiceAccount string         `json:"service_account,omitempty"`
	Audience       string         `json:"audience,omitempty"`  // sts.amazonaws.com when empty
	Issuer         string         `json:"issuer,omitempty"`    // EKS's URL of the cluster when empty
	Region         string         `json:"region,omitempty"`    // of that URL; eu-west-1 when empty
	Seconds        int            `json:"seconds,omitempty"`   // 86400 when 0; negative is expired already, for tests
	Algorithm      string         `json:"algorithm,omitempty"` // RS256, as EKS, when empty; or ES256
	Claims         map[string]any `json:"claims,omitempty"`    // further ones, or others in place of the usual
}

// Token is a minted token.
type Token struct {
	Token   string    `json:"token"`
	Issuer  string    `json:"issuer"`
	Subject string    `json:"subject"`
	Expires time.Time `json:"expires"`
}

func (s *Sandbox) mintFrom(name string, body []byte) (*Token, error) {
	var req TokenRequest
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		return nil, fmt.Errorf("read the request for a token: %w", err)
	}
	return s.MintToken(name, req)
}

// MintToken makes the token of a service account of a fake cluster, which
// comes into being with its first token.
func (s *Sandbox) MintToken(name string, req TokenRequest) (*Token, error) {
	subject, ok := req.Claims["sub"].(string)
	switch {
	case !clusterNames.MatchString(name):
		return nil, fmt.Errorf("cluster %q: a name has letters, digits, dots, hyphens and underscores", name)
	case ok:
	case !namespaces.MatchString(req.Namespace):
		return nil, fmt.Errorf("namespace %q isn't a name that Kubernetes takes", req.Namespace)
	case !accountNames.MatchString(req.ServiceAccount):
		return nil, fmt.Errorf("service account %q isn't a name that Kubernetes takes", req.ServiceAccount)
	default:
		subject = "system:serviceaccount:" + req.Namespace + ":" + req.ServiceAccount
	}
	if req.Region == "" {
		req.Region = "eu-west-1"
	}
	if req.Issuer == "" {
		req.Issuer = "https://oidc.eks." + req.Region + ".amazonaws.com/id/" + name
	}
	if _, err := issuerHost(req.Issuer); err != nil {
		return nil, fmt.Errorf("issuer %q: want an https URL without port and query", req.Issuer)
	}
	if req.Algorithm == "" {
		req.Algorithm = "RS256"
	}
	if req.Seconds == 0 {
		req.Seconds = 86400
	}
	if req.Audience == "" {
		req.Audience = "sts.amazonaws.com"
	}
	key, kid, err := s.issuerKey(name, req.Issuer, req.Algorithm)
	if err != nil {
		return nil, err
	}
	now := s.now()
	expires := now.Add(time.Duration(req.Seconds) * time.Second).Truncate(time.Second)
	claims := jwt.MapClaims{
		"iss": req.Issuer, "sub": subject, "aud": []string{req.Audience}, "iat": now.Unix(), "nbf": now.Unix(), "exp": expires.Unix(),
		"kubernetes.io": map[string]any{"namespace": req.Namespace, "serviceaccount": map[string]any{"name": req.ServiceAccount}},
	}
	maps.Copy(claims, req.Claims)
	t := jwt.NewWithClaims(jwt.GetSigningMethod(req.Algorithm), claims)
	t.Header["kid"] = kid
	signed, err := t.SignedString(key)
	if err != nil {
		return nil, fmt.Errorf("sign the token: %w", err)
	}
	return &Token{Token: signed, Issuer: req.Issuer, Subject: subject, Expires: expires}, nil
}

// issuerKey is the cluster's private key, made on first use. Making one takes
// long, so the lock isn't held for it.
func (s *Sandbox) issuerKey(name, issuer, algorithm string) (crypto.Signer, string, error) {
	if algorithm != "RS256" && algorithm != "ES256" {
		return nil, "", fmt.Errorf("algorithm %q: want RS256 or ES256", algorithm)
	}
	s.lock()
	have := s.st.Clusters[name] != nil && s.st.Clusters[name].Keys[algorithm] != ""
	s.unlock()
	fresh := ""
	if !have {
		var key any
		var err error
		if algorithm == "RS256" {
			key, err = rsa.GenerateKey(rand.Reader, 2048)
		} else {
			key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		}
		if err != nil {
			return nil, "", fmt.Errorf("make a key for cluster %s: %w", name, err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, "", fmt.Errorf("keep the key of cluster %s: %w", name, err)
		}
		fresh = base64.StdEncoding.EncodeToString(der)
	}
	s.lock()
	defer s.unlock()
	for _, other := range s.st.Clusters {
		if other.Name != name && slices.Contains(other.Issuers, issuer) {
			return nil, "", fmt.Errorf("issuer %s is that of cluster %s", issuer, other.Name)
		}
	}
	k := s.st.Clusters[name]
	if k == nil {
		k = &cluster{Name: name, Keys: map[string]string{}}
		if s.st.Clusters == nil {
			s.st.Clusters = map[string]*cluster{}
		}
		s.st.Clusters[name] = k
	}
	if k.Keys[algorithm] == "" { // nobody was faster
		k.Keys[algorithm] = fresh
	}
	if !slices.Contains(k.Issuers, issuer) {
		k.Issuers = append(k.Issuers, issuer)
	}
	s.st.Changes++
	key := k.key(algorithm)
	if key == nil {
		return nil, "", fmt.Errorf("the key of cluster %s can't be read", name)
	}
	return key, k.kid(algorithm), nil
}

func (k *cluster) key(algorithm string) crypto.Signer {
	der, err := base64.StdEncoding.DecodeString(k.Keys[algorithm])
	if err != nil {
		return nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil
	}
	signer, _ := key.(crypto.Signer)
	return signer
}

func (k *cluster) kid(algorithm string) string { return k.Name + "-" + strings.ToLower(algorithm) }

// jwks are the public keys, as RFC 7517 writes them.
func (k *cluster) jwks() []obj {
	list := []obj{}
	b64 := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	for _, algorithm := range slices.Sorted(maps.Keys(k.Keys)) {
		signer := k.key(algorithm)
		if signer == nil {
			continue
		}
		out := obj{"kid": k.kid(algorithm), "alg": algorithm, "use": "sig"}
		switch pub := signer.Public().(type) {
		case *rsa.PublicKey:
			out["kty"], out["n"], out["e"] = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
		case *ecdsa.PublicKey:
			point, err := pub.Bytes() // 4, then both coordinates
			if err != nil {
				continue
			}
			half := (len(point) - 1) / 2
			out["kty"], out["crv"], out["x"], out["y"] = "EC", "P-256", b64(point[1:1+half]), b64(point[1+half:])
		}
		list = append(list, out)
	}
	return list
}

// publicKey is the key of an issuer that the token's header names; known says
// whether the issuer itself is.
func (s *Sandbox) publicKey(issuer, kid, algorithm string) (key crypto.PublicKey, known bool) {
	for _, k := range s.st.Clusters {
		if !slices.Contains(k.Issuers, issuer) {
			continue
		}
		if kid == k.kid(algorithm) {
			if signer := k.key(algorithm); signer != nil {
				return signer.Public(), true
			}
		}
		return nil, true
	}
	return nil, false
}
