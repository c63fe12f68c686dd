package report

import (
	"fmt"
	"io"
	"strings"

	"axle"
)

// Stale is a deployed stack with a value that isn't any more what it reads.
type Stale struct {
	Stack       string `json:"stack"` // in axle.yaml
	StackName   string `json:"stack_name,omitempty"`
	Account     string `json:"account"`
	AccountName string `json:"account_name,omitempty"`
	Region      string `json:"region"`
	axle.StaleInput
}

// says is what is stale, without where.
func (s *Stale) says() string {
	text := "reads " + strings.Join(s.Reads, ", ")
	switch {
	case s.Maybe:
		text += " (Fn::GetStackOutput), changed since: may be stale"
	case s.Input != "" && len(s.Reads) == 1:
		text += fmt.Sprintf(": has %s, is %s", shown(s.Has), shown(s.Is))
	default:
		text += fmt.Sprintf(" in %s: has %s, is %s", s.Input, shown(s.Has), shown(s.Is))
	}
	return text
}

func shown(value string) string {
	if value == "" {
		return `""`
	}
	return firstWords(value, 60)
}

// staleText prints what is stale, equal for many targets once.
func staleText(w io.Writer, st Style, head string, list []Stale) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "%s\n", st.warn.Render(head))
	var order []string
	places := map[string][]string{}
	for i := range list {
		s := &list[i]
		key := s.Stack + " " + s.says()
		if places[key] == nil {
			order = append(order, key)
		}
		name := s.AccountName
		if name == "" {
			name = s.Account
		}
		places[key] = append(places[key], name+"/"+s.Region)
	}
	for i, key := range order {
		if i == 20 && len(order) > 21 {
			fmt.Fprintf(w, "  %s\n", st.dim.Render(fmt.Sprintf("and %d more (--output json has all)", len(order)-i)))
			break
		}
		fmt.Fprintf(w, "  %s  %s\n", key, st.dim.Render(few(places[key])))
	}
}

// staleNext says what to do about stale stacks.
func staleNext(w io.Writer, st Style, list []Stale) {
	if len(list) > 0 {
		fmt.Fprintf(w, "To redeploy exactly these: %s\n", st.again("deploy --stale"))
	}
}
