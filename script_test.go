package axle_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"axle/internal/cli"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary the axle command for the scripts.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"axle":       func() { os.Exit(cli.New().Run(context.Background(), os.Args[1:])) },
		"onterminal": onTerminal,
	})
}

// TestScripts runs every testdata/script/*.txtar: what a user sees, against the
// sandbox. UPDATE_SCRIPTS=1 rewrites their golden files.
//
// Beside testscript's own commands they have:
//
//	sandbox [-org FILE] [-kind] [-stack-seconds S] [-latency D] [-limits aws] [-faults FILE] [-accounts N]
//	        serves one and sets the AWS variables; unkind unless told otherwise
//	exits CODE COMMAND...    runs a command and checks its exit code
//	calls SERVICE:OP N    the sandbox has served exactly that many; N may be a sum: $CALLS+12
//	remember SERVICE:OP   puts how many those are into $CALLS
//	waitcalls SERVICE:OP N    waits until it has served that many; N may be a sum too
//	hold SERVICE:OP N     from the Nth call on, counted as calls does, nobody gets an answer to it:
//	        what is at work stays at work, and can be killed or be in the way; query protocol only
//	release               lets the answers go
//	trust ACCOUNT ROLE FILE    replaces a role's trust policy, as an administrator
//	waitfor FILE PATTERN  waits until a file that is being written has it
//	look ACCOUNT REGION stacks|vpcs|peerings|routes|buckets    prints what is there, through the SDK
//	parameter ACCOUNT REGION NAME FILE    writes an SSM parameter
//	as ACCOUNT [/PATH/ROLE] goes on as the administrator of a member account
//	delegate ACCOUNT      makes it a delegated administrator
//	stranger              serves something that isn't AWS, and points the script at it
//	call WHO REGION SERVICE:OPERATION [JSON|@FILE]    calls through the SDK; WHO is an account (its
//	        administrator), - (as the script is), or a chain of roles: [ACCOUNT>]ARN,ARN; what is denied is
//	        tried again for as long as policies may take to reach a service; ! wants a refusal
//	visit [-as WHO REGION] METHOD URL|PATH [BODY|@FILE] [HEADER:VALUE...]    sends a request to an API or a
//	        function's address; the body is stdout, status and headers are stderr; ! wants 400 or above
//	keep VARIABLE FILE PATH    puts what a JSON file has at a path into a variable
//	json FILE [PATH PATTERN]    FILE is one JSON document, which has that there
func TestScripts(t *testing.T) {
	found := 0
	err := filepath.WalkDir("testdata/script", func(path string, d fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".txtar" {
			found++
		}
		return err
	})
	if err != nil || found == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("NO_COLOR", "1")
			e.Setenv("AWS_EC2_METADATA_DISABLED", "true")
			if cache, err := exec.Command("go", "env", "GOCACHE").Output(); err == nil { // functions are built
				e.Setenv("GOCACHE", strings.TrimSpace(string(cache)))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sandbox": cmdSandbox, "calls": cmdCalls, "trust": cmdTrust, "waitfor": cmdWaitFor, "waitcalls": cmdWaitCalls,
			"look": cmdLook, "parameter": cmdParameter, "json": cmdJSON,
			"hold": cmdHold, "release": cmdRelease,
			"call": cmdCall, "visit": cmdVisit, "keep": cmdKeep, "exits": cmdExits, "stranger": cmdStranger, "remember": cmdRemember, "as": cmdAs, "delegate": cmdDelegate,
		},
	})
}

// boxes are the sandboxes of the running scripts, by address.
var boxes = newBoxes()

