package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"axle"
	"axle/internal/late"
)

// What differs from target to target in messages of one cause.
var (
	digits12 = late.MustCompile(`\b[0-9]{12}\b`)
	hexIDs   = late.MustCompile(`\b((?:[a-z]+-)[0-9a-f]{8,17}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b`)
	regions  = late.MustCompile(`\b[a-z]{2}(-[a-z]+)+-[0-9]\b`)
	sessions = late.MustCompile(`(assumed-role/[^/ ]+/)[^ ,:]+`)
	made     = late.MustCompile(`-[0-9A-Z]{12,13}\b`) // the end of a name that CloudFormation made
	requests = late.MustCompile(`(?i)\(?(Service: [^)]*|request ?id: ?[^),; ]+)\)?`)
)

// fold removes from a message what names one target, so that the same cause in
// many targets is one line. names are the target's own.
func fold(message string, names ...string) string {
	for _, n := range names {
		message = replaceWord(message, n, "<account>")
	}
	message = hexIDs.ReplaceAllString(message, "<id>") // first: one may end in twelve digits
	message = made.ReplaceAllStringFunc(message, func(end string) string {
		if strings.Trim(end, "-0123456789") == "" { // an account's number
			return end
		}
		return "-<made>"
	})
	message = digits12.ReplaceAllString(message, "<account>")
	message = regions.ReplaceAllString(message, "<region>")
	message = sessions.ReplaceAllString(message, "${1}<session>")
	message = requests.ReplaceAllString(message, "")
	return oneAccount(strings.Join(strings.Fields(message), " "))
}

// oneAccount makes one of an account's name and number.
func oneAccount(message string) string {
	return strings.ReplaceAll(message, "<account> (<account>)", "<account>")
}

// replaceWord replaces a name where it stands alone: "dev" isn't in "device".
func replaceWord(message, name, by string) string {
	if len(name) < 2 {
		return message
	}
	var b strings.Builder
	for {
		at := strings.Index(message, name)
		if at < 0 {
			return b.String() + message
		}
		end := at + len(name)
		alone := !(at > 0 && isWord(message[at-1])) && !(end < len(message) && isWord(message[end]))
		b.WriteString(message[:at])
		if alone {
			b.WriteString(by)
		} else {
			b.WriteString(name)
		}
		message = message[end:]
	}
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// common is what two messages of one cause say: folded only where they differ.
// Each comes with its account's name.
func common(a, aName, b, bName string) string {
	x, y := strings.Fields(requests.ReplaceAllString(a, "")), strings.Fields(requests.ReplaceAllString(b, ""))
	if len(x) != len(y) {
		return fold(a, aName)
	}
	for i := range x {
		if x[i] == y[i] {
			continue
		}
		folded := fold(y[i], bName)
		if folded == y[i] { // a part of a name of several words
			return fold(a, aName)
		}
		x[i] = folded
	}
	return strings.Join(x, " ")
}

// failedAt is a failure with its place.
type failedAt struct {
	account, name, region string
	*axle.Failure
}

// causes folds failures; the cause of the most comes first.
func causes(failures []failedAt) []Cause {
	type group struct {
		Cause
		names map[string]bool
	}
	groups := map[string]*group{}
	for _, f := range failures {
		text := failureText(f.Failure)
		key := f.Code + "\x00" + fold(text, f.name)
		g := groups[key]
		if g == nil {
			g = &group{Cause: Cause{Cause: text, Hint: f.Hint}, names: map[string]bool{}}
			groups[key] = g
		} else {
			g.Cause.Cause = common(g.Cause.Cause, g.Accounts[0], text, f.name)
			if g.Hint != f.Hint {
				g.Hint = common(g.Hint, g.Accounts[0], f.Hint, f.name)
			}
		}
		g.Count++
		name := f.name
		if name == "" {
			name = f.account
		}
		if !g.names[name] {
			g.names[name] = true
			g.Accounts = append(g.Accounts, name)
		}
		if f.region != "" && !slices.Contains(g.Regions, f.region) {
			g.Regions = append(g.Regions, f.region)
		}
	}
	out := make([]Cause, 0, len(groups))
	for _, g := range groups {
		slices.Sort(g.Accounts)
		slices.Sort(g.Regions)
		g.Cause.Cause, g.Hint = oneAccount(g.Cause.Cause), oneAccount(g.Hint)
		out = append(out, g.Cause)
	}
	slices.SortFunc(out, func(a, b Cause) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(a.Cause, b.Cause)
	})
	return out
}

// failureText is what failed and why; many messages name the resource already.
func failureText(f *axle.Failure) string {
	if f.Resource == "" || strings.Contains(f.Message, f.Resource) {
		return f.Message
	}
	return f.Resource + ": " + f.Message
}

// failures are those of the run's steps.
func (r *Run) failures() []failedAt {
	var out []failedAt
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Status == axle.Failed && s.Error != nil {
			out = append(out, failedAt{s.Account, s.AccountName, s.Region, s.Error})
		}
	}
	return out
}

// unread are the failures of what couldn't be read.
func (s *Stacks) unread() []failedAt {
	var out []failedAt
	for i := range s.Stacks {
		if stack := &s.Stacks[i]; stack.Error != nil {
			out = append(out, failedAt{stack.Account, stack.AccountName, stack.Region, stack.Error})
		}
	}
	return out
}

// causesText tells each cause once. what is counted, all are the regions looked at.
func causesText(w io.Writer, st Style, list []Cause, what string, all []string) {
	for i := range list {
		c := &list[i]
		fmt.Fprintf(w, "%s %s in %s: %s\n", st.bad.Render("✗"), plural(c.Count, what), c.where(few(c.Accounts), all), c.Cause)
		if c.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", c.Hint)
		}
	}
}

// where is the place of a cause: the accounts, and the regions too when several
// were looked at.
func (c *Cause) where(accounts string, all []string) string {
	if len(c.Regions) > 0 && slices.ContainsFunc(all, func(region string) bool { return region != "" && region != c.Regions[0] }) {
		return accounts + " (" + few(c.Regions) + ")"
	}
	return accounts
}

// regions are those of the run's steps.
func (r *Run) regions() []string {
	out := make([]string, len(r.Steps))
	for i := range r.Steps {
		out[i] = r.Steps[i].Region
	}
	return out
}
