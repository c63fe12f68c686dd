package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// publish evaluates the stack's outputs and makes its exports known. All of it
// is refused, and nothing changed, when an export belongs to another stack, or
// one that another stack imports would change or vanish.
func (w *work) publish() error {
	outputs, imports, err := w.outputs()
	if err != nil {
		return err
	}
	exports := map[string]string{}
	for _, o := range outputs {
		if o.Export == "" {
			continue
		}
		if _, twice := exports[o.Export]; twice {
			return invalid("Output export name %s is used more than once in the template", o.Export)
		}
		exports[o.Export] = o.Value
		if other, taken := w.cfn().Exports[o.Export]; taken && other.Stack != w.st.ID {
			return invalid("Export with name %s is already exported by stack %s. Rollback requested by user.", o.Export, w.cfn().Stacks[other.Stack].Name)
		}
	}
	if why := w.exportInUse(exports); why != "" {
		return invalid("%s", why)
	}
	w.unpublish()
	for name, value := range exports {
		put(&w.cfn().Exports, name, stackExport{Stack: w.st.ID, Value: value})
	}
	w.st.Outputs, w.st.Imports = outputs, imports
	return nil
}

// outputs evaluates the outputs whose condition holds, and names what the
// whole template imports.
func (w *work) outputs() ([]stackOutput, []string, error) {
	t := w.keptTemplate(w.st.Template)
	e := w.evaluation(w.st, t, w.st.stackVersion)
	if t.imports {
		for _, tr := range t.resources {
			if holds, err := e.condition(tr.condition); err != nil || !holds {
				continue
			}
			if _, err := e.value(map[string]any(tr.props)); err != nil {
				return nil, nil, err
			}
		}
	}
	e.block = "Outputs"
	var out []stackOutput
	for _, name := range slices.Sorted(maps.Keys(t.outputs)) {
		o, holds, err := e.output(t.outputs[name])
		if err != nil {
			return nil, nil, err
		}
		if holds {
			out = append(out, o)
		}
	}
	return out, slices.Sorted(maps.Keys(e.imports)), nil
}

// output evaluates one output; false when its condition doesn't hold.
func (e *evaluation) output(def *templateOutput) (stackOutput, bool, error) {
	holds, err := e.condition(def.condition)
	if err != nil || !holds {
		return stackOutput{}, false, err
	}
	o := stackOutput{Key: def.name, Description: def.description}
	v, err := e.value(def.value)
	if err != nil {
		return o, false, err
	}
	name, err := e.value(def.export)
	if err != nil {
		return o, false, err
	}
	switch v.(type) {
	case []any, map[string]any, noValue:
		return o, false, invalid("Template format error: The Value field of every Outputs member must evaluate to a String.")
	case unknown:
		o.Value = "\x00" // differs from every text
	default:
		o.Value = scalarText(v)
	}
	if !isUnknown(name) {
		o.Export = scalarText(name)
	}
	return o, true, nil
}

// hold makes the operation's imports known at its start: from then on nobody
// takes away the exports, though what was imported before is still in use too.
func (w *work) hold(imports map[string]bool) {
	all := slices.AppendSeq(slices.Clone(w.st.Imports), maps.Keys(imports))
	slices.Sort(all)
	w.st.Imports = slices.Compact(all)
}

// unpublish withdraws the stack's exports.
func (w *work) unpublish() {
	maps.DeleteFunc(w.cfn().Exports, func(_ string, x stackExport) bool { return x.Stack == w.st.ID })
}

// exportInUse says, in CloudFormation's words, why the stack's exports can't
// become next; "" if they can.
func (w *work) exportInUse(next map[string]string) string {
	cfn := w.cfn()
	for _, name := range slices.Sorted(maps.Keys(cfn.Exports)) {
		x := cfn.Exports[name]
		value, stays := next[name]
		if x.Stack != w.st.ID || stays && value == x.Value {
			continue
		}
		users := w.importers(name)
		if len(users) == 0 {
			continue
		}
		verb := "deleted"
		if stays {
			verb = "updated"
		}
		return "Export " + name + " cannot be " + verb + " as it is in use by " + strings.Join(users, " and ")
	}
	return ""
}

// importers are the names of the stacks that import an export.
func (c *call) importers(export string) []string {
	var users []string
	for _, st := range c.cfn().Stacks {
		if st.Status != "DELETE_COMPLETE" && slices.Contains(st.Imports, export) {
			users = append(users, st.Name)
		}
	}
	slices.Sort(users)
	return users
}

// missingExport refuses a template that imports what nobody exports.
func (c *call) missingExport(t *template, e *evaluation) error {
	if !t.imports {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(e.imports)) {
		if _, ok := c.cfn().Exports[name]; !ok {
			return invalid("No export named %s found.", name)
		}
	}
	return nil
}

func listExports(c *call) (obj, error) {
	names := slices.Sorted(maps.Keys(c.cfn().Exports))
	page, next, ok := paginate(c.Sandbox, names, same, c.In.str("NextToken"), 100)
	if !ok {
		return nil, badToken(c)
	}
	out := make([]obj, len(page))
	for i, n := range page {
		x := c.cfn().Exports[n]
		out[i] = obj{"ExportingStackId": x.Stack, "Name": n, "Value": x.Value}
	}
	return obj{"Exports": out, "NextToken": optional(next)}, nil
}

func listImports(c *call) (obj, error) {
	name := c.In.str("ExportName")
	if name == "" {
		return nil, missing("exportName")
	}
	users := c.importers(name)
	if len(users) == 0 {
		return nil, invalid("Export '%s' is not imported by any stack.", name)
	}
	page, next, ok := paginate(c.Sandbox, users, same, c.In.str("NextToken"), 100)
	if !ok {
		return nil, badToken(c)
	}
	return obj{"Imports": page, "NextToken": optional(next)}, nil
}
