package control

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"axle/internal/diag"
	"axle/internal/template"
)

// What is wrong with a template behind an https:// URL is told at its place in
// axle.yaml, without the URL's query: a signature in it lets everybody in.
func TestTemplatesByURL(t *testing.T) {
	serve(t, twoAccounts)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	good := "Resources:\n  Topic: {Type: AWS::SNS::Topic}\n"
	pages := http.NewServeMux()
	for path, text := range map[string]string{"/good.yaml": good, "/page.yaml": "<html>Sign in</html>", "/typo.yaml": "Resources:\n  Topic: {Typ: AWS::SNS::Topic}\n",
		"/large.yaml": good + "# " + strings.Repeat("x", template.MaxSize)} {
		pages.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "X-Amz-Signature=secret" {
				http.Error(w, "who are you", http.StatusForbidden)
				return
			}
			_, _ = w.Write([]byte(text))
		})
	}
	pages.Handle("/moved.yaml", http.RedirectHandler(plain.URL+"/good.yaml", http.StatusFound))
	pages.Handle("/loop.yaml", http.RedirectHandler("/loop.yaml?X-Amz-Signature=secret", http.StatusFound))
	server := httptest.NewTLSServer(pages)
	t.Cleanup(server.Close)
	before := http.DefaultTransport
	http.DefaultTransport = server.Client().Transport
	t.Cleanup(func() { http.DefaultTransport = before })

	for _, test := range []struct{ url, want, hint string }{
		{server.URL + "/good.yaml", "", ""},
		{server.URL + "/none.yaml", `axle.yaml:5:16: template of stack "far": read ` + server.URL + "/none.yaml: the server answers 404 Not Found", "it is read without credentials"},
		{server.URL + "/moved.yaml", `axle.yaml:5:16: template of stack "far": read ` + server.URL + "/moved.yaml: ", "it is read without credentials"},
		{server.URL + "/loop.yaml", "it leads from one address to the next", "it is read without credentials"},
		{server.URL + "/large.yaml", `axle.yaml:5:16: template of stack "far": read ` + server.URL + "/large.yaml: it has more than 1048576 bytes", "nested stacks"},
		{server.URL + "/page.yaml", server.URL + "/page.yaml:1:1: a template must be a mapping", `it is the template of stack "far", at `},
		{server.URL + "/typo.yaml", server.URL + "/typo.yaml:2:3: resource Topic has no Type", "such as Type"},
	} {
		file := project(t, map[string]string{"axle.yaml": fmt.Sprintf("name: p\nregions: [eu-west-1]\nstacks:\n  far:\n    template: %q\n    targets: account.management\n", test.url+"?X-Amz-Signature=secret")})
		w, err := Open(t.Context(), Options{File: file})
		if test.want == "" {
			if err != nil || w.templates["far"] == nil {
				t.Errorf("%s: %v", test.url, err)
			}
			continue
		}
		var list diag.List
		if !errors.As(err, &list) || len(list.Errors()) == 0 {
			t.Errorf("%s: %v", test.url, err)
			continue
		}
		first := list.Errors()[0]
		if text := first.Error(); !strings.Contains(text, test.want) || !strings.Contains(first.Hint, test.hint) {
			t.Errorf("%s: %s\nwant %s\n  hint: %s", test.url, text, test.want, test.hint)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the signature shows: %v", err)
		}
		if strings.HasSuffix(test.url, "/moved.yaml") && !strings.Contains(first.Summary, "without https") {
			t.Errorf("%s", first.Summary)
		}
	}
}
