package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"axle"
	"axle/internal/template"
)

// howToBuild is the GOARCH to build a folder's Go source for; "" when it is
// packaged as it is.
func howToBuild(path string, info os.FileInfo, l *template.Local) (string, error) {
	decided, by := "", ""
	for i, f := range l.Functions {
		arch, err := howToBuildFor(path, info, f)
		if err != nil {
			return "", err
		}
		if i > 0 && arch != decided {
			return "", trouble("give each of them its own "+lastPart(l.Property), "functions %s and %s would need two builds of it", by, f.Resource)
		}
		decided, by = arch, f.Resource
	}
	return decided, nil
}

func lastPart(property string) string { return property[strings.LastIndexByte(property, '.')+1:] }

func howToBuildFor(path string, info os.FileInfo, f template.Function) (string, error) {
	if f.Runtime == "go1.x" {
		return "", trouble("write Runtime: provided.al2023; the handler's name doesn't matter there", "function %s: Lambda has no runtime go1.x any more", f.Resource)
	}
	custom := strings.HasPrefix(f.Runtime, "provided")
	if !info.IsDir() || f.Runtime != "" && !custom {
		return "", nil
	}
	source, module := goMain(path)
	switch {
	case source && f.Runtime == "":
		return "", trouble("write Runtime: provided.al2023 literally", "function %s: whether its Go source is to be built depends on the runtime, which isn't known", f.Resource)
	case source && !module:
		return "", trouble("go mod init makes one", "function %s: the folder has Go source, but there is no go.mod in it or above", f.Resource)
	case source && f.Architecture == "arm64":
		return "arm64", nil
	case source && f.Architecture == "x86_64":
		return "amd64", nil
	case source:
		return "", trouble("write Architectures: [arm64] or [x86_64] literally", "function %s: what to build its Go source for isn't known", f.Resource)
	case !custom:
		return "", nil
	}
	bootstrap, err := os.Stat(filepath.Join(path, "bootstrap"))
	if err != nil || bootstrap.IsDir() {
		return "", trouble("build it first; Axle builds Go source by itself, from a folder with package main",
			"function %s: runtime %s starts a file named bootstrap, and the folder has none", f.Resource, f.Runtime)
	}
	if !executable(bootstrap) {
		return "", trouble("chmod +x "+filepath.Join(path, "bootstrap"), "function %s: bootstrap isn't executable", f.Resource)
	}
	return "", nil
}

// goMain says whether a folder has a Go program, and is in a module.
func goMain(dir string) (source, module bool) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go")) // the pattern is right
	source = slices.ContainsFunc(files, func(file string) bool {
		if strings.HasSuffix(file, "_test.go") {
			return false
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly)
		return err == nil && f.Name.Name == "main"
	})
	for at := absolute(dir); ; at = filepath.Dir(at) {
		if info, err := os.Stat(filepath.Join(at, "go.mod")); err == nil && !info.IsDir() {
			return source, true
		}
		if at == filepath.Dir(at) {
			return source, false
		}
	}
}

// maxSaid is how many lines of a compiler's words are shown.
const maxSaid = 30

// build builds a Go function as Lambda's custom runtimes want it. The same
// source gives the same bytes, wherever it is; what has been compiled before,
// Go's own cache has.
func (p *Packager) build(ctx context.Context, dir, arch string) (string, error) {
	abs := absolute(dir)
	out := filepath.Join(p.dir, "build", digest([]byte(abs + " " + arch))[:16])
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", fmt.Errorf("make a folder for builds: %w", err)
	}
	made, err := os.CreateTemp(out, "building-*") // another run may build the same
	if err != nil {
		return "", fmt.Errorf("make a file for builds: %w", err)
	}
	_ = made.Close()             // empty so far
	defer os.Remove(made.Name()) //nolint:errcheck // it was renamed
	target, err := filepath.Abs(made.Name())
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w -buildid=", "-o", target, ".")
	cmd.Dir = abs
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if cmd.ProcessState == nil {
			return "", trouble("install Go (https://go.dev/dl), or build it yourself and name the folder with bootstrap in it", "go build in %s: %v", dir, err)
		}
		return "", trouble("", "go build in %s for linux/%s: %v%s", dir, arch, err, compilerSaid(said))
	}
	if err := os.Chmod(target, 0o755); err != nil {
		return "", err
	}
	bootstrap := filepath.Join(out, "bootstrap")
	if err := os.Rename(target, bootstrap); err != nil {
		return "", err
	}
	info, err := os.Stat(bootstrap)
	if err != nil {
		return "", err
	}
	if info.Size() > maxCode {
		return "", tooLarge(info.Size())
	}
	return p.zip(axle.ArtifactCode, &zipped{files: []entry{{name: "bootstrap", path: bootstrap, size: info.Size(), executable: true}}})
}

