package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"axle"
	"axle/internal/diag"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// answers answer calls by their text: string, []string or error; what isn't
// there is unknown. Every call is noted.
type answers struct {
	values map[string]any
	mu     sync.Mutex
	asked  []string
}

func (a *answers) Call(source, fn string, args []string, opts map[string]string) (any, bool, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, fmt.Sprint(fn, args, opts))
	v, ok := a.values[source]
	if err, isErr := v.(error); isErr {
		return nil, false, err
	}
	return v, ok, nil
}

var errLocked = errors.New("the stack is locked")

func known() Names {
	return Names{Stacks: []string{"hub-network", "spoke"}, Vars: scope().Vars}
}

func TestText(t *testing.T) {
	lookup := &answers{values: map[string]any{
		`output("hub-network", "VpcId")`:   "vpc-1",
		`outputs("spoke", "Cidr")`:         []string{"10.0.0.0/16", "10.1.0.0/16"},
		`outputs("spoke", "None")`:         []string{},
		`ssm("/a/" + account.name)`:        "param",
		`export(hub.account.id, "Shared")`: "exported",
		`output("hub-network", "Bad")`:     errLocked,
		`secret("/db")`:                    "hunter2",
		`output( "spoke" , 'K', {"account": account.id, "region": "us-east-1",} )`: "opted",
	}}
	const unknown = "unknown"
	for src, want := range map[string]string{
		`plain`:                                  "plain",
		``:                                       "",
		`10.0.0.0/16`:                            "10.0.0.0/16",
		`${AWS::Region} {{resolve:ssm:/a}} $ {{`: "${AWS::Region} {{resolve:ssm:/a}} $ {{",
		`${{ account.name }}-${{ region }}-x`:    "dev-eu-west-1-x",
		`${{ vars.net[region] + "." + account.tags["env"] + ".0/24" }}`: "10.1.dev.0/24",
		`${{ vars.n }} ${{ vars.half }} ${{ vars.on }}`:                 "3 0.5 true",
		`${{ 1e21 }}`:            "1000000000000000000000",
		`${{ 7u }}`:              "7",
		`${{ [1, 2] }}`:          "1,2",
		`${{ [] }}`:              "",
		`${{ b"abc" }}`:          "abc",
		`${{ account.joined }}`:  "2021-05-01T00:00:00Z",
		`${{ duration("90s") }}`: "90s",
		`${{ vars.many.map(k, k + string(vars.many[k])) }}`: "a1,b2,c3,d4,e5,f6",
		`${{ vars.nested[0].x.y }}`:                         "deep",
		`${{ vars.sizes }}`:                                 "1,2",
		`${{ "}}" }}`:                                       "}}",
		`${{ {"a": {"b": "c"}}["a"]["b"] }}`:                "c",
		"${{ \"a\" // }} comment\n}}":                       "a",
		`${{ r"\" }}`:                                       `\`,
		`${{ """a"b""" }}`:                                  `a"b`,
		`${{ account.ou_ids.join("/") }}`:                   "r-1/ou-1",
		`${{ "x" in account.tags ? "has" : "hasn't" }}`:     "hasn't",
		`${{ has(account.tags.env) ? "y" : "n" }}`:          "y",
		`${{ has(vars.x) ? vars.x : "default" }}`:           "default",
		`${{ env }} ${{ hub.region }}`:                      "prod eu-central-1",
		`${{ output("hub-network", "VpcId") }}`:             "vpc-1",
		`a ${{ outputs("spoke", "Cidr") }} b`:               "a 10.0.0.0/16,10.1.0.0/16 b",
		`${{ outputs("spoke", "None") }}`:                   "",
		`${{ size(outputs("spoke", "Cidr")) }}`:             "2",
		`${{ outputs("spoke", "Cidr").map(c, c + "!") }}`:   "10.0.0.0/16!,10.1.0.0/16!",
		`${{ ssm("/a/" + account.name) }}`:                  "param",
		`${{ export(hub.account.id, "Shared") }}`:           "exported",
		`${{ secret("/db") }}`:                              "hunter2",
		`${{ output( "spoke" , 'K', {"account": account.id, "region": "us-east-1",} ) }}`: "opted",
		// What isn't known yet.
		`${{ output("spoke", "New") }}`:                                               unknown,
		`x ${{ output("spoke", "New") }} ${{ region }}`:                               unknown,
		`${{ output("spoke", "New") + "/x" }}`:                                        unknown,
		`${{ output("spoke", "New") == "" ? "a" : "b" }}`:                             unknown,
		`${{ [output("spoke", "New")] }}`:                                             unknown,
		`${{ outputs("spoke", "New").map(x, x + "y") }}`:                              unknown,
		`${{ outputs("spoke", "Cidr").map(x, x + output("spoke", "New")) }}`:          unknown,
		`${{ ssm(output("spoke", "New")) }}`:                                          unknown,
		`${{ {"a": output("spoke", "New")}["a"] }}`:                                   unknown,
		`${{ true || output("spoke", "New") == "x" }}`:                                "true",
		`${{ output("spoke", "New") == "x" || true }}`:                                "true",
		`${{ output("spoke", "New") == "x" && false }}`:                               "false",
		`${{ region == "eu-west-1" ? "here" : output("spoke", "New") }}`:              "here",
		`${{ int(output("spoke", "New")) + 1 }}`:                                      unknown,
		`${{ outputs("spoke", "Cidr").exists(x, x == output("spoke", "New")) }}`:      unknown,
		`${{ string(size(outputs("spoke", "New"))) + output("hub-network","VpcId")}}`: unknown,
	} {
		text, list := CompileText(src, start, known())
		if text == nil {
			t.Errorf("%s: %v", src, list)
			continue
		}
		got, ok, err := text.Eval(scope(), lookup)
		if !ok {
			got = unknown
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", src, got, err, want)
		}
		if literal, ok := text.Literal(); ok == strings.Contains(src, "${{") || ok && literal != src {
			t.Errorf("%s: literal %q, %v", src, literal, ok)
		}
		if text.String() != src {
			t.Errorf("%s: String() is %s", src, text)
		}
	}
	if !slices.Contains(lookup.asked, "output[spoke K] map[account:222222222222 region:us-east-1]") {
		t.Errorf("options are not passed on: %q", lookup.asked)
	}
}

