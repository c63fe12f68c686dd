package expr

import (
	"slices"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/diag"

	"github.com/google/go-cmp/cmp"
)

// start is where the expressions of the tests begin.
var start = diag.Pos{File: "axle.yaml", Line: 10, Col: 5}

func scope() Scope {
	return Scope{
		Account: axle.Account{ID: "222222222222", Name: "dev", Email: "dev@example.com", OU: "/Workloads/Dev",
			OUIDs: []string{"r-1", "ou-1"}, Tags: map[string]string{"env": "dev"}, OUTags: map[string]string{"tier": "apps"},
			Status: "ACTIVE", Joined: time.Date(2021, 5, 1, 0, 0, 0, 0, time.UTC)},
		Region:     "eu-west-1",
		HubAccount: axle.Account{ID: "111111111111", Name: "tools", OU: "/"},
		HubRegion:  "eu-central-1",
		Vars: map[string]any{
			"net":   map[string]any{"eu-west-1": "10.1", "us-east-1": "10.2"},
			"sizes": []any{int64(1), int64(2)}, "n": int64(3), "half": 0.5, "on": true, "none": nil,
			"many":   map[string]any{"f": int64(6), "e": int64(5), "d": int64(4), "c": int64(3), "b": int64(2), "a": int64(1)},
			"nested": []any{map[string]any{"x": map[string]any{"y": "deep"}}},
		},
		Env: "prod",
	}
}

func TestSelector(t *testing.T) {
	for src, want := range map[string]bool{
		`true`:  true,
		`false`: false,
		`account.ou.startsWith("/Workloads") && account.tags["env"] in ["dev", "qa"]`: true,
		`account.tags["env"] == "prod"`:                                               false,
		`account.tags.env == "dev"`:                                                   true,
		`account.tags["missing"] == ""`:                                               true,
		`account.tags["missing"].startsWith("x")`:                                     false,
		`"env" in account.tags`:                                                       true,
		`"missing" in account.tags`:                                                   false,
		`has(account.tags.env)`:                                                       true,
		`has(account.tags.missing)`:                                                   false,
		`has(account.email)`:                                                          true,
		`account.ou_tags["tier"] == "apps"`:                                           true,
		`account.ou_tags["missing"] == ""`:                                            true,
		`size(account.tags) == 1`:                                                     true,
		`account.tags == {"env": "dev"}`:                                              true,
		`account.tags.exists(k, k == "env")`:                                          true,
		`[account].exists(a, a.tags["x"] == "")`:                                      true,
		`dyn(account).name == "dev"`:                                                  true,
		`account == account`:                                                          true,
		`account == hub.account`:                                                      false,
		`"ou-1" in account.ou_ids`:                                                    true,
		`account.joined > timestamp("2021-01-01T00:00:00Z")`:                          true,
		`account.joined.getFullYear() == 2021`:                                        true,
		`account.status == "ACTIVE"`:                                                  true,
		`hub.account.status == "ACTIVE"`:                                              true,
		`hub.account.name == "tools"`:                                                 true,
		`hub.region == "eu-central-1"`:                                                true,
		`account.id != hub.account.id`:                                                true,
		`account.id in ["222222222222"]`:                                              true,
		`account.management`:                                                          false,
		`!account.management`:                                                         true,
		`env == "prod" ? account.name == "dev" : false`:                               true,
		`vars.on`: true,
		`vars.n == 3 && vars.half < 1 && 2 in vars.sizes`:       true,
		`"net" in vars && !("nett" in vars)`:                    true,
		`has(vars.net) && !has(vars.nett) && !has(vars.net.x)`:  true,
		`vars.none == null`:                                     true,
		`account.name.matches("^d.v$")`:                         true,
		`account.email.split("@")[1] == "example.com"`:          true,
		`account.name.upperAscii() == "DEV"`:                    true,
		`sets.intersects(["dev", "qa"], [account.tags["env"]])`: true,
		`["b", "a"].sort() == ["a", "b"]`:                       true,
		`account.name in vars.sizes || account.name == "dev"`:   true,
	} {
		s, list := CompileSelector(src, start)
		if s == nil {
			t.Errorf("%s: %v", src, list)
			continue
		}
		if got, err := s.Match(scope()); err != nil || got != want {
			t.Errorf("%s: got %v, %v, want %v", src, got, err, want)
		}
		if s.String() != src {
			t.Errorf("%s: String() is %s", src, s)
		}
	}
}

