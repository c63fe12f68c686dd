package main

import (
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// constant are the operations whose number doesn't grow with the targets: who am
// I, one look at each template, and discovery, which costs a call for some
// accounts at a time. A target of its own each: AssumeRole is told apart.
func constant(call string) bool {
	return strings.HasPrefix(call, "organizations:") || strings.HasPrefix(call, "tagging:") ||
		call == "sts:GetCallerIdentity" || call == "cloudformation:ValidateTemplate"
}

// calls splits the calls of a phase: for targets, AssumeRole, and the constant
// rest.
func (r results) calls(tool, phase string) (target, assume, rest int) {
	for call, n := range r.at(tool, phase).calls {
		switch {
		case call == "sts:AssumeRole":
			assume += n
		case constant(call):
			rest += n
		default:
			target += n
		}
	}
	return target, assume, rest
}

// wall is the median of the rounds.
func (r results) wall(tool, phase string) time.Duration {
	_, mid, _ := r.walls(tool, phase)
	return mid
}

func (r results) walls(tool, phase string) (least, mid, most time.Duration) {
	var d []time.Duration
	for _, s := range r.at(tool, phase).timed {
		d = append(d, s.Wall)
	}
	if len(d) == 0 {
		return 0, 0, 0
	}
	slices.Sort(d)
	return d[0], d[len(d)/2], d[len(d)-1]
}

// cpu is the median of the rounds.
func (r results) cpu(tool, phase string) time.Duration {
	var d []time.Duration
	for _, s := range r.at(tool, phase).timed {
		d = append(d, s.CPU)
	}
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[len(d)/2]
}

// peak is the largest of the rounds, in bytes.
func (r results) peak(tool, phase string) int64 {
	var most int64
	for _, s := range r.at(tool, phase).timed {
		most = max(most, s.Peak)
	}
	return most
}

// targets is how many stacks a tool has.
func (s *setting) targets(name string) int {
	for _, t := range s.tools {
		if t.name == name && t.targets > 0 {
			return t.targets
		}
	}
	return s.accounts * len(s.regions)
}

// print writes the table, what is constant in it, and how the goals were met.
func (s *setting) print(out io.Writer, r results, rounds int) {
	fmt.Fprintf(out, "\n%s: %d accounts, %s a stack; median of %d rounds, %d CPUs\n\n", s.title, s.accounts, s.stackTime, rounds, runtime.NumCPU())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "tool\tphase\tseconds\t(range)\tCPU s\tMiB\tcalls/target\tAssumeRole\tother calls")
	for _, t := range s.tools {
		for _, ph := range t.phases {
			least, mid, most := r.walls(t.name, ph.name)
			target, assume, rest := r.calls(t.name, ph.name)
			fmt.Fprintf(w, "%s\t%s\t%.2f\t(%.2f-%.2f)\t%.2f\t%d\t%.2f\t%d\t%d\n", t.name, ph.name, mid.Seconds(), least.Seconds(), most.Seconds(),
				r.cpu(t.name, ph.name).Seconds(), r.peak(t.name, ph.name)>>20, float64(target)/float64(s.targets(t.name)), assume, rest)
		}
	}
	for _, t := range s.turns {
		least, mid, most := r.walls(t.name, inTurns)
		fmt.Fprintf(w, "%s\t%s\t%.3f\t(%.3f-%.3f)\t%.2f\t%d\t\t\t\n", t.name, inTurns, mid.Seconds(), least.Seconds(), most.Seconds(),
			r.cpu(t.name, inTurns).Seconds(), r.peak(t.name, inTurns)>>20)
	}
	_ = w.Flush() // to a terminal or a file
	fmt.Fprintln(out)
	for _, ph := range []string{first, again, anew} {
		calls := r.at(s.tools[0].name, ph).calls
		if len(calls) == 0 {
			continue
		}
		var list []string
		for _, k := range slices.Sorted(maps.Keys(calls)) {
			list = append(list, fmt.Sprintf("%s %d", k, calls[k]))
		}
		fmt.Fprintf(out, "%s, %s: %s\n", s.tools[0].name, ph, strings.Join(list, ", "))
	}
	if s.limits != "" {
		for _, ph := range s.tools[0].phases {
			least, why := s.least(ph.name)
			fmt.Fprintf(out, "%s can't take less than %.2f s: %s\n", ph.name, least.Seconds(), why)
		}
	}
	fmt.Fprintln(out)
	for _, g := range s.goals {
		fmt.Fprintln(out, g.verdict(s, r))
	}
}

// verdict says how a goal was met, by the figure that is shown; one without a bound
// is a figure only.
func (g goal) verdict(s *setting, r results) string {
	got := math.Round(g.of(s, r)*100) / 100
	switch {
	case g.bound == 0:
		return fmt.Sprintf("      %s: %.2f%s", g.text, got, g.unit)
	case got > g.bound:
		return fmt.Sprintf("FAIL  %s: %.2f%s (goal: at most %g%s)", g.text, got, g.unit, g.bound, g.unit)
	}
	return fmt.Sprintf("pass  %s: %.2f%s (goal: at most %g%s)", g.text, got, g.unit, g.bound, g.unit)
}
