package expr

import (
	"fmt"
	"reflect"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/ext"
)

// Limits on one expression: what people write is far below, and what is above
// would only make a mistake expensive.
const (
	maxSize  = 8192      // code points
	maxNodes = 2000      // nodes of the syntax tree
	maxDepth = 60        // nesting
	maxCost  = 2_000_000 // CEL's measure of an evaluation's work
)

// lookupVar is the hidden variable that calls are methods of: a name that
// nobody can write.
const lookupVar = "@lookup"

// function is one of our functions. A call is rewritten by a macro to a method
// of the hidden variable, with the place of the call as first argument: so one
// program serves all targets, and knows at run time which call it is in.
type function struct {
	name     string
	min, max int // arguments
	usage    string
	result   *types.Type
}

// functions are our functions.
var functions = []function{
	{"output", 2, 3, `output("stack", "Key"), or output("stack", "Key", {"account": id, "region": name})`, types.StringType},
	{"outputs", 2, 2, `outputs("stack", "Key")`, types.NewListType(types.StringType)},
	{"export", 2, 2, `export(account, "name")`, types.StringType},
	{"ssm", 1, 1, `ssm("/name")`, types.StringType},
	{"secret", 1, 1, `secret("name")`, types.StringType},
}

func functionNamed(name string) (function, bool) {
	for _, f := range functions {
		if f.name == name {
			return f, true
		}
	}
	return function{}, false
}

// optionNames are the options of output().
var optionNames = []string{"account", "region"}

// variables are what an expression can name.
var variables = []string{"account", "region", "hub", "vars", "env"}

// environment is made once: it is the same for all expressions, and dear.
var environment = sync.OnceValues(newEnvironment)

func newEnvironment() (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("make the expression environment: %w", err)
	}
	options := []cel.EnvOption{
		cel.CustomTypeProvider(provider{registry}),
		cel.Variable("account", cel.ObjectType(accountType)),
		cel.Variable("region", cel.StringType),
		cel.Variable("hub", cel.ObjectType(hubType)),
		cel.Variable("vars", cel.DynType),
		cel.Variable("env", cel.StringType),
		cel.Variable(lookupVar, cel.OpaqueType(lookupVar)),
		cel.Macros(cel.GlobalMacro(operators.Has, 1, expandHas)),
		ext.Strings(), ext.Lists(ext.ListsMaxRangeSize(10_000)), ext.Sets(),
		cel.ParserExpressionSizeLimit(maxSize),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
	}
	for _, f := range functions {
		options = append(options, cel.Macros(cel.GlobalVarArgMacro(f.name, expandCall(f))))
		var overloads []cel.FunctionOpt
		for n := f.min; n <= f.max; n++ {
			args := []*cel.Type{cel.OpaqueType(lookupVar), cel.IntType}
			for i := range n {
				if i == 2 {
					args = append(args, cel.MapType(cel.StringType, cel.DynType))
				} else {
					args = append(args, cel.StringType)
				}
			}
			overloads = append(overloads, cel.MemberOverload(fmt.Sprintf("axle_%s_%d", f.name, n), args, f.result,
				cel.FunctionBinding(evaluateCall)))
		}
		options = append(options, cel.Function(f.name, overloads...))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("make the expression environment: %w", err)
	}
	return env, nil
}

// expandHas makes has(vars.x) and has(account.tags.x) ask whether the key is
// there: finding its value could be an error that explains, or the "" that
// every tag has in a selection.
func expandHas(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
	if args[0].Kind() != ast.SelectKind {
		return nil, eh.NewError(args[0].ID(), "has() takes a field, such as has(vars.net)")
	}
	s := args[0].AsSelect()
	if of := s.Operand(); isKeyed(of) {
		return eh.NewCall(operators.In, eh.NewLiteral(types.String(s.FieldName())), of), nil
	}
	return eh.NewPresenceTest(s.Operand(), s.FieldName()), nil
}

// isKeyed says whether e is an account's tags or a part of vars.
func isKeyed(e ast.Expr) bool {
	for first := true; ; first = false {
		switch e.Kind() {
		case ast.IdentKind:
			return e.AsIdent() == "vars"
		case ast.SelectKind:
			if name := e.AsSelect().FieldName(); first && (name == "tags" || name == "ou_tags") {
				return true
			}
			e = e.AsSelect().Operand()
		case ast.CallKind:
			if e.AsCall().FunctionName() != operators.Index {
				return false
			}
			e = e.AsCall().Args()[0]
		default:
			return false
		}
	}
}

func expandCall(f function) cel.MacroFactory {
	return func(eh cel.MacroExprFactory, _ ast.Expr, args []ast.Expr) (ast.Expr, *cel.Error) {
		if len(args) < f.min || len(args) > f.max {
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
	for i, a := range args[2:] {
		if i == 2 {
			if err := options(a, opts); err != nil {
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
		return types.WrapErr(err)
	case !known:
		return types.NewUnknown(0, nil)
	}
	return types.DefaultTypeAdapter.NativeToValue(value)
}

// options reads the third argument of output().
func options(v ref.Val, into map[string]string) error {
	m, ok := v.(traits.Mapper)
	if !ok {
		return fmt.Errorf("the options of output() are a map, not %s", v.Type().TypeName())
	}
	for _, name := range optionNames {
		value, found := m.Find(types.String(name))
		if !found {
			continue
		}
		s, ok := value.(types.String)
		if !ok {
			return fmt.Errorf("option %q of output() is text, not %s; quote it", name, value.Type().TypeName())
		}
		into[name] = string(s)
	}
	return nil
}
