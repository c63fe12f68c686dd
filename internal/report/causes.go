package report

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"axle"
)

// What differs from target to target in messages of one cause.
var (
	digits12 = regexp.MustCompile(`\b[0-9]{12}\b`)
	hexIDs   = regexp.MustCompile(`\b((?:[a-z]+-)[0-9a-f]{8,17}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b`)
	regions  = regexp.MustCompile(`\b[a-z]{2}(-[a-z]+)+-[0-9]\b`)
	sessions = regexp.MustCompile(`(assumed-role/[^/ ]+/)[^ ,:]+`)
	made     = regexp.MustCompile(`-[0-9A-Z]{12,13}\b`) // the end of a name that CloudFormation made
	requests = regexp.MustCompile(`(?i)\(?(Service: [^)]*|request ?id: ?[^),; ]+)\)?`)
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

// causes folds the failures of steps; the cause of the most comes first.
func causes(steps []RunStep) []Cause {
	type group struct {
		Cause
		names map[string]bool
	}
	groups := map[string]*group{}
	for i := range steps {
		s := &steps[i]
		if s.Status != axle.Failed || s.Error == nil {
			continue
		}
		text := failureText(s.Error)
		key := s.Error.Code + "\x00" + fold(text, s.AccountName)
		g := groups[key]
		if g == nil {
			g = &group{Cause: Cause{Cause: text, Hint: s.Error.Hint}, names: map[string]bool{}}
			groups[key] = g
		} else {
			g.Cause.Cause = common(g.Cause.Cause, g.Accounts[0], text, s.AccountName)
			if g.Hint != s.Error.Hint {
				g.Hint = common(g.Hint, g.Accounts[0], s.Error.Hint, s.AccountName)
			}
		}
		g.Count++
		name := s.AccountName
		if name == "" {
			name = s.Account
		}
		if !g.names[name] {
			g.names[name] = true
			g.Accounts = append(g.Accounts, name)
		}
		if s.Region != "" && !slices.Contains(g.Regions, s.Region) {
			g.Regions = append(g.Regions, s.Region)
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

func (r *Run) causesText(w io.Writer, st Style) {
	for i := range r.Causes {
		c := &r.Causes[i]
		fmt.Fprintf(w, "%s %s in %s: %s\n", st.bad.Render("✗"), plural(c.Count, "step"), r.where(c, few(c.Accounts)), c.Cause)
		if c.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", c.Hint)
		}
	}
}

// where is the place of a cause: the accounts, and the regions too when the run
// is in several.
func (r *Run) where(c *Cause, accounts string) string {
	for i := range r.Steps {
		if region := r.Steps[i].Region; region != "" && len(c.Regions) > 0 && region != c.Regions[0] {
			return accounts + " (" + few(c.Regions) + ")"
		}
	}
	return accounts
}
