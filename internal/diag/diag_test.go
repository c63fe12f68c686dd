package diag_test

import (
	"strings"
	"testing"

	"axle/internal/diag"
)

func TestNearest(t *testing.T) {
	keys := []string{"name", "regions", "stacks", "targets", "parameters", "depends_on"}
	for in, want := range map[string]string{
		"target": "targets", "Targets": "targets", "paramters": "parameters", "parametres": "parameters", "region": "regions",
		"depend_on": "depends_on", "dependson": "depends_on", "nmae": "name", "stack": "stacks",
		"": "", "x": "", "subscriptions": "", "organization": "", "tags": "",
	} {
		if got := diag.Nearest(in, keys); got != want {
			t.Errorf("nearest to %q is %q, want %q", in, got, want)
		}
	}
	if got := diag.Nearest("ab", []string{"ac", "aa"}); got != "aa" {
		t.Errorf("of equally near ones the first in the alphabet, not %q", got)
	}
	if got := diag.Nearest("aa", nil); got != "" {
		t.Errorf("nothing is near to %q", got)
	}
}

func TestList(t *testing.T) {
	at := func(file string, line, col int) diag.Pos { return diag.Pos{File: file, Line: line, Col: col} }
	var l diag.List
	if l.Err() != nil {
		t.Error("an empty list is no error")
	}
	l.Warn(at("b.yaml", 1, 1), "", "careful with %s", "this")
	if l.Err() != nil {
		t.Error("warnings alone are no error")
	}
	l.Add(at("a.yaml", 10, 2), "do that", "second")
	l.Add(at("a.yaml", 9, 7), "", "first")
	l.Add(at("a.yaml", 10, 1), "", "before")
	l.Add(at("a.yaml", 10, 1), "", "after")
	l.Add(diag.Pos{File: "c.yaml", Line: 3}, "", "a line")
	l.Add(diag.Pos{File: "d.yaml"}, "", "a file")
	l.Add(diag.Pos{}, "", "nowhere")
	want := strings.TrimPrefix(`
nowhere
a.yaml:9:7: first
a.yaml:10:1: before
a.yaml:10:1: after
a.yaml:10:2: second
  hint: do that
b.yaml:1:1: warning: careful with this
c.yaml:3: a line
d.yaml: a file`, "\n")
	if got := l.Err().Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if l[0].Summary != "careful with this" {
		t.Error("Err doesn't change the order of the list")
	}
	if e, w := len(l.Errors()), len(l.Warnings()); e != 7 || w != 1 {
		t.Errorf("%d errors and %d warnings", e, w)
	}
}
