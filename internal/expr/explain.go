package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/parser"
)

// Clause is a part of a selection and whether it holds.
type Clause struct {
	Text  string
	True  bool
	Depth int // 0 for the outermost parts
	// Op joins the clause to the one before it of the same depth: && or ||.
	Op string
	// Because has what the clause looks at, such as account.tags["env"] = "dev".
	Because []string
}

// Explain tells which parts of the selection hold: what && and || join, down to
// where it gets too small to be split.
func (s *Selector) Explain(sc Scope) ([]Clause, error) {
	var out []Clause
	err := s.explain(span{0, len(s.expr.source)}, "", 0, sc, &out)
	return out, err
}

func (s *Selector) explain(sp span, op string, depth int, sc Scope, out *[]Clause) error {
	sp = trim(s.expr.source, sp)
	text := s.expr.source[sp.from:sp.to]
	part, list := CompileSelector(text, s.expr.pos(0))
	if part == nil {
		return fmt.Errorf("explain %s: %w", text, list)
	}
	holds, err := part.Match(sc)
	if err != nil {
		return err
	}
	joined, parts := s.parts(sp)
	if len(parts) < 2 {
		*out = append(*out, Clause{text, holds, depth, op, part.because(&sc)})
		return nil
	}
	if whole := trim(s.expr.source, span{0, len(s.expr.source)}); sp != whole {
		*out = append(*out, Clause{text, holds, depth, op, nil})
		depth++
	}
	for i, p := range parts {
		o := joined
		if i == 0 {
			o = ""
		}
		if err := s.explain(p, o, depth, sc, out); err != nil {
			return err
		}
	}
	return nil
}

// parts splits at the loosest of || and &&. An expression with ? : at the top
// stays whole.
func (s *Selector) parts(sp span) (op string, parts []span) {
	src := s.expr.source
	for strings.HasPrefix(src[sp.from:sp.to], "(") && matching(src[:sp.to], sp.from) == sp.to-1 {
		sp = trim(src, span{sp.from + 1, sp.to - 1})
	}
	if len(cut(src, sp, "?")) > 1 {
		return "", nil
	}
	for _, op := range []string{"||", "&&"} {
		if parts := cut(src, sp, op); len(parts) > 1 {
			return op, parts
		}
	}
	return "", nil
}

// because tells the values that the selection looks at, as they stand in it.
func (s *Selector) because(sc *Scope) []string {
	var out []string
	inside := map[int64]bool{}
	ast.PreOrderVisit(s.expr.checked.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		root := pathRoot(e)
		if inside[e.ID()] || root == nil || e == root || !slices.Contains(variables, root.AsIdent()) {
			return
		}
		for part := e; part != root; part = operand(part) {
			inside[operand(part).ID()] = true
		}
		text, err := parser.Unparse(e, s.expr.checked.SourceInfo())
		if err != nil {
			return
		}
		path, _ := compile(text, Scalar{Text: text}, 0, forShow, Names{})
		if path == nil {
			return
		}
		value, _, err := path.program.Eval(&activation{sc: sc, lenient: true})
		if err != nil {
			return
		}
		if line := text + " = " + show(value); !slices.Contains(out, line) {
			out = append(out, line)
		}
	}))
	return out
}

// pathRoot returns the name that a path such as account.tags["env"] begins with,
// or nil if e isn't a path.
func pathRoot(e ast.Expr) ast.Expr {
	for e != nil && e.Kind() != ast.IdentKind {
		e = operand(e)
	}
	return e
}

// operand is what a field is taken of, or an element with a constant key.
func operand(e ast.Expr) ast.Expr {
	switch {
	case e.Kind() == ast.SelectKind && !e.AsSelect().IsTestOnly():
		return e.AsSelect().Operand()
	case e.Kind() == ast.CallKind && e.AsCall().FunctionName() == operators.Index && e.AsCall().Args()[1].Kind() == ast.LiteralKind:
		return e.AsCall().Args()[0]
	}
	return nil
}

// show writes a value as it would stand in an expression.
func show(v ref.Val) string {
	switch v := v.(type) {
	case types.String:
		return strconv.Quote(string(v))
	case traits.Lister:
		size, _ := v.Size().(types.Int)
		items := make([]string, size)
		for i := range items {
			items[i] = show(v.Get(types.Int(i)))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case traits.Mapper:
		var items []string
		for it := v.Iterator(); it.HasNext() == types.True; {
			key := it.Next()
			items = append(items, show(key)+": "+show(v.Get(key)))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	var b strings.Builder
	if err := writeText(&b, v, true); err != nil {
		return typeName(v.Type().TypeName())
	}
	return b.String()
}
