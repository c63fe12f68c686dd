package plan_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"axle/internal/plan"
)

// BenchmarkBuild is DESIGN.md's figure: 10,000 accounts x 20 regions x 1 stack
// in under 5 s and 1 GiB. B/op is what is allocated in all, live-MiB what the
// plan holds.
func BenchmarkBuild(b *testing.B) {
	for _, accounts := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("accounts=%d/regions=20", accounts), func(b *testing.B) {
			in := wide(accounts, 20).input(b)
			b.ReportAllocs()
			var p *plan.Plan
			for b.Loop() {
				p, _ = plan.Build(in)
			}
			if p == nil || len(p.Steps) != accounts*20+20 {
				b.Fatal("not the plan that was asked for")
			}
			b.ReportMetric(live(), "live-MiB")
			runtime.KeepAlive(p)
		})
	}
}

// live is the heap that is in use, in MiB.
func live() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / (1 << 20)
}

// BenchmarkInputs evaluates every step's inputs of such a plan once.
func BenchmarkInputs(b *testing.B) {
	p := wide(1000, 20).build(b)
	out := map[string]string{"A": "vpc-1", "B": "b"}
	b.ReportAllocs()
	for b.Loop() {
		for i := range p.Steps {
			if _, err := p.Inputs(&p.Steps[i], func(string) (map[string]string, bool) { return out, true }); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(p.Steps)), "ns/step")
}

// BenchmarkEncode writes such a plan as the journal does; BenchmarkDecode reads it.
func BenchmarkEncode(b *testing.B) {
	p := wide(10_000, 20).build(b)
	b.ReportAllocs()
	for b.Loop() {
		data, err := p.Encode()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data))/(1<<20), "MiB")
	}
}

func BenchmarkDecode(b *testing.B) {
	data, err := wide(10_000, 20).build(b).Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plan.Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

// wide is a hub stack and a stack in every account and region that takes an
// output of it, a tag and a literal.
func wide(accounts, regions int) world {
	var names []string
	for i := range regions {
		names = append(names, fmt.Sprintf("eu-west-%d", i+1))
	}
	w := world{yaml: `
name: wide
hub: {account: "000000000001", region: eu-west-1}
regions: [` + strings.Join(names, ", ") + `]
stacks:
  hub: {template: hub.yaml, targets: hub}
  spoke:
    template: spoke.yaml
    targets: account.tags["env"] in ["dev", "qa"] && !account.management
    parameters:
      Vpc: ${{ output("hub", "A") }}
      Env: ${{ account.tags["env"] }}
      Size: small
`, templates: map[string]string{"spoke": body([]string{"Vpc", "Env", "Size"}, nil)}}
	w.accounts = append(w.accounts, account(1, "tools", "/"))
	for i := range accounts {
		w.accounts = append(w.accounts, account(i+2, fmt.Sprintf("account-%05d", i), fmt.Sprintf("/Workloads/Unit%03d", i%500), "env=dev"))
	}
	return w
}
