package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"axle/internal/late"
)

var dynamicReference = late.MustCompile(`\{\{resolve:([a-z-]+):([^{}]*)\}\}`)

// evaluation gives the values of a template in a stack as it is now.
func (c *call) evaluation(st *stack, t *template, v stackVersion) *evaluation {
	return &evaluation{
		t: t, params: t.parameterValues(v.Parameters), block: "Resources",
		pseudo: map[string]any{
			"AWS::AccountId": c.Account.ID, "AWS::Region": c.Region, "AWS::Partition": partition(c.Region),
			"AWS::URLSuffix": urlSuffix(c.Region), "AWS::StackId": st.ID, "AWS::StackName": st.Name,
			"AWS::NotificationARNs": []any{},
		},
		ref: func(id string) (any, error) {
			r, err := st.existing(id)
			if err != nil {
				return nil, err
			}
			if p := c.types()[r.Type]; p.ref != "" {
				return decode(r.Attrs)[p.ref], nil
			}
			return r.PhysicalID, nil
		},
		attr: func(id, name string) (any, error) {
			r, err := st.existing(id)
			if err != nil {
				return nil, err
			}
			val, ok := decode(r.Attrs)[name]
			if !ok {
				return nil, invalid("Template error: resource %s does not support attribute type %s in Fn::GetAtt", id, name)
			}
			return val, nil
		},
		export: func(name string) (any, error) {
			if x, ok := c.cfn().Exports[name]; ok {
				return x.Value, nil
			}
			return nil, invalid("No export named %s found.", name)
		},
		zones: c.zones,
		other: c.readOutput,
	}
}

// existing is a resource that references can use.
func (st *stack) existing(id string) (*stackResource, error) {
	r := st.Resources[id]
	if r == nil || r.PhysicalID == "" || !r.live() {
		return nil, unresolvedIn(map[string]bool{id: true}, "Resources")
	}
	return r, nil
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func urlSuffix(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// zones is Fn::GetAZs: the names of a region's zones, as EC2 tells the caller.
func (c *call) zones(region string) ([]any, error) {
	out, err := c.invoke("ec2", "DescribeAvailabilityZones", region, params{})
	if err != nil {
		return nil, err
	}
	var names []any
	zones, _ := out["availabilityZoneInfo"].([]obj)
	for _, z := range zones {
		names = append(names, text(z["zoneName"]))
	}
	return names, nil
}

// resolved are a resource's properties with dynamic references looked up, for
// a provider and for nobody else.
func (w *work) resolved(r *stackResource) (params, error) {
	props := decode(r.Props)
	if !strings.Contains(string(r.Props), "{{resolve:") {
		return props, nil
	}
	for _, name := range slices.Sorted(maps.Keys(props)) {
		v, err := w.resolve(props[name], r.Type+"/Properties/"+name)
		if err != nil {
			return nil, err
		}
		props[name] = v
	}
	return props, nil
}

func (w *work) resolve(v any, where string) (any, error) {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i, c := range x {
			var err error
			if out[i], err = w.resolve(c, where); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(x))
		for _, k := range slices.Sorted(maps.Keys(x)) {
			var err error
			if out[k], err = w.resolve(x[k], where+"/"+k); err != nil {
				return nil, err
			}
		}
		return out, nil
	case string:
		var failed error
		out := dynamicReference.ReplaceAllStringFunc(x, func(m string) string {
			parts := dynamicReference.FindStringSubmatch(m)
			text, err := w.lookup(parts[1], parts[2], where)
			if err != nil && failed == nil {
				failed = err
			}
			return text
		})
		return out, failed
	}
	return v, nil
}

// lookup reads what a dynamic reference names.
func (w *work) lookup(service, key, where string) (string, error) {
	switch service {
	case "ssm":
		return w.ssmValue(key, "Parameters: [ssm:%s] cannot be found.")
	case "ssm-secure":
		return "", invalid("SSM Secure reference is not supported in: [%s]", where)
	case "secretsmanager":
		return w.secretValue(key)
	}
	return "", invalid("Invalid dynamic reference service: %s", service)
}

// secretValue reads "secret-id:SecretString:json-key:version-stage:version-id",
// of which all but the first may be missing; the id may be an ARN.
func (c *call) secretValue(key string) (string, error) {
	parts := strings.Split(key, ":")
	if strings.HasPrefix(key, "arn:") && len(parts) >= 7 {
		parts = append([]string{strings.Join(parts[:7], ":")}, parts[7:]...)
	}
	for len(parts) < 5 {
		parts = append(parts, "")
	}
	if parts[1] != "" && parts[1] != "SecretString" {
		return "", invalid("Invalid dynamic reference: secretsmanager:%s", key)
	}
	in := params{"SecretId": parts[0]}
	if parts[3] != "" {
		in["VersionStage"] = parts[3]
	}
	if parts[4] != "" {
		in["VersionId"] = parts[4]
	}
	out, err := c.invoke("secretsmanager", "GetSecretValue", c.Region, in)
	if err != nil {
		return "", err
	}
	value := text(out["SecretString"])
	if parts[2] == "" {
		return value, nil
	}
	var fields map[string]any
	if json.Unmarshal([]byte(value), &fields) != nil || fields[parts[2]] == nil {
		return "", invalid("Could not find a value associated with JSONKey in SecretString")
	}
	return text(fields[parts[2]]), nil
}

// ssmValue reads a parameter "name" or "name:version" as the stack's principal.
func (c *call) ssmValue(name, absent string) (string, error) {
	out, err := c.invoke("ssm", "GetParameters", c.Region, params{"Names": []any{strings.TrimSuffix(name, ":")}})
	if err != nil {
		return "", err
	}
	found, _ := out["Parameters"].([]obj)
	if len(found) == 0 {
		return "", invalid(absent, name)
	}
	p := found[0]
	if text(p["Type"]) == "SecureString" {
		return "", invalid("Parameters [%s] referenced by template have types not supported by CloudFormation.", name)
	}
	return text(p["Value"]), nil
}

// resolveSSM fills in the parameters whose type says that the value is in
// Parameter Store, and checks what came.
func (c *call) resolveSSM(t *template, values map[string]stackParameter) error {
	for _, name := range slices.Sorted(maps.Keys(t.parameters)) {
		p := t.parameters[name]
		if !p.fromSSM() {
			continue
		}
		v := values[name]
		found, err := c.ssmValue(v.Value, "Unable to fetch parameters [%s] from parameter store for this account.")
		if err != nil {
			return err
		}
		v.Resolved = found
		values[name] = v
		if err := p.check(found); err != nil {
			return err
		}
	}
	return nil
}

// masked hides the values of the stack's NoEcho parameters in JSON text.
func (s *Sandbox) masked(st *stack, text string) string {
	if st.Template == "" {
		return text
	}
	return maskSecrets(s.keptTemplate(st.Template), st.Parameters, text)
}

// maskSecrets hides what Ref gives of parameters with NoEcho, as a whole and item
// by item, in JSON text.
func maskSecrets(t *template, values map[string]stackParameter, text string) string {
	for _, name := range slices.Sorted(maps.Keys(t.parameters)) {
		p := t.parameters[name]
		if !p.noEcho {
			continue
		}
		v := values[name]
		for _, secret := range append([]string{v.Value, v.Resolved}, stringOrList(p.value(v))...) {
			if secret != "" {
				quoted := canonical(secret)
				text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], "****")
			}
		}
	}
	return text
}
