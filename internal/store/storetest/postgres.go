//go:build unix

package storetest

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Postgres is the address of a real PostgreSQL: AXLE_TEST_POSTGRES, or one that is
// started from the programs of this machine (test/postgres.sh installs them).
// Without either the test is skipped, and AXLE_REQUIRE_POSTGRES, which CI sets,
// makes that a failure.
func Postgres(t *testing.T) string {
	t.Helper()
	if address := os.Getenv("AXLE_TEST_POSTGRES"); address != "" {
		return address
	}
	bin := binaries()
	if bin == "" {
		why := "PostgreSQL ISN'T TESTED: there is none on this machine; sh test/postgres.sh installs it, or set AXLE_TEST_POSTGRES"
		if os.Getenv("AXLE_REQUIRE_POSTGRES") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return startPostgres(t, bin)
}

// binaries is the folder of PostgreSQL's newest programs, or nothing.
func binaries() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // Debian's place
	slices.Sort(found)
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1])
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	return ""
}

// startPostgres serves a new database cluster until the end of the test.
// PostgreSQL doesn't run as root: then it runs as the user postgres.
func startPostgres(t *testing.T, bin string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "axle-postgres-") // a short path: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	attr := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatalf("PostgreSQL doesn't run as root, and there is no user postgres: %v", err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	data, log := filepath.Join(dir, "data"), filepath.Join(dir, "log")
	run := func(program string, args ...string) error {
		cmd := exec.Command(filepath.Join(bin, program), append([]string{"-D", data}, args...)...)
		cmd.Dir, cmd.SysProcAttr = dir, attr
		// The machine's language may be one that isn't installed here, and below a
		// message is looked for in English.
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		said, err := os.Create(filepath.Join(dir, program)) // not a pipe: the server keeps it
		if err != nil {
			return err
		}
		defer said.Close()
		cmd.Stdout, cmd.Stderr = said, said
		if err := cmd.Run(); err != nil {
			body, _ := os.ReadFile(said.Name())
			return fmt.Errorf("%s: %w\n%s", program, err, body)
		}
		return nil
	}
	if err := run("initdb", "-U", "axle", "--auth=trust", "--no-sync", "--encoding=UTF8"); err != nil {
		t.Fatal(err)
	}
	var port int
	for {
		port = freePort(t)
		err := run("pg_ctl", "-w", "-t", "300", "-l", log, "-o", fmt.Sprintf("-p %d -k '%s' -c listen_addresses=127.0.0.1 -c max_connections=200", port, dir), "start")
		if err == nil {
			break
		}
		if said, _ := os.ReadFile(log); !bytes.Contains(said, []byte("Address already in use")) {
			t.Fatalf("%v\n%s", err, said)
		}
		if err := os.Remove(log); err != nil { // somebody was quicker: another port
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := run("pg_ctl", "-m", "immediate", "-w", "stop"); err != nil {
			t.Errorf("stop PostgreSQL: %v", err)
		}
	})
	return fmt.Sprintf("postgres://axle@127.0.0.1:%d/postgres", port)
}

// freePort is a port that nobody listens at now.
func freePort(t *testing.T) int {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return free.Addr().(*net.TCPAddr).Port
}

// Database makes an empty database and returns its address.
func Database(t *testing.T, server, name string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	quoted := pgx.Identifier{name}.Sanitize()
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + quoted + " WITH (FORCE)", "CREATE DATABASE " + quoted} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}
