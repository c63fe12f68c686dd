package expr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

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
	forOption               // an option of output(): no calls
)

// compiled is one expression, ready for any number of evaluations.
type compiled struct {
	source  string
	in      place
	offset  int // in runes, of source in the scalar
	checked *ast.AST
	program cel.Program
	calls   []Call
	byPlace map[types.Int]*Call
	// tags and status say which fields of an account are read.
	tags, status bool
}

// compile parses and checks source, which stands at an offset of a scalar. It
// reports every mistake that it can find, and returns nil if there is one.
func compile(source string, in place, offset int, what use, known Names) (*compiled, diag.List) {
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
		return nil, append(list, c.typeErrors(issues)...)
	}
	c.checked = checked.NativeRep()
	if t := checked.OutputType(); what == forSelection && !t.IsExactType(cel.BoolType) && t.Kind() != types.DynKind {
		list.Add(c.start(), `compare it with something, such as account.name == "tools"`,
			"a selection is true or false, and this is %s", typeName(t.String()))
	} else if what != forSelection {
		list = append(list, c.checkResult(t)...)
	}
	if len(list) > 0 {
		return nil, list
	}
	c.tags, c.status = fieldsRead(c.checked)
	c.program, err = env.Program(checked, cel.EvalOptions(cel.OptOptimize), cel.CostLimit(maxCost))
	if err != nil {
		list.Add(c.start(), "", "%v", err)
		return nil, list
	}
	return c, nil
}

// checkResult reports a type that has no text.
func (c *compiled) checkResult(t *types.Type) (list diag.List) {
	switch t.Kind() {
	case types.MapKind, types.StructKind, types.TypeKind, types.OpaqueKind, types.NullTypeKind:
		list.Add(c.start(), "choose a part of it: a value is text, a number, true or false, or a list of these",
			"%s has no text", typeName(t.String()))
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

// exprOffset is where in source the expression with this id has its operator.
func (c *compiled) exprOffset(info *ast.SourceInfo, id int64) int {
	l := info.GetStartLocation(id)
	return c.runeOffset(l.Line(), l.Column())
}

// inspect finds the calls of an expression, in the order of the text, and the
// mistakes that CEL can't know of.
func (c *compiled) inspect(parsed *ast.AST, what use, known Names) diag.List {
	var list diag.List
	guarded := false
	type found struct {
		key  types.Int
		call Call
	}
	var calls []found
	ast.PostOrderVisit(parsed.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		switch call.FunctionName() {
		case operators.In, operators.Conditional:
			guarded = true
		}
		f, ok := functionNamed(call.FunctionName())
		if !ok || !call.IsMemberFunction() || call.Target().Kind() != ast.IdentKind || call.Target().AsIdent() != lookupVar {
			return
		}
		key, ok := call.Args()[0].AsLiteral().(types.Int)
		if !ok {
			return
		}
		made := c.newCall(parsed.SourceInfo(), f, key, call.Args()[1:], what, known, &list)
		calls = append(calls, found{key, made})
	}))
	slices.SortStableFunc(calls, func(a, b found) int { return cmp.Compare(a.key, b.key) })
	for _, f := range calls {
		c.calls = append(c.calls, f.call)
	}
	for i, f := range calls {
		c.byPlace[f.key] = &c.calls[i]
	}
	if !guarded && known.Vars != nil {
		list = append(list, c.checkVars(parsed, known.Vars)...)
	}
	return list
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
		list.Add(call.Pos, "choose targets by account, region, vars and env; use the call in a value",
			"%s() can't be used to choose targets: they are chosen before anything is known of stacks", f.name)
	case forOption:
		list.Add(call.Pos, "use account, region, vars and hub", "%s() can't be used in the options of output()", f.name)
	}
	for i, a := range args {
		if i == 2 {
			continue
		}
		literal, isText := "", false
		if a.Kind() == ast.LiteralKind {
			var s types.String
			s, isText = a.AsLiteral().(types.String)
			literal = string(s)
		}
		call.Args = append(call.Args, literal)
		if f.name != "output" && f.name != "outputs" {
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
	if len(args) == 3 && what == forValue {
		c.addOptions(&call, args[2], info, paren, to, known, list)
	}
	return call
}

// addOptions compiles the options of output(), each as an expression of its own:
// the instance is chosen before there are values.
func (c *compiled) addOptions(call *Call, arg ast.Expr, info *ast.SourceInfo, paren, to int, known Names, list *diag.List) {
	pos := c.pos(c.exprOffset(info, arg.ID()))
	parts := cut(c.source, span{paren + 1, to - 1}, ",")
	text := trim(c.source, parts[len(parts)-1])
	if arg.Kind() != ast.MapKind || len(parts) != 3 || !strings.HasPrefix(c.source[text.from:text.to], "{") {
		list.Add(pos, `write {"account": id, "region": name}`, "the options of output() must be written out as a map")
		return
	}
	for _, entry := range cut(c.source, span{text.from + 1, text.to - 1}, ",") {
		entry = trim(c.source, entry)
		if entry.from >= entry.to { // after a last comma
			continue
		}
		key := trim(c.source, cut(c.source, entry, ":")[0])
		name := strings.Trim(c.source[key.from:key.to], `"'`)
		at := utf8.RuneCountInString(c.source[:key.from])
		if !slices.Contains(optionNames, name) || key.to-key.from != len(name)+2 {
			list.Add(c.pos(at), `the options are "account" and "region"`, "unknown option %s of output()", c.source[key.from:key.to])
			continue
		}
		colon := cut(c.source, entry, ":")[0].to
		value := trim(c.source, span{min(colon+1, entry.to), entry.to})
		at = utf8.RuneCountInString(c.source[:value.from])
		option, problems := compile(c.source[value.from:value.to], c.in, c.offset+at, forOption, known)
		if option == nil {
			// What is wrong with the types is found in the whole expression too.
			for _, p := range problems {
				if !slices.Contains(*list, p) {
					*list = append(*list, p)
				}
			}
			continue
		}
		t := &Text{parts: []part{{expr: option}}}
		if name == "account" {
			call.Account = t
		} else {
			call.Region = t
		}
	}
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
// asked where an expression tests for something first.
func (c *compiled) checkVars(parsed *ast.AST, tree any) (list diag.List) {
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
		node, path := tree, "vars"
		for i := len(names) - 1; i >= 0; i-- {
			m, ok := node.(map[string]any)
			if !ok {
				list.Add(c.pos(c.exprOffset(parsed.SourceInfo(), at[i])), "", "%s has no keys", path)
				return
			}
			if node, ok = m[names[i]]; !ok {
				list.Add(c.pos(c.exprOffset(parsed.SourceInfo(), at[i])), keysHint(names[i], m), "%s has no key %q", path, names[i])
				return
			}
			path += "." + names[i]
		}
	}))
	return list
}
