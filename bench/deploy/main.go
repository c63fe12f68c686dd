// Command deploy measures axle deploy beside bare scripts that do the least one
// can do: the same small stack in every account of an organization, every tool
// on a fresh emulator of its own, in turns, in one run on one machine. It counts
// the calls where they arrive.
//
//	go run ./bench/deploy -suite moto -rounds 3
//
// Read the ratios, not the seconds.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"axle/bench/process"
	"axle/sandbox"
)

//go:embed stack.yaml
var stackTemplate string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{}
	flag.StringVar(&b.axle, "axle", "bin/axle", "axle, built")
	flag.StringVar(&b.loop, "goloop", "bin/goloop", "bench/goloop, built")
	flag.StringVar(&b.python, "python", ".venv/bin/python", "Python with moto and boto3")
	flag.StringVar(&b.moto, "moto", "test/witness/moto_start.py", "script that serves moto")
	flag.StringVar(&b.boto3, "boto3", "bench/boto3_loop.py", "the boto3 script")
	flag.StringVar(&b.peers, "peers", "", "where bench/peers/install.sh has installed")
	flag.IntVar(&b.rounds, "rounds", 3, "how often everything is done; medians are shown")
	suite := flag.String("suite", "moto", "moto, sandbox, latency, regions, peers, peers-latency, peers-stacks, fleet, fleet-small or storm")
	accounts := flag.Int("accounts", 0, "how many accounts (default: the suite's)")
	stack := flag.Duration("stack-time", 0, "how long a stack takes on the sandbox (default: the suite's)")
	only := flag.String("tool", "", "measure this one alone, such as axle")
	flag.Parse()
	if err := b.run(ctx, *suite, func(s *setting) { s.change(*accounts, *stack, *only) }); err != nil {
		fmt.Fprintln(os.Stderr, "bench/deploy:", err)
		os.Exit(1)
	}
}

type bench struct {
	axle, loop, python, moto, boto3, peers string
	rounds                                 int
}

// setting is what one table is about.
type setting struct {
	title              string
	onMoto             bool
	accounts           int
	latency, stackTime time.Duration
	limits             string          // of the sandbox's rates
	faults             []sandbox.Fault // of the sandbox
	regions            []string
	tools              []tool
	turns              []tool // that do again in turns what they did
	proxied            bool   // also while it is timed: moto lacks what a tool calls
	goals              []goal
}

// tool is a program under test with what it does in turn on one emulator.
type tool struct {
	name    string
	targets int // 0: all
	phases  []phase
}

type phase struct {
	name    string
	times   int                                                      // how often it is done in a round, 0: once
	prepare func(ctx context.Context, dir string, e *emulator) error // may be nil
	args    []string                                                 // program and arguments
	env     []string                                                 // beside what points at the emulator
}

// phase is the tool's of that name.
func (t *tool) phase(name string) *phase {
	i := slices.IndexFunc(t.phases, func(p phase) bool { return p.name == name })
	return &t.phases[i]
}

// sample is what one phase cost once.
type sample struct {
	process.Usage
	calls map[string]int
}

// measured is what a phase cost each time, and the calls of the last.
type measured struct {
	timed []process.Usage
	calls map[string]int
}

// results are by tool and phase.
type results map[[2]string]*measured

func (r results) at(tool, phase string) *measured {
	key := [2]string{tool, phase}
	if r[key] == nil {
		r[key] = &measured{}
	}
	return r[key]
}

const (
	first  = "first"
	again  = "again"
	anew   = "again, .axle gone"
	remove = "destroy"
)

// often is how often what takes half a second is done in a round: one emulator
// differs from the next by more than what is to be seen.
const often = 5

// change sets what the command line has of its own.
func (s *setting) change(accounts int, stack time.Duration, only string) {
	if accounts > 0 {
		s.accounts = accounts
	}
	if stack > 0 {
		s.stackTime = stack
	}
	if only != "" { // then there is nothing to compare it with
		s.tools = slices.DeleteFunc(s.tools, func(t tool) bool { return t.name != only })
		s.goals, s.turns = nil, nil
	}
	for _, t := range s.tools {
		for i := range t.phases {
			if p := &t.phases[i]; p.name == remove { // all at once is meant
				p.args = append(slices.Clone(p.args), "--confirm-targets", strconv.Itoa(s.targets(t.name)))
			}
		}
	}
}

func (b *bench) run(ctx context.Context, suite string, change func(*setting)) error {
	if err := b.absolute(); err != nil {
		return err
	}
	s, err := b.suite(suite)
	if err != nil {
		return err
	}
	if change(s); len(s.tools) == 0 {
		return errors.New("the suite has no such tool")
	}
	all := results{}
	for round := range b.rounds {
		for i := range s.tools {
			fmt.Fprintf(os.Stderr, "round %d: %s\n", round+1, s.tools[i].name)
			if err := b.measure(ctx, s, &s.tools[i], all, false); err != nil {
				return fmt.Errorf("%s: %w", s.tools[i].name, err)
			}
		}
	}
	for i := range s.tools {
		if !s.apart() {
			break
		}
		fmt.Fprintf(os.Stderr, "calls: %s\n", s.tools[i].name)
		if err := b.measure(ctx, s, &s.tools[i], all, true); err != nil {
			return fmt.Errorf("%s: %w", s.tools[i].name, err)
		}
	}
	if len(s.turns) > 0 {
		if err := b.turns(ctx, s, all); err != nil {
			return err
		}
	}
	s.print(os.Stdout, all, b.rounds)
	return nil
}

