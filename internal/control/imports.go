package control

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"axle"
	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/plan"
	"axle/internal/template"

	"go.yaml.in/yaml/v3"
)

// imports are existing resources that a deploy brings into their stacks: by
// stack of axle.yaml, logical id and identifier. The values may have ${{ }}.
type imports map[string]map[string]map[string]string

// readImports reads a file of imports.
func readImports(path string) (imports, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, configError(diag.Pos{File: path}, "it maps stacks to logical ids to identifiers, such as {logs: {Bucket: {BucketName: my-logs}}}", "%v", unwrapPath(err))
	}
	var out imports
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&out); err != nil && !errors.Is(err, io.EOF) {
		return nil, configError(diag.Pos{File: path}, "it maps stacks to logical ids to identifiers, such as {logs: {Bucket: {BucketName: my-logs}}}", "%v", err)
	}
	return out, nil
}

// addImports puts what is to be imported into the inputs of the plan's stacks.
func (w *Work) addImports(p *plan.Plan) error {
	if w.opts.Import == "" || p.Command != "deploy" {
		return nil
	}
	all, err := readImports(w.opts.Import)
	if err != nil {
		return err
	}
	for _, stack := range slices.Sorted(maps.Keys(all)) {
		if err := w.importInto(p, stack, all[stack]); err != nil {
			return err
		}
	}
	return nil
}

func (w *Work) importInto(p *plan.Plan, stack string, resources map[string]map[string]string) error {
	at := diag.Pos{File: w.opts.Import}
	if _, ok := w.project.Stack(stack); !ok {
		return configError(at, "name stacks as axle.yaml does", "axle.yaml has no stack %q", stack)
	}
	t := w.templates[stack]
	for _, id := range slices.Sorted(maps.Keys(resources)) {
		var r template.Resource
		ok := false
		if t != nil {
			r, ok = t.Resources[id]
		}
		if !ok {
			return configError(at, "add the resource to the template first, with a DeletionPolicy", "the template of stack %q has no resource %q", stack, id)
		}
		for _, key := range slices.Sorted(maps.Keys(resources[id])) {
			value, problems := expr.CompileText(resources[id][key], at, expr.Names{Vars: w.project.Vars})
			if err := problems.Err(); err != nil {
				return err
			}
			name := strings.Join([]string{axle.ImportInput + id, r.Type, key}, "|")
			if err := w.importEach(p, stack, name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// importEach gives every instance of a stack the identifier that it has there.
func (w *Work) importEach(p *plan.Plan, stack, name string, value *expr.Text) error {
	for i := range p.Steps {
		s := &p.Steps[i]
		if s.Kind != plan.KindStack || s.Name != stack {
			continue
		}
		sc := w.Scope(p.Accounts[s.Account])
		sc.Region = s.Region
		text, known, err := value.Eval(sc, nil)
		if err == nil && !known {
			err = errors.New("identifiers can't depend on outputs")
		}
		if err != nil {
			return fmt.Errorf("%s of stack %s in %s: %w", name, stack, s.Where(), err)
		}
		if s.Input == nil {
			s.Input = map[string]axle.Value{}
		}
		s.Input[name] = axle.Value{Literal: text}
	}
	return nil
}
