package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"axle/internal/late"
	"axle/sandbox/sam"
)

// template is a CloudFormation template, parsed and checked once for each body
// and shared by all stacks made from it. It is never changed.
type template struct {
	digest, body string
	description  string
	version      string
	metadata     any
	transforms   []string
	parameters   map[string]*templateParameter
	mappings     map[string]any
	conditions   map[string]any
	rules        []*templateRule
	resources    map[string]*templateResource
	outputs      map[string]*templateOutput
	order        []string // logical ids, each after what it depends on
	imports      bool     // has an Fn::ImportValue
	err          error    // why it is refused
}

type templateResource struct {
	id, typ, condition string
	props              map[string]any
	metadata           any
	dependsOn          []string
	needs              []string // logical ids: DependsOn and references, sorted
	keep, keepReplaced string   // DeletionPolicy, UpdateReplacePolicy
	keepGiven          bool     // the template has a DeletionPolicy
	policies           map[string]any
}

type templateOutput struct {
	name, condition, description string
	value, export                any
}

// maxTemplateBody and maxTemplateObject are CloudFormation's limits in bytes.
const (
	maxTemplateBody   = 51_200
	maxTemplateObject = 1_000_000
)

// languageExtensions are functions beyond those that all templates have. They
// are evaluated with the others, so it doesn't matter before which transform.
const languageExtensions = "AWS::LanguageExtensions"

// sectionLimits are CloudFormation's quotas on a template.
var sectionLimits = map[string]int{"Resources": 500, "Parameters": 200, "Outputs": 200, "Mappings": 200}

var (
	alphanumeric   = late.MustCompile(`^[a-zA-Z0-9]+$`)
	subPart        = late.MustCompile(`\$\{[^}]*\}`)
	subPlaceholder = late.MustCompile(`\$\{([^!}][^}]*)\}`)
)

