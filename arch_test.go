package axle_test

import (
	"bufio"
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// imports is the table of who may import what of ours, besides the root package
// and diag, which all but policy and sandbox may. A new package means a line
// here and in ARCHITECTURE.md.
var imports = map[string][]string{
	".":                          {},
	"policy":                     {},
	"sandbox":                    {"policy", "sandbox/sam"},
	"sandbox/sam":                {},
	"internal/diag":              {},
	"internal/early":             {},
	"internal/late":              {},
	"internal/expr":              {},
	"internal/config":            {"internal/expr"},
	"internal/template":          {},
	"internal/artifact":          {"internal/template"},
	"internal/plan":              {"internal/config", "internal/expr", "internal/template", "policy"},
	"internal/engine":            {"internal/plan"},
	"internal/store":             {},
	"internal/cloud":             {},
	"internal/cfn":               {},
	"policy/pattern":             {"policy"},
	"internal/lint":              {"internal/template", "policy"},
	"internal/privilege":         {"internal/template", "policy"},
	"internal/apps/access":       {"internal/cloud", "internal/store", "internal/template", "policy"},
	"internal/apps/doctor":       {"internal/apps/access", "internal/cloud", "internal/cfn", "internal/template", "policy"},
	"internal/action":            {"internal/cloud", "internal/cfn", "internal/template", "policy"},
	"internal/report":            {"internal/plan", "internal/lint", "internal/privilege", "internal/apps/access", "internal/apps/doctor", "policy", "policy/pattern"},
	"internal/control":           {"internal/artifact", "internal/config", "internal/expr", "internal/template", "internal/plan", "internal/engine", "internal/store", "internal/cloud", "internal/cfn", "internal/action", "internal/lint", "internal/privilege", "internal/apps/access", "internal/apps/doctor", "policy", "policy/pattern"},
	"internal/cli":               {"*"},
	"cmd/axle":                   {"*"},
	"bench":                      {"*"},
	"internal/engine/enginetest": {"internal/engine", "internal/plan"},
	"internal/cloud/cloudtest":   {},
	"internal/store/storetest":   {"internal/store"},
}

// sdk are the packages that may import the AWS SDK.
var sdk = []string{"internal/cloud", "internal/cfn", "internal/action", "internal/apps/access", "internal/apps/doctor", "internal/store", "internal/store/storetest", "bench"}

const module = "axle"

// source is one Go file of ours.
type source struct {
	path, dir string
	test      bool
	file      *ast.File
	lines     int
}

func sources(t *testing.T) (*token.FileSet, []source) {
	t.Helper()
	fset := token.NewFileSet()
	var out []source
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, path, body, parser.ParseComments)
		if err != nil {
			return err
		}
		out = append(out, source{path: path, dir: filepath.ToSlash(filepath.Dir(path)), test: strings.HasSuffix(path, "_test.go"), file: f, lines: bytes.Count(body, []byte("\n"))})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fset, out
}

// rule finds the line of the table for a folder: its own, or a parent's.
func rule(dir string) (string, []string, bool) {
	for d := dir; ; d = filepath.ToSlash(filepath.Dir(d)) {
		if allowed, ok := imports[d]; ok && (d != "." || dir == ".") {
			return d, allowed, true
		}
		if d == "." {
			return "", nil, false
		}
	}
}

func TestImports(t *testing.T) {
	fset, files := sources(t)
	for _, s := range files {
		of, allowed, ok := rule(s.dir)
		if !ok {
			if !s.test {
				t.Errorf("%s: package %s isn't in the table of imports", s.path, s.dir)
			}
			continue
		}
		for _, spec := range s.file.Imports {
			path := strings.Trim(spec.Path.Value, `"`)
			at := fset.Position(spec.Pos())
			if strings.HasPrefix(path, "github.com/aws/aws-sdk-go-v2") && !s.test && !slices.Contains(sdk, of) {
				t.Errorf("%s: only %s may import the AWS SDK", at, strings.Join(sdk, ", "))
			}
			ours := strings.TrimPrefix(path, module+"/")
			if path == module {
				ours = "."
			} else if ours == path {
				continue
			}
			switch {
			case s.test, ours == of, strings.HasPrefix(ours, of+"/"), slices.Contains(allowed, "*"), slices.Contains(allowed, ours):
			case (ours == "." || ours == "internal/diag") && of != "policy" && of != "sandbox" && of != ".":
			case ours == "internal/late" && of != "policy" && of != ".":
			default:
				t.Errorf("%s: %s may not import %s", at, of, ours)
			}
		}
	}
}

