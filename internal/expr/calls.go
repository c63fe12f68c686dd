package expr

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"axle"
	"axle/internal/diag"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// lookupVar is the hidden variable that calls are methods of: a name that
// nobody can write.
const lookupVar = "@lookup"

// function is one of our functions. A call is rewritten by a macro to a method
// of the hidden variable, with the place of the call as first argument: so one
// program serves all targets, and knows at run time which call it is in.
type function struct {
	name    string
	args    int      // texts that it takes
	options []string // that a map after them may have; nil: there is none
	usage   string
	result  *types.Type
}

// functions are our functions.
var functions = []function{
	{"output", 2, []string{"account", "region"}, `output("stack", "Key"), or output("stack", "Key", {"account": id, "region": name})`, types.StringType},
	{"outputs", 2, nil, `outputs("stack", "Key")`, types.NewListType(types.StringType)},
	{"export", 2, nil, `export(account, "name")`, types.StringType},
	{"ssm", 1, []string{"account", "region"}, `ssm("/name"), ssm("hub:/name") or ssm("/name", {"account": id, "region": name})`, types.StringType},
	{"secret", 1, []string{"account", "region", "dynamic"}, `secret("name"), secret("name#key"), secret("hub:name") or secret("name", {"account": id, "region": name})`, types.StringType},
}

// most is how many arguments the function takes at most.
func (f function) most() int {
	if f.options == nil {
		return f.args
	}
	return f.args + 1
}

// optionsHint lists the options.
func (f function) optionsHint() string {
	quoted := make([]string, len(f.options))
	for i, o := range f.options {
		quoted[i] = `"` + o + `"`
	}
	return "the options are " + strings.Join(quoted[:len(quoted)-1], ", ") + " and " + quoted[len(quoted)-1]
}

func functionNamed(name string) (function, bool) {
	for _, f := range functions {
		if f.name == name {
			return f, true
		}
	}
	return function{}, false
}

func expandCall(f function) cel.MacroFactory {
	return func(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
		if len(args) < f.args || len(args) > f.most() {
			return nil, &cel.Error{Message: fmt.Sprintf("wrong number of arguments: write %s", f.usage)}
		}
		at := eh.OffsetLocation(eh.NewIdent(lookupVar).ID())
		args = append([]ast.Expr{eh.NewLiteral(placeKey(at))}, args...)
		return eh.NewMemberCall(f.name, eh.NewIdent(lookupVar), args...), nil
	}
}

// placeKey makes a number of a place in an expression.
func placeKey(l common.Location) types.Int {
	return types.Int(int64(l.Line())<<32 | int64(l.Column()))
}

// ourCall says whether e is a call that expandCall has made: of which function,
// where, and with which arguments.
func ourCall(e ast.Expr) (f function, key types.Int, args []ast.Expr, ok bool) {
	if e.Kind() != ast.CallKind || !e.AsCall().IsMemberFunction() {
		return f, 0, nil, false
	}
	call := e.AsCall()
	if target := call.Target(); target.Kind() != ast.IdentKind || target.AsIdent() != lookupVar {
		return f, 0, nil, false
	}
	f, ok = functionNamed(call.FunctionName())
	key, isPlace := call.Args()[0].AsLiteral().(types.Int)
	return f, key, call.Args()[1:], ok && isPlace
}

// newCall makes the Call of one of our functions and checks its arguments.
func (c *compiled) newCall(info *ast.SourceInfo, f function, key types.Int, args []ast.Expr, what use, known Names, list *diag.List) Call {
	paren := c.byteOffset(c.runeOffset(int(key>>32), int(int32(key))))
	from := paren
	if strings.HasPrefix(c.source[paren:], "(") {
		from = wordBefore(c.source, paren)
	} else if i := strings.IndexByte(c.source[paren:], '('); i >= 0 {
		paren += i
	}
	to := matching(c.source, paren) + 1
	if to <= from {
		to = len(c.source)
	}
	call := Call{Func: f.name, Source: c.source[from:to], Pos: c.pos(utf8.RuneCountInString(c.source[:from]))}
	switch what {
	case forSelection:
		list.Add(call.Pos, "choose targets by account, vars and env; use the call in a value",
			"%s() can't be used to choose targets: they are chosen before anything is known of stacks", f.name)
	case forOption:
		list.Add(call.Pos, "use account, region, vars and hub", "%s() can't be used in the options of a call", f.name)
	}
	for i, a := range args[:min(len(args), f.args)] {
		literal, isText := textLiteral(a)
		call.Args = append(call.Args, literal)
		if f.name != "output" && f.name != "outputs" {
			if isText && literal == "" {
				list.Add(c.pos(c.exprOffset(info, a.ID())), "write "+f.usage, "a name of %s() is empty", f.name)
			}
			continue
		}
		pos := c.pos(c.exprOffset(info, a.ID()))
		name := [2]string{"stack", "key"}[i]
		switch {
		case !isText:
			list.Add(pos, fmt.Sprintf("write %s; to choose by account or region, use the option {\"account\": ..., \"region\": ...}", f.usage),
				"the %s of %s() must be a text in quotes, so that the order of stacks is known", name, f.name)
		case literal == "":
			list.Add(pos, "write "+f.usage, "the %s of %s() is empty", name, f.name)
		case i == 0 && known.Stacks != nil && !slices.Contains(known.Stacks, literal):
			list.Add(pos, stackHint(literal, known.Stacks), "unknown stack %q in %s()", literal, f.name)
		}
	}
	if len(args) > f.args && what == forValue {
		c.readOptions(&call, f, args[f.args], c.pos(c.exprOffset(info, args[f.args].ID())), span{paren + 1, to - 1}, known, list)
	}
	return call
}

