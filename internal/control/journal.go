package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"axle"
	"axle/internal/config"
	"axle/internal/plan"
	"axle/internal/store"
)

// storeEnv names the store in place of axle.yaml's store: where the address is
// a machine's own affair, or has a password.
const storeEnv = "AXLE_STORE"

// journalAt is where the project's journal is: an address of PostgreSQL or
// DynamoDB, or empty for the file beside axle.yaml. Mistakes in axle.yaml are for others to
// report, but a store that it names wrongly is none: a run must not be recorded,
// or locked, in another place than the team's.
func journalAt(o Options) (string, error) {
	if address, err := journalInstead(); address != "" || err != nil {
		return address, err
	}
	if o.opened != nil { // it has been read, and is right
		return o.opened.project.Store.Address.Value, nil
	}
	if _, err := os.Stat(o.File); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	project, problems := config.Load(o.File, "")
	if project.Name.Value == "" && !project.Store.Said { // it can't be read at all
		return "", problems.Err()
	}
	if project.Store.Said && project.Store.Address.Value == "" {
		return "", problems.Err()
	}
	return project.Store.Address.Value, nil
}

// journalInstead is what AXLE_STORE says in place of axle.yaml.
func journalInstead() (string, error) {
	address := os.Getenv(storeEnv)
	if address != "" && !store.IsPostgres(address) && !store.IsDynamoDB(address) {
		return "", &store.Error{Path: storeEnv, Summary: "isn't the address of a store", Hint: "postgres://user@host:5432/database or dynamodb://TABLE"}
	}
	return address, nil
}

// openStore opens the project's journal.
func openStore(ctx context.Context, o Options) (store.Store, error) {
	address, err := journalAt(o)
	if err != nil {
		return nil, err
	}
	var db store.Store
	switch {
	case address == "":
		db, err = store.Open(ctx, filepath.Join(stateDir(o.File), "axle.db"))
	case store.IsDynamoDB(address):
		db, err = openTable(ctx, o, address)
	default:
		db, err = store.OpenPostgres(ctx, address)
	}
	if err != nil {
		return nil, err
	}
	if o.wrap != nil {
		return o.wrap(db), nil
	}
	return db, nil
}

// openTable opens a journal in DynamoDB and S3, in the hub account: what only
// reads the journal knows no account yet.
func openTable(ctx context.Context, o Options, address string) (store.Store, error) {
	at, err := store.ParseTableAddress(address)
	if err != nil {
		return nil, err
	}
	w := o.opened
	if w == nil {
		if w, err = load(o, false); err != nil {
			return nil, err
		}
		if err := w.enterHub(ctx); err != nil {
			return nil, err
		}
	}
	region := at.In("", w.Region()).Region
	account, table, bucket, err := w.cloud.TableAndBucket(ctx, w.hub.Account.ID, region)
	if err != nil {
		return nil, err
	}
	db, err := store.OpenDynamoDB(ctx, at.In(account, region), account, table, bucket)
	if err != nil {
		return nil, err
	}
	if o.Say != nil {
		db.Watching = func(project string, h axle.Holder, silent, takes time.Duration) {
			o.Say(fmt.Sprintf("Run %s of %s has the lock of project %q, and hasn't been heard of for %s: it is watched for %s before its lock is taken.",
				h.Run, h.Who, project, silent.Round(time.Second), takes))
		}
	}
	return db, nil
}

// readStore opens the journal to look something up: where there is none, none
// is made, and the error is ErrNotFound.
func readStore(ctx context.Context, o Options) (store.Store, error) {
	address, err := journalAt(o)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(stateDir(o.File), "axle.db")); address == "" && errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the journal of %s: %w", o.File, axle.ErrNotFound)
	}
	return openStore(ctx, o)
}

// recordedPlans goes over the plans of a project's latest runs that are chosen, the
// newest first, as long as do wants more. It looks at so many runs at most.
func recordedPlans(ctx context.Context, db store.Store, project string, most int, chosen func(axle.Run) bool, do func(axle.Run, *plan.Plan) (more bool)) error {
	runs, err := db.Runs(ctx, project, most)
	if err != nil {
		return fmt.Errorf("look for earlier runs: %w", err)
	}
	for _, r := range runs {
		if !chosen(r) {
			continue
		}
		_, body, err := db.Run(ctx, r.ID)
		if err != nil {
			return fmt.Errorf("read run %s: %w", r.ID, err)
		}
		was, err := plan.Decode(body)
		if err != nil {
			continue // of another version: a record, never the truth
		}
		if !do(r, was) {
			break
		}
	}
	return nil
}

func isDeploy(r axle.Run) bool { return r.Command == "deploy" }

// scope is the project whose runs are meant when none is named: in a journal
// that is shared, axle.yaml's own; in a folder's, empty for all that are there.
func scope(o Options) string {
	if address, err := journalAt(o); err != nil || address == "" {
		return ""
	}
	return ownProject(o)
}

// ownProject is the project whose latest run is meant when one is acted on; empty
// when there is no axle.yaml that names it.
func ownProject(o Options) string {
	project, _ := config.Load(o.File, "") // its mistakes are others' to report
	return project.Name.Value
}

// lastRunFile is written when a run of a shared journal was at work from here:
// what was read of accounts before isn't believed any more.
const lastRunFile = "last-run"

func (w *Work) noteRun() {
	if address, err := journalAt(w.opts); err != nil || address == "" {
		return // the journal's own file tells
	}
	dir := stateDir(w.opts.File)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, lastRunFile), []byte(w.run+"\n"), 0o600)
	}
	if err != nil {
		w.warn("it isn't noted here that a run was at work: %v; --refresh looks at accounts anew", err)
	}
}