// The sizes that a stranger can take in. A longer one needs a reason: a comment
// that begins with "Long:" in the function, or above the package clause.
const (
	maxFile     = 500
	maxFunction = 70
)

func TestSizes(t *testing.T) {
	fset, files := sources(t)
	for _, s := range files {
		if s.test {
			continue
		}
		if s.lines > maxFile && !excused(s.file, 0, s.file.Package) {
			t.Errorf("%s has %d lines, more than %d", s.path, s.lines, maxFile)
		}
		for _, d := range s.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			from, to := fset.Position(fn.Pos()), fset.Position(fn.End())
			if n := to.Line - from.Line + 1; n > maxFunction && !excused(s.file, fn.Pos(), fn.End()) {
				t.Errorf("%s: %s has %d lines, more than %d", from, fn.Name.Name, n, maxFunction)
			}
		}
	}
}

func excused(f *ast.File, from, to token.Pos) bool {
	for _, c := range f.Comments {
		if c.Pos() >= from && c.Pos() < to && strings.Contains(c.Text(), "Long:") {
			return true
		}
	}
	return false
}

func TestForbiddenCalls(t *testing.T) {
	fset, files := sources(t)
	for _, s := range files {
		if s.test {
			continue
		}
		main := strings.HasPrefix(s.dir, "cmd/") || strings.HasPrefix(s.dir, "bench")
		support := strings.HasSuffix(s.dir, "test") // what tests of several packages share
		ast.Inspect(s.file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name := called(call.Fun)
			at := fset.Position(call.Pos())
			switch {
			case strings.HasPrefix(name, "fmt.Print") && !main:
				t.Errorf("%s: %s writes to stdout behind the report's back", at, name)
			case (name == "context.Background" || name == "context.TODO") && !main:
				t.Errorf("%s: %s only in main and tests", at, name)
			case name == "os.Exit" && !main:
				t.Errorf("%s: only main exits", at)
			case name == "panic" && !support:
				t.Errorf("%s: return an error instead of a panic", at)
			}
			return true
		})
	}
}

func called(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
	}
	return ""
}

