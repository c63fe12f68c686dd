package sandbox

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"axle/internal/late"
)

// ssmState is what Systems Manager keeps of one account and region.
type ssmState struct {
	Parameters map[string]*parameter `json:"parameters,omitempty"` // by name
}

// parameter is an SSM parameter with its history. The value of a SecureString is
// kept as it is; who may not use its key doesn't get it.
type parameter struct {
	Name     string             `json:"name"`
	Versions []parameterVersion `json:"versions"` // oldest first, at most 100
	Tags     map[string]string  `json:"tags,omitempty"`
}

// parameterVersion is one version of a parameter.
type parameterVersion struct {
	Number      int       `json:"number"`
	Type        string    `json:"type"`
	Value       string    `json:"value"`
	Description string    `json:"description,omitempty"`
	KeyID       string    `json:"key_id,omitempty"`
	Key         string    `json:"key,omitempty"` // ARN of the key of a SecureString
	Tier        string    `json:"tier"`
	DataType    string    `json:"data_type"`
	Pattern     string    `json:"pattern,omitempty"`
	Modified    time.Time `json:"modified"`
	By          string    `json:"by"`
}

func (p *parameter) latest() *parameterVersion { return &p.Versions[len(p.Versions)-1] }

func (s *Sandbox) ssmOps() map[string]operation {
	name := onParameters("Name")
	return map[string]operation{
		"PutParameter":           {run: putParameter, access: putParameterAccess},
		"GetParameter":           {run: getParameter, access: name},
		"GetParameters":          {run: getParameters, access: onParameters("Names")},
		"GetParametersByPath":    {run: getParametersByPath, access: onParameters("Path")},
		"DescribeParameters":     {run: describeParameters},
		"DeleteParameter":        {run: deleteParameter, access: name},
		"DeleteParameters":       {run: deleteParameters, access: onParameters("Names")},
		"AddTagsToResource":      {run: tagParameter, access: onParameters("ResourceId")},
		"RemoveTagsFromResource": {run: untagParameter, access: onParameters("ResourceId")},
		"ListTagsForResource":    {run: listParameterTags, access: onParameters("ResourceId")},
	}
}

// parameterARN is the ARN of a parameter; a name that is an ARN already stays.
func (c *call) parameterARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return "arn:aws:ssm:" + c.Region + ":" + c.Account.ID + ":parameter/" + strings.TrimPrefix(name, "/")
}

// onParameters is the permission on the parameters named in a field. One of
// another account is named by its ARN, and has no policy that would let anybody
// in: Parameter Store shares through RAM, which the sandbox doesn't have.
func onParameters(field string) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		names := c.In.strs(field)
		if len(names) == 0 {
			names = []string{c.In.str(field)}
		}
		needs := make([]access, len(names))
		for i, n := range names {
			n, _ = cutSelector(n)
			a := access{Action: "ssm:" + c.Op, Resource: c.parameterARN(n), Context: requestTags(c.In.tags("Tags"))}
			if parts := strings.SplitN(a.Resource, ":", 6); len(parts) == 6 {
				a.Owner = parts[4]
			}
			if p, _, err := c.parameter(n); err == nil {
				for k, v := range p.Tags {
					a.Context["aws:ResourceTag/"+k], a.Context["ssm:resourceTag/"+k] = []string{v}, []string{v}
				}
			}
			needs[i] = a
		}
		return needs, nil
	}
}

func putParameterAccess(c *call) ([]access, error) {
	a := access{Action: "ssm:PutParameter", Resource: c.parameterARN(c.In.str("Name")), Context: requestTags(c.In.tags("Tags"))}
	a.Context["ssm:Overwrite"] = []string{strconv.FormatBool(c.In.bool("Overwrite"))}
	return []access{a}, nil
}

// cutSelector takes ":3" off a name.
func cutSelector(name string) (string, string) {
	from := 0
	if strings.HasPrefix(name, "arn:") {
		from = max(0, strings.Index(name, ":parameter/")+1)
	}
	if i := strings.Index(name[from:], ":"); i >= 0 {
		return name[:from+i], name[from+i+1:]
	}
	return name, ""
}

