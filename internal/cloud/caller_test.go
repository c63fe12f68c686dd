package cloud

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"axle"
)

// presuming is a cloud that believes what the file says of its access key.
func (w *wire) presuming(t *testing.T, file string, access Access) *Cloud {
	t.Helper()
	c, err := New(t.Context(), Options{Region: "eu-west-1", Access: access, Run: "r1", Callers: file, Presume: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var spokeOne = axle.Account{ID: "111111111111", Name: "one"}

// known makes the file, by asking.
func (w *wire) known(t *testing.T, access Access) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "state", "callers.json")
	if _, err := w.presuming(t, file, access).Credentials(t.Context(), spokeOne); err != nil {
		t.Fatal(err)
	}
	if n := w.count("AKIDBASE GetCallerIdentity"); n != 1 {
		t.Fatalf("a caller that isn't known was asked for %d times, want once", n)
	}
	return file
}

func TestPresumed(t *testing.T) {
	w := newWire(t)
	access := Access{For: all(spoke("axle-spoke"))}
	file := w.known(t, access)
	c := w.presuming(t, file, access)
	if id, ok := c.Presumed(); !ok || id.ARN != hubARN || id.Account != "999999999999" || id.Partition != "aws" {
		t.Errorf("presumed %+v, %v", id, ok)
	}
	if _, err := c.Credentials(t.Context(), spokeOne); err != nil {
		t.Fatal(err)
	}
	if err := c.Certain(t.Context()); err != nil {
		t.Error(err)
	}
	if n := w.count("AKIDBASE GetCallerIdentity"); n != 1 {
		t.Errorf("GetCallerIdentity called %d times, want none since the caller is known", n-1)
	}
	if name := w.last("AssumeRole").Get("RoleSessionName"); name != "axle-r1-dev" {
		t.Errorf("session name is %q", name)
	}
	if mode := must(os.Stat(file)).Mode().Perm(); mode != 0o600 {
		t.Errorf("the file's mode is %o", mode)
	}
	for _, secret := range []string{"AKIDBASE", "base-secret"} {
		if body := must(os.ReadFile(file)); strings.Contains(string(body), secret) {
			t.Errorf("%s is in the file: %s", secret, body)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Certain waits for what is being entered: that tells as well.
func TestCertainWaits(t *testing.T) {
	w := newWire(t)
	access := Access{For: all(spoke("axle-spoke"))}
	c := w.presuming(t, w.known(t, access), access)
	held, free := make(chan struct{}, 2), make(chan struct{})
	w.refuse = func(string, string, url.Values) (string, string) {
		held <- struct{}{}
		<-free
		return "", ""
	}
	defer c.EnterAhead(t.Context(), []string{"333333333333"}, 2)()
	<-held
	certain := make(chan error)
	go func() { certain <- c.Certain(t.Context()) }()
	select {
	case err := <-certain:
		t.Errorf("Certain doesn't wait: %v", err)
	default:
	}
	close(free)
	if err := <-certain; err != nil {
		t.Error(err)
	}
	if n := w.count("AKIDBASE GetCallerIdentity"); n != 1 {
		t.Errorf("GetCallerIdentity called %d times, want none more", n)
	}
}

// Certain asks where nothing has proved the credentials yet.
func TestCertainAsks(t *testing.T) {
	w := newWire(t)
	access := Access{For: all(spoke("axle-spoke"))}
	c := w.presuming(t, w.known(t, access), access)
	if err := c.Certain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.count("AKIDBASE GetCallerIdentity"); n != 2 {
		t.Errorf("GetCallerIdentity called %d times, want once by each", n)
	}
}

func TestNotPresumed(t *testing.T) {
	access := Access{For: all(spoke("axle-spoke"))}
	edit := func(from, to string) func(t *testing.T, file string) {
		return func(t *testing.T, file string) {
			body := string(must(os.ReadFile(file)))
			if !strings.Contains(body, from) {
				t.Fatalf("%q isn't in %s", from, body)
			}
			if err := os.WriteFile(file, []byte(strings.Replace(body, from, to, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	year := time.Now().UTC().Format("2006-")
	for name, change := range map[string]func(*testing.T, string){
		"long ago":        edit(`"seen":"`+year, `"seen":"1999-`),
		"in the future":   edit(`"seen":"`+year, `"seen":"2999-`),
		"another shape":   edit(`"version":1`, `"version":2`),
		"damaged":         edit(`{`, ``),
		"no account":      edit(`"999999999999"`, `"99"`),
		"no ARN":          edit(`arn:aws:`, `arn:aws-cn:`),
		"gone":            func(t *testing.T, file string) { must(0, os.Remove(file)) },
		"another key":     func(t *testing.T, _ string) { t.Setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER") },
		"can't be a file": func(t *testing.T, file string) { must(0, errors.Join(os.Remove(file), os.Mkdir(file, 0o700))) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			file := w.known(t, access)
			change(t, file)
			c := w.presuming(t, file, access)
			if id, ok := c.Presumed(); ok {
				t.Errorf("presumed %+v", id)
			}
			if _, err := c.Credentials(t.Context(), spokeOne); err != nil {
				t.Error(err)
			}
			if n := w.count("AKIDBASE GetCallerIdentity") + w.count("AKIDOTHER GetCallerIdentity"); n != 2 {
				t.Errorf("GetCallerIdentity called %d times, want once by each", n)
			}
		})
	}
}

// An account that is entered with the caller's own credentials must be the caller's:
// that isn't presumed.
func TestNeverPresumedWithoutRole(t *testing.T) {
	w := newWire(t)
	access := Access{For: all(Role{Name: None})}
	own := axle.Account{ID: "999999999999", Name: "own"}
	file := filepath.Join(t.TempDir(), "callers.json")
	for n := 1; n <= 2; n++ {
		if _, err := w.presuming(t, file, access).Credentials(t.Context(), own); err != nil {
			t.Fatal(err)
		}
		if got := w.count("AKIDBASE GetCallerIdentity"); got != n {
			t.Errorf("GetCallerIdentity called %d times in %d runs", got, n)
		}
	}
}

// The credentials have expired: that is what is said, not what each account refuses.
func TestPresumedExpired(t *testing.T) {
	w := newWire(t)
	access := Access{For: all(spoke("axle-spoke"))}
	c := w.presuming(t, w.known(t, access), access)
	w.refuse = func(string, string, url.Values) (string, string) {
		return "ExpiredToken", "The security token included in the request is expired"
	}
	defer c.EnterAhead(t.Context(), []string{"222222222222", "333333333333", "444444444444"}, 2)()
	_, err := c.Credentials(t.Context(), spokeOne)
	for _, err := range []error{err, c.Certain(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "who the caller is") {
			t.Errorf("error is %v", err)
		}
	}
}

// The access key is another's than it was, as after an emulator's new start: a
// refusal is explained by that, and the next command knows.
func TestPresumedWrongly(t *testing.T) {
	w := newWire(t)
	access := Access{For: all(spoke("axle-spoke"))}
	file := w.known(t, access)
	body := strings.ReplaceAll(string(must(os.ReadFile(file))), "999999999999", "888888888888")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	w.refuse = func(_, action string, _ url.Values) (string, string) {
		if action == "AssumeRole" {
			return "AccessDenied", "not authorized"
		}
		return "", ""
	}
	c := w.presuming(t, file, access)
	_, err := c.Credentials(t.Context(), spokeOne)
	var f *axle.Failure
	if !errors.As(err, &f) || f.Code != "CallerChanged" || !strings.Contains(f.Message, "888888888888") || f.Hint == "" {
		t.Errorf("error is %v", err)
	}
	w.refuse = nil
	if id, ok := w.presuming(t, file, access).Presumed(); !ok || id.ARN != hubARN {
		t.Errorf("then presumed %+v, %v", id, ok)
	}
}
