package artifact

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"axle"
	"axle/internal/diag"
	"axle/internal/template"
)

type somewhere struct{}

func (somewhere) Bucket(home bool) string {
	if home {
		return "artifacts-home"
	}
	return "artifacts-${AWS::Region}"
}
func (s somewhere) URL(key string, home bool) string { return "https://" + s.Bucket(home) + "/" + key }

// tree writes files; a name that ends with * is executable, -> makes a link.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, strings.TrimSuffix(name, "*"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(text, "->"); link {
			err = os.Symlink(target, path)
		} else {
			mode := os.FileMode(0o644)
			if strings.HasSuffix(name, "*") {
				mode = 0o755
			}
			err = os.WriteFile(path, []byte(text), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func pack(t *testing.T, dir, file string) (*Packager, *Packaged, diag.List) {
	t.Helper()
	path := filepath.Join(dir, file)
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tpl, problems := template.Parse(path, body)
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	p := New(somewhere{}, filepath.Join(dir, ".axle"))
	out, problems := p.Pack(context.Background(), tpl)
	return p, out, problems
}

// contents are the names in an archive, with * for executable ones.
func contents(t *testing.T, p *Packager, key string) map[string]string {
	t.Helper()
	f, err := p.Open(key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(f.(io.ReaderAt), size)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range r.File {
		if !e.Modified.UTC().Equal(fixed) {
			t.Errorf("%s is of %s", e.Name, e.Modified)
		}
		name := e.Name
		if e.Mode()&0o111 != 0 {
			name += "*"
		}
		in, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(body)
	}
	return out
}

const pythonFunction = "Resources:\n  F: {Type: AWS::Lambda::Function, Properties: {Runtime: python3.12, Code: src}}\n"

func TestFolder(t *testing.T) {
	files := map[string]string{"t.yaml": pythonFunction, "src/app.py": "print(1)", "src/bin/run*": "#!/bin/sh", "src/lib/a.py": "a",
		"src/.git/config": "secret", "src/__pycache__/app.pyc": "x", "src/link.py": "->app.py", "src/linked": "->lib"}
	dir := tree(t, files)
	p, out, problems := pack(t, dir, "t.yaml")
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	got := contents(t, p, out.Artifacts[0].Key)
	want := map[string]string{"app.py": "print(1)", "bin/run*": "#!/bin/sh", "lib/a.py": "a", "link.py": "print(1)", "linked/a.py": "a"}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s is %q", name, got[name])
		}
	}
	if w := p.Warnings(); len(w) != 1 || !strings.Contains(w[0], "not packaged: .git") {
		t.Errorf("warnings %v", w)
	}
	// The same elsewhere, at another time.
	again := tree(t, files)
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(again, "src/app.py"), old, old); err != nil {
		t.Fatal(err)
	}
	_, same, _ := pack(t, again, "t.yaml")
	if string(same.Body) != string(out.Body) {
		t.Errorf("%s\n%s", same.Body, out.Body)
	}
	for name, change := range map[string]func() error{
		"content": func() error { return os.WriteFile(filepath.Join(dir, "src/app.py"), []byte("print(2)"), 0o644) },
		"name":    func() error { return os.Rename(filepath.Join(dir, "src/lib/a.py"), filepath.Join(dir, "src/lib/b.py")) },
		"mode":    func() error { return os.Chmod(filepath.Join(dir, "src/app.py"), 0o755) },
	} {
		_, before, _ := pack(t, dir, "t.yaml")
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if _, after, _ := pack(t, dir, "t.yaml"); after.Digest == before.Digest {
			t.Errorf("another %s isn't seen", name)
		}
	}
	// What has changed since it was looked at isn't what the key says.
	if _, err := p.Open(out.Artifacts[0].Key); err == nil || !strings.Contains(err.Error(), "app.py has changed") && !strings.Contains(err.Error(), "a.py") {
		t.Errorf("got %v", err)
	}
}