func TestTextErrors(t *testing.T) {
	lookup := &answers{values: map[string]any{
		`output("spoke", "Bad")`: errLocked, `secret("/db")`: "hunter2", `output("spoke", "N")`: "twelve",
	}}
	for _, c := range []struct{ src, want, not string }{
		{`${{ account.tags["net"] }}`, `axle.yaml:10:21: account dev (222222222222) has no tag "net"`, ""},
		{`x${{ account.tags.net }}`, `axle.yaml:10:23: account dev (222222222222) has no tag "net"`, ""},
		{`${{ account.ou_tags["net"] }}`, `account dev (222222222222) has no inherited tag "net"`, ""},
		{`${{ hub.account.tags["net"] }}`, `account tools (111111111111) has no tag "net"`, ""},
		{`${{ vars.net["ap-east-1"] }}`, "axle.yaml:10:17: vars.net has no key \"ap-east-1\", which dev (222222222222) eu-west-1 needs\n  hint: did you mean \"us-east-1\"?", ""},
		{`${{ vars.net[account.name] }}`, "it has eu-west-1, us-east-1", ""},
		{`${{ vars.nested[0].z }}`, `axle.yaml:10:24: vars.nested[...] has no key "z"`, ""},
		{`${{ vars["nett"] }}`, `vars has no key "nett"`, ""},
		{`${{ vars }}`, "map has no text", ""},
		{`${{ vars.none }}`, "null has no text", ""},
		{`${{ [[1]] }}`, "a list in a list has no text", ""},
		{`${{ output("spoke", "Bad") }}`, "dev (222222222222) eu-west-1: the stack is locked", ""},
		{`${{ int(output("spoke", "N")) }}`, "axle.yaml:10:9: dev (222222222222) eu-west-1: type conversion error", ""},
		{`${{ secret("/db/" + account.tags["net"]) }}`, `account dev (222222222222) has no tag "net"`, ""},
		{`${{ secret("/db") + vars.n[region] }}`, "the expression fails", "hunter2"},
		{`${{ int(secret("/db")) }}`, "the expression fails", "hunter2"},
		{`${{ [secret("/db")][3] }}`, "the expression fails", "hunter2"},
		{`${{ {"a": "b"}[secret("/db")] }}`, "the expression fails", "hunter2"},
		{`${{ vars[secret("/db")] }}`, "the expression fails", "hunter2"},
		{`${{ output("spoke", "N", {"account": vars.n}) }}`, "option \"account\" of output() is text, not int", ""},
	} {
		text, list := CompileText(c.src, start, known())
		if text == nil {
			t.Errorf("%s: %v", c.src, list)
			continue
		}
		_, ok, err := text.Eval(scope(), lookup)
		if err == nil || ok || !strings.Contains(err.Error(), c.want) || (c.not != "" && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), c.not)) {
			t.Errorf("%s:\n got %v\nwant %s", c.src, err, c.want)
		}
		var d diag.Diagnostic
		if !errors.As(err, &d) || d.Pos.Line != 10 {
			t.Errorf("%s: no diagnostic in %#v", c.src, err)
		}
	}
	text, _ := CompileText(`${{ output("spoke", "Bad") }}`, start, known())
	if _, _, err := text.Eval(scope(), lookup); !errors.Is(err, errLocked) {
		t.Errorf("the cause is lost: %#v", err)
	}
	if _, _, err := text.Eval(scope(), nil); err == nil {
		t.Error("a call without a lookup gives a value")
	}
}