// parameter finds a parameter and the version that the name selects.
func (c *call) parameter(name string) (*parameter, *parameterVersion, error) {
	missing := fail("ParameterNotFound", "Parameter %s not found.", name)
	if name == "" {
		return nil, nil, fail("ValidationException", "1 validation error detected: Value null at 'name' failed to satisfy constraint: Member must not be null")
	}
	plain, selector := cutSelector(name)
	params := c.here().SSM.Parameters
	if rest, ok := strings.CutPrefix(plain, "arn:aws:ssm:"+c.Region+":"+c.Account.ID+":parameter/"); ok {
		if plain = "/" + rest; params[plain] == nil {
			plain = rest
		}
	}
	p := params[plain]
	if p == nil {
		return nil, nil, missing
	}
	if selector == "" {
		return p, p.latest(), nil
	}
	for i := range p.Versions {
		v := &p.Versions[i]
		if strconv.Itoa(v.Number) == selector {
			return p, v, nil
		}
	}
	return nil, nil, fail("ParameterVersionNotFound", "Systems Manager could not find version %s of %s.", selector, plain)
}

var nestedParameter = late.MustCompile(`(?s)\{\{.*\}\}`)

var parameterNames = late.MustCompile(`^[a-zA-Z0-9_./-]+$`)

func checkParameterName(name string) error {
	lower := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch {
	case name == "" || len(name) > 1011 || !parameterNames.MatchString(name):
		return fail("ValidationException", "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_")
	case strings.HasPrefix(lower, "aws"):
		return &apiError{Status: 400, Code: "AccessDeniedException", Message: "No access to reserved parameter name: " + name + "."}
	case strings.HasPrefix(lower, "ssm"):
		return fail("ValidationException", "Parameter name: can't be prefixed with \"ssm\" (case-insensitive).")
	case strings.Contains(name, "/") && !strings.HasPrefix(name, "/"):
		return fail("ValidationException", "Parameter name must be a fully qualified name.")
	case strings.Count(name, "/") > 15:
		return fail("HierarchyLevelLimitExceededException", "A hierarchy can have a maximum of 15 levels.")
	}
	return nil
}

// checkParameterValue gives the version that a put makes, without its number.
func checkParameterValue(in params, old *parameterVersion) (parameterVersion, error) {
	v := parameterVersion{
		Type: in.str("Type"), Value: in.str("Value"), Description: in.str("Description"),
		Tier: in.or("Tier", "Standard"), DataType: in.or("DataType", "text"), Pattern: in.str("AllowedPattern"), KeyID: in.str("KeyId"),
	}
	if v.Type == "" && old != nil {
		v.Type = old.Type
	}
	if old != nil && !in.has("Tier") {
		v.Tier = old.Tier
	}
	limit := 4096
	if v.Tier == "Advanced" || v.Tier == "Intelligent-Tiering" {
		limit = 8192
	}
	switch {
	case v.Type == "":
		return v, fail("ValidationException", "A parameter type is required when you create a parameter.")
	case v.Type != "String" && v.Type != "StringList" && v.Type != "SecureString":
		return v, fail("UnsupportedParameterType", "The parameter type %s is not supported.", v.Type)
	case v.Value == "":
		return v, fail("ValidationException", "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.")
	case in.has("Policies"):
		return v, fail("ValidationException", "The sandbox has no parameter policies.")
	case nestedParameter.MatchString(v.Value):
		return v, fail("ValidationException", "Parameter value can't nest another parameter. Do not use \"{{}}\" in the value.")
	case v.DataType != "text" && v.DataType != "aws:ec2:image" && v.DataType != "aws:ssm:integration":
		return v, fail("ValidationException", "The following data type is not supported: %s (Data type names are all lowercase.)", v.DataType)
	case old != nil && old.Tier == "Advanced" && v.Tier == "Standard":
		return v, fail("ValidationException", "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.")
	case len(v.Value) > limit:
		return v, fail("ValidationException", "Standard tier parameters support a maximum parameter value of 4096 characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier.")
	}
	if v.Type == "SecureString" && v.KeyID == "" {
		v.KeyID = "alias/aws/ssm"
	}
	if v.Pattern != "" {
		re, err := regexp.Compile(v.Pattern)
		if err != nil {
			return v, fail("InvalidAllowedPatternException", "The request doesn't meet the regular expression requirement.")
		}
		if loc := re.FindStringIndex(v.Value); loc == nil || loc[0] != 0 || loc[1] != len(v.Value) {
			return v, fail("ParameterPatternMismatchException", "Parameter value, cannot be validated against allowedPattern: %s", v.Pattern)
		}
	}
	return v, nil
}

