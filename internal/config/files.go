package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/late"
)

// What may stand in a file of parameters: names and values, what the AWS CLI
// takes as --parameters, or what CodePipeline takes as template configuration.
var (
	fileValues   = form{is: names, name: parameterName, of: &form{is: value}}
	fileList     = form{is: items, of: &form{is: object, keys: []key{{"ParameterKey", form{match: parameterName}, true}, {"ParameterValue", form{is: value}, true}}}}
	filePipeline = form{is: object, keys: []key{
		{"Parameters", fileValues, true},
		{"Tags", form{is: names, name: tagKey, of: &form{is: value}}, false},
		{"StackPolicy", form{is: tree}, false},
	}}
)

// ofTarget matches what isn't known when files are read, outside of texts.
var (
	ofTarget = late.MustCompile(`\b(account|region|hub)\b`)
	inQuotes = late.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)
)

// paths evaluates the paths of files of parameters.
func (p *parser) paths(n *node) []Text {
	if n == nil || n.bad {
		return nil
	}
	list := n.items
	if n.kind == scalar {
		list = []*node{n}
	}
	var out []Text
	for _, item := range list {
		if item.bad || item.kind != scalar {
			continue
		}
		if path, ok := p.path(item); ok {
			out = append(out, Text{path, item.content})
		}
	}
	return out
}

func (p *parser) path(n *node) (string, bool) {
	t, problems := n.expression().Value(p.known)
	p.problems = append(p.problems, problems...)
	if t == nil {
		return "", false
	}
	if path, literal := t.Literal(); literal {
		return path, true
	}
	if len(t.Calls()) > 0 || ofTarget.MatchString(inQuotes.ReplaceAllString(n.text, "")) {
		p.problems.Add(n.content, "use env and vars", "a file of parameters is the same for all targets: it is read before they are known")
		return "", false
	}
	path, _, err := t.Eval(expr.Scope{Vars: p.project.Vars, Env: p.project.Env}, nil)
	if err != nil {
		d := diag.Diagnostic{Pos: n.content, Summary: err.Error()}
		errors.As(err, &d)
		p.problems = append(p.problems, d)
		return "", false
	}
	return path, true
}

// environmentFiles checks that an environment's files are of stacks that exist.
func (p *parser) environmentFiles(e pair) {
	files := e.value.get("parameters_file")
	if files == nil {
		return
	}
	for _, f := range files.pairs {
		if !slices.Contains(p.known.Stacks, f.key.text) {
			p.unknownStack(f.key.pos, f.key.text, "parameters_file of environment "+e.key.text)
		}
	}
}

// parameterFiles reads the stacks' files of parameters. A later file wins over
// an earlier one, and the stack's own parameters over all.
func (p *parser) parameterFiles() {
	for i := range p.project.Stacks {
		s := &p.project.Stacks[i]
		var parameters, tags []Parameter
		for _, f := range s.ParameterFiles {
			own, ownTags := p.parameterFile(f)
			parameters, tags = override(parameters, own), override(tags, ownTags)
		}
		for _, t := range tags {
			p.checkTag(t)
		}
		s.Parameters, s.Tags = override(parameters, s.Parameters), override(tags, s.Tags)
	}
}

// override puts over into base by name.
func override(base, over []Parameter) []Parameter {
	for _, o := range over {
		if i := slices.IndexFunc(base, func(b Parameter) bool { return b.Name == o.Name }); i >= 0 {
			base[i] = o
		} else {
			base = append(base, o)
		}
	}
	return base
}

// parameterFile reads one file.
func (p *parser) parameterFile(from Text) (parameters, tags []Parameter) {
	path := from.Value
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.project.Dir, path)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		hint := "paths are relative to the folder of axle.yaml"
		if errors.Is(err, fs.ErrNotExist) && p.project.Env == "" && len(p.project.Environments) > 0 {
			hint += "; no environment is chosen: --env " + strings.Join(p.project.Environments, ", ")
		}
		var at *fs.PathError // the message names the path already
		if errors.As(err, &at) {
			err = at.Err
		}
		p.problems.Add(from.Pos, hint, "parameters file %s: %v", path, err)
		return nil, nil
	}
	root := p.readValues(path, src)
	if root == nil {
		return nil, nil
	}
	name := filepath.Base(path)
	switch {
	case root.kind == list:
		fileList.check(root, name, &p.problems)
		return p.listed(root), nil
	case root.get("Parameters") != nil && root.get("Parameters").kind == mapping:
		filePipeline.check(root, name, &p.problems)
		for _, e := range root.pairs {
			if e.key.text == "StackPolicy" {
				p.problems.Warn(e.key.pos, "set it with aws cloudformation set-stack-policy", "stack policies aren't set by Axle")
			}
		}
		return p.values(root.get("Parameters")), p.values(root.get("Tags"))
	}
	fileValues.check(root, name, &p.problems)
	return p.values(root), nil
}

// readValues parses a file; nil if it is empty or can't be read.
func (p *parser) readValues(path string, src []byte) *node {
	text := strings.TrimPrefix(string(src), "\ufeff")
	if begin := strings.TrimLeft(text, " \t\r\n"); strings.HasPrefix(begin, "{") || strings.HasPrefix(begin, "[") {
		text = strings.ReplaceAll(text, "\t", " ") // JSON may be indented with tabs, YAML may not
	} else if begin == "" {
		return nil
	}
	var problems diag.List
	root := read(path, []byte(text), &problems)
	for _, d := range problems {
		if d.Summary == emptyFile {
			return nil
		}
		p.problems = append(p.problems, d)
	}
	return root
}

// listed reads CloudFormation's list of parameters.
func (p *parser) listed(root *node) []Parameter {
	all := &node{kind: mapping}
	seen := map[string]diag.Pos{}
	for _, item := range root.items {
		name, value := item.get("ParameterKey"), item.get("ParameterValue")
		if item.bad || name == nil || value == nil {
			continue
		}
		if first, ok := seen[name.text]; ok {
			p.problems.Add(name.content, "keep one of them", "parameter %q is here for the second time; the first is in line %d", name.text, first.Line)
			continue
		}
		seen[name.text] = name.content
		all.pairs = append(all.pairs, pair{name, value})
	}
	return p.values(all)
}

// checkTag refuses the tags that aren't the user's to set.
func (p *parser) checkTag(t Parameter) {
	if l := strings.ToLower(t.Name); strings.HasPrefix(l, "aws:") || strings.HasPrefix(l, "axle:") {
		p.problems.Add(t.Pos, "choose another key", "tags that begin with aws: or axle: are not yours to set")
	}
}

// emptyFile is what is said of a file with nothing in it.
const emptyFile = "the file is empty"
