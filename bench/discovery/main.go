// Command discovery measures how axle gets to know an organization: the calls
// of axle org for 1,000 and 10,000 accounts, and the start from the snapshot of
// 10,000; and how soon axle --help is there.
//
//	go run ./bench/discovery -axle bin/axle
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"axle/bench/process"
	"axle/internal/cloud"
	"axle/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := bench{}
	flag.StringVar(&b.axle, "axle", "bin/axle", "axle, built")
	flag.IntVar(&b.rounds, "rounds", 9, "how often what is short is done; medians are shown")
	flag.Parse()
	var err error
	if b.axle, err = filepath.Abs(b.axle); err == nil {
		err = b.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/discovery:", err)
		os.Exit(1)
	}
}

type bench struct {
	axle   string
	rounds int
}

func (b *bench) run(ctx context.Context) error {
	help, err := b.median(func() *exec.Cmd { return exec.CommandContext(ctx, b.axle, "--help") })
	if err != nil {
		return err
	}
	say(help.Wall.Seconds()*1000, 50, "axle --help: %.0f ms", "ms")
	// The best known way needs 262 and 1,602 calls for these: FIELD's section 7.
	for _, size := range []struct{ accounts, ous, calls int }{{1000, 100, 262}, {10000, 500, 1602}} {
		if err := b.organization(ctx, size.accounts, size.ous, size.calls); err != nil {
			return err
		}
	}
	return nil
}

// organization discovers one of that size, and starts from its snapshot.
func (b *bench) organization(ctx context.Context, accounts, ous, bound int) error {
	box, err := sandbox.New(sandbox.Options{Organization: organization(accounts, ous), Seed: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer box.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serve the sandbox: %w", err)
	}
	server := &http.Server{Handler: box}
	defer server.Close()
	go func() { _ = server.Serve(l) }() // ends with Close
	dir, err := os.MkdirTemp("", "axle-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	key, secret := box.Credentials()
	env := append(os.Environ(), "AWS_ENDPOINT_URL=http://"+l.Addr().String(), "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret,
		"AWS_REGION=eu-west-1", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, b.axle, args...)
		cmd.Dir, cmd.Env = dir, env
		return cmd
	}
	// A project, so that there is a place for the snapshot.
	if err := os.WriteFile(filepath.Join(dir, "axle.yaml"), []byte("name: bench\nregions: [eu-west-1]\n"), 0o600); err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := command("org", "--output", "json")
	cmd.Stdout = &out
	cold, err := process.Run(cmd)
	if err != nil {
		return err
	}
	var org struct {
		Calls map[string]int `json:"calls"`
	}
	if err := json.Unmarshal(out.Bytes(), &org); err != nil {
		return fmt.Errorf("read axle org: %w", err)
	}
	total := 0
	for _, n := range org.Calls {
		total += n
	}
	say(float64(total), float64(bound), fmt.Sprintf("%d accounts in %d OUs, with tags: %%.0f calls (%v), %.2f s, %d MiB", accounts, ous, org.Calls, cold.Wall.Seconds(), cold.Peak>>20), "")
	warm, err := b.median(func() *exec.Cmd { return command("org", "accounts", "--where", `account.name == "a1"`) })
	if err != nil {
		return err
	}
	say(warm.Wall.Seconds()*1000, 100, fmt.Sprintf("  the whole of axle org accounts --where, from the snapshot: %%.0f ms, %d MiB", warm.Peak>>20), "ms")
	return b.load(filepath.Join(dir, ".axle", "organization.json"))
}

// load reads the snapshot alone.
func (b *bench) load(path string) error {
	body, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var head struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(body, &head); err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	var took []time.Duration
	for range b.rounds {
		begin := time.Now()
		if _, ok := cloud.LoadSnapshot(path, head.Key, time.Hour, true); !ok {
			return fmt.Errorf("the snapshot %s can't be used", path)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	say(took[len(took)/2].Seconds()*1000, 100, fmt.Sprintf("  reading the snapshot alone: %%.0f ms, %d KiB", len(body)>>10), "ms")
	return nil
}

// median runs a command some times.
func (b *bench) median(make func() *exec.Cmd) (process.Usage, error) {
	var all []process.Usage
	for range b.rounds {
		u, err := process.Run(make())
		if err != nil {
			return u, err
		}
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b process.Usage) int { return int(a.Wall - b.Wall) })
	return all[len(all)/2], nil
}

// organization has its accounts spread evenly over OUs two levels deep.
func organization(accounts, ous int) *sandbox.OrgFile {
	f := &sandbox.OrgFile{Management: sandbox.OrgAccount{ID: "111111111111", Name: "management", Email: "root@example.com"}}
	const wide = 10 // OUs in an OU
	var leaves []*sandbox.OrgUnit
	for i := range ous / (wide + 1) {
		top := sandbox.OrgUnit{Name: fmt.Sprintf("top%d", i), Tags: map[string]string{"tier": "apps"}, OUs: make([]sandbox.OrgUnit, wide)}
		for j := range top.OUs {
			top.OUs[j].Name = fmt.Sprintf("ou%d", j)
			leaves = append(leaves, &top.OUs[j])
		}
		f.OUs = append(f.OUs, top)
	}
	for i := range accounts {
		leaf := leaves[i%len(leaves)]
		leaf.Accounts = append(leaf.Accounts, sandbox.OrgAccount{ID: fmt.Sprintf("%012d", 200000000000+i), Name: fmt.Sprintf("a%d", i),
			Email: fmt.Sprintf("a%d@example.com", i), Tags: map[string]string{"env": []string{"dev", "qa", "prod"}[i%3], "net": fmt.Sprint(i % 250)}})
	}
	return f
}

// say prints a figure beside its bound.
func say(got, bound float64, format, unit string) {
	word := "pass"
	if got > bound {
		word = "FAIL"
	}
	fmt.Printf("%s  "+format+" (goal: at most %g%s)\n", word, got, bound, unit)
}