// readOptions reads the map that follows the arguments of a call; inside is what
// stands in the call's brackets.
func (c *compiled) readOptions(call *Call, f function, arg ast.Expr, at diag.Pos, inside span, known Names, list *diag.List) {
	parts := cut(c.source, inside, ",")
	text := trim(c.source, parts[len(parts)-1])
	if arg.Kind() != ast.MapKind || len(parts) != f.args+1 || !strings.HasPrefix(c.source[text.from:text.to], "{") {
		list.Add(at, `write {"account": id, "region": name}`, "the options of %s() must be written out as a map", f.name)
		return
	}
	for _, entry := range cut(c.source, span{text.from + 1, text.to - 1}, ",") {
		if entry = trim(c.source, entry); entry.from < entry.to { // not what follows a last comma
			c.addOption(call, f, entry, known, list)
		}
	}
}

// addOption compiles an option of a call, such as "account": account.id, as an
// expression of its own: where to look is chosen before there are values.
func (c *compiled) addOption(call *Call, f function, entry span, known Names, list *diag.List) {
	key := cut(c.source, entry, ":")[0]
	value := trim(c.source, span{min(key.to+1, entry.to), entry.to})
	key = trim(c.source, key)
	name := c.source[key.from:key.to]
	if len(name) > 2 {
		name = name[1 : len(name)-1]
	}
	if !slices.Contains(f.options, name) {
		list.Add(c.pos(utf8.RuneCountInString(c.source[:key.from])), f.optionsHint(),
			"unknown option %s of %s()", c.source[key.from:key.to], f.name)
		return
	}
	at := utf8.RuneCountInString(c.source[:value.from])
	if name == "dynamic" {
		if call.Dynamic = c.source[value.from:value.to] == "true"; !call.Dynamic && c.source[value.from:value.to] != "false" {
			list.Add(c.pos(at), "", `"dynamic" is true or false`)
		}
		return
	}
	option, problems := compile(c.source[value.from:value.to], c.in, c.offset+at, forOption, known)
	*list = append(*list, problems...)
	if option == nil {
		return
	}
	t := &Text{source: option.source, parts: []part{{expr: option}}}
	if name == "region" {
		call.Region = t
		return
	}
	if id, ok := textLiteral(option.checked.Expr()); ok && !axle.ValidAccountID(id) {
		list.Add(c.pos(at), idHint, "%q is not an account id", id)
	}
	call.Account = t
}

func stackHint(name string, stacks []string) string {
	if n := diag.Nearest(name, stacks); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	if len(stacks) == 0 {
		return "axle.yaml has no stacks"
	}
	return "the stacks are " + strings.Join(stacks, ", ")
}

// caller is the value of the hidden variable during one evaluation.
type caller struct {
	lookup Lookup
	calls  map[types.Int]*Call
}

func (c *caller) Type() ref.Type                   { return types.NewOpaqueType(lookupVar) }
func (c *caller) Value() any                       { return c }
func (c *caller) Equal(ref.Val) ref.Val            { return types.False }
func (c *caller) ConvertToType(t ref.Type) ref.Val { return convert(c, t) }
func (c *caller) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("%s can't become %v", lookupVar, t)
}

// evaluateCall passes a call on to the Lookup. args are the caller, the place,
// and what the user wrote.
func evaluateCall(args ...ref.Val) ref.Val {
	c, ok := args[0].(*caller)
	key, isKey := args[1].(types.Int)
	if !ok || !isKey || c.lookup == nil || c.calls[key] == nil {
		return types.NewErr("nothing can be looked up here")
	}
	call := c.calls[key]
	var texts []string
	opts := map[string]string{}
	f, _ := functionNamed(call.Func)
	for i, a := range args[2:] {
		if i == f.args {
			if err := f.optionValues(a, opts); err != nil {
				return types.WrapErr(err)
			}
			continue
		}
		s, ok := a.(types.String)
		if !ok {
			return types.NewErr("%s() takes text, not %s", call.Func, a.Type().TypeName())
		}
		texts = append(texts, string(s))
	}
	value, known, err := c.lookup.Call(call.Source, call.Func, texts, opts)
	switch {
	case err != nil:
		return types.WrapErr(&lookupError{err})
	case !known:
		return types.NewUnknown(0, nil)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// optionValues reads the map of options.
func (f function) optionValues(v ref.Val, into map[string]string) error {
	m, ok := v.(traits.Mapper)
	if !ok {
		return fmt.Errorf("the options of %s() are a map, not %s", f.name, v.Type().TypeName())
	}
	for _, name := range f.options {
		value, found := m.Find(types.String(name))
		if !found {
			continue
		}
		switch value := value.(type) {
		case types.String:
			into[name] = string(value)
		case types.Bool:
			into[name] = strconv.FormatBool(bool(value))
		default:
			return fmt.Errorf("option %q of %s() is text, not %s; quote it", name, f.name, value.Type().TypeName())
		}
	}
	return nil
}
