package store_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"axle"
	"axle/internal/cloud"
	"axle/internal/store"
	"axle/internal/store/storetest"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// region is where the tables of the tests are.
const region = "eu-west-1"

// shop is AWS as the tests below have it: a sandbox that is called without a
// network, so that it works on the tests' own clock.
type shop struct {
	box     *sandbox.Sandbox
	account string
	// after looks at a call that was answered; its error is what the caller
	// gets instead.
	after func(operation string) error
	// instead is the error that a call gets without being carried out, as DynamoDB
	// writes it; "" for none.
	instead func(operation string) string
}

func newShop(t *testing.T, faults ...sandbox.Fault) *shop {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{Seed: 1, Faults: faults, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	return &shop{box: box, account: "111111111111"}
}

// RoundTrip implements http.RoundTripper.
func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	rec := httptest.NewRecorder()
	if s.instead != nil {
		if refusal := s.instead(operation); refusal != "" {
			rec.Header().Set("Content-Type", "application/x-amz-json-1.0")
			rec.WriteHeader(http.StatusBadRequest)
			_, _ = rec.WriteString(refusal)
			return rec.Result(), nil
		}
	}
	in := r.Clone(r.Context()) // as a server has it
	in.Host, in.RequestURI, in.RemoteAddr = r.URL.Host, r.URL.RequestURI(), "127.0.0.1:1"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if r.ContentLength > 0 {
		in.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	dropped := false
	func() {
		defer func() { // of a connection that the sandbox drops
			if recover() != nil {
				dropped = true
			}
		}()
		s.box.ServeHTTP(rec, in)
	}()
	if s.after != nil {
		if err := s.after(operation); err != nil {
			return nil, err
		}
	}
	if dropped {
		return nil, io.ErrUnexpectedEOF
	}
	out := rec.Result()
	out.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	out.Request = r
	return out, nil
}

// config is of an administrator, or of a user without rights.
func (s *shop) config() aws.Config {
	key, secret := s.box.Credentials()
	return aws.Config{Region: region, BaseEndpoint: aws.String("http://aws.test"), HTTPClient: &http.Client{Transport: s},
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		Retryer: func() aws.Retryer { // more patient than the SDK's own, as the door to AWS is, and faster
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.RateLimiter, o.Backoff = 10, ratelimit.None, retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Millisecond, nil })
			})
		}}
}

func (s *shop) at(name string) store.TableAddress {
	return store.TableAddress{Table: name}.In(s.account, region)
}

// table makes the table and bucket of a name.
func (s *shop) table(t *testing.T, name string) {
	t.Helper()
	db, bucket := storetest.Clients(s.config())
	storetest.Table(t, s.at(name), db, bucket)
}

func (s *shop) open(t *testing.T, name string) *store.DynamoDB {
	t.Helper()
	db, err := storetest.OpenTable(t, s.config(), s.account, s.at(name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// set changes an attribute of the lock of project p.
func (s *shop) set(t *testing.T, table, name string, value types.AttributeValue) {
	t.Helper()
	_, err := dynamodb.NewFromConfig(s.config()).UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table,
		Key:              map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "lock#p"}, "sk": &types.AttributeValueMemberS{Value: "lock"}},
		UpdateExpression: aws.String("SET #n = :v"), ExpressionAttributeNames: map[string]string{"#n": name}, ExpressionAttributeValues: map[string]types.AttributeValue{":v": value}})
	if err != nil {
		t.Fatal(err)
	}
}

// serveTable has the shop serve other processes too, and returns its address with
// the key of an administrator.
func serveTable(t *testing.T) string {
	t.Helper()
	s := newShop(t)
	s.table(t, "axle")
	server := httptest.NewServer(s.box)
	t.Cleanup(server.Close)
	key, secret := s.box.Credentials()
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(key, secret)
	return u.String()
}

