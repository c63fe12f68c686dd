package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// signature is what a request says about who signed it, by header or, for
// presigned URLs, in its query string.
type signature struct {
	key, date, region, service string
	headers                    []string
	value                      string
	stamp                      string // X-Amz-Date
	token                      string
	expires                    time.Duration // presigned only
	presigned                  bool
}

const sigAlgorithm = "AWS4-HMAC-SHA256"

// readSignature finds the signature; ok is false when there is none that can
// be read.
func readSignature(r *http.Request) (sig signature, ok bool) {
	if q := r.URL.Query(); q.Get("X-Amz-Algorithm") == sigAlgorithm {
		secs, _ := strconv.Atoi(q.Get("X-Amz-Expires"))
		sig = signature{
			headers: strings.Split(q.Get("X-Amz-SignedHeaders"), ";"), value: q.Get("X-Amz-Signature"),
			stamp: q.Get("X-Amz-Date"), token: q.Get("X-Amz-Security-Token"),
			expires: time.Duration(secs) * time.Second, presigned: true,
		}
		return sig, sig.scope(q.Get("X-Amz-Credential"))
	}
	rest, found := strings.CutPrefix(r.Header.Get("Authorization"), sigAlgorithm)
	if !found {
		return sig, false
	}
	sig.stamp, sig.token = r.Header.Get("X-Amz-Date"), r.Header.Get("X-Amz-Security-Token")
	if sig.stamp == "" {
		if t, err := http.ParseTime(r.Header.Get("Date")); err == nil {
			sig.stamp = t.UTC().Format(sigTime)
		}
	}
	credential := ""
	for _, part := range strings.Split(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			credential = value
		case "SignedHeaders":
			sig.headers = strings.Split(value, ";")
		case "Signature":
			sig.value = value
		}
	}
	return sig, sig.scope(credential) && sig.value != ""
}

// scope reads AKID/20261121/eu-west-1/sts/aws4_request.
func (sig *signature) scope(credential string) bool {
	p := strings.Split(credential, "/")
	if len(p) != 5 || p[4] != "aws4_request" {
		return false
	}
	sig.key, sig.date, sig.region, sig.service = p[0], p[1], p[2], p[3]
	return true
}

const (
	sigTime  = "20060102T150405Z"
	sigSkew  = 15 * time.Minute
	unsigned = "UNSIGNED-PAYLOAD"
)

// stale says why the signature's time is refused, "" when it isn't.
func (sig *signature) stale(now time.Time) string {
	at, err := time.Parse(sigTime, sig.stamp)
	if err != nil || !strings.HasPrefix(sig.stamp, sig.date) {
		return "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"
	}
	late := at.Add(sigSkew)
	if sig.presigned {
		late = at.Add(sig.expires)
	}
	switch {
	case now.After(late):
		return "Signature expired: " + sig.stamp + " is now earlier than " + now.Add(-sigSkew).Format(sigTime) + " (" + now.Format(sigTime) + " - 15 min.)"
	case now.Add(sigSkew).Before(at):
		return "Signature not yet current: " + sig.stamp + " is still later than " + now.Add(sigSkew).Format(sigTime) + " (" + now.Format(sigTime) + " + 15 min.)"
	}
	return ""
}

// verify says whether the request was signed with the secret.
func (sig *signature) verify(r *http.Request, secret, payloadHash string) bool {
	want, err := hex.DecodeString(sig.value)
	if err != nil {
		return false
	}
	scope := sig.date + "/" + sig.region + "/" + sig.service + "/aws4_request"
	key := []byte("AWS4" + secret)
	for _, part := range []string{sig.date, sig.region, sig.service, "aws4_request"} {
		key = sum(key, part)
	}
	for _, path := range sig.paths(r.URL) {
		canonical := strings.Join([]string{
			r.Method, path, sig.query(r.URL.RawQuery), sig.canonicalHeaders(r),
			strings.Join(sig.headers, ";"), payloadHash,
		}, "\n")
		digest := sha256.Sum256([]byte(canonical))
		got := sum(key, sigAlgorithm+"\n"+sig.stamp+"\n"+scope+"\n"+hex.EncodeToString(digest[:]))
		if hmac.Equal(got, want) {
			return true
		}
	}
	return false
}

func sum(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

// paths are the canonical forms that a signer may have used: S3 signs the path
// as it is sent, the others encode it once more; clients that send reserved
// characters unencoded still sign them encoded.
func (sig *signature) paths(u *url.URL) []string {
	raw := u.EscapedPath()
	if raw == "" {
		raw = "/"
	}
	if sig.service != "s3" {
		return []string{escape(raw, true), raw}
	}
	if again := escape(u.Path, true); again != raw {
		return []string{raw, again}
	}
	return []string{raw}
}

func (sig *signature) query(raw string) string {
	if raw == "" {
		return ""
	}
	var pairs []string
	for _, part := range strings.Split(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		if sig.presigned && k == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, escape(unescape(k), false)+"\x00"+escape(unescape(v), false))
	}
	sort.Strings(pairs)
	return strings.ReplaceAll(strings.Join(pairs, "&"), "\x00", "=")
}

func unescape(s string) string {
	if u, err := url.PathUnescape(s); err == nil {
		return u
	}
	return s
}

// escape encodes all but the unreserved characters of RFC 3986.
func escape(s string, path bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9',
			c == '-', c == '.', c == '_', c == '~', path && c == '/':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

func (sig *signature) canonicalHeaders(r *http.Request) string {
	var b strings.Builder
	for _, name := range sig.headers {
		var value string
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.FormatInt(r.ContentLength, 10)
		default:
			values := r.Header.Values(name)
			clean := make([]string, len(values))
			for i, v := range values {
				clean[i] = strings.Join(strings.Fields(v), " ")
			}
			value = strings.Join(clean, ",")
		}
		b.WriteString(name + ":" + value + "\n")
	}
	return b.String()
}
