package report

import (
	"fmt"
	"io"
	"strings"

	"axle"
)

// Readers is the JSON of axle outputs --readers.
type Readers struct {
	Project string       `json:"project"`
	Outputs []ReadOutput `json:"outputs"`
}

// ReadOutput is an output of a deployed stack and who reads it.
type ReadOutput struct {
	Stack       string        `json:"stack"` // in axle.yaml
	StackName   string        `json:"stack_name"`
	Account     string        `json:"account"`
	AccountName string        `json:"account_name,omitempty"`
	Region      string        `json:"region"`
	Output      string        `json:"output,omitempty"`
	Value       string        `json:"value,omitempty"`
	Export      string        `json:"export,omitempty"`
	Readers     []Reader      `json:"readers"`
	Error       *axle.Failure `json:"error,omitempty"`
}

// Reader is a stack that reads an output, or a peering.
type Reader struct {
	Stack       string `json:"stack,omitempty"`   // in axle.yaml; empty when it isn't the project's
	StackName   string `json:"stack_name"`        // empty for a peering
	Peering     string `json:"peering,omitempty"` // in axle.yaml; its requester's account and region follow
	Account     string `json:"account"`
	AccountName string `json:"account_name,omitempty"`
	Region      string `json:"region"`
	// By is how: output(), outputs(), export(), Fn::ImportValue, Fn::GetStackOutput,
	// peering.
	By        string `json:"by"`
	Parameter string `json:"parameter,omitempty"` // that has the value; tag:NAME for a tag; of a peering its key, such as accepter.cidr
	Deployed  bool   `json:"deployed"`            // it reads it now, or the connection is there; else it will when it is deployed
	// Error is why it isn't known whether it is deployed.
	Error *axle.Failure `json:"error,omitempty"`
}

// StillReader is a reader with what it reads.
type StillReader struct {
	Of        string `json:"of"` // stack in axle.yaml
	OfAccount string `json:"of_account"`
	OfRegion  string `json:"of_region"`
	Output    string `json:"output"`
	Reader
}

// name is how a reader is called: by axle.yaml's name if it has one.
func (r *Reader) name() string {
	if r.Stack != "" || r.Peering != "" {
		return r.Stack + r.Peering
	}
	return r.StackName + " (not in axle.yaml)"
}

func (r *Reader) place() string {
	if r.AccountName == "" {
		return r.Account + "/" + r.Region
	}
	return r.AccountName + "/" + r.Region
}

// Failures counts the outputs whose readers aren't all known.
func (r *Readers) Failures() int {
	n := 0
	for i := range r.Outputs {
		if r.Outputs[i].Error != nil {
			n++
		}
	}
	return n
}

// Text prints each output with its readers below it, those that read it in the
// same way in one line.
func (r *Readers) Text(w io.Writer, st Style) {
	if len(r.Outputs) == 0 {
		fmt.Fprintln(w, "No outputs: nothing is deployed here.")
		return
	}
	for i := range r.Outputs {
		o := &r.Outputs[i]
		where := o.AccountName
		if where == "" {
			where = o.Account
		}
		head := st.bold.Render(o.Stack)
		if o.Output != "" {
			head += "  " + st.bold.Render(o.Output)
		}
		if o.Export != "" {
			head += "  exported as " + o.Export
		}
		fmt.Fprintf(w, "%s  %s\n", head, st.dim.Render(where+" "+o.Region))
		if o.Error != nil {
			fmt.Fprintf(w, "  %s %s\n", st.bad.Render("✗"), o.Error.Message)
		}
		if len(o.Readers) == 0 && o.Error == nil {
			fmt.Fprintf(w, "  %s\n", st.dim.Render("nobody reads it"))
		}
		var rows [][]string
		for _, g := range groupReaders(o.Readers) {
			rows = append(rows, g.row(st))
		}
		columns(w, "  ", rows)
	}
}

// readers that read in the same way.
type readerGroup struct {
	first  *Reader
	places []string
}

func groupReaders(readers []Reader) []*readerGroup {
	var out []*readerGroup
	index := map[string]*readerGroup{}
	for i := range readers {
		r := &readers[i]
		key := fmt.Sprintf("%q %q %q %v", r.name(), r.By, r.Parameter, r.Deployed)
		if r.Error != nil {
			key += r.Error.Message
		}
		g := index[key]
		if g == nil {
			g = &readerGroup{first: r}
			index[key] = g
			out = append(out, g)
		}
		g.places = append(g.places, r.place())
	}
	return out
}

func (g *readerGroup) row(st Style) []string {
	r := g.first
	by := r.By
	if tag, ok := strings.CutPrefix(r.Parameter, "tag:"); ok {
		by += " in tag " + tag
	} else if r.Peering != "" {
		by += " as " + r.Parameter
	} else if r.Parameter != "" {
		by += " in " + r.Parameter
	}
	note := ""
	switch {
	case r.Error != nil:
		note = st.bad.Render("whether it is deployed isn't known: " + r.Error.Message)
	case !r.Deployed:
		note = st.dim.Render("not deployed yet")
	}
	return []string{r.name(), by, plural(len(g.places), "instance"), few(g.places), note}
}

// few names some, and counts the others.
func few(names []string) string {
	if len(names) > 5 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:4], ", "), len(names)-4)
	}
	return strings.Join(names, ", ")
}