// TestOwnHTTPClient: who configures the SDK says also with what client it calls.
// With its own, a call is now and then repeated (cloud.WholeBodies has the reason),
// and a test fails by chance.
func TestOwnHTTPClient(t *testing.T) {
	fset, files := sources(t)
	found := 0
	for _, s := range files {
		ast.Inspect(s.file, func(n ast.Node) bool {
			has := map[string]bool{}
			switch n := n.(type) {
			case *ast.CompositeLit: // aws.Config, or the options of a service
				for _, e := range n.Elts {
					if kv, ok := e.(*ast.KeyValueExpr); ok {
						has[called(kv.Key)] = true
					}
				}
			case *ast.FuncDecl:
				ast.Inspect(n, func(n ast.Node) bool {
					if sel, ok := n.(*ast.SelectorExpr); ok {
						has[strings.TrimPrefix(sel.Sel.Name, "With")] = true
					}
					return true
				})
				has["BaseEndpoint"] = has["LoadDefaultConfig"]
			}
			if has["BaseEndpoint"] {
				found++
				if !has["HTTPClient"] {
					t.Errorf("%s: the SDK is configured without HTTPClient: it is cloud.WholeBodies(...)", fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
	if found == 0 {
		t.Error("there is no client to check")
	}
}

// variables at package level are errors, compiled expressions, embedded files
// and tables that are written once: what is assigned to later is none of them.
func TestPackageVariables(t *testing.T) {
	fset, files := sources(t)
	vars := map[string]map[string]token.Pos{} // dir -> name -> place
	for _, s := range files {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					t.Errorf("%s: no init functions", fset.Position(d.Pos()))
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						if vars[s.dir] == nil {
							vars[s.dir] = map[string]token.Pos{}
						}
						vars[s.dir][name.Name] = name.Pos()
					}
				}
			}
		}
	}
	for _, s := range files {
		if s.test {
			continue
		}
		for _, d := range s.file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			local := declared(fn)
			ast.Inspect(fn, func(n ast.Node) bool {
				assign, ok := n.(*ast.AssignStmt)
				if !ok || assign.Tok == token.DEFINE {
					return true
				}
				for _, l := range assign.Lhs {
					id, ok := l.(*ast.Ident)
					if !ok || id.Name == "_" || local[id.Name] {
						continue
					}
					if _, global := vars[s.dir][id.Name]; global {
						t.Errorf("%s: package variable %s is assigned to", fset.Position(id.Pos()), id.Name)
					}
				}
				return true
			})
		}
	}
}

// TestLatePatterns: regular expressions of packages are compiled when they are
// first used (internal/late), so each is compiled here, and none at start.
func TestLatePatterns(t *testing.T) {
	fset, files := sources(t)
	consts := map[string]map[string]string{} // by folder and name
	var text func(dir string, e ast.Expr) (string, bool)
	text = func(dir string, e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		case *ast.Ident:
			s, ok := consts[dir][e.Name]
			return s, ok
		case *ast.BinaryExpr:
			x, ok := text(dir, e.X)
			y, also := text(dir, e.Y)
			return x + y, ok && also && e.Op == token.ADD
		}
		return "", false
	}
	for _, s := range files {
		for _, d := range s.file.Decls {
			if decl, ok := d.(*ast.GenDecl); ok && decl.Tok == token.CONST && !s.test {
				for _, spec := range decl.Specs {
					if v := spec.(*ast.ValueSpec); len(v.Values) == 1 {
						if consts[s.dir] == nil {
							consts[s.dir] = map[string]string{}
						}
						if c, ok := text(s.dir, v.Values[0]); ok {
							consts[s.dir][v.Names[0].Name] = c
						}
					}
				}
			}
		}
	}
	compiled := 0
	for _, s := range files {
		if s.test || s.dir == "internal/late" || strings.HasPrefix(s.dir, "bench") {
			continue
		}
		for _, d := range s.file.Decls {
			_, inFunc := d.(*ast.FuncDecl)
			ast.Inspect(d, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || len(call.Args) != 1 {
					return true
				}
				fn, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || fn.Sel.Name != "MustCompile" {
					return true
				}
				at := fset.Position(call.Pos())
				if of := fn.X.(*ast.Ident).Name; of == "regexp" && !inFunc && s.dir != "." {
					t.Errorf("%s: compiled whenever a command starts: use late.MustCompile", at)
				}
				pattern, ok := text(s.dir, call.Args[0])
				if !ok {
					t.Errorf("%s: the pattern must be a constant", at)
				} else if _, err := regexp.Compile(pattern); err != nil {
					t.Errorf("%s: %v", at, err)
				}
				compiled++
				return true
			})
		}
	}
	if compiled < 100 {
		t.Errorf("only %d patterns were found", compiled)
	}
}

// declared are the names that a function declares anywhere in it.
func declared(fn *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	add := func(list ...ast.Expr) {
		for _, e := range list {
			if id, ok := e.(*ast.Ident); ok {
				names[id.Name] = true
			}
		}
	}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			for _, id := range n.Names {
				add(id)
			}
		case *ast.ValueSpec:
			for _, id := range n.Names {
				add(id)
			}
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				add(n.Lhs...)
			}
		case *ast.RangeStmt:
			add(n.Key, n.Value)
		}
		return true
	})
	return names
}

func TestPackageComments(t *testing.T) {
	_, files := sources(t)
	has := map[string]int{}
	for _, s := range files {
		if s.test {
			continue
		}
		if _, seen := has[s.dir]; !seen {
			has[s.dir] = 0
		}
		if s.file.Doc != nil {
			has[s.dir] = max(has[s.dir], strings.Count(strings.TrimSpace(s.file.Doc.Text()), "\n")+1)
		}
	}
	for dir, lines := range has {
		if lines == 0 {
			t.Errorf("package %s has no comment that says what it does and what it refuses", dir)
		}
		if lines > 14 {
			t.Errorf("the comment of package %s has %d lines; say it in ten", dir, lines)
		}
	}
}

// TestDependencies holds DEPENDENCIES.md against go.mod.
func TestDependencies(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile("DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(mod))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 2 || strings.Contains(lines.Text(), "// indirect") || !strings.Contains(f[0], ".") || !strings.HasPrefix(f[1], "v") {
			continue
		}
		name := f[0]
		if strings.HasPrefix(name, "github.com/aws/aws-sdk-go-v2") {
			name = "aws-sdk-go-v2"
		}
		if !bytes.Contains(said, []byte(name)) {
			t.Errorf("DEPENDENCIES.md has no line for %s", name)
		}
	}
}