func TestSelectorMistakes(t *testing.T) {
	for _, c := range []struct {
		src  string
		want []string // "line:col: summary" with the beginning of the summary; then " | " and a part of the hint
	}{
		{``, []string{"10:5: empty expression"}},
		{`  `, []string{"10:7: empty expression"}},
		{`account.nme == "x"`, []string{`10:13: there is no field "nme" | did you mean "name"?`}},
		{`acount.name == "x"`, []string{`10:5: unknown name "acount" | did you mean account?`}},
		{`account.ou.startWith("/x")`, []string{`10:16: unknown name "startWith" | did you mean startsWith?`}},
		{`account.ou`, []string{"10:5: a selection is true or false, and this is text | account.name =="}},
		{` account.tags`, []string{"10:6: a selection is true or false, and this is a map"}},
		{`account.ou + 1 == ""`, []string{"10:16: + doesn't work on (string, int)"}},
		{`account.name == 1`, []string{"10:18: == doesn't work on (string, int) | only values of one type"}},
		{`account.management in ["a"]`, []string{"10:24: in doesn't work on (bool, list(string))"}},
		{`account.name = "x"`, []string{"10:18: the expression can't be read: unexpected = | =="}},
		{`account.name and true`, []string{"10:18: the expression can't be read: unexpected and | && for and"}},
		{`(account.management`, []string{"10:24: the expression can't be read: missing ')' at the end"}},
		{"account.management &&\n  account.nam == 'x'", []string{`11:15: there is no field "nam"`}},
		{`account.name.matches("(")`, []string{"10:5: error parsing regexp"}},
		{`output("a", "b") == "x"`, []string{"10:5: output() can't be used to choose targets"}},
		{`ssm("a") == "x" || secret("b") == ""`, []string{"10:5: ssm() can't", "10:24: secret() can't"}},
		{`region == "eu-west-1"`, []string{"10:5: a selection chooses accounts"}},
		{`account{name: "x"}.name == ""`, []string{"10:12: account{...} can't be made"}},
		{`account.id == "1234"`, []string{`10:19: "1234" is not an account id | 12 digits`}},
		{`account.id in ["222222222222", "x"] || "y" != hub.account.id`, []string{`10:36: "x" is not`, `10:44: "y" is not`}},
		{`account.nme == "x" && hub.regio == ""`, []string{`10:13: there is no field "nme"`, `10:31: there is no field "regio"`}},
		{`@lookup`, []string{"10:5: the expression can't be read"}},
		{"account.näme == ''", []string{"10:14: the expression can't be read"}},
		{`"ü" == account.nme`, []string{`10:20: there is no field "nme"`}},
		{strings.Repeat("(", 500), []string{"10:5: expression"}},
		{strings.Repeat("[", 70) + strings.Repeat("]", 70) + " == []", []string{"10:"}},
		{strings.Repeat("x", 9000), []string{"10:5: expression longer than"}},
		{"\xff", []string{"10:5: expression isn't UTF-8"}},
	} {
		s, list := CompileSelector(c.src, start)
		if s != nil || list.Err() == nil {
			t.Errorf("%s: compiled", c.src)
		}
		expect(t, c.src, list, c.want)
	}
}

// expect compares problems with what is wanted of them.
func expect(t *testing.T, src string, list diag.List, want []string) {
	t.Helper()
	list.Sort()
	if len(list) != len(want) {
		t.Errorf("%.60s: got %d problems, want %d:\n%v", src, len(list), len(want), list)
		return
	}
	for i, d := range list {
		summary, hint, _ := strings.Cut(want[i], " | ")
		got := strings.TrimPrefix(d.Pos.String(), "axle.yaml:") + ": " + d.Summary
		if !strings.HasPrefix(got, summary) || !strings.Contains(d.Hint, hint) {
			t.Errorf("%.60s:\n got %s | %s\nwant %s", src, got, d.Hint, want[i])
		}
	}
}

func TestSelectorErrors(t *testing.T) {
	for src, want := range map[string]string{
		`1 / 0 == 1`:         "axle.yaml:10:7: dev (222222222222) eu-west-1: division by zero",
		`vars.n`:             "axle.yaml:10:5: dev (222222222222) eu-west-1: a selection is true or false, and this is a number",
		`vars.nn == 1`:       `axle.yaml:10:10: vars has no key "nn", which dev (222222222222) eu-west-1 needs`,
		`vars.net["x"] == 1`: `axle.yaml:10:13: vars.net has no key "x", which`,
		`[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d,
			[1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, [1,2,3,4,5,6,7,8,9,10].all(g, a+b+c+d+e+f+g > 0)))))))`: "the expression takes too much work",
	} {
		s, list := CompileSelector(src, start)
		if s == nil {
			t.Errorf("%s: %v", src, list)
			continue
		}
		if _, err := s.Match(scope()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", src, err, want)
		}
	}
}

func TestWhatIsRead(t *testing.T) {
	for src, want := range map[string][2]bool{
		`account.name == "x"`:                           {},
		`account.tags["x"] == ""`:                       {true, false},
		`"x" in account.ou_tags`:                        {true, false},
		`hub.account.tags["x"] == ""`:                   {true, false},
		`account.status != "CLOSED"`:                    {false, true},
		`[account, hub.account].exists(a, a.id != "")`:  {true, true},
		`dyn(account).name == "x"`:                      {true, true},
		`account.name == "tags" && env == "status"`:     {},
		`has(account.tags.x) || account.status == "x"`:  {true, true},
		`account.ou_ids.exists(status, status == "ou")`: {},
	} {
		s, list := CompileSelector(src, start)
		if s == nil {
			t.Errorf("%s: %v", src, list)
			continue
		}
		if got := [2]bool{s.NeedsTags(), s.MentionsStatus()}; got != want {
			t.Errorf("%s: reads tags, status: %v, want %v", src, got, want)
		}
	}
}