func TestTextMistakes(t *testing.T) {
	for _, c := range []struct {
		src  string
		want []string
	}{
		{`a ${{ region`, []string{"10:7: ${{ without }} | end it with }}"}},
		{`${{ region }} ${{ "a }}`, []string{"10:19: ${{ without }}"}},
		{`${{ }}`, []string{"10:9: empty expression"}},
		{`${{ 1 + "a" }}`, []string{"10:11: + doesn't work on (int, string) | string(...)"}},
		{`${{ account.nme }} ${{ regio }}`, []string{`10:17: there is no field "nme" | did you mean "name"?`, `10:28: unknown name "regio" | did you mean region?`}},
		{"first\n  ${{ foo }}\n${{ vars.n +\n bar }}", []string{`11:11: unknown name "foo"`, `13:6: unknown name "bar"`}},
		{`ü ${{ foo }}`, []string{`10:11: unknown name "foo"`}},
		{`${{ output("hub-netwrk", "VpcId") }}`, []string{`10:16: unknown stack "hub-netwrk" in output() | did you mean "hub-network"?`}},
		{`${{ outputs("zzzzzzzzzzzzzzzz", "VpcId") }}`, []string{`10:17: unknown stack | the stacks are hub-network, spoke`}},
		{`${{ output(account.name, region) }}`, []string{"10:24: the stack of output() must be a text in quotes", "10:30: the key of output() must be a text"}},
		{`${{ output("spo" + "ke", "K") }}`, []string{"10:22: the stack of output() must be a text in quotes"}},
		{`${{ output("spoke", "") }}`, []string{"10:25: the key of output() is empty"}},
		{`${{ output("spoke") }}`, []string{"10:9: wrong number of arguments: write output("}},
		{`${{ secret() + ssm("a", {}, "b") }}`, []string{"10:9: wrong number of arguments: write secret", "10:20: wrong number of arguments: write ssm"}},
		{`${{ ssm("a", "b") }}`, []string{"10:9: ssm() doesn't take (string, string)", "10:18: the options of ssm() must be written out"}},
		{`${{ ssm("") + secret("") }}`, []string{"10:13: a name of ssm() is empty", "10:26: a name of secret() is empty"}},
		{`${{ secret("a", {"dynamic": account.management}) }}`, []string{`10:33: "dynamic" is true or false`}},
		{`${{ ssm("a", {"dynamic": true}) }}`, []string{`10:19: unknown option "dynamic" of ssm() | the options are "account" and "region"`}},
		{`${{ secret("a", {"account": "12"}) }}`, []string{`10:33: "12" is not an account id`}},
		{`${{ ssm(1) }}`, []string{`10:9: ssm() doesn't take (int) | write ssm("/name")`}},
		{`${{ export(1, "a") }}`, []string{`10:9: export() doesn't take (int, string)`}},
		{`${{ outputs("spoke", "K") + "x" }}`, []string{"10:31: + doesn't work on (list(string), string)"}},
		{`${{ output("spoke", "K", account) }}`, []string{"10:9: output() doesn't take", "10:30: the options of output() must be written out"}},
		{`${{ output("spoke", "K", vars.n == 3 ? {"account": "222222222222"} : {"account": "x"}) }}`, []string{"10:42: the options of output() must be written out"}},
		{`${{ output("spoke", "K", {"acount": "222222222222", region: "x"}) }}`, []string{`10:31: unknown option "acount" of output() | "account" and "region"`, `10:57: unknown option region of output()`}},
		{`${{ output("spoke", "K", {"account": "1234"}) }}`, []string{`10:42: "1234" is not an account id`}},
		{`${{ output("spoke", "K", {"account": 222222222222}) }}`, []string{`10:42: an option of a call is text, and this is a number`}},
		{`${{ output("spoke", "K", {"account": account.nme}) }}`, []string{`10:50: there is no field "nme"`}},
		{`${{ output("spoke", "K", {"account": ssm("a")}) }}`, []string{`10:42: ssm() can't be used in the options of a call`}},
		{`${{ output("spoke", "K", {"account": output("spok", "x")}) }}`, []string{`10:42: output() can't be used in the options`, `10:49: unknown stack "spok"`}},
		{`${{ vars.nett[region] }}`, []string{`10:14: vars has no key "nett" | did you mean "net"?; choose --env`}},
		{`${{ vars.net.x }}${{ vars.n.x }}`, []string{`10:18: vars.net has no key "x"`, `10:33: vars.n has no keys`}},
		{`${{ {"a": 1} }}`, []string{"10:9: a map has no text"}},
		{`${{ account }}`, []string{"10:9: an account has no text"}},
		{`${{ {"a": 1}.map(k, k) }}`, []string{"10:9: a map that is written out has no order"}},
		{`${{ null }}`, []string{"10:9: null has no text"}},
		{`${{ account.tags }}`, []string{"10:9: a map has no text"}},
		{`${{ has(1) }}`, []string{"10:13: has() takes a field"}},
		{`${{ region.x }}`, []string{"10:16: text has no fields"}},
	} {
		names := known()
		names.VarsHint = "choose --env"
		text, list := CompileText(c.src, start, names)
		if text != nil || list.Err() == nil {
			t.Errorf("%s: compiled", c.src)
		}
		expect(t, c.src, list, c.want)
	}
}

