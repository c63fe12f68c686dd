package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"axle"
	"axle/internal/control"
)

// setText prints the stack set as YAML with comments.
func setText(out io.Writer, b *control.Bootstrap) {
	p := b.Set
	fmt.Fprintf(out, "# Phase 1: role %s as stack set %s in %s, in %s:\n", p.Role, p.Name, p.Region, count(len(p.Accounts), "account"))
	for _, t := range p.Targets {
		for _, u := range t.Units {
			var labels []string
			for _, a := range p.Accounts {
				if slices.Contains(a.OUIDs, u) && (len(t.Accounts) == 0 || slices.Contains(t.Accounts, a.ID)) {
					labels = append(labels, a.Label())
				}
			}
			kind := "all of"
			if len(t.Accounts) > 0 {
				kind = "some of"
			} else if n := len(labels); n > 20 { // whole OUs are known by their names
				labels = append(labels[:10], fmt.Sprintf("and %d more", n-10))
			}
			fmt.Fprintf(out, "#   %s %s (%s): %s\n", kind, b.OUPath(u), u, strings.Join(labels, ", "))
		}
	}
	switch {
	case p.Follow:
		fmt.Fprintln(out, "# Automatic deployment: accounts that come into these OUs get the role, those that leave them lose it")
	default:
		fmt.Fprintf(out, "# No automatic deployment: %s\n", p.NotFollow)
	}
	switch {
	case p.Change == axle.Create:
		fmt.Fprintln(out, "# The stack set is made")
	case p.Change == axle.None:
		fmt.Fprintln(out, "# The stack set is there, unchanged")
	default:
		fmt.Fprintf(out, "# The stack set is updated; %s to be brought up to date\n", count(len(p.Lacking), "account"))
	}
	if len(p.Others) > 0 {
		fmt.Fprintf(out, "# It is also in accounts that it isn't meant for, which keep the role: %s\n", strings.Join(p.Others, ", "))
	}
	fmt.Fprintln(out, "# Parameters:")
	for _, k := range slices.Sorted(maps.Keys(p.Parameters)) {
		fmt.Fprintf(out, "#   %s: %s\n", k, p.Parameters[k])
	}
	fmt.Fprintln(out, p.Template)
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
