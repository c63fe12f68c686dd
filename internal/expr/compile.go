package expr

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"axle"
	"axle/internal/diag"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// use says what an expression is for, and so what it may do.
type use int

const (
	forSelection use = iota // chooses targets: no calls
	forValue                // anything
	forOption               // an option of a call: no calls
	forShow                 // any type, for people
)

// compiled is one expression, ready for any number of evaluations.
type compiled struct {
	source  string
	in      Scalar
	offset  int // in runes, of source in the scalar
	checked *ast.AST
	program cel.Program
	calls   []Call
	byPlace map[types.Int]*Call
	// tags and status say which fields of an account are read.
	tags, status bool
	secret       bool // secret() or ssm() is called
}

// compile parses and checks source, which stands at an offset of a scalar. It
// reports every mistake that it can find, and returns nil if there is one.
func compile(source string, in Scalar, offset int, what use, known Names) (*compiled, diag.List) {
	c := &compiled{source: source, in: in, offset: offset, byPlace: map[types.Int]*Call{}}
	var list diag.List
	env, err := environment()
	if err != nil {
		list.Add(c.start(), "", "%v", err)
		return nil, list
	}
	if strings.TrimSpace(source) == "" {
		list.Add(c.start(), "write an expression, such as account.name", "empty expression")
		return nil, list
	}
	if utf8.RuneCountInString(source) > maxSize {
		list.Add(c.start(), "put data into vars", "expression longer than %d characters", maxSize)
		return nil, list
	}
	if !utf8.ValidString(source) {
		list.Add(c.start(), "", "expression isn't UTF-8")
		return nil, list
	}
	parsed, issues := env.Parse(source)
	if issues.Err() != nil {
		return nil, c.syntaxErrors(issues)
	}
	list = c.inspect(parsed.NativeRep(), what, known)
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, unique(append(list, c.typeErrors(issues)...))
	}
	c.checked = checked.NativeRep()
	list = append(list, c.checkAccountIDs()...)
	if t := checked.OutputType(); what == forSelection && !t.IsExactType(cel.BoolType) && t.Kind() != types.DynKind {
		list.Add(c.start(), `compare it with something, such as account.name == "tools"`,
			"a selection is true or false, and this is %s", typeName(t.String()))
	} else if what == forValue || what == forOption {
		list = append(list, c.checkResult(t, what)...)
	}
	if len(list) > 0 {
		return nil, unique(list)
	}
	c.tags, c.status = fieldsRead(c.checked)
	c.program, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		list.Add(c.start(), "a regular expression is RE2, and a \\ in it is written \\\\", "%v", err)
		return nil, list
	}
	return c, nil
}

// unique leaves out what is said twice: options of a call are compiled both
// with the call and alone.
func unique(list diag.List) (out diag.List) {
	for _, d := range list {
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// checkResult reports a type that has no text, and an option that isn't text.
func (c *compiled) checkResult(t *types.Type, what use) (list diag.List) {
	switch t.Kind() {
	case types.StringKind, types.DynKind:
	case types.MapKind, types.StructKind, types.TypeKind, types.OpaqueKind, types.NullTypeKind:
		list.Add(c.start(), "choose a part of it: a value is text, a number, true or false, or a list of these",
			"%s has no text", typeName(t.String()))
	default:
		if what == forOption {
			list.Add(c.start(), "put it into quotes", "an option of a call is text, and this is %s", typeName(t.String()))
		}
	}
	return list
}

// start is where the expression itself begins, after white space.
func (c *compiled) start() diag.Pos {
	return c.pos(utf8.RuneCountInString(c.source[:len(c.source)-len(strings.TrimLeft(c.source, " \t\r\n"))]))
}

// pos is the position in the file of the rune at an offset in c.source.
func (c *compiled) pos(offset int) diag.Pos { return c.in.pos(c.offset + offset) }

// runeOffset turns line (from 1) and column (from 0) of source into an offset.
func (c *compiled) runeOffset(line, column int) int {
	offset := 0
	for _, l := range strings.SplitAfter(c.source, "\n") {
		if line--; line <= 0 {
			break
		}
		offset += utf8.RuneCountInString(l)
	}
	return offset + max(column, 0)
}

// byteOffset turns an offset in runes into one in bytes.
func (c *compiled) byteOffset(runes int) int {
	for i := range c.source {
		if runes == 0 {
			return i
		}
		runes--
	}
	return len(c.source)
}

// exprOffset is where in source the expression with this id has its operator or
// its name.
func (c *compiled) exprOffset(info *ast.SourceInfo, id int64) int {
	l := info.GetStartLocation(id)
	return c.wordOffset(c.runeOffset(l.Line(), l.Column()))
}

// inspect finds the calls of an expression, in the order of the text, and the
// mistakes that CEL can't know of.
func (c *compiled) inspect(parsed *ast.AST, what use, known Names) diag.List {
	var list diag.List
	decided := false
	calls := map[types.Int]Call{} // by place; a macro may have made two of one
	ast.PostOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		c.checkAllowed(e, parsed.SourceInfo(), what, &list)
		decided = decided || decides(e)
		if f, key, args, ok := ourCall(e); ok {
			calls[key] = c.newCall(parsed.SourceInfo(), f, key, args, what, known, &list)
		}
	}))
	keys := slices.Sorted(maps.Keys(calls))
	for _, key := range keys {
		c.calls = append(c.calls, calls[key])
	}
	for i, key := range keys {
		c.byPlace[key] = &c.calls[i]
		c.secret = c.secret || c.calls[i].Func == "secret" || c.calls[i].Func == "ssm"
	}
	if !decided && known.Vars != nil {
		list = append(list, c.checkVars(parsed, known)...)
	}
	return list
}