func TestCalls(t *testing.T) {
	src := `a${{ ssm("/x/" + output('spoke', "K")) }}:${{ outputs( "hub-network", "R" ).map(r, r + secret("(\")")) + [output("spoke", "L", {"region": region})] }}`
	text, list := CompileText(src, start, known())
	if text == nil {
		t.Fatal(list)
	}
	col := func(s string) diag.Pos {
		return diag.Pos{File: "axle.yaml", Line: 10, Col: 5 + strings.Index(src, s)}
	}
	want := []Call{
		{Func: "ssm", Args: []string{""}, Source: `ssm("/x/" + output('spoke', "K"))`, Pos: col("ssm(")},
		{Func: "output", Args: []string{"spoke", "K"}, Source: `output('spoke', "K")`, Pos: col("output('")},
		{Func: "outputs", Args: []string{"hub-network", "R"}, Source: `outputs( "hub-network", "R" )`, Pos: col("outputs(")},
		{Func: "secret", Args: []string{`(")`}, Source: `secret("(\")")`, Pos: col("secret(")},
		{Func: "output", Args: []string{"spoke", "L"}, Source: `output("spoke", "L", {"region": region})`, Pos: col(`output("spoke", "L"`)},
	}
	if d := cmp.Diff(want, text.Calls(), cmpopts.IgnoreFields(Call{}, "Account", "Region")); d != "" {
		t.Error(d)
	}
	last := text.Calls()[4]
	if last.Account != nil || last.Region == nil {
		t.Fatalf("options: %v, %v", last.Account, last.Region)
	}
	if got, ok, err := last.Region.Eval(scope(), nil); got != "eu-west-1" || !ok || err != nil {
		t.Errorf("region: %q, %v, %v", got, ok, err)
	}
	if text.NeedsTags() {
		t.Error("no tags are read")
	}
}