// absolute makes the paths independent of the folder that tools run in.
func (b *bench) absolute() error {
	for _, p := range []*string{&b.axle, &b.loop, &b.python, &b.moto, &b.boto3, &b.peers} {
		if *p == "" {
			continue
		}
		if _, err := os.Stat(*p); err != nil {
			return fmt.Errorf("%w (make bench builds what is needed)", err)
		}
		abs, err := filepath.Abs(*p) // a venv's python is a link that must stay one
		if err != nil {
			return err
		}
		*p = abs
	}
	return nil
}

// apart says whether calls are counted in a round of their own, which isn't timed:
// the proxy that counts them takes its part of the machine.
func (s *setting) apart() bool { return s.onMoto && !s.proxied && s.latency == 0 }

// measure runs one tool's phases on a fresh emulator, in a fresh folder: to time
// them, or to count the calls when that is done apart.
func (b *bench) measure(ctx context.Context, s *setting, t *tool, all results, counting bool) error {
	dir, err := s.folder()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	e, err := b.start(ctx, s, counting)
	if err != nil {
		return err
	}
	defer e.close()
	for _, ph := range t.phases {
		if ph.prepare != nil {
			if err := ph.prepare(ctx, dir, e); err != nil {
				return err
			}
		}
		to, times := all.at(t.name, ph.name), max(1, ph.times)
		if counting {
			times = 1
		}
		for range times {
			got, err := ph.run(ctx, dir, e)
			if err != nil {
				return fmt.Errorf("%s: %w", ph.name, err)
			}
			if !counting {
				to.timed = append(to.timed, got.Usage)
			}
			to.calls = got.calls
		}
	}
	return nil
}

// folder makes one with the project; who asks removes it.
func (s *setting) folder() (string, error) {
	dir, err := os.MkdirTemp("", "axle-bench-")
	if err != nil {
		return "", err
	}
	for name, text := range map[string]string{"stack.yaml": stackTemplate, "axle.yaml": project(s.regions)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return "", errors.Join(err, os.RemoveAll(dir))
		}
	}
	return dir, nil
}

// start starts a fresh emulator.
func (b *bench) start(ctx context.Context, s *setting, counting bool) (*emulator, error) {
	if s.onMoto {
		return startMoto(ctx, b.python, b.moto, s, counting || !s.apart())
	}
	return startSandbox(s)
}

// rest is what an emulator gets before each run: what the last one left behind, such
// as connections to be closed, is nobody else's to pay for.
const rest = 250 * time.Millisecond

// run does the phase once.
func (ph *phase) run(ctx context.Context, dir string, e *emulator) (sample, error) {
	time.Sleep(rest)
	before := e.calls()
	cmd := exec.CommandContext(ctx, ph.args[0], ph.args[1:]...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), e.env(), ph.env)
	usage, err := process.Run(cmd)
	if err != nil {
		return sample{}, err
	}
	calls := e.calls()
	for k, n := range before {
		if calls[k] -= n; calls[k] == 0 {
			delete(calls, k)
		}
	}
	return sample{usage, calls}, nil
}

// project is the axle.yaml: one stack in every account but the management one,
// entered by the role that Organizations makes, so that nothing is bootstrapped.
func project(regions []string) string {
	return `name: bench
access: {role: OrganizationAccountAccessRole}
regions: [` + strings.Join(regions, ", ") + `]
stacks:
  bench:
    template: stack.yaml
    targets: "!account.management"
    capabilities: [CAPABILITY_IAM]
`
}

// tools of the suites.

func (b *bench) axleTool(name string, extra ...string) tool {
	deploy := append([]string{b.axle, "deploy", "--yes", "--quiet", "--output", "json"}, extra...)
	return tool{name: name, phases: []phase{
		{name: first, args: deploy},
		{name: again, args: deploy, times: often},
		{name: anew, args: deploy, prepare: func(_ context.Context, dir string, _ *emulator) error {
			return os.RemoveAll(filepath.Join(dir, ".axle"))
		}},
		{name: remove, args: append([]string{b.axle, "destroy", "--yes", "--quiet", "--output", "json"}, extra...)},
	}}
}

func (b *bench) loopTool(workers int, regions []string) tool {
	args := []string{b.loop, "-template", "stack.yaml", "-workers", strconv.Itoa(workers), "-regions", strings.Join(regions, ",")}
	return tool{name: fmt.Sprintf("Go SDK loop, %d workers", workers), phases: []phase{{name: first, args: args}, {name: again, args: args, times: often}}}
}

func (b *bench) boto3Tool(workers int) tool {
	args := []string{b.python, b.boto3, "--template", "stack.yaml", "--workers", strconv.Itoa(workers)}
	return tool{name: fmt.Sprintf("boto3, %d threads", workers), phases: []phase{{name: first, args: args}, {name: again, args: args, times: often}}}
}
