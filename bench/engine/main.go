// Command engine measures what the local engine adds to a run: steps that do
// nothing, with every start durable in the SQLite journal before its action.
//
//	go run ./bench/engine -steps 200000
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"axle"
	"axle/bench/process"
	"axle/internal/engine"
	"axle/internal/plan"
	"axle/internal/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var b bench
	flag.IntVar(&b.steps, "steps", 200_000, "how many steps")
	flag.IntVar(&b.concurrent, "concurrent", 1000, "how many steps run at once")
	flag.IntVar(&b.chain, "chain", 1, "steps of one target that need each other in a row")
	flag.StringVar(&b.dir, "dir", "", "folder of the journal (default: a temporary one)")
	flag.StringVar(&b.profile, "cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench/engine:", err)
		os.Exit(1)
	}
}

type bench struct {
	steps, concurrent, chain int
	dir, profile             string
}

// noop is an action that is over as soon as it has started.
type noop struct{}

func (noop) Start(context.Context, *axle.Step, axle.Inputs) (axle.Progress, error) {
	return axle.Progress{Done: true, Result: axle.Result{Change: axle.Create, Outputs: map[string]string{"VpcId": "vpc-0123456789abcdef0"}}}, nil
}

func (noop) Check(context.Context, *axle.Step, string) (axle.Progress, error) {
	return axle.Progress{}, fmt.Errorf("a step that is over was checked")
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir == "" {
		if b.dir, err = os.MkdirTemp("", "axle-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(b.dir)
	}
	path := filepath.Join(b.dir, "axle.db")
	s, err := store.Open(ctx, path)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	steps := b.makeSteps()
	runtime.GC()
	before := process.Peak(os.Getpid())
	id := "bench-" + time.Now().Format("20060102-150405")
	if err := s.CreateRun(ctx, axle.Run{ID: id, Project: "bench", Command: "deploy", Status: axle.RunRunning, Started: time.Now(), Steps: len(steps)}, nil); err != nil {
		return err
	}
	options := engine.Options{
		Actions: map[string]engine.Action{"noop": noop{}},
		Journal: s,
		Limits:  plan.Limits{Global: b.concurrent},
	}
	took, err := b.timed(func() error {
		out, err := engine.Run(ctx, id, steps, nil, options)
		if err == nil && out.Status != axle.RunSucceeded {
			err = fmt.Errorf("the run is %s", out.Status)
		}
		return err
	})
	if err != nil {
		return err
	}
	peak := process.Peak(os.Getpid())
	if err := s.Close(); err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	read, resumed, err := b.recover(ctx, path, id, steps, options)
	if err != nil {
		return err
	}
	n := float64(len(steps))
	fmt.Printf("steps              %d (%d at once, %d CPUs)\n", len(steps), b.concurrent, runtime.NumCPU())
	fmt.Printf("run                %.2f s, %.0f steps/s\n", took.Seconds(), n/took.Seconds())
	fmt.Printf("journal            %.0f bytes/step\n", float64(info.Size())/n)
	fmt.Printf("peak memory        %d MiB (%d MiB before the run, the steps themselves)\n", peak>>20, before>>20)
	fmt.Printf("recovery           %.2f s (reading the journal %.2f s)\n", resumed.Seconds(), read.Seconds())
	return nil
}

// recover opens the journal again and resumes the run, of which all is done.
func (b *bench) recover(ctx context.Context, path, id string, steps []axle.Step, o engine.Options) (read, all time.Duration, err error) {
	begin := time.Now()
	s, err := store.Open(ctx, path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = s.Close() }()
	records, err := s.Records(ctx, id)
	if err != nil {
		return 0, 0, err
	}
	read = time.Since(begin)
	o.Journal = s
	out, err := engine.Run(ctx, id, steps, records, o)
	if err != nil {
		return 0, 0, err
	}
	for _, r := range out.Records {
		if r.Attempts != 1 || r.Result.Outputs["VpcId"] == "" {
			return 0, 0, fmt.Errorf("step %s was not recovered: %+v", r.Step, r)
		}
	}
	return read, time.Since(begin), nil
}

// timed measures do, and profiles it if asked to.
func (b *bench) timed(do func() error) (time.Duration, error) {
	if b.profile != "" {
		f, err := os.Create(b.profile)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return 0, err
		}
		defer pprof.StopCPUProfile()
	}
	begin := time.Now()
	err := do()
	return time.Since(begin), err
}

// makeSteps spreads the steps over accounts of 20 regions.
func (b *bench) makeSteps() []axle.Step {
	steps := make([]axle.Step, 0, b.steps)
	for target := 0; len(steps) < b.steps; target++ {
		account, region := fmt.Sprintf("%012d", 100000000000+target/20), fmt.Sprintf("eu-west-%d", target%20)
		previous := ""
		for k := 0; k < b.chain && len(steps) < b.steps; k++ {
			s := axle.Step{ID: fmt.Sprintf("noop/n%d/%s/%s", k, account, region), Kind: "noop", Name: "n", Account: account, Region: region}
			if previous != "" {
				s.Needs = []string{previous}
			}
			steps = append(steps, s)
			previous = s.ID
		}
	}
	return steps
}
