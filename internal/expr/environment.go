package expr

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
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
		for n := f.args; n <= f.most(); n++ {
			args := []*cel.Type{cel.OpaqueType(lookupVar), cel.IntType}
			for i := range n {
				if i == f.args {
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