func cmdSandbox(ts *testscript.TestScript, neg bool, args []string) {
	o := sandbox.Options{Unkind: true, Seed: 1, Log: slog.New(slog.DiscardHandler)}
	for len(args) > 0 {
		flag := args[0]
		args = args[1:]
		if flag == "-kind" {
			o.Unkind = false
			continue
		}
		if len(args) == 0 {
			ts.Fatalf("sandbox: %s needs a value", flag)
		}
		value := args[0]
		args = args[1:]
		var err error
		switch flag {
		case "-org":
			o.Organization, err = sandbox.ParseOrgFile(value, []byte(ts.ReadFile(value)))
		case "-limits":
			o.Limits = value
		case "-faults":
			o.Faults, err = sandbox.ParseFaults(value, []byte(ts.ReadFile(value)))
		case "-accounts":
			o.Accounts, err = strconv.Atoi(value)
		case "-stack-seconds":
			var s float64
			s, err = strconv.ParseFloat(value, 64)
			o.StackTime = time.Duration(s * float64(time.Second))
		case "-latency":
			o.Latency, err = time.ParseDuration(value)
		default:
			ts.Fatalf("sandbox: unknown flag %s", flag)
		}
		ts.Check(err)
	}
	box, err := sandbox.New(o)
	ts.Check(err)
	shown := &served{Sandbox: box}
	server := httptest.NewServer(shown)
	key, secret := box.Credentials()
	ts.Setenv("AWS_ENDPOINT_URL", server.URL)
	ts.Setenv("AWS_ACCESS_KEY_ID", key)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	ts.Setenv("AWS_REGION", "eu-west-1")
	boxes.put(server.URL, shown)
	ts.Defer(func() {
		shown.release()
		server.Close()
		ts.Check(box.Close())
	})
}

func cmdCalls(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: calls SERVICE:OP N")
	}
	calls := boxes.get(ts.Getenv("AWS_ENDPOINT_URL")).Calls()
	want := sum(ts, args[1])
	if got := calls[args[0]]; (got == want) == neg {
		var all []string
		for k, n := range calls {
			all = append(all, fmt.Sprintf("%s %d", k, n))
		}
		slices.Sort(all)
		ts.Fatalf("%s was called %d times, want %d; all calls: %s", args[0], got, want, strings.Join(all, ", "))
	}
}

// sum is a number, or several with + between them.
func sum(ts *testscript.TestScript, text string) int {
	total := 0
	for part := range strings.SplitSeq(text, "+") {
		n, err := strconv.Atoi(part)
		ts.Check(err)
		total += n
	}
	return total
}

func cmdWaitCalls(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: waitcalls SERVICE:OP N")
	}
	want := sum(ts, args[1])
	box := boxes.get(ts.Getenv("AWS_ENDPOINT_URL"))
	for over := false; box.Calls()[args[0]] < want; over = !working(ts) {
		if over {
			ts.Fatalf("%s was never called %d times: %v", args[0], want, box.Calls())
		}
		time.Sleep(5 * time.Millisecond) // another process calls: there is nothing to wait on
	}
}

// working tells whether a process runs in the background: what the script waits
// for can come as long as one does, however slow the machine is.
func working(ts *testscript.TestScript) bool {
	return slices.ContainsFunc(ts.BackgroundCmds(), func(c *exec.Cmd) bool {
		return !errors.Is(c.Process.Signal(syscall.Signal(0)), os.ErrProcessDone)
	})
}

func cmdTrust(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: trust ACCOUNT ROLE FILE")
	}
	ctx := context.Background()
	client := iam.NewFromConfig(administrator(ts, ctx, args[0], "eu-west-1"))
	_, err := client.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: &args[1], PolicyDocument: aws.String(ts.ReadFile(args[2]))})
	ts.Check(err)
}

func cmdWaitFor(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: waitfor FILE TEXT")
	}
	for over := false; ; over = !working(ts) {
		body, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && strings.Contains(string(body), args[1]) {
			return
		}
		if over {
			ts.Fatalf("%s never had %q", args[0], args[1])
		}
		time.Sleep(20 * time.Millisecond) // another process writes the file: there is nothing to wait on
	}
}
