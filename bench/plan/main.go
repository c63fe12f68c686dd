// Command plan measures how long it takes to plan a stack for 10,000 accounts
// in 20 regions, in this process, from the text of axle.yaml to the plan as it
// is journaled.
//
//	go run ./bench/plan -accounts 10000 -regions 20
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"axle"
	"axle/bench/process"
	"axle/internal/config"
	"axle/internal/plan"
	"axle/internal/template"
)

const project = `name: bench
hub: {account: account.name == "a0", region: r-one-1}
regions: [%s]
vars: {nets: {dev: 10.1, qa: 10.2, prod: 10.3}}
stacks:
  network:
    template: network.yaml
    targets: account.tags["env"] in ["dev", "qa", "prod"] && account.ou.startsWith("/Workloads")
    parameters:
      Env: ${{ account.tags["env"] }}
      Cidr: ${{ vars.nets[account.tags["env"]] }}.${{ account.tags["net"] }}.0/24
      Name: ${{ account.name }}-${{ region }}
`

const body = `Parameters:
  Env: {Type: String}
  Cidr: {Type: String}
  Name: {Type: String}
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: !Ref Cidr}
Outputs:
  VpcId: {Value: !Ref Vpc}
`

func main() {
	accounts := flag.Int("accounts", 10000, "how many accounts")
	regions := flag.Int("regions", 20, "how many regions")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.Parse()
	if err := run(*accounts, *regions, *profile); err != nil {
		fmt.Fprintln(os.Stderr, "bench/plan:", err)
		os.Exit(1)
	}
}

func run(accounts, regions int, profile string) error {
	org := organization(accounts)
	names := make([]string, regions)
	for i := range names {
		names[i] = fmt.Sprintf("eu-west-%d", i+1)
	}
	text := strings.Replace(fmt.Sprintf(project, strings.Join(names, ", ")), "r-one-1", names[0], 1)
	runtime.GC()
	before := process.Peak(os.Getpid())
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	begin := time.Now()
	p, problems := config.Parse("axle.yaml", []byte(text), "")
	if err := problems.Err(); err != nil {
		return err
	}
	t, problems := template.Parse("network.yaml", []byte(body))
	if err := problems.Err(); err != nil {
		return err
	}
	made, problems := plan.Build(plan.Input{Project: p, Templates: map[string]*plan.Source{"network": t}, Org: org})
	if err := problems.Err(); err != nil {
		return err
	}
	built := time.Since(begin)
	encoded, err := made.Encode()
	if err != nil {
		return err
	}
	took, peak := time.Since(begin), process.Peak(os.Getpid())
	if len(made.Steps) != accounts*regions {
		return fmt.Errorf("the plan has %d steps, not %d", len(made.Steps), accounts*regions)
	}
	fmt.Printf("steps   %d (%d accounts x %d regions, three expressions each)\n", len(made.Steps), accounts, regions)
	say(built.Seconds(), 5, "plan", " s")
	say(took.Seconds(), 5, fmt.Sprintf("plan, and its %d KiB for the journal", len(encoded)>>10), " s")
	say(float64(peak>>20), 1024, fmt.Sprintf("peak memory, %d MiB of it the organization", before>>20), " MiB")
	return nil
}

func say(got, bound float64, what, unit string) {
	word := "pass"
	if got > bound {
		word = "FAIL"
	}
	fmt.Printf("%s    %s: %.2f%s (goal: at most %g%s)\n", word, what, got, unit, bound, unit)
}

// organization has its accounts in 500 OUs, with tags.
func organization(accounts int) *axle.Organization {
	org := &axle.Organization{ID: "o-bench", Management: "111111111111", Tagged: true, Source: "aws"}
	org.OUs = append(org.OUs, axle.OU{ID: "r-1", Name: "Root", Path: "/"}, axle.OU{ID: "ou-0", Name: "Workloads", Path: "/Workloads", Parent: "r-1"})
	const ous = 500
	for i := range ous {
		name := fmt.Sprintf("ou%d", i)
		org.OUs = append(org.OUs, axle.OU{ID: "ou-" + name, Name: name, Path: "/Workloads/" + name, Parent: "ou-0"})
	}
	for i := range accounts {
		ou := org.OUs[2+i%ous]
		org.Accounts = append(org.Accounts, axle.Account{ID: fmt.Sprintf("%012d", 200000000000+i), Name: fmt.Sprintf("a%d", i), OU: ou.Path,
			OUIDs: []string{"r-1", "ou-0", ou.ID}, Status: "ACTIVE",
			Tags: map[string]string{"env": []string{"dev", "qa", "prod"}[i%3], "net": fmt.Sprint(i % 250)}})
	}
	org.Sort()
	return org
}
