package sandbox

import (
	"bytes"
	"encoding/json"
	"strings"

	"axle/sandbox/sam"
)

// expand has the transform AWS::Serverless-2016-10-31 make a CloudFormation
// template of what is requested, and keeps it beside the original. On AWS, too,
// that is done when a change set is made, with the values of its parameters.
func (c *call) expand(r *request) error {
	if !r.t.has(sam.Name) {
		return nil
	}
	original, err := samTemplate(r.t)
	if err != nil {
		return err
	}
	given := map[string]any{}
	for name, v := range r.next.Parameters {
		if p := r.t.parameters[name]; p != nil && !v.Default { // defaults are in the template
			given[name] = p.value(stackParameter{Value: v.Value, Resolved: v.Value})
		}
	}
	processed, err := sam.Transform(original, sam.Options{Parameters: given, Region: c.Region, Managed: managedPolicyARN})
	if err != nil {
		return invalid("Transform %s failed with: %s", sam.Name, err)
	}
	if r.t.has(languageExtensions) {
		processed.Set("Transform", languageExtensions)
	}
	body, err := templateJSON(sam.Plain(processed))
	if err != nil {
		return err
	}
	if len(body) > maxTemplateObject {
		return invalid("Template may not exceed %d bytes in size.", maxTemplateObject)
	}
	t, err := c.keepTemplate(body)
	if err != nil {
		return err
	}
	r.next.Template, r.next.Original, r.t = t.digest, r.t.digest, t
	return nil
}

// nests says whether the template has applications of SAM inside.
func (t *template) nests() bool {
	for _, r := range t.resources {
		if r.typ == "AWS::Serverless::Application" {
			return true
		}
	}
	return false
}

// samTemplate is what the transform gets: the template as it is written, or with
// its loops written out, which AWS::LanguageExtensions does before.
func samTemplate(t *template) (*sam.Dict, error) {
	if !t.has(languageExtensions) || !strings.Contains(t.body, forEach) {
		return orderedTemplate(t.body)
	}
	v, err := templateValue(t.body)
	if err != nil {
		return nil, err
	}
	room := maxTemplateObject
	if v, err = unrolled(v, &room); err != nil {
		return nil, err
	}
	body, err := templateJSON(v)
	if err != nil {
		return nil, err
	}
	return orderedTemplate(body)
}

// managedPolicyARN finds a policy that AWS manages by its name, in any path.
func managedPolicyARN(name string) (string, bool) {
	for _, path := range []string{"", "service-role/", "job-function/", "aws-service-role/"} {
		if _, ok := awsPolicies[awsManaged+path+name]; ok {
			return awsManaged + path + name, true
		}
	}
	return "", false
}

// templateJSON writes a template as CloudFormation shows a processed one.
func templateJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// withoutTransform is a processed template: its transforms have been done.
func withoutTransform(body string) string {
	v, err := templateValue(body)
	top, ok := v.(map[string]any)
	if err != nil || !ok {
		return body
	}
	delete(top, "Transform")
	if out, err := templateJSON(top); err == nil {
		return out
	}
	return body
}