func TestOptionsReadTags(t *testing.T) {
	text, list := CompileText(`${{ output("spoke", "K", {"account": account.tags["parent"]}) }}`, start, known())
	if text == nil || !text.NeedsTags() {
		t.Fatal(text, list)
	}
	_, _, err := text.Calls()[0].Account.Eval(scope(), nil)
	if err == nil || !strings.Contains(err.Error(), `axle.yaml:10:54: account dev (222222222222) has no tag "parent"`) {
		t.Error(err)
	}
}

func TestExpression(t *testing.T) {
	text, list := Scalar{Text: `account.ou + region`, At: start}.Expression(known())
	if text == nil {
		t.Fatal(list)
	}
	if got, _, err := text.Eval(scope(), nil); err != nil || got != "/Workloads/Deveu-west-1" {
		t.Error(got, err)
	}
	_, list = Scalar{Text: `account.u`, At: start}.Expression(known())
	expect(t, "account.u", list, []string{`10:13: there is no field "u"`})
}

func TestBroken(t *testing.T) {
	text := Broken("${{ x")
	if _, ok := text.Literal(); ok || len(text.Calls()) > 0 || text.NeedsTags() {
		t.Error("something can be made of it")
	}
	if _, ok, err := text.Eval(scope(), nil); ok || err == nil {
		t.Error("it has a value")
	}
}

func TestLocate(t *testing.T) {
	_, list := Scalar{Text: "${{ foo }}", Locate: func(offset int) diag.Pos { return diag.Pos{File: "axle.yaml", Line: 7, Col: offset * 100} }}.Value(known())
	expect(t, "foo", list, []string{`7:400: unknown name "foo"`})
}

// One program serves all targets at once.
func TestConcurrentEval(t *testing.T) {
	text, list := CompileText(`${{ account.name + "/" + output("spoke", "K") + "/" + vars.net[region] }}`, start, known())
	if text == nil {
		t.Fatal(list)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			lookup := &answers{values: map[string]any{`output("spoke", "K")`: fmt.Sprint(g)}}
			for i := range 200 {
				sc := scope()
				sc.Account = axle.Account{ID: "333333333333", Name: fmt.Sprint(i)}
				want := fmt.Sprintf("%d/%d/10.1", i, g)
				if got, ok, err := text.Eval(sc, lookup); got != want || !ok || err != nil {
					t.Errorf("got %q, %v, %v, want %q", got, ok, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func FuzzText(f *testing.F) {
	for _, s := range []string{`x ${{ region }} y`, `${{ output("spoke", "K", {"account": account.id, "region": "x"}) }}`, `${{ vars.net["x"] }}`, `${{ "}}" }}`,
		`${{ {"a": {"b": 1}} }}`, "${{ // }}\n}}", `${{ ssm("a" + secret('b')) }}`, `${{ outputs("spoke", "K").map(x, x) }}`, `${{ "%s".format([account.name]) }}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		text, list := CompileText(src, start, known())
		if (text == nil) != (list.Err() != nil) {
			t.Fatalf("%q: %v, %v", src, text, list)
		}
		for _, d := range list {
			if d.Pos.Line < start.Line || d.Pos.Col < 1 || d.Summary == "" {
				t.Fatalf("%q: %+v", src, d)
			}
		}
		if text == nil {
			return
		}
		for _, c := range text.Calls() {
			if !strings.Contains(src, c.Source) || !strings.HasPrefix(c.Source, c.Func) {
				t.Fatalf("%q: %+v", src, c)
			}
		}
		if _, ok, err := text.Eval(scope(), &answers{values: map[string]any{}}); ok && err != nil {
			t.Fatalf("%q: a value and an error %v", src, err)
		}
	})
}

func BenchmarkEval(b *testing.B) {
	text, list := CompileText(`${{ vars.net[region] + "." + account.tags["env"] + ".0/24" }}-${{ output("spoke", "K") }}`, start, known())
	if text == nil {
		b.Fatal(list)
	}
	sc, lookup := scope(), constant("vpc-1")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok, err := text.Eval(sc, lookup); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

// constant answers every call.
type constant string

func (c constant) Call(string, string, []string, map[string]string) (any, bool, error) {
	return string(c), true, nil
}