func TestFiles(t *testing.T) {
	var archive strings.Builder
	z := zip.NewWriter(&archive)
	if w, err := z.Create("x.py"); err != nil {
		t.Fatal(err)
	} else if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	dir := tree(t, map[string]string{"a/t.yaml": `Resources:
  One: {Type: AWS::Lambda::Function, Properties: {Runtime: python3.12, Code: ../one.py}}
  Zip: {Type: AWS::Lambda::Function, Properties: {Runtime: python3.12, Code: ../code.zip}}
  Jar: {Type: AWS::Lambda::LayerVersion, Properties: {Content: ../code.jar}}
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {BodyS3Location: ../api.yaml}}
  Job: {Type: AWS::Glue::Job, Properties: {Command: {ScriptLocation: ../one.py}}}
`, "one.py": "1", "code.zip": archive.String(), "code.jar": archive.String(), "api.yaml": "openapi: 3.0.0"})
	p, out, problems := pack(t, dir, "a/t.yaml")
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	if got := contents(t, p, out.Artifacts[0].Key); len(got) != 1 || got["one.py"] != "1" {
		t.Errorf("one file of code: %v", got)
	}
	sum := digest([]byte(archive.String()))
	for i, want := range []string{"", "code/" + sum + ".zip", "code/" + sum + ".jar", "files/" + digest([]byte("openapi: 3.0.0")) + ".yaml", "files/" + digest([]byte("1")) + ".py"} {
		if want != "" && out.Artifacts[i].Key != want {
			t.Errorf("got %s, want %s", out.Artifacts[i].Key, want)
		}
	}
	f, err := p.Open(out.Artifacts[4].Key)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(f); err != nil || string(body) != "1" {
		t.Errorf("%q, %v", body, err)
	}
	name := f.(*passing).Name()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("the temporary file is left")
	}
}