func putParameter(c *call) (obj, error) {
	name := c.In.str("Name")
	if err := checkParameterName(name); err != nil {
		return nil, err
	}
	st := &c.here().SSM
	p := st.Parameters[name]
	var old *parameterVersion
	if p != nil {
		if !c.In.bool("Overwrite") {
			return nil, fail("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
		}
		if len(c.In.list("Tags")) > 0 {
			return nil, fail("ValidationException", "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
		}
		old = p.latest()
	}
	v, err := checkParameterValue(c.In, old)
	if err != nil {
		return nil, err
	}
	if v.Type == "SecureString" {
		action := "kms:Encrypt"
		if v.Tier == "Advanced" { // which takes a data key for each
			action = "kms:GenerateDataKey"
		}
		if v.Key, err = c.useKeys(c.Account.ID, v.KeyID, "ssm", c.parameterContext(name), action); err != nil {
			return nil, err
		}
	}
	if p == nil {
		p = &parameter{Name: name, Tags: c.In.tags("Tags")}
		if st.Parameters == nil {
			st.Parameters = map[string]*parameter{}
		}
		st.Parameters[name] = p
	}
	v.Number, v.Modified, v.By = 1, c.now(), c.Who.ARN
	if old != nil {
		v.Number = old.Number + 1
	}
	p.Versions = append(p.Versions, v)
	if len(p.Versions) > 100 {
		p.Versions = slices.Clone(p.Versions[1:])
	}
	return obj{"Version": v.Number, "Tier": v.Tier}, nil
}

// cipher stands for the encrypted value, which is what is shown of a
// SecureString unless decryption is asked for.
func cipher(v *parameterVersion) string {
	return "AQICAHh" + strings.Repeat("A", 8) + strconv.Itoa(v.Number)
}

// parameterContext is the encryption context of a parameter.
func (c *call) parameterContext(name string) map[string]string {
	return map[string]string{"PARAMETER_ARN": c.parameterARN(name)}
}

// mayRead refuses a SecureString that is to be decrypted to whom may not use
// its key.
func (c *call) mayRead(p *parameter, v *parameterVersion) error {
	if v.Type != "SecureString" || !c.In.bool("WithDecryption") {
		return nil
	}
	key := v.Key
	if key == "" {
		key = v.KeyID
	}
	_, err := c.useKeys(c.Account.ID, key, "ssm", c.parameterContext(p.Name), "kms:Decrypt")
	return err
}

func (c *call) showParameter(p *parameter, v *parameterVersion, selector string) obj {
	value := v.Value
	if v.Type == "SecureString" && !c.In.bool("WithDecryption") {
		value = cipher(v)
	}
	out := obj{
		"Name": p.Name, "Type": v.Type, "Value": value, "Version": v.Number, "LastModifiedDate": v.Modified,
		"ARN": c.parameterARN(p.Name), "DataType": v.DataType,
	}
	if selector != "" {
		out["Selector"] = ":" + selector
	}
	return out
}

func getParameter(c *call) (obj, error) {
	p, v, err := c.parameter(c.In.str("Name"))
	if err != nil {
		return nil, err
	}
	if err := c.mayRead(p, v); err != nil {
		return nil, err
	}
	_, selector := cutSelector(c.In.str("Name"))
	return obj{"Parameter": c.showParameter(p, v, selector)}, nil
}

// parameterNames are those of a call that takes several.
func (c *call) parameterNames() ([]string, error) {
	names := c.In.strs("Names")
	if len(names) == 0 || len(names) > 10 {
		return nil, fail("ValidationException", "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length between 1 and 10")
	}
	return names, nil
}

func getParameters(c *call) (obj, error) {
	names, err := c.parameterNames()
	if err != nil {
		return nil, err
	}
	found, invalid := []obj{}, []string{}
	for _, name := range names {
		p, v, err := c.parameter(name)
		if err != nil {
			invalid = append(invalid, name)
			continue
		}
		if err := c.mayRead(p, v); err != nil {
			return nil, err
		}
		_, selector := cutSelector(name)
		found = append(found, c.showParameter(p, v, selector))
	}
	return obj{"Parameters": found, "InvalidParameters": invalid}, nil
}

func deleteParameter(c *call) (obj, error) {
	p, _, err := c.parameter(c.In.str("Name"))
	if err != nil {
		return nil, err
	}
	delete(c.here().SSM.Parameters, p.Name)
	return obj{}, nil
}

func deleteParameters(c *call) (obj, error) {
	names, err := c.parameterNames()
	if err != nil {
		return nil, err
	}
	deleted, invalid := []string{}, []string{}
	for _, name := range names {
		p, _, err := c.parameter(name)
		if err != nil {
			invalid = append(invalid, name)
			continue
		}
		delete(c.here().SSM.Parameters, p.Name)
		deleted = append(deleted, name)
	}
	return obj{"DeletedParameters": deleted, "InvalidParameters": invalid}, nil
}
