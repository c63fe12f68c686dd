package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"axle"
)

// Equal values are one line, and so are equal failures of many accounts.
func TestParamsFold(t *testing.T) {
	p := &Params{Project: "p"}
	for i := range 300 {
		at := ParamTarget{Account: fmt.Sprintf("%012d", i), AccountName: fmt.Sprintf("web%d", i), Region: "eu-west-1"}
		value := "small"
		if i == 7 {
			value = "large " + strings.Repeat("x", 100)
		}
		p.Add("s", Parameter{Name: "Size", Type: "String"}, ParamValue{Value: value, From: []string{"axle.yaml:1"}}, at)
		p.Add("s", Parameter{Name: "Key", NoEcho: true}, ParamValue{Value: "hunter2", Secret: true, From: []string{"axle.yaml:2"}}, at)
		p.Add("s", Parameter{Name: "Gone"}, ParamValue{From: []string{"axle.yaml:3"}, Error: &axle.Failure{
			Message: fmt.Sprintf("there is no parameter /x in web%d (%012d) eu-west-1", i, i), Hint: "make it"}}, at)
	}
	failed, all := p.Failures()
	if failed != 300 || all != 900 {
		t.Errorf("%d of %d failed", failed, all)
	}
	var out bytes.Buffer
	p.Text(&out, NewStyle(&out, false))
	want := `s  300 instances
  Size  small                                                         axle.yaml:1  web0/eu-west-1, web1/eu-west-1, web2/eu-west-1, and 296 more
        large xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...  axle.yaml:1  web7/eu-west-1
  Key   (secret)                                                      axle.yaml:2  all
  Gone  unknown                                                       axle.yaml:3  all
  ✗ Gone: there is no parameter /x in web0 (000000000000) eu-west-1, and the same in 299 other targets
    hint: make it
`
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
