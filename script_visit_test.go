package axle_test

import (
	"context"
	"io"
	"net/http"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdVisit sends a request to what is deployed behind an address of the sandbox,
// as anybody may: API Gateway's APIs, functions' addresses. The answer is stdout;
// ! visit wants one of 400 or above.
func cmdVisit(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 && len(args) != 3 {
		ts.Fatalf("usage: [!] visit METHOD PATH [BODY]")
	}
	body := ""
	if len(args) == 3 {
		body = args[2]
	}
	req, err := http.NewRequestWithContext(context.Background(), args[0], ts.Getenv("AWS_ENDPOINT_URL")+args[1], strings.NewReader(body))
	ts.Check(err)
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	if (res.StatusCode >= 400) != neg {
		ts.Fatalf("%s %s: %s %s", args[0], args[1], res.Status, answer)
	}
	_, _ = ts.Stdout().Write(answer)
}
