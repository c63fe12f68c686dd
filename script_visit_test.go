package axle_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/rogpeppe/go-internal/testscript"
)

// cmdVisit sends a request to what is deployed behind an address of the sandbox,
// as anybody may: API Gateway's APIs, functions' addresses. The sandbox answers
// for a URL whatever its host is; a path is one of the sandbox itself. WHO signs
// it, as for call. The body is stdout, status and headers are stderr, a line
// each. ! visit wants a status of 400 or above. A status of 500 is tried again for
// as long as policies may take to reach a service.
func cmdVisit(ts *testscript.TestScript, neg bool, args []string) {
	var who, region string
	if len(args) > 3 && args[0] == "-as" {
		who, region, args = args[1], args[2], args[3:]
	}
	if len(args) < 2 {
		ts.Fatalf("usage: [!] visit [-as WHO REGION] METHOD URL|PATH [BODY|@FILE] [HEADER:VALUE...]")
	}
	target, err := url.Parse(os.Expand(args[1], ts.Getenv))
	ts.Check(err)
	body := ""
	headers := args[2:]
	if len(headers) > 0 && !isHeader(headers[0]) {
		body, headers = os.Expand(headers[0], ts.Getenv), headers[1:]
		if file, ok := strings.CutPrefix(args[2], "@"); ok {
			body = ts.ReadFile(file)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	send := func() (*http.Response, []byte) {
		r, err := http.NewRequestWithContext(ctx, args[0], ts.Getenv("AWS_ENDPOINT_URL")+target.RequestURI(), strings.NewReader(body))
		ts.Check(err)
		r.Host = target.Host
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ":")
			r.Header.Set(name, strings.TrimSpace(value))
		}
		if who != "" {
			keys, err := scriptConfig(ts, ctx, who, region).Credentials.Retrieve(ctx)
			ts.Check(err)
			sum := sha256.Sum256([]byte(body))
			ts.Check(v4.NewSigner().SignHTTP(ctx, keys, r, hex.EncodeToString(sum[:]), "execute-api", region, time.Now()))
		}
		out, err := http.DefaultClient.Do(r)
		ts.Check(err)
		defer out.Body.Close() //nolint:errcheck // read to its end
		answer, err := io.ReadAll(out.Body)
		ts.Check(err)
		return out, answer
	}
	until, tried := time.Now().Add(propagation), time.Now()
	out, answer := send()
	// A permission that an API doesn't have yet is an error of the server.
	for !neg && out.StatusCode == http.StatusInternalServerError && tried.Before(until) {
		time.Sleep(100 * time.Millisecond)
		tried = time.Now()
		out, answer = send()
	}
	var said bytes.Buffer
	fmt.Fprintln(&said, out.StatusCode)
	var names []string
	for name := range out.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&said, "%s: %s\n", name, strings.Join(out.Header[name], ", "))
	}
	_, _ = ts.Stderr().Write(said.Bytes())
	_, _ = ts.Stdout().Write(answer)
	if failed := out.StatusCode >= http.StatusBadRequest; failed != neg {
		ts.Fatalf("%s %s: status %d: %s", args[0], target, out.StatusCode, answer)
	}
}

// isHeader tells NAME:VALUE from a body.
func isHeader(arg string) bool {
	name, _, ok := strings.Cut(arg, ":")
	return ok && name != "" && !strings.ContainsAny(name, "{}[]\" ")
}