// openServed opens the store at such an address.
func openServed(t *testing.T, address string) *store.DynamoDB {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := u.User.Password()
	cfg := aws.Config{Region: region, BaseEndpoint: aws.String("http://" + u.Host), HTTPClient: cloud.WholeBodies(http.DefaultClient), Credentials: credentials.NewStaticCredentialsProvider(u.User.Username(), secret, "")}
	const account = "111111111111"
	db, err := storetest.OpenTable(t, cfg, account, store.TableAddress{Table: "axle"}.In(account, region))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func testContract(t *testing.T, s *shop) {
	made := map[string]bool{}
	storetest.Contract(t, func(t *testing.T, name string) store.Store {
		name = "axle-" + strings.ToLower(name)
		if !made[name] {
			s.table(t, name)
			made[name] = true
		}
		return s.open(t, name)
	})
}

func TestDynamoDB(t *testing.T) { testContract(t, newShop(t)) }

// The contract holds when calls are throttled, fail, break, and when the answers
// of what was carried out are lost.
func TestDynamoDBOnABadDay(t *testing.T) {
	items := "*Item*"
	s := newShop(t,
		sandbox.Fault{Kind: "throttle", Service: "dynamodb", Operation: items, Probability: 0.1},
		sandbox.Fault{Kind: "error", Service: "dynamodb", Operation: items, Code: "InternalServerError", Status: 500, Probability: 0.05},
		sandbox.Fault{Kind: "throttle", Service: "s3", Operation: "*Object", Probability: 0.1},
	)
	var mu sync.Mutex
	calls := 0
	s.after = func(operation string) error {
		mu.Lock()
		defer mu.Unlock()
		if !strings.Contains(operation, "Item") {
			return nil
		}
		if calls++; calls%7 == 0 {
			return io.ErrUnexpectedEOF
		}
		return nil
	}
	testContract(t, s)
}

// A transaction that met another on the same item, or was throttled, is tried
// again; one whose condition doesn't hold isn't.
func TestDynamoDBContention(t *testing.T) {
	s := newShop(t)
	s.table(t, "axle")
	db := s.open(t, "axle")
	if err := db.CreateRun(t.Context(), axle.Run{ID: "r", Project: "p"}, nil); err != nil {
		t.Fatal(err)
	}
	var reasons []string // of the next transactions
	s.instead = func(operation string) string {
		if operation != "TransactWriteItems" || len(reasons) == 0 {
			return ""
		}
		reason := reasons[0]
		reasons = reasons[1:]
		return fmt.Sprintf(`{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "message": "cancelled [%s]", "CancellationReasons": [{"Code": "%s"}]}`, reason, reason)
	}
	reasons = []string{"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"}
	if err := db.Append(t.Context(), "r", []axle.Record{{Step: "a"}}); err != nil || len(reasons) > 0 {
		t.Errorf("%v, with %v to come", err, reasons)
	}
	reasons = []string{"ValidationError", "ValidationError"}
	if err := db.Append(t.Context(), "r", []axle.Record{{Step: "b"}}); err == nil || len(reasons) != 1 {
		t.Errorf("%v, with %v to come", err, reasons)
	}
	reasons = nil
	if err := db.Append(t.Context(), "r", []axle.Record{{Step: "c"}}); err != nil {
		t.Error(err)
	}
	if records, err := db.Records(t.Context(), "r"); err != nil || len(records) != 2 {
		t.Errorf("records: %v, %v", records, err)
	}
}

// Several machines may come at once, and one of them gets the lock.
func TestDynamoDBAtOnce(t *testing.T) {
	s := newShop(t)
	s.table(t, "axle")
	results := make(chan error, 8)
	for i := range 8 {
		db := s.open(t, "axle")
		go func() {
			_, err := db.Lock(t.Context(), "p", axle.Holder{Run: fmt.Sprint("r", i), Who: fmt.Sprint("user", i), Host: "here", PID: os.Getpid()})
			results <- err
		}()
	}
	got := 0
	for range 8 {
		err := <-results
		var locked *axle.LockedError
		switch {
		case err == nil:
			got++
		case !errors.As(err, &locked) || locked.Holder.Who == "" || time.Since(locked.Holder.Since) > time.Minute:
			t.Errorf("refused with %v", err)
		}
	}
	if got != 1 {
		t.Errorf("%d have the lock", got)
	}
}

// A holder on another machine that beats keeps its lock, whatever times it
// writes; one that is silent loses it, and can't write any more.
func TestDynamoDBLockFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.table(t, "axle")
		far, here := s.open(t, "axle"), s.open(t, "axle")
		for _, id := range []string{"far", "mine"} {
			if err := far.CreateRun(t.Context(), axle.Run{ID: id, Project: "p", Status: axle.RunRunning}, nil); err != nil {
				t.Fatal(err)
			}
		}
		unlock, err := far.Lock(t.Context(), "p", axle.Holder{Run: "far", Who: "them@far", Host: "far", PID: os.Getpid()})
		if err != nil {
			t.Fatal(err)
		}
		s.set(t, "axle", "place", &types.AttributeValueMemberS{Value: "another machine"})
		write := func() error {
			return far.Append(t.Context(), "far", []axle.Record{{Step: "s", Status: axle.Running}})
		}
		var watching []string
		here.Watching = func(project string, h axle.Holder, silent, takes time.Duration) {
			watching = append(watching, fmt.Sprintf("%s %s %s %s", project, h.Who, silent.Round(time.Minute), takes))
		}
		refused := func(what string, within time.Duration) {
			t.Helper()
			began := time.Now()
			_, err := here.Lock(t.Context(), "p", axle.Holder{Run: "mine", Who: "me", Host: "here", PID: os.Getpid()})
			var locked *axle.LockedError
			if !errors.As(err, &locked) || locked.Holder.Who != "them@far" || time.Since(began) > within {
				t.Errorf("%s: %v after %s", what, err, time.Since(began))
			}
		}
		time.Sleep(10 * time.Minute)
		refused("beats", 0)
		if _, held, err := here.Holder(t.Context(), "p"); err != nil || !held {
			t.Errorf("it isn't seen: %v", err)
		}
		s.set(t, "axle", "seen", &types.AttributeValueMemberN{Value: "1"}) // as a clock that is wrong by decades would have it
		refused("beats with a wrong clock", 2*5*time.Second)
		if err := write(); err != nil {
			t.Errorf("the holder can't write: %v", err)
		}

		_ = far.Close() // its heart stops
		far = nil
		time.Sleep(50 * time.Second)
		refused("silent for 50 s", 0)
		time.Sleep(11 * time.Second)
		watching = nil
		began := time.Now()
		again, err := here.Lock(t.Context(), "p", axle.Holder{Run: "mine", Who: "me", Host: "here", PID: os.Getpid()})
		if err != nil || time.Since(began) < 10*time.Second || time.Since(began) > 20*time.Second {
			t.Fatalf("the lock of one that is silent: %v after %s", err, time.Since(began))
		}
		if len(watching) != 1 || watching[0] != "p them@far 1m0s 15s" {
			t.Errorf("of the wait was told: %q", watching)
		}
		if run, _, err := here.Run(t.Context(), "far"); err != nil || run.Status != axle.RunInterrupted {
			t.Errorf("its run: %s, %v", run.Status, err)
		}
		if err := again(); err != nil {
			t.Error(err)
		}
		_ = unlock
	})
}

