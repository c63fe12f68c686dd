package sandbox

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signed is a request of STS, signed by the SDK's own signer.
func signed(t *testing.T, s *Sandbox, body []byte, at time.Time, change func(*http.Request)) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "http://sandbox.local/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if change != nil {
		change(r)
	}
	key, secret := s.Credentials()
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, r,
		hex.EncodeToString(sum[:]), "sts", "eu-west-1", at); err != nil {
		t.Fatal(err)
	}
	return r
}

func answer(s *Sandbox, r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	body, _ := io.ReadAll(w.Body)
	return w.Code, string(body)
}

func testSandbox(t *testing.T) *Sandbox {
	t.Helper()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSignatures(t *testing.T) {
	s, now := testSandbox(t), time.Now()
	body := []byte("Action=GetCallerIdentity&Version=2011-06-15")
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(body)
	_ = z.Close()
	tests := map[string]struct {
		request *http.Request
		status  int
		holds   string
	}{
		"signed":          {signed(t, s, body, now, nil), 200, "<Account>111111111111</Account>"},
		"query string":    {signed(t, s, body, now, func(r *http.Request) { r.URL.RawQuery = "b=x%20y&a=%2F&a=1&c" }), 200, "user/admin"},
		"path":            {signed(t, s, body, now, func(r *http.Request) { r.URL.Path = "/a b/c" }), 200, "user/admin"},
		"odd header":      {signed(t, s, body, now, func(r *http.Request) { r.Header.Set("X-Amz-Odd", "  a   b ") }), 200, "user/admin"},
		"gzip":            {signed(t, s, zipped.Bytes(), now, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }), 200, "user/admin"},
		"an hour old":     {signed(t, s, body, now.Add(-time.Hour), nil), 403, "Signature expired: "},
		"from the future": {signed(t, s, body, now.Add(time.Hour), nil), 403, "Signature not yet current: "},
		"not signed":      {httptest.NewRequest(http.MethodPost, "/", nil), 403, "AccessDenied"},
	}
	for name, tt := range tests {
		if status, got := answer(s, tt.request); status != tt.status || !strings.Contains(got, tt.holds) {
			t.Errorf("%s: %d %s", name, status, got)
		}
	}
	for name, tamper := range map[string]func(*http.Request){
		"body":   func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(string(body) + "&X=1")) },
		"query":  func(r *http.Request) { r.URL.RawQuery = "x=1" },
		"host":   func(r *http.Request) { r.Host = "elsewhere" },
		"header": func(r *http.Request) { r.Header.Set("X-Amz-Date", now.UTC().Add(time.Second).Format(sigTime)) },
		"region": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "eu-west-1", "us-east-1", 1))
		},
	} {
		r := signed(t, s, body, now, nil)
		tamper(r)
		if status, got := answer(s, r); status != 403 || !strings.Contains(got, "SignatureDoesNotMatch") {
			t.Errorf("tampered %s: %d %s", name, status, got)
		}
	}
}

func TestUnchunk(t *testing.T) {
	for in, want := range map[string]string{
		"5\r\nhello\r\n6;chunk-signature=abc\r\n world\r\n0\r\nx-amz-checksum-crc32:AA==\r\n\r\n": "hello world",
		"0\r\n\r\n": "",
	} {
		if got, err := unchunk([]byte(in)); err != nil || string(got) != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "5\r\nhel", "x\r\nhello", "-1\r\n", "ffffffffffff\r\nx"} {
		if got, err := unchunk([]byte(in)); err == nil {
			t.Errorf("%q: %q", in, got)
		}
	}
}
