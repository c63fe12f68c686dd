// Command access measures how many decisions a second the policy engine makes
// on the cases of its corpus: in this process with policies compiled before, by
// "axle access evaluate" from text to explanation, and by npm's
// @cloud-copilot/iam-simulate on the same cases. On one core.
//
//	go run ./bench/access -axle bin/axle -peer DIR
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"axle/bench/process"
	"axle/policy"
)

const goal = 200_000 // decisions a second

var files = []string{"policy/testdata/corpus.jsonl", "policy/testdata/corpus-random.jsonl"}

func main() {
	binary := flag.String("axle", "bin/axle", "the program")
	peer := flag.String("peer", "", "folder with the peer, as peer.sh makes it; none: without it")
	seconds := flag.Int("seconds", 5, "how long each is measured")
	flag.Parse()
	runtime.GOMAXPROCS(1)
	if err := run(*binary, *peer, *seconds); err != nil {
		fmt.Fprintln(os.Stderr, "bench/access:", err)
		os.Exit(1)
	}
}

func run(binary, peer string, seconds int) error {
	cases, text, err := read()
	if err != nil {
		return err
	}
	inProcess, cross := measure(cases, seconds)
	fmt.Printf("policy.Evaluate, compiled once: %.0f decisions/s on %d cases; %.0f/s on those across accounts (goal %d: %s)\n",
		inProcess, len(cases), cross, goal, passed(cross >= goal))
	whole, usage, decisions, err := evaluate(binary, text, len(cases))
	if err != nil {
		return err
	}
	fmt.Printf("axle access evaluate, text to explanation: %.0f cases/s, %d MiB\n", whole, usage.Peak>>20)
	if peer == "" {
		fmt.Println("iam-simulate: not measured, npm or node isn't there")
		return nil
	}
	other, err := ask(peer, seconds)
	if err != nil {
		return err
	}
	fmt.Printf("iam-simulate, which checks and parses the policies each time: %.0f decisions/s; policy.Evaluate makes %.0fx, axle access evaluate %.1fx as many\n",
		other.PerSecond, inProcess/other.PerSecond, whole/other.PerSecond)
	compare(decisions, other.Decisions)
	return nil
}

func passed(ok bool) string {
	if ok {
		return "pass"
	}
	return "FAIL"
}

// read gives the cases compiled, without those that are errors, and their text.
func read() (cases []*policy.Case, text []byte, err error) {
	var r policy.CaseReader
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, fmt.Errorf("read the cases: %w", err)
		}
		text = append(text, src...)
		for line := range bytes.Lines(src) {
			c, err := r.Decode(line)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
			if c.Err == nil {
				cases = append(cases, c)
			}
		}
	}
	return cases, text, nil
}

// measure gives decisions a second, of all cases and of those across accounts.
func measure(cases []*policy.Case, seconds int) (all, cross float64) {
	var foreign []*policy.Case
	for _, c := range cases {
		if c.Request.ResourceAccount != c.Request.Principal.Account {
			foreign = append(foreign, c)
		}
	}
	rate := func(cases []*policy.Case) float64 {
		n, began := 0, time.Now()
		for time.Since(began) < time.Duration(seconds)*time.Second {
			for _, c := range cases {
				policy.Evaluate(c.Request, c.Policies)
			}
			n += len(cases)
		}
		return float64(n) / time.Since(began).Seconds()
	}
	return rate(cases), rate(foreign)
}

// evaluate runs the program on the cases many times over, in one file.
func evaluate(binary string, text []byte, n int) (perSecond float64, usage process.Usage, decisions map[string]string, err error) {
	const times = 20
	dir, err := os.MkdirTemp("", "axle-bench-access-")
	if err != nil {
		return 0, usage, nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "cases.jsonl")
	if err := os.WriteFile(name, bytes.Repeat(text, times), 0o600); err != nil {
		return 0, usage, nil, err
	}
	var out bytes.Buffer
	cmd := exec.Command(binary, "access", "evaluate", name)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Stdout = &out
	if usage, err = process.Run(cmd); err != nil {
		return 0, usage, nil, err
	}
	decisions = map[string]string{}
	for lines := bufio.NewScanner(&out); lines.Scan(); {
		var d struct{ ID, Decision string }
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			return 0, usage, nil, fmt.Errorf("read the decisions: %w", err)
		}
		decisions[d.ID] = d.Decision
	}
	return float64(n*times) / usage.Wall.Seconds(), usage, decisions, nil
}

type answers struct {
	PerSecond float64
	Decisions map[string]string
}

// ask runs the peer on the same cases.
func ask(dir string, seconds int) (*answers, error) {
	args := []string{filepath.Join(dir, "peer.mjs"), strconv.Itoa(seconds)}
	for _, name := range files {
		path, err := filepath.Abs(name)
		if err != nil {
			return nil, err
		}
		args = append(args, path)
	}
	var out bytes.Buffer
	cmd := exec.Command("node", args...)
	cmd.Dir, cmd.Stdout = dir, &out
	if _, err := process.Run(cmd); err != nil {
		return nil, err
	}
	var a answers
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return nil, fmt.Errorf("read the peer's answers: %w", err)
	}
	return &a, nil
}

// compare counts where the two agree.
func compare(ours, theirs map[string]string) {
	same, differ, refused, open := 0, 0, 0, 0
	for id, decision := range ours {
		switch other := theirs[id]; {
		case decision == other:
			same++
		case decision == policy.WordUnknown:
			open++
		case other == policy.WordError:
			refused++
		default:
			differ++
		}
	}
	fmt.Printf("of %d cases the two agree on %d and differ on %d; the peer refuses %d more, Axle leaves %d open that AWS's documentation does\n",
		len(ours), same, differ, refused, open)
}