// What an item can't hold is in the bucket.
func TestDynamoDBLarge(t *testing.T) {
	s := newShop(t)
	s.table(t, "axle")
	db := s.open(t, "axle")
	noise := make([]byte, 3<<20)
	seed := uint32(1)
	for i := range noise { // what doesn't compress
		seed = seed*1664525 + 1013904223
		noise[i] = "0123456789abcdef"[seed>>28]
	}
	if err := db.CreateRun(t.Context(), axle.Run{ID: "r", Project: "p"}, noise); err != nil {
		t.Fatal(err)
	}
	if err := db.Append(t.Context(), "r", []axle.Record{{Step: "a", Status: axle.Succeeded, Result: axle.Result{Note: string(noise)}}}); err != nil {
		t.Fatal(err)
	}
	var many []axle.Record
	for i := range 10000 {
		many = append(many, axle.Record{Step: fmt.Sprintf("stack/x/%05d", i), Status: axle.Running, Token: fmt.Sprint("token", i)})
	}
	if err := db.Append(t.Context(), "r", many); err != nil {
		t.Fatal(err)
	}
	if _, plan, err := db.Run(t.Context(), "r"); err != nil || string(plan) != string(noise) {
		t.Errorf("the plan has %d bytes, %v", len(plan), err)
	}
	if records, err := db.Records(t.Context(), "r"); err != nil || len(records) != 10001 || records[0].Result.Note != string(noise) {
		t.Errorf("%d records, %v", len(records), err)
	}
}