func TestNested(t *testing.T) {
	files := map[string]string{
		"t.yaml":            "Resources:\n  In: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: in/side.yaml}}\n  App: {Type: AWS::Serverless::Application, Properties: {Location: in/side.yaml}}\n",
		"in/side.yaml":      "Resources:\n  Deep: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: deep.json}}\n",
		"in/deep.json":      `{"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {"Runtime": "python3.12", "Code": "src"}}}}`,
		"in/src/handler.py": "1"}
	dir := tree(t, files)
	p, out, problems := pack(t, dir, "t.yaml")
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	var early, home, code []string
	for _, a := range out.Artifacts {
		switch {
		case a.Home:
			home = append(home, a.Key)
		case a.Early:
			early = append(early, a.Key)
		default:
			code = append(code, a.Key)
		}
	}
	if len(early) != 2 || len(home) != 1 || len(code) != 1 || !slices.Contains(early, home[0]) || !strings.HasPrefix(code[0], "code/") {
		t.Errorf("early %v, at home %v, code %v", early, home, code)
	}
	if !strings.Contains(string(out.Body), `Location: "https://artifacts-home/`) || !strings.Contains(string(out.Body), `TemplateURL: {"Fn::Sub": "https://artifacts-${AWS::Region}/`) {
		t.Errorf("%s", out.Body)
	}
	if kinds, atHome := Kinds(out.Template); len(kinds) > 0 || atHome {
		t.Errorf("left: %v", kinds)
	}
	// Code deep inside changes the outermost template.
	if err := os.WriteFile(filepath.Join(dir, "in/src/handler.py"), []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, changed, _ := pack(t, dir, "t.yaml"); changed.Digest == out.Digest {
		t.Error("a change inside isn't seen outside")
	}
	if !p.Has(code[0]) || p.Has("code/none") {
		t.Error("Has")
	}
}

const goFunction = `Resources:
  F:
    Type: AWS::Lambda::Function
    Properties: {Runtime: provided.al2023, Architectures: [arm64], Handler: bootstrap, Code: cmd/hello}
`

func TestGo(t *testing.T) {
	files := map[string]string{"t.yaml": goFunction, "go.mod": "module hello\n\ngo 1.21\n", "cmd/hello/main.go": "package main\n\nfunc main() { println(1) }\n", "cmd/hello/notes.txt": "not code"}
	dir := tree(t, files)
	p, out, problems := pack(t, dir, "t.yaml")
	if problems.Err() != nil {
		t.Fatal(problems)
	}
	got := contents(t, p, out.Artifacts[0].Key)
	if len(got) != 1 || len(got["bootstrap*"]) < 100 || got["bootstrap*"][:4] != "\x7fELF" || got["bootstrap*"][18] != 0xb7 { // EM_AARCH64
		t.Errorf("got %d files, bootstrap of %d bytes", len(got), len(got["bootstrap*"]))
	}
	if _, again, problems := pack(t, tree(t, files), "t.yaml"); problems.Err() != nil || again.Digest != out.Digest {
		t.Errorf("the same source elsewhere is another build: %v", problems)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".axle/build/*/building-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	files["cmd/hello/main.go"] = "package main\n\nfunc main() { nothing() }\n"
	dir = tree(t, files)
	_, _, problems = pack(t, dir, "t.yaml")
	if err := problems.Err(); err == nil || !strings.Contains(err.Error(), "t.yaml:4:") || !strings.Contains(err.Error(), "function F, Code cmd/hello: go build in") ||
		!strings.Contains(err.Error(), "undefined: nothing") {
		t.Errorf("got %v", err)
	}
}

func TestRefused(t *testing.T) {
	function := func(runtime, more string) string {
		return "Resources:\n  F: {Type: AWS::Serverless::Function, Properties: {CodeUri: src, Runtime: " + runtime + more + "}}\n"
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"missing":         {map[string]string{"t.yaml": function("python3.12", "")}, "t.yaml:2:62: function F, CodeUri src: no such file or directory\n  hint: paths are relative to the folder of the template: "},
		"empty":           {map[string]string{"t.yaml": function("python3.12", ""), "src/.git/x": ""}, "the folder has no files"},
		"a link out":      {map[string]string{"t.yaml": function("python3.12", ""), "src/a": "->../t.yaml"}, "the link a leads out of the folder"},
		"a link nowhere":  {map[string]string{"t.yaml": function("python3.12", ""), "src/a": "->b"}, "the link a leads nowhere"},
		"a circle":        {map[string]string{"t.yaml": function("python3.12", ""), "src/a/b": "->../a"}, "leads to a folder that it is in"},
		"old Go":          {map[string]string{"t.yaml": function("go1.x", ""), "src/main.go": "package main"}, "Lambda has no runtime go1.x any more"},
		"Go, no module":   {map[string]string{"t.yaml": function("provided.al2023", ""), "src/main.go": "package main"}, "there is no go.mod"},
		"unknown runtime": {map[string]string{"t.yaml": "Parameters: {R: {Type: String}}\n" + function("!Ref R", ""), "src/main.go": "package main", "go.mod": "module x"}, "depends on the runtime, which isn't known"},
		"no bootstrap":    {map[string]string{"t.yaml": function("provided.al2023", ""), "src/lib.txt": "x"}, "starts a file named bootstrap, and the folder has none"},
		"not executable":  {map[string]string{"t.yaml": function("provided.al2023", ""), "src/bootstrap": "x"}, "bootstrap isn't executable"},
		"a library":       {map[string]string{"t.yaml": function("provided.al2023", ""), "go.mod": "module x", "src/lib.go": "package lib"}, "the folder has none"},
		"two builds": {map[string]string{"t.yaml": "Globals: {Function: {CodeUri: src, Runtime: provided.al2023}}\nResources:\n  A: {Type: AWS::Serverless::Function, Properties: {Architectures: [arm64]}}\n  B: {Type: AWS::Serverless::Function, Properties: {Handler: x}}\nTransform: AWS::Serverless-2016-10-31\n",
			"src/main.go": "package main", "go.mod": "module x"}, "functions A and B would need two builds of it"},
		"a folder for a file": {map[string]string{"t.yaml": "Resources:\n  A: {Type: AWS::ApiGateway::RestApi, Properties: {BodyS3Location: src}}\n", "src/x": ""}, "it is a folder"},
		"nested in itself":    {map[string]string{"t.yaml": "Resources:\n  A: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: t.yaml}}\n"}, "nested in itself"},
		"a broken nested one": {map[string]string{"t.yaml": "Resources:\n  A: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: n.yaml}}\n", "n.yaml": "Resources: {A: {Type: x}}"}, "n.yaml:1:"},
		"a stack set": {map[string]string{"t.yaml": "Resources:\n  A: {Type: AWS::CloudFormation::StackSet, Properties: {TemplateURL: n.yaml}}\n", "n.yaml": pythonFunction, "src/x": ""},
			"the regions that the stack set goes to aren't known"},
	} {
		t.Run(name, func(t *testing.T) {
			_, out, problems := pack(t, tree(t, c.files), "t.yaml")
			if err := problems.Err(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
}

// Folders that have two links each to the next one aren't walked for hours.
func TestLinksToLinks(t *testing.T) {
	files := map[string]string{"t.yaml": pythonFunction, "src/30/a": ""}
	for i := range 30 {
		for _, name := range []string{"x", "y"} {
			files[fmt.Sprintf("src/%d/%s", i, name)] = fmt.Sprintf("->../%d", i+1)
		}
	}
	_, _, problems := pack(t, tree(t, files), "t.yaml")
	if err := problems.Err(); err == nil || !strings.Contains(err.Error(), "it has more than 200000 files and folders") {
		t.Errorf("got %v", err)
	}
}

// A folder beyond Lambda's limit is refused before it is read.
func TestTooLarge(t *testing.T) {
	dir := tree(t, map[string]string{"t.yaml": pythonFunction, "src/a": "", "src/b": ""})
	for _, name := range []string{"src/a", "src/b"} { // with holes: nothing is written
		if err := os.Truncate(filepath.Join(dir, name), 126<<20); err != nil {
			t.Fatal(err)
		}
	}
	_, _, problems := pack(t, dir, "t.yaml")
	if err := problems.Err(); err == nil || !strings.Contains(err.Error(), "it has 252 MB unzipped, and Lambda takes 250 MB") {
		t.Errorf("got %v", err)
	}
}

// Source that nobody builds is told of.
func TestUnbuilt(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"pip install":  {"src/requirements.txt": "# none\nrequests==2\n", "src/app.py": ""},
		"npm ci":       {"t.yaml": strings.Replace(pythonFunction, "python3.12", "nodejs22.x", 1), "src/package.json": `{"dependencies": {"left-pad": "1", "@aws-sdk/client-s3": "3"}}`},
		"Java source":  {"t.yaml": strings.Replace(pythonFunction, "python3.12", "java21", 1), "src/pom.xml": "x"},
		"":             {"src/requirements.txt": "requests", "src/requests-2.dist-info/METADATA": ""},
		"BuildMethod ": {"t.yaml": strings.Replace(pythonFunction, "{Type", "{Metadata: {BuildMethod: makefile}, Type", 1), "src/Makefile": "x"},
	} {
		if files["t.yaml"] == "" {
			files["t.yaml"] = pythonFunction
		}
		p, _, problems := pack(t, tree(t, files), "t.yaml")
		said := strings.Join(p.Warnings(), "\n")
		if problems.Err() != nil || want == "" != (said == "") || !strings.Contains(said, want) {
			t.Errorf("%q: %v, %v", want, said, problems)
		}
	}
}

func TestOpenNone(t *testing.T) {
	if _, err := New(somewhere{}, "").Open("code/none"); err == nil || !strings.Contains(err.Error(), axle.ErrNotFound.Error()) {
		t.Errorf("got %v", err)
	}
}