// checkAllowed reports what CEL takes and we don't.
func (c *compiled) checkAllowed(e ast.Expr, info *ast.SourceInfo, what use, list *diag.List) {
	switch e.Kind() {
	case ast.IdentKind:
		if what == forSelection && e.AsIdent() == "region" {
			list.Add(c.pos(c.exprOffset(info, e.ID())), "choose regions with regions: of the stack, or with --region",
				"a selection chooses accounts, whatever the region")
		}
	case ast.StructKind:
		list.Add(c.pos(c.exprOffset(info, e.ID())), "", "%s{...} can't be made in an expression", e.AsStruct().TypeName())
	case ast.ComprehensionKind:
		if over := e.AsComprehension().IterRange(); over.Kind() == ast.MapKind {
			list.Add(c.pos(c.exprOffset(info, over.ID())), "go over a list, or over a map of vars",
				"a map that is written out has no order to go over it in")
		}
	}
}

// decides says whether e may leave a part of itself out: what stands there need
// not exist.
func decides(e ast.Expr) bool {
	if e.Kind() != ast.CallKind {
		return false
	}
	switch call := e.AsCall(); call.FunctionName() {
	case operators.Conditional, operators.LogicalAnd, operators.LogicalOr:
		return true
	case operators.In: // "key" in vars, has(vars.key)
		_, isText := textLiteral(call.Args()[0])
		return isText
	}
	return false
}

// idHint says what an account id is.
const idHint = "an account id has 12 digits; to go by its name, compare account.name"

// textLiteral returns the text of an expression that is nothing but one.
func textLiteral(e ast.Expr) (string, bool) {
	if e.Kind() != ast.LiteralKind {
		return "", false
	}
	s, ok := e.AsLiteral().(types.String)
	return string(s), ok
}

// checkAccountIDs reports comparisons of account.id with what can't be one.
func (c *compiled) checkAccountIDs() (list diag.List) {
	isID := func(e ast.Expr) bool {
		if e.Kind() != ast.SelectKind || e.AsSelect().FieldName() != "id" {
			return false
		}
		t := c.checked.GetType(e.AsSelect().Operand().ID())
		return t.Kind() == types.StructKind && t.TypeName() == accountType
	}
	check := func(e ast.Expr) {
		if id, ok := textLiteral(e); ok && id != "" && !axle.ValidAccountID(id) {
			list.Add(c.pos(c.exprOffset(c.checked.SourceInfo(), e.ID())), idHint, "%q is not an account id", id)
		}
	}
	ast.PostOrderVisit(c.checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind || len(e.AsCall().Args()) != 2 {
			return
		}
		left, right := e.AsCall().Args()[0], e.AsCall().Args()[1]
		switch e.AsCall().FunctionName() {
		case operators.Equals, operators.NotEquals:
			if isID(left) {
				check(right)
			} else if isID(right) {
				check(left)
			}
		case operators.In:
			if isID(left) && right.Kind() == ast.ListKind {
				for _, item := range right.AsList().Elements() {
					check(item)
				}
			}
		}
	}))
	return list
}

// fieldsRead says whether an expression reads tags, and the status, of an
// account. An account that is used as a whole counts as read in full.
func fieldsRead(checked *ast.AST) (tags, status bool) {
	isAccount := func(e ast.Expr) bool {
		t := checked.GetType(e.ID())
		return t.Kind() == types.StructKind && t.TypeName() == accountType
	}
	selected := map[int64]bool{}
	ast.PreOrderVisit(checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() == ast.SelectKind {
			s := e.AsSelect()
			if isAccount(s.Operand()) {
				selected[s.Operand().ID()] = true
				switch s.FieldName() {
				case "tags", "ou_tags":
					tags = true
				case "status":
					status = true
				}
			}
			return
		}
		if isAccount(e) && !selected[e.ID()] {
			tags, status = true, true
		}
	}))
	return tags, status
}

// checkVars reports paths such as vars.net.x that vars doesn't have. It isn't
// asked where something else may decide first.
func (c *compiled) checkVars(parsed *ast.AST, known Names) (list diag.List) {
	covered := map[int64]bool{}
	ast.PreOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if covered[e.ID()] || e.Kind() != ast.SelectKind {
			return
		}
		var names []string
		var at []int64
		for e.Kind() == ast.SelectKind {
			covered[e.ID()] = true
			if e.AsSelect().IsTestOnly() {
				return
			}
			names, at = append(names, e.AsSelect().FieldName()), append(at, e.ID())
			e = e.AsSelect().Operand()
		}
		if e.Kind() != ast.IdentKind || e.AsIdent() != "vars" {
			return
		}
		node, path := known.Vars, "vars"
		for i := len(names) - 1; i >= 0; i-- {
			m, ok := node.(map[string]any)
			if !ok {
				list.Add(c.pos(c.exprOffset(parsed.SourceInfo(), at[i])), "", "%s has no keys", path)
				return
			}
			if node, ok = m[names[i]]; !ok {
				hint := keysHint(names[i], m)
				if known.VarsHint != "" {
					hint += "; " + known.VarsHint
				}
				list.Add(c.pos(c.exprOffset(parsed.SourceInfo(), at[i])), hint, "%s has no key %q", path, names[i])
				return
			}
			path += "." + names[i]
		}
	}))
	return list
}
