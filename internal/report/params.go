package report

import (
	"fmt"
	"io"
	"strings"

	"axle"
)

// Hidden stands for a value that is never shown.
const Hidden = "(secret)"

// Params is the JSON of axle params.
type Params struct {
	Project string        `json:"project"`
	Env     string        `json:"env,omitempty"`
	Stacks  []ParamsStack `json:"stacks"`

	index map[string]int // of a parameter in its stack, of a value in its parameter
}

// ParamsStack is a stack with its parameters.
type ParamsStack struct {
	Stack      string      `json:"stack"`
	Instances  int         `json:"instances"`
	Parameters []Parameter `json:"parameters"`
}

// Parameter is a parameter with its values, equal ones of many targets once.
type Parameter struct {
	Name   string       `json:"name"`
	Type   string       `json:"type,omitempty"`
	NoEcho bool         `json:"no_echo,omitempty"`
	Values []ParamValue `json:"values"`

	targets int
}

// ParamValue is a value, where it comes from and where it is used.
type ParamValue struct {
	Value      string   `json:"value"` // Hidden for a secret
	Secret     bool     `json:"secret,omitempty"`
	KnownAfter []string `json:"known_after,omitempty"` // stacks
	From       []string `json:"from"`
	// Error is that of the first target; those of the others say the same of theirs.
	Error   *axle.Failure `json:"error,omitempty"`
	Targets []ParamTarget `json:"targets"`
}

// ParamTarget is where a value is used.
type ParamTarget struct {
	Account     string `json:"account"`
	AccountName string `json:"account_name,omitempty"`
	Region      string `json:"region"`
}

// Add adds the value of a parameter in one target. Parameters of one stack come
// one after the other.
func (p *Params) Add(stack string, about Parameter, v ParamValue, at ParamTarget) {
	if n := len(p.Stacks); n == 0 || p.Stacks[n-1].Stack != stack {
		p.Stacks = append(p.Stacks, ParamsStack{Stack: stack, Parameters: []Parameter{}})
	}
	s := &p.Stacks[len(p.Stacks)-1]
	i := p.place(len(s.Parameters), stack, about.Name)
	if i == len(s.Parameters) {
		s.Parameters = append(s.Parameters, about)
	}
	q := &s.Parameters[i]
	if v.Secret && v.Error == nil && len(v.KnownAfter) == 0 {
		v.Value = Hidden
	}
	same := p.place(len(q.Values), append([]string{stack, about.Name, v.Value, fmt.Sprint(v.Secret, v.KnownAfter), fold(message(v.Error), at.AccountName)}, v.From...)...)
	if same == len(q.Values) {
		q.Values = append(q.Values, v)
	}
	q.Values[same].Targets = append(q.Values[same].Targets, at)
	q.targets++
	s.Instances = max(s.Instances, q.targets)
}

// place is the index of what key names, and next if it is new.
func (p *Params) place(next int, key ...string) int {
	if p.index == nil {
		p.index = map[string]int{}
	}
	name := fmt.Sprintf("%q", key)
	i, ok := p.index[name]
	if !ok {
		i = next
		p.index[name] = i
	}
	return i
}

func message(f *axle.Failure) string {
	if f == nil {
		return ""
	}
	return f.Message
}

// Failures counts the values that couldn't be found out, and all.
func (p *Params) Failures() (failed, all int) {
	for _, s := range p.Stacks {
		for _, q := range s.Parameters {
			for _, v := range q.Values {
				all += len(v.Targets)
				if v.Error != nil {
					failed += len(v.Targets)
				}
			}
		}
	}
	return failed, all
}

// Text prints the parameters of each stack.
func (p *Params) Text(w io.Writer, st Style) {
	if len(p.Stacks) == 0 {
		fmt.Fprintln(w, "No stack with parameters has a target here.")
		return
	}
	for _, s := range p.Stacks {
		fmt.Fprintf(w, "%s  %s\n", st.bold.Render(s.Stack), st.dim.Render(plural(s.Instances, "instance")))
		var rows [][]string
		for _, q := range s.Parameters {
			name := q.Name
			for _, v := range q.Values {
				rows = append(rows, []string{name, v.text(st), strings.Join(v.From, ", "), st.dim.Render(v.where(s.Instances))})
				name = ""
			}
		}
		columns(w, "  ", rows)
		for _, q := range s.Parameters {
			for _, v := range q.Values {
				if v.Error != nil {
					more := ""
					if n := len(v.Targets) - 1; n > 0 {
						more = ", and the same in " + plural(n, "other target")
					}
					fmt.Fprintf(w, "  %s %s: %s%s\n", st.bad.Render("✗"), q.Name, v.Error.Message, more)
					if v.Error.Hint != "" {
						fmt.Fprintf(w, "    hint: %s\n", v.Error.Hint)
					}
				}
			}
		}
	}
}

// maxShown is how many characters of a value are shown.
const maxShown = 60

func (v ParamValue) text(st Style) string {
	switch {
	case v.Error != nil:
		return st.bad.Render("unknown")
	case len(v.KnownAfter) > 0:
		return st.warn.Render("known after " + strings.Join(v.KnownAfter, ", "))
	case v.Secret:
		return st.dim.Render(v.Value)
	case v.Value == "":
		return `""`
	}
	text := []rune(strings.Join(strings.Fields(v.Value), " "))
	if len(text) > maxShown {
		text = append(text[:maxShown-3], []rune("...")...)
	}
	return string(text)
}

// where names the targets, unless they are all.
func (v ParamValue) where(all int) string {
	if len(v.Targets) == all && all > 1 {
		return "all"
	}
	var names []string
	for i, t := range v.Targets {
		if i == 3 && len(v.Targets) > 4 {
			names = append(names, fmt.Sprintf("and %d more", len(v.Targets)-i))
			break
		}
		name := t.AccountName
		if name == "" {
			name = t.Account
		}
		names = append(names, name+"/"+t.Region)
	}
	return strings.Join(names, ", ")
}