// What a user can do something about says what.
func TestDynamoDBErrors(t *testing.T) {
	s := newShop(t)
	s.table(t, "axle")
	db := dynamodb.NewFromConfig(s.config())
	for name, keys := range map[string][]string{"foreign": {"id"}, "nearly": {"sk", "pk"}} {
		in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
		for i, k := range keys {
			in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: &k, KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]})
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: &k, AttributeType: types.ScalarAttributeTypeS})
		}
		if _, err := db.CreateTable(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	noBucket := s.at("axle")
	noBucket.Bucket = "nowhere"
	nobody := s.config()
	nobody.HTTPClient = &http.Client{Transport: deaf{}}
	denied := newShop(t, sandbox.Fault{Kind: "deny", Service: "dynamodb", Operation: "DescribeTable"})
	deniedBucket := newShop(t, sandbox.Fault{Kind: "deny", Service: "s3", Operation: "HeadBucket"})
	slow := newShop(t, sandbox.Fault{Kind: "throttle", Service: "dynamodb", Operation: "GetItem"})
	for _, other := range []*shop{denied, deniedBucket, slow} {
		if other != denied {
			other.table(t, "axle")
		}
	}
	for _, tt := range []struct {
		name string
		cfg  aws.Config
		at   store.TableAddress
		want string
		hint string
	}{
		{"no table", s.config(), s.at("axle-none"), "there is no such table", "axle bootstrap --only-store --yes"},
		{"no bucket", s.config(), noBucket, "there is no such bucket", "axle bootstrap --only-store --yes"},
		{"other key", s.config(), s.at("foreign"), "is a table of another program", "another table"},
		{"keys the wrong way", s.config(), s.at("nearly"), "is a table of another program", "another table"},
		{"nobody there", nobody, s.at("axle"), "can't be reached", "network"},
		{"no rights", denied.config(), s.at("axle"), "these credentials may not", "dynamodb:DescribeTable"},
		{"no rights on the bucket", deniedBucket.config(), s.at("axle"), "may not use the bucket", "s3:GetObject"},
		{"throttled", slow.config(), s.at("axle"), "the table is throttled", "axle resume"},
	} {
		_, err := storetest.OpenTable(t, tt.cfg, s.account, tt.at)
		var known *store.Error
		if !errors.As(err, &known) || !strings.Contains(known.Summary, tt.want) || !strings.Contains(known.Hint, tt.hint) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	_, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("axle"), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "store"}, "sk": &types.AttributeValueMemberS{Value: "store"}, "schema": &types.AttributeValueMemberN{Value: "99"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := storetest.OpenTable(t, s.config(), s.account, s.at("axle")); err == nil || !strings.Contains(err.Error(), "was written by a newer axle (its schema is 99") {
		t.Errorf("a newer schema: %v", err)
	}
}

// deaf is a network without anybody.
type deaf struct{}

func (deaf) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

func TestTableAddress(t *testing.T) {
	for address, want := range map[string]store.TableAddress{
		"dynamodb://axle-journal":                               {Table: "axle-journal"},
		"dynamodb://Axle_Journal?bucket=my-bucket":              {Table: "Axle_Journal", Bucket: "my-bucket"},
		"dynamodb://axle?region=eu-central-1":                   {Table: "axle", Region: "eu-central-1"},
		"dynamodb://axle?bucket=my-bucket&region=us-gov-west-1": {Table: "axle", Bucket: "my-bucket", Region: "us-gov-west-1"},
	} {
		if got, err := store.ParseTableAddress(address); err != nil || got != want {
			t.Errorf("%s: %+v, %v", address, got, err)
		}
	}
	for address, want := range map[string]string{
		"dynamodb://":                     "isn't the name of a table",
		"dynamodb://a b":                  "isn't the name of a table",
		"dynamodb://me:secret@axle":       "isn't the name of a table",
		"dynamodb://Axle_Journal":         "a bucket can't be named after table",
		"dynamodb://axle?region=Ireland":  `"Ireland" isn't a region`,
		"dynamodb://axle?bucket=MyBucket": `"MyBucket" isn't a bucket`,
		"dynamodb://axle?table=x":         `"table" is neither`,
		"dynamodb://axle?%zz":             "can't be read",
	} {
		var known *store.Error
		if _, err := store.ParseTableAddress(address); !errors.As(err, &known) || !strings.Contains(known.Summary, want) || known.Hint == "" {
			t.Errorf("%s: %v", address, err)
		}
	}
	got := store.TableAddress{Table: "axle"}.In("111111111111", "eu-west-1")
	if got.Bucket != "axle-111111111111-eu-west-1" || got.Region != "eu-west-1" {
		t.Errorf("completed: %+v", got)
	}
}
