package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"axle"
	"axle/internal/store"
	"axle/sandbox"
)

// errKilled is what a dead process gets of its journal.
var errKilled = errors.New("killed")

// nobody is the number of a process that there can't be.
const nobody = 1 << 30

// A process is one life of axle. Each record that its journal takes and each
// call of AWS that changes something is a transition, one after the other; it
// can be killed before or after any of them: from then on nothing of it reaches
// the journal or AWS, answers to it are lost, and its lock is nobody's.
type process struct {
	kill  int  // the transition, counted from 1; 0: none
	after bool // it has happened, and the process doesn't learn of it
	// lose says whether the answer to the call that has just changed something
	// is lost; may be nil.
	lose func() bool

	mu     sync.Mutex
	seen   []string // the transitions so far
	dead   bool
	cancel context.CancelFunc
}

// step does one transition, unless the process is dead or dies at it.
func (p *process) step(what string, do func() error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errKilled
	}
	p.seen = append(p.seen, what)
	if len(p.seen) != p.kill {
		return do()
	}
	if p.after {
		if err := do(); err != nil {
			return err
		}
	}
	p.dead = true
	p.cancel()
	return errKilled
}

func (p *process) killed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// transitions are what the process has come through.
func (p *process) transitions() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// doomed is the journal of a process.
type doomed struct {
	store.Store
	*process
}

func (d *doomed) CreateRun(ctx context.Context, run axle.Run, plan []byte) error {
	return d.step("create run", func() error { return d.Store.CreateRun(ctx, run, plan) })
}

// Append takes one record at a time: a crash can come between any two.
func (d *doomed) Append(ctx context.Context, run string, records []axle.Record) error {
	for i := range records {
		phase, _, _ := strings.Cut(records[i].Token, ":")
		what := fmt.Sprintf("record %s %s %s", records[i].Step, records[i].Status, phase)
		if err := d.step(what, func() error { return d.Store.Append(ctx, run, records[i:i+1]) }); err != nil {
			return err
		}
	}
	return nil
}

func (d *doomed) FinishRun(ctx context.Context, id string, status axle.RunStatus, at time.Time) error {
	return d.step("finish run as "+string(status), func() error { return d.Store.FinishRun(ctx, id, status, at) })
}

func (d *doomed) Remember(ctx context.Context, stackID, digest string, updated time.Time) error {
	return d.step("remember template", func() error { return d.Store.Remember(ctx, stackID, digest, updated) })
}

// Lock gives the lock to a process that a later one finds gone.
func (d *doomed) Lock(ctx context.Context, project string, by axle.Holder) (func() error, error) {
	by.PID = nobody
	var unlock func() error
	err := d.step("lock", func() (err error) {
		unlock, err = d.Store.Lock(ctx, project, by)
		return err
	})
	return func() error { return d.step("unlock", unlock) }, err
}

// A call is a request that AWS has carried out and that changed something.
type call struct {
	action, account, place string
	form                   url.Values
	peering                string // the connection that the answer names
}

// world is an organization, and what was done to it, by whatever process.
type world struct {
	*universe
	box   *sandbox.Sandbox
	file  string // axle.yaml
	mu    sync.Mutex
	calls []call
	keys  map[string]string // access key -> account
}

// universe serves many worlds at one address, as this process's AWS: all have
// the same accounts and seed, hence the same administrator, and each process has a version
// of its own, by which it is known.
type universe struct {
	t        *testing.T
	accounts string // an organization's file
	unkind   bool
	prepare  func(*world) // makes what a world has from the start; may be nil
	mu       sync.Mutex
	last     int
	live     map[string]http.Handler // by version
}

func newUniverse(t *testing.T, accounts string) *universe {
	u := &universe{t: t, accounts: accounts, live: map[string]http.Handler{}}
	server := httptest.NewServer(u)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL", server.URL)
	box, err := u.box("")
	if err != nil {
		t.Fatal(err)
	}
	key, secret := box.Credentials()
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	none := filepath.Join(t.TempDir(), "none")
	for k, v := range map[string]string{"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "eu-west-1", "AWS_PROFILE": "", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(k, v)
	}
	return u
}

// agent is what a process calls itself.
var agent = regexp.MustCompile(`axle/(v[0-9]+)`)

func (u *universe) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	name := agent.FindStringSubmatch(r.UserAgent())
	if name == nil {
		u.t.Errorf("%s calls, and isn't one of ours", r.UserAgent())
		panic(http.ErrAbortHandler)
	}
	u.mu.Lock()
	h := u.live[name[1]]
	u.mu.Unlock()
	if h == nil { // it is gone, and a part of it doesn't know yet
		panic(http.ErrAbortHandler)
	}
	h.ServeHTTP(out, r)
}

// enter gives a process its version; leave takes it away.
func (u *universe) enter(h http.Handler) (version string, leave func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last++
	version = fmt.Sprintf("v%d", u.last)
	u.live[version] = h
	return version, func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		delete(u.live, version)
	}
}

func (u *universe) box(state string) (*sandbox.Sandbox, error) {
	org, err := sandbox.ParseOrgFile("accounts.yaml", []byte(u.accounts))
	if err != nil {
		return nil, err
	}
	return sandbox.New(sandbox.Options{Organization: org, State: state, Seed: 1, Unkind: u.unkind})
}