func TestExplain(t *testing.T) {
	src := `account.status == "SUSPENDED" || (account.tags["env"] in ["a && b", "dev"] && !account.management && (account.name == "x" ? true : false))`
	s, list := CompileSelector(src, start)
	if s == nil {
		t.Fatal(list)
	}
	got, err := s.Explain(scope())
	if err != nil {
		t.Fatal(err)
	}
	want := []Clause{
		{Text: `account.status == "SUSPENDED"`, Because: []string{`account.status = "ACTIVE"`}},
		{Text: `(account.tags["env"] in ["a && b", "dev"] && !account.management && (account.name == "x" ? true : false))`, Op: "||"},
		{Text: `account.tags["env"] in ["a && b", "dev"]`, True: true, Depth: 1, Because: []string{`account.tags["env"] = "dev"`}},
		{Text: `!account.management`, True: true, Depth: 1, Op: "&&", Because: []string{"account.management = false"}},
		{Text: `(account.name == "x" ? true : false)`, Depth: 1, Op: "&&", Because: []string{`account.name = "dev"`}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, whole := range []string{`account.management`, `account.name == "a || b"`, `account.management ? true : false || true`, "!(true && false)"} {
		s, _ := CompileSelector(whole, start)
		if got, err := s.Explain(scope()); err != nil || len(got) != 1 || got[0].Text != whole {
			t.Errorf("%s: %v, %v", whole, got, err)
		}
	}
}

func TestExplainShowsValues(t *testing.T) {
	for src, want := range map[string][]string{
		`"x" in account.tags`:                               {`account.tags = {"env": "dev"}`},
		`has(account.tags.x)`:                               {`account.tags = {"env": "dev"}`},
		`account.tags[vars.net["eu-west-1"]] == ""`:         {`account.tags = {"env": "dev"}`, `vars.net["eu-west-1"] = "10.1"`},
		`account.ou_ids.exists(i, i == account.name)`:       {`account.ou_ids = ["r-1", "ou-1"]`, `account.name = "dev"`},
		`account.tags.x == "" && account.tags.x != "y"`:     {`account.tags.x = ""`},
		`account.id == hub.account.id`:                      {`account.id = "222222222222"`, `hub.account.id = "111111111111"`},
		`env == "prod" && hub.account == account`:           {"hub.account = an account"},
		`vars.nested[0].x.y == "deep" && vars.none == null`: {`vars.nested[0].x.y = "deep"`, "vars.none = null"},
		`true`: nil,
	} {
		s, list := CompileSelector(src, start)
		if s == nil {
			t.Fatal(list)
		}
		sc := scope()
		if d := cmp.Diff(want, s.because(&sc)); d != "" {
			t.Errorf("%s: %s", src, d)
		}
	}
}

func TestNamesAreSorted(t *testing.T) {
	if !slices.IsSorted(fields(accountType)) || !slices.IsSorted(names()) {
		t.Error("hints depend on the order of a map")
	}
}

func FuzzSelector(f *testing.F) {
	for _, s := range []string{`account.ou.startsWith("/W") && account.tags["env"] in ["dev"]`, `vars.net[region] == "1"`, `has(account.tags.x) ? true : false`,
		`output("a", "b", {"account": account.id})`, `[1,2].map(x, x * 2).exists(y, y > 2)`, `"\u00e4".format([1])`, `r'\d'`, `"""a"""`, `// c`, `[[1]].flatten()`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		s, list := CompileSelector(src, start)
		if (s == nil) != (list.Err() != nil) {
			t.Fatalf("%q: %v, %v", src, s, list)
		}
		for _, d := range list {
			if d.Pos.Line < start.Line || d.Pos.Col < 1 || d.Summary == "" {
				t.Fatalf("%q: %+v", src, d)
			}
		}
		if s == nil {
			return
		}
		sc := scope()
		if _, err := s.Match(sc); err != nil {
			return
		}
		if _, err := s.Explain(sc); err != nil && !strings.Contains(err.Error(), "explain") && !strings.Contains(err.Error(), "axle.yaml") {
			t.Fatalf("%q: %v", src, err)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	s, list := CompileSelector(`account.ou.startsWith("/Workloads") && account.tags["env"] in ["dev", "qa"] && !account.management`, start)
	if s == nil {
		b.Fatal(list)
	}
	sc := scope()
	b.ReportAllocs()
	for b.Loop() {
		if ok, err := s.Match(sc); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