func digestOf(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// parseTemplate reads a body. The error, in CloudFormation's words, is also in
// the result, so that a bad body is parsed once too.
func parseTemplate(body string, types map[string]provider) *template {
	t := &template{digest: digestOf(body), body: body, imports: strings.Contains(body, "ImportValue")}
	root, err := templateValue(body)
	if err == nil {
		err = t.read(root)
	}
	if err == nil && !t.has(sam.Name) { // else what the transform makes of it is checked
		err = t.check(types)
	}
	t.err = err
	return t
}

func invalid(format string, args ...any) *apiError {
	return fail("ValidationError", format, args...)
}

// read takes the sections apart.
func (t *template) read(root any) error {
	top, ok := root.(map[string]any)
	if !ok {
		return invalid("Template format error: unsupported structure.")
	}
	var strange []string
	for k := range top {
		if !slices.Contains([]string{"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings",
			"Conditions", "Resources", "Outputs", "Transform", "Rules", "Hooks", "Globals"}, k) {
			strange = append(strange, k)
		}
	}
	if len(strange) > 0 {
		slices.Sort(strange)
		return invalid("Invalid template property or properties [%s]", strings.Join(strange, ", "))
	}
	t.version, t.description, t.metadata = scalarText(top["AWSTemplateFormatVersion"]), scalarText(top["Description"]), top["Metadata"]
	if t.version != "" && t.version != "2010-09-09" {
		return invalid("Template format error: Unresolved value for AWSTemplateFormatVersion: %s", t.version)
	}
	if len(t.description) > 1024 {
		return invalid("Template format error: 'Description' length is greater than 1024.")
	}
	if err := t.readTransforms(top["Transform"]); err != nil {
		return err
	}
	if t.has(languageExtensions) {
		room := maxTemplateObject
		if _, err := unrolled(top, &room); err != nil {
			return err
		}
	}
	if _, has := top["Globals"]; has && !t.has(sam.Name) {
		return invalid("Invalid template property or properties [Globals]")
	}
	for _, section := range []struct {
		name string
		read func(name string, v any) error
	}{{"Parameters", t.readParameter}, {"Rules", t.readRule}, {"Mappings", t.readMapping}, {"Conditions", t.readCondition},
		{"Resources", t.readResource}, {"Outputs", t.readOutput}} {
		members, ok := top[section.name].(map[string]any)
		if !ok && top[section.name] != nil {
			return invalid("Template format error: unsupported structure.")
		}
		if most := sectionLimits[section.name]; most > 0 && len(members) > most {
			return invalid("Template format error: Number of %s, %d, is greater than maximum allowed, %d", strings.ToLower(section.name), len(members), most)
		}
		for _, name := range slices.Sorted(maps.Keys(members)) {
			if err := section.read(name, members[name]); err != nil {
				return err
			}
		}
	}
	if len(t.resources) == 0 {
		return invalid("Template format error: At least one Resources member must be defined.")
	}
	return nil
}

func (t *template) readTransforms(v any) error {
	names, isList := v.([]any)
	if !isList && v != nil {
		names = []any{v}
	}
	for _, n := range names {
		name, ok := n.(string)
		if m, isMap := n.(map[string]any); isMap {
			name, ok = m["Name"].(string)
		}
		if !ok {
			return invalid("Template format error: unsupported structure.")
		}
		if name != languageExtensions && name != sam.Name {
			return invalid("No transform named %s found. (this version of the sandbox has %s and %s only)", name, languageExtensions, sam.Name)
		}
		t.transforms = append(t.transforms, name)
	}
	return nil
}

func (t *template) readMapping(name string, v any) error {
	m, ok := v.(map[string]any)
	if !ok {
		return invalid("Template format error: Every Mappings member %s must be a map", name)
	}
	for key, inner := range m {
		attrs, ok := inner.(map[string]any)
		if !ok {
			return invalid("Template format error: Every Mappings attribute must be a String or a List.")
		}
		for attr, val := range attrs {
			if _, isMap := val.(map[string]any); isMap {
				return invalid("Template format error: Every Mappings attribute must be a String or a List. [/Mappings/%s/%s/%s]", name, key, attr)
			}
		}
	}
	put(&t.mappings, name, v)
	return nil
}

func (t *template) readCondition(name string, v any) error {
	put(&t.conditions, name, v)
	return nil
}

func (t *template) readResource(name string, v any) error {
	if !alphanumeric.MatchString(name) {
		return invalid("Template format error: Resource name %s is non alphanumeric.", name)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return invalid("Template format error: [/Resources/%s] resource definition is malformed", name)
	}
	r := &templateResource{id: name, metadata: m["Metadata"], policies: map[string]any{}, keep: "Delete", keepReplaced: "Delete"}
	for k, val := range m {
		switch k {
		case "Type":
			r.typ = scalarText(val)
		case "Properties":
			if r.props, ok = val.(map[string]any); !ok && val != nil {
				return invalid("Template format error: [/Resources/%s] Every Properties member must be a map", name)
			}
		case "Condition":
			r.condition = scalarText(val)
		case "DependsOn":
			r.dependsOn = stringOrList(val)
		case "DeletionPolicy":
			r.keep, r.keepGiven = scalarText(val), true
		case "UpdateReplacePolicy":
			r.keepReplaced = scalarText(val)
		case "Metadata", "Description":
		case "Connectors", "IgnoreGlobals":
			if !t.has(sam.Name) {
				return invalid("Invalid template resource property '%s'", k)
			}
		case "CreationPolicy", "UpdatePolicy":
			if policy, _ := val.(map[string]any); policy["ResourceSignal"] != nil { // nobody could send it
				return invalid("Template format error: CreationPolicy with ResourceSignal is not supported by this version of the sandbox [/Resources/%s]", name)
			}
			r.policies[k] = val
		default:
			return invalid("Invalid template resource property '%s'", k)
		}
	}
	if r.typ == "" {
		return invalid("Template format error: [/Resources/%s] Every Resources object must contain a Type member.", name)
	}
	for _, p := range []string{r.keep, r.keepReplaced} {
		if !slices.Contains([]string{"Delete", "Retain", "Snapshot", "RetainExceptOnCreate"}, p) {
			return invalid("Template format error: Unrecognized DeletionPolicy %s for resource %s", p, name)
		}
	}
	put(&t.resources, name, r)
	return nil
}

func (t *template) readOutput(name string, v any) error {
	if !alphanumeric.MatchString(name) {
		return invalid("Template format error: Output name '%s' is non alphanumeric.", name)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return invalid("Template format error: Output %s is malformed.", name)
	}
	o := &templateOutput{name: name, condition: scalarText(m["Condition"]), description: scalarText(m["Description"]), value: m["Value"]}
	if _, has := m["Value"]; !has {
		return invalid("Template format error: Every Outputs member must contain a Value object")
	}
	if exp, has := m["Export"]; has {
		e, ok := exp.(map[string]any)
		if !ok || e["Name"] == nil {
			return invalid("Template format error: Output %s is malformed. The Export must have a Name.", name)
		}
		o.export = e["Name"]
	}
	put(&t.outputs, name, o)
	return nil
}

func stringOrList(v any) []string {
	if items, ok := v.([]any); ok {
		var out []string
		for _, i := range items {
			out = append(out, scalarText(i))
		}
		return out
	}
	if s := scalarText(v); s != "" {
		return []string{s}
	}
	return nil
}

// scalarText is a template scalar as CloudFormation passes it on: all values
// are text.
func scalarText(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case bool:
		if x {
			return "true"
		}
		return "false"
	case json.Number:
		return x.String()
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

// has says whether the template declares a transform.
func (t *template) has(transform string) bool { return slices.Contains(t.transforms, transform) }

// capabilities are what a caller must acknowledge, and why.
func (t *template) capabilities(types map[string]provider) ([]string, string) {
	var plain, named []string
	var kinds []string
	for id, r := range t.resources {
		p := types[r.typ]
		if p.iam == "" {
			continue
		}
		if !slices.Contains(kinds, r.typ) {
			kinds = append(kinds, r.typ)
		}
		if _, set := r.props[p.name]; p.name != "" && set {
			named = append(named, id)
		} else {
			plain = append(plain, id)
		}
	}
	slices.Sort(kinds)
	var caps []string
	var reason string
	if len(named) > 0 {
		caps = append(caps, "CAPABILITY_NAMED_IAM")
	} else if len(plain) > 0 {
		caps = append(caps, "CAPABILITY_IAM")
	}
	if len(caps) > 0 {
		reason = fmt.Sprintf("The following resource(s) require capabilities: [%s]", strings.Join(kinds, ", "))
	}
	if len(t.transforms) > 0 {
		caps = append(caps, "CAPABILITY_AUTO_EXPAND")
		if reason == "" {
			reason = fmt.Sprintf("The following transform(s) require capabilities: [%s]", strings.Join(t.transforms, ", "))
		}
	}
	return caps, reason
}