// world makes an organization, or takes that of a state file, and a folder with
// the files of a project.
func (u *universe) world(state string, files map[string]string) (*world, error) {
	box, err := u.box(state)
	if err != nil {
		return nil, err
	}
	key, _ := box.Credentials()
	dir := u.t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "accounts.yaml"), []byte(u.accounts), 0o600); err != nil {
		return nil, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	w := &world{universe: u, box: box, file: filepath.Join(dir, "axle.yaml"), keys: map[string]string{key: "management"}}
	if u.prepare != nil {
		u.prepare(w)
	}
	return w, nil
}

func (w *world) close() {
	if err := w.box.Close(); err != nil {
		w.t.Error(err)
	}
}

var (
	signedBy   = regexp.MustCompile(`Credential=([^/]+)/[0-9]+/([^/]+)/`)
	forJournal = regexp.MustCompile(`Credential=[^/]+/[0-9]+/[^/]+/(dynamodb|s3)/`)
	sessionOf  = regexp.MustCompile(`arn:aws:sts::([0-9]{12}):assumed-role/`)
	newPeering = regexp.MustCompile(`<vpcPeeringConnectionId>(pcx-[0-9a-f]+)<`)
	newKey     = regexp.MustCompile(`<AccessKeyId>([^<]+)</AccessKeyId>`)
)

// gate is AWS as a process sees it.
func (w *world) gate(p *process) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if forJournal.MatchString(r.Header.Get("Authorization")) { // of which doomed decides
			w.box.ServeHTTP(out, r)
			return
		}
		body, err := readForm(r)
		if err != nil || p.killed() {
			panic(http.ErrAbortHandler)
		}
		rec := &recorder{ResponseRecorder: httptest.NewRecorder()}
		serve := func() error {
			w.box.ServeHTTP(rec, r)
			if !rec.dropped {
				w.note(r, body, rec.ResponseRecorder)
			}
			return nil
		}
		lost := false
		if changes(body.Get("Action")) {
			err = p.step("call "+body.Get("Action"), func() error {
				err := serve()
				lost = p.lose != nil && p.lose()
				return err
			})
		} else {
			err = serve()
		}
		if err != nil || lost || rec.dropped || p.killed() {
			panic(http.ErrAbortHandler) // whoever asked is gone
		}
		for k, v := range rec.Header() {
			out.Header()[k] = v
		}
		out.WriteHeader(rec.Code)
		_, _ = out.Write(rec.Body.Bytes())
	})
}

// recorder keeps an answer, or that the sandbox dropped the connection.
type recorder struct {
	*httptest.ResponseRecorder
	dropped bool
}

// Hijack is what the sandbox asks for when it drops a connection.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.dropped = true
	return nil, nil, http.ErrHijacked
}

// changes says whether an operation of a query protocol changes something. The
// other protocols are only read by what the tests here do.
func changes(action string) bool {
	for _, prefix := range []string{"Describe", "List", "Get", "AssumeRole", "Validate"} {
		if strings.HasPrefix(action, prefix) {
			return false
		}
	}
	return action != ""
}

// note keeps what was carried out, and who got which key.
func (w *world) note(r *http.Request, body url.Values, rec *httptest.ResponseRecorder) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if body.Get("Action") == "AssumeRole" {
		key, of := newKey.FindStringSubmatch(rec.Body.String()), sessionOf.FindStringSubmatch(rec.Body.String())
		if key != nil && of != nil {
			w.keys[key[1]] = of[1]
		}
	}
	by := signedBy.FindStringSubmatch(r.Header.Get("Authorization"))
	if rec.Code == http.StatusOK && changes(body.Get("Action")) && by != nil {
		c := call{action: body.Get("Action"), account: w.keys[by[1]], place: by[2], form: body}
		if id := newPeering.FindStringSubmatch(rec.Body.String()); id != nil {
			c.peering = id[1]
		}
		w.calls = append(w.calls, c)
	}
}

// live is one process: it does something, and is gone when that returns.
func (w *world) live(p *process, do func(ctx context.Context, o Options) error) error {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	p.cancel = cancel
	version, leave := w.enter(w.gate(p))
	defer leave()
	return do(ctx, Options{Version: version, File: w.file, wrap: func(s store.Store) store.Store { return &doomed{s, p} }})
}

// deploy or destroy, anew.
func (w *world) run(p *process, destroy bool) (done *Done, err error) {
	err = w.live(p, func(ctx context.Context, o Options) error {
		work, err := Open(ctx, o)
		if err != nil {
			return err
		}
		if destroy {
			done, err = work.Destroy(ctx, nil, nil, nil)
		} else {
			done, err = work.Deploy(ctx, nil, nil, nil)
		}
		return err
	})
	return done, err
}

// goOn is what a user does after a crash: axle resume, or the command again
// when nothing had been recorded. A run that had ended is shown.
func (w *world) goOn(p *process, destroy bool) (done *Done, err error) {
	err = w.live(p, func(ctx context.Context, o Options) (err error) {
		done, _, err = Resume(ctx, o, "", nil, nil)
		return err
	})
	var f *axle.Failure
	switch {
	case !errors.As(err, &f):
		return done, err
	case f.Code == "UnknownRun":
		return w.run(p, destroy)
	case f.Code == "NothingToResume":
		err = w.live(p, func(ctx context.Context, o Options) (err error) {
			done, err = Show(ctx, o, "")
			if err == nil && done.Run.Command == "deploy" && destroy {
				done, err = nil, axle.ErrNotFound
			}
			return err
		})
		if errors.Is(err, axle.ErrNotFound) {
			return w.run(p, destroy)
		}
	}
	return done, err
}
