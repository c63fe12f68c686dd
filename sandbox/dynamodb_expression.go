package sandbox

import (
	"slices"
	"strconv"
	"strings"

	"axle/internal/late"
)

// expression is the text of one of DynamoDB's expressions being read, with the
// names and values that the request gives for its placeholders.
type expression struct {
	kind   string // "ConditionExpression"
	tokens []string
	at     int
	in     params
	used   map[string]bool // placeholders that were met, by all expressions of the request
	depth  int
}

// docPath leads to a value in an item: attribute names, and indexes of lists.
type docPath []any

func (p docPath) top() string { return p[0].(string) }

// operand is a path, a value, or a function of them.
type operand struct {
	path  docPath
	value any
	call  string // "size", "if_not_exists", "list_append"
	args  []operand
}

// condition is a node of a condition expression.
type condition struct {
	op   string // "and", "or", "not", a comparator, "between", "in", or a function's name
	args []operand
	sub  []*condition
}

var expressionToken = late.MustCompile(`^(?:<>|<=|>=|[=<>(),.+\-\[\]]|[#:]?[A-Za-z0-9_]+)`)

// maxClauses bounds nested conditions.
const maxClauses = 50

// expressions reads the expressions of one request.
type expressions struct {
	in   params
	used map[string]bool
}

func newExpressions(in params) *expressions { return &expressions{in, map[string]bool{}} }

// read starts to read an expression; nil when the request has none.
func (x *expressions) read(kind string) (*expression, error) {
	src := x.in.str(kind)
	if src == "" {
		if x.in.has(kind) {
			return nil, fail("ValidationException", "Invalid %s: The expression can not be empty;", kind)
		}
		return nil, nil
	}
	e := &expression{kind: kind, in: x.in, used: x.used}
	for rest := strings.TrimSpace(src); rest != ""; rest = strings.TrimSpace(rest) {
		token := expressionToken.FindString(rest)
		if token == "" {
			return nil, e.fail(rest[:1])
		}
		e.tokens, rest = append(e.tokens, token), rest[len(token):]
	}
	return e, nil
}

// finish refuses placeholders that no expression uses.
func (x *expressions) finish() error {
	for _, field := range []string{"ExpressionAttributeNames", "ExpressionAttributeValues"} {
		for _, name := range sortedKeys(x.in.obj(field)) {
			if !x.used[name] {
				return fail("ValidationException", "Value provided in %s unused in expressions: keys: {%s}", field, name)
			}
		}
	}
	return nil
}

func (e *expression) fail(near string) error {
	return fail("ValidationException", "Invalid %s: Syntax error; token: %q", e.kind, near)
}

func (e *expression) peek() string {
	if e.at < len(e.tokens) {
		return e.tokens[e.at]
	}
	return ""
}

func (e *expression) next() string {
	t := e.peek()
	e.at++
	return t
}

// word takes a keyword, in any case.
func (e *expression) word(w string) bool {
	if !strings.EqualFold(e.peek(), w) {
		return false
	}
	e.at++
	return true
}

func (e *expression) want(token string) error {
	if t := e.next(); t != token {
		return e.fail(t)
	}
	return nil
}

// end refuses what is left.
func (e *expression) end() error {
	if t := e.peek(); t != "" {
		return e.fail(t)
	}
	return nil
}

func (e *expression) name(token string) (string, error) {
	if token == "" || strings.ContainsAny(token[:1], ":=<>(),.+-[]") {
		return "", e.fail(token)
	}
	if !strings.HasPrefix(token, "#") {
		if reservedWords[strings.ToUpper(token)] {
			return "", fail("ValidationException", "Invalid %s: Attribute name is a reserved keyword; reserved keyword: %s", e.kind, token)
		}
		return token, nil
	}
	name := e.in.obj("ExpressionAttributeNames").str(token)
	if name == "" {
		return "", fail("ValidationException", "Invalid %s: An expression attribute name used in the document path is not defined; attribute name: %s", e.kind, token)
	}
	e.used[token] = true
	return name, nil
}

// path reads a document path: a.b[2].#c.
func (e *expression) path() (docPath, error) {
	name, err := e.name(e.next())
	if err != nil {
		return nil, err
	}
	p := docPath{name}
	for {
		switch e.peek() {
		case ".":
			e.at++
			if name, err = e.name(e.next()); err != nil {
				return nil, err
			}
			p = append(p, name)
		case "[":
			e.at++
			i, err := strconv.Atoi(e.next())
			if err != nil || i < 0 {
				return nil, e.fail("[")
			}
			if err := e.want("]"); err != nil {
				return nil, err
			}
			p = append(p, i)
		default:
			return p, nil
		}
	}
}

// operand reads a path, a value, or one of the functions named.
func (e *expression) operand(functions ...string) (operand, error) {
	token := e.peek()
	if strings.HasPrefix(token, ":") {
		e.at++
		raw, ok := e.in.obj("ExpressionAttributeValues")[token]
		if !ok {
			return operand{}, fail("ValidationException", "Invalid %s: An expression attribute value used in expression is not defined; attribute value: %s", e.kind, token)
		}
		e.used[token] = true
		v, err := checkValue(raw)
		return operand{value: v}, err
	}
	if e.at+1 < len(e.tokens) && e.tokens[e.at+1] == "(" {
		if !slices.Contains(functions, token) {
			return operand{}, fail("ValidationException", "Invalid %s: Invalid function name; function: %s", e.kind, token)
		}
		e.at++
		args, err := e.arguments(functions...)
		if want := map[string]int{"size": 1}[token]; err == nil && len(args) != max(want, 2-want) {
			err = fail("ValidationException", "Invalid %s: Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", e.kind, token, len(args))
		}
		return operand{call: token, args: args}, err
	}
	p, err := e.path()
	return operand{path: p}, err
}

// arguments reads operands in parentheses.
func (e *expression) arguments(functions ...string) ([]operand, error) {
	if err := e.want("("); err != nil {
		return nil, err
	}
	if e.depth++; e.depth > maxClauses {
		return nil, e.fail("(")
	}
	defer func() { e.depth-- }()
	var args []operand
	for {
		a, err := e.operand(functions...)
		if err != nil {
			return nil, err
		}
		args = append(args, a)
		if e.peek() != "," {
			return args, e.want(")")
		}
		e.at++
	}
}

// find follows a path in an item.
func (p docPath) find(item dynamoItem) (any, bool) {
	v, ok := item[p.top()]
	for _, step := range p[1:] {
		if !ok {
			return nil, false
		}
		kind, content := typed(v)
		switch s := step.(type) {
		case string:
			v, ok = asParams(content)[s]
			ok = ok && kind == "M"
		case int:
			list, _ := content.([]any)
			if ok = kind == "L" && s < len(list); ok {
				v = list[s]
			}
		}
	}
	return v, ok
}