func compilerSaid(said []byte) string {
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	if len(lines) > maxSaid {
		lines = append(lines[:maxSaid], fmt.Sprintf("... and %d lines more", len(lines)-maxSaid))
	}
	return "\n    " + strings.Join(lines, "\n    ")
}

// unbuilt warns of source that has to be built before Lambda can run it, which
// Axle doesn't do: zipped as it is, the function would fail when it is called.
func (p *Packager) unbuilt(path string, l *template.Local, z *zipped) {
	if strings.Contains(filepath.ToSlash(path), "/.aws-sam/build/") || strings.HasPrefix(filepath.ToSlash(path), ".aws-sam/build/") {
		return // sam build has made it
	}
	has := func(name string) bool {
		return slices.ContainsFunc(z.files, func(f entry) bool { return f.name == name })
	}
	below := func(part string) bool {
		return slices.ContainsFunc(z.files, func(f entry) bool { return strings.Contains(f.name, part) })
	}
	for _, f := range l.Functions {
		what := ""
		switch language := strings.TrimRight(f.Runtime, "0123456789.x"); {
		case language == "python" && has("requirements.txt") && !below(".dist-info/") && asks(filepath.Join(path, "requirements.txt")):
			what = "what requirements.txt asks for isn't in the folder: pip install -r requirements.txt -t FOLDER puts it there"
		case language == "nodejs" && has("package.json") && !below("node_modules/") && dependsOn(filepath.Join(path, "package.json")):
			what = "what package.json depends on isn't in the folder: npm ci --omit=dev puts it there"
		case language == "java" && (has("pom.xml") || has("build.gradle") || has("build.gradle.kts")):
			what = "it is Java source, which has to be built"
		case language == "dotnet" && below(".csproj"):
			what = "it is .NET source, which has to be built"
		case language == "ruby" && has("Gemfile.lock") && !below("vendor/bundle/"):
			what = "what the Gemfile asks for isn't in the folder: bundle install --path vendor/bundle puts it there"
		case f.BuildMethod != "" && f.BuildMethod != "go1.x":
			what = "its BuildMethod " + f.BuildMethod + " is for sam build"
		default:
			continue
		}
		p.warn("function %s, %s: %s. Axle builds Go only; after sam build, give .aws-sam/build/template.yaml as the stack's template", f.Resource, path, what)
	}
}

// asks says whether a file of requirements has any.
func asks(path string) bool {
	body, err := os.ReadFile(path)
	return err == nil && slices.ContainsFunc(bytes.Split(body, []byte("\n")), func(line []byte) bool {
		line = bytes.TrimSpace(line)
		return len(line) > 0 && line[0] != '#'
	})
}

// dependsOn says whether a package.json has dependencies that the runtime
// doesn't come with.
func dependsOn(path string) bool {
	body, err := os.ReadFile(path)
	var p struct{ Dependencies map[string]any }
	if err != nil || json.Unmarshal(body, &p) != nil {
		return false
	}
	for name := range p.Dependencies {
		if !strings.HasPrefix(name, "@aws-sdk/") {
			return true
		}
	}
	return false
}
