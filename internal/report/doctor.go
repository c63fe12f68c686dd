package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"axle/internal/apps/doctor"
)

// Doctor is the JSON of axle doctor.
type Doctor struct {
	Project string        `json:"project"`
	Summary DoctorSummary `json:"summary"`
	// Findings are those that aren't ok; all of them with --all.
	Findings []doctor.Finding `json:"findings"`
}

// DoctorSummary counts targets (account and region).
type DoctorSummary struct {
	Targets int `json:"targets"`
	Ready   int `json:"ready"`
	Blocked int `json:"blocked"`
	Unknown int `json:"unknown"` // something couldn't be found out; not blocked
}

// NewDoctor counts and, unless all are wanted, leaves out what is well.
func NewDoctor(project string, targets [][2]string, found []doctor.Finding, all bool) *Doctor {
	d := &Doctor{Project: project, Summary: DoctorSummary{Targets: len(targets)}, Findings: []doctor.Finding{}}
	for _, f := range found {
		if all || f.State == doctor.Blocked || f.State == doctor.Unknown {
			d.Findings = append(d.Findings, f)
		}
	}
	for _, t := range targets {
		worst := doctor.OK
		for _, f := range found {
			if f.Account != "" && f.Account != t[0] || f.Region != "" && f.Region != t[1] {
				continue
			}
			if f.State == doctor.Blocked || f.State == doctor.Unknown && worst == doctor.OK {
				worst = f.State
			}
		}
		switch worst {
		case doctor.Blocked:
			d.Summary.Blocked++
		case doctor.Unknown:
			d.Summary.Unknown++
		default:
			d.Summary.Ready++
		}
	}
	return d
}

// ailment is one cause with everywhere that it is.
type ailment struct {
	doctor.Finding
	places []string
}

// Text prints the findings, the same cause once.
func (d *Doctor) Text(w io.Writer, st Style) {
	ailments(w, st, d.Findings)
	d.well(w, st)
	s := d.Summary
	line := fmt.Sprintf("%s: %d ready", plural(s.Targets, "target"), s.Ready)
	if s.Blocked > 0 {
		line += ", " + st.bad.Render(fmt.Sprintf("%d blocked", s.Blocked))
	}
	if s.Unknown > 0 {
		line += ", " + st.warn.Render(fmt.Sprintf("%d not fully known", s.Unknown))
	}
	fmt.Fprintln(w, line)
}

// ailments prints findings that aren't well, the same cause once.
func ailments(w io.Writer, st Style, findings []doctor.Finding) {
	var order []string
	byCause := map[string]*ailment{}
	for _, f := range findings {
		if f.State == doctor.OK {
			continue
		}
		cause := f.Cause
		if f.Account != "" {
			cause = strings.NewReplacer(f.AccountName+" ("+f.Account+")", "the account", f.Account, "the account").Replace(cause)
		}
		key := string(f.State) + "|" + string(f.Side) + "|" + cause
		a := byCause[key]
		if a == nil {
			a = &ailment{Finding: f}
			byCause[key] = a
			order = append(order, key)
		}
		place := strings.Join(slices.DeleteFunc([]string{f.AccountName, f.Account, f.Region, f.Stack}, func(s string) bool { return s == "" }), " ")
		if place == "" {
			place = "every target"
		}
		if !slices.Contains(a.places, place) {
			a.places = append(a.places, place)
		}
	}
	for _, key := range order {
		byCause[key].text(w, st)
	}
}

func (a *ailment) text(w io.Writer, st Style) {
	word := st.bad.Render("✗ blocked")
	switch a.State {
	case doctor.Unknown:
		word = st.warn.Render("? unknown")
	case doctor.Note:
		word = st.dim.Render("· note   ")
	}
	side := ""
	if a.Side != "" && a.Side != doctor.SideOther {
		side = "  " + st.bold.Render(string(a.Side))
	}
	places := a.places
	more := ""
	if len(places) > 6 {
		more = fmt.Sprintf(" and %d more", len(places)-6)
		places = places[:6]
	}
	fmt.Fprintf(w, "%s  %s%s%s\n", word, strings.Join(places, ", "), more, side)
	fmt.Fprintf(w, "    %s\n", a.Cause)
	for _, line := range a.Detail {
		fmt.Fprintf(w, "    %s\n", st.dim.Render(line))
	}
	if a.Fix != "" {
		fmt.Fprintf(w, "    do: %s\n", a.Fix)
	}
	fmt.Fprintln(w)
}

// well lists what is in order, with --all.
func (d *Doctor) well(w io.Writer, st Style) {
	var rows [][]string
	for _, f := range d.Findings {
		if f.State == doctor.OK {
			rows = append(rows, []string{st.good.Render("✓"), f.AccountName, f.Account, f.Region, f.Check, f.Stack})
		}
	}
	if len(rows) > 0 {
		columns(w, "", rows)
		fmt.Fprintln(w)
	}
}
