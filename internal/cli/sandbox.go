package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"axle/internal/report"
	"axle/sandbox"

	"github.com/spf13/cobra"
)

// sandboxFlags are those of axle sandbox; DESIGN.md section 5 names them.
type sandboxFlags struct {
	listen, org, state, limits, faults string
	accounts                           int
	latency                            time.Duration
	stackSeconds                       float64
	unkind                             bool
	seed                               int64
}

func (a *App) sandboxCommand() *cobra.Command {
	var f sandboxFlags
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run the embedded AWS organization alone, for any AWS tool",
		Long: `Serves an AWS organization from memory: STS, Organizations, IAM (enforced),
CloudFormation, EC2 networking, SNS, SSM parameters, S3, tagging and account APIs,
for all accounts and regions at one address. Prints the environment variables
that point an AWS tool at it, and runs until it is stopped.`,
		Example: `  axle sandbox --accounts 50 > env.sh &
  sleep 1; . ./env.sh; aws organizations list-accounts
  axle sandbox --org accounts.yaml --stack-seconds 10 --latency 50ms --limits aws
  axle sandbox --faults faults.yaml --seed 7 --unkind`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, release := interruptible(cmd.Context())
			defer release()
			return a.runSandbox(ctx, f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "127.0.0.1:4566", "address to serve on")
	fl.IntVar(&f.accounts, "accounts", 0, "make this many member accounts")
	fl.StringVar(&f.org, "org", "", "file with the organization's OUs and accounts")
	fl.StringVar(&f.state, "state", "", "file that keeps everything from one start to the next")
	fl.DurationVar(&f.latency, "latency", 0, "time that every response takes longer")
	fl.Float64Var(&f.stackSeconds, "stack-seconds", 0, "seconds that a stack operation takes")
	fl.StringVar(&f.limits, "limits", "", `"aws": request rates like AWS's; "aws/10": a tenth of them`)
	fl.StringVar(&f.faults, "faults", "", "file with faults: throttle, deny, drop, fail a resource, expire credentials")
	fl.BoolVar(&f.unkind, "unkind", false, "propagation delays, stale answers, small pages, an occasional throttle")
	fl.Int64Var(&f.seed, "seed", 1, "seed of everything random")
	cmd.AddCommand(a.sandboxTokenCommand())
	return cmd
}

func (f sandboxFlags) options(log *slog.Logger) (sandbox.Options, error) {
	o := sandbox.Options{Accounts: f.accounts, State: f.state, Latency: f.latency, Limits: f.limits, Unkind: f.unkind,
		StackTime: time.Duration(f.stackSeconds * float64(time.Second)), Seed: f.seed, Log: log}
	if f.accounts < 0 || f.latency < 0 || f.stackSeconds < 0 {
		return o, &usageError{errors.New("--accounts, --latency and --stack-seconds can't be negative"), ""}
	}
	if f.org != "" && f.accounts > 0 {
		return o, &usageError{errors.New("--org and --accounts exclude each other"), "the file of --org has the accounts"}
	}
	if f.org != "" {
		src, err := os.ReadFile(f.org)
		if err != nil {
			return o, &usageError{err, "--org names an organization file; axle demo --dir NEW writes one, accounts.yaml"}
		}
		if o.Organization, err = sandbox.ParseOrgFile(f.org, src); err != nil {
			return o, &usageError{err, ""}
		}
	}
	if f.faults != "" {
		src, err := os.ReadFile(f.faults)
		if err != nil {
			return o, &usageError{err, ""}
		}
		if o.Faults, err = sandbox.ParseFaults(f.faults, src); err != nil {
			return o, &usageError{err, ""}
		}
	}
	return o, nil
}

func (a *App) runSandbox(ctx context.Context, f sandboxFlags) error {
	o, err := f.options(slog.New(slog.NewTextHandler(a.Err, nil)))
	if err != nil {
		return err
	}
	s, err := serveSandbox(f.listen, o)
	if err != nil {
		return err
	}
	vars := struct {
		Env map[string]string `json:"env"`
	}{map[string]string{}}
	for _, v := range s.env() {
		vars.Env[v[0]] = v[1]
	}
	if err := a.print(vars, func(out io.Writer, _ report.Style) {
		for _, v := range s.env() {
			fmt.Fprintf(out, "export %s=%s\n", v[0], v[1])
		}
	}); err != nil {
		return errors.Join(err, s.close())
	}
	if f, ok := a.Out.(interface{ Sync() error }); ok {
		_ = f.Sync() // a pipe or a terminal can't
	}
	<-ctx.Done()
	return s.close()
}

// server is a sandbox that is being served.
type server struct {
	box  *sandbox.Sandbox
	http *http.Server
	url  string
	done chan error
}

// serveSandbox starts a sandbox on an address; port 0 takes a free one.
func serveSandbox(listen string, o sandbox.Options) (*server, error) {
	box, err := sandbox.New(o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve the sandbox: %w", err), box.Close())
	}
	s := &server{box: box, url: "http://" + l.Addr().String(), done: make(chan error, 1),
		http: &http.Server{Handler: box, ReadHeaderTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)}}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// env are the variables that point an AWS tool at the sandbox.
func (s *server) env() [][2]string {
	key, secret := s.box.Credentials()
	return [][2]string{{"AWS_ENDPOINT_URL", s.url}, {"AWS_ACCESS_KEY_ID", key}, {"AWS_SECRET_ACCESS_KEY", secret}, {"AWS_REGION", "eu-west-1"},
		{"AWS_DEFAULT_REGION", "eu-west-1"}} // which boto3 and version 1 of the AWS CLI read instead
}

func (s *server) close() error {
	err := s.http.Close()
	if serve := <-s.done; !errors.Is(serve, http.ErrServerClosed) {
		err = errors.Join(err, serve)
	}
	return errors.Join(err, s.box.Close())
}
