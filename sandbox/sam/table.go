package sam

import "strings"

// simpleTable is a DynamoDB table with a hash key.
func (m *macro) simpleTable() ([]*resource, error) {
	name, kind := any("id"), "S"
	if key := m.props.dict("PrimaryKey"); key.len() > 0 {
		if key.get("Name") == nil {
			return nil, badResource(m.id, "Property 'PrimaryKey.Name' is required.")
		}
		if key.get("Type") == nil {
			return nil, badResource(m.id, "Property 'PrimaryKey.Type' is required.")
		}
		name = key.get("Name")
		switch key.get("Type") {
		case "String":
		case "Number":
			kind = "N"
		case "Binary":
			kind = "B"
		default:
			return nil, badResource(m.id, "Invalid 'Type' \"%s\".", strings.Trim(oldText(key.get("Type")), "u'"))
		}
	}
	props := made("AttributeDefinitions", []any{made("AttributeName", name, "AttributeType", kind)},
		"KeySchema", []any{made("AttributeName", name, "KeyType", "HASH")})
	for _, p := range []string{"PointInTimeRecoverySpecification", "ProvisionedThroughput", "SSESpecification", "TableName"} {
		if truthy(m.props.get(p)) {
			props.Set(p, m.props.get(p))
		}
	}
	if !props.has("ProvisionedThroughput") {
		props.Set("BillingMode", "PAY_PER_REQUEST")
	}
	if tags := m.props.dict("Tags"); tags.len() > 0 {
		props.Set("Tags", tagList(tags))
	}
	return []*resource{{id: m.id, typ: "AWS::DynamoDB::Table", dependsOn: m.source.get("DependsOn"), attributes: m.attributes, props: props}}, nil
}

// layer is a layer's version. Its logical id changes with what is said of it, so
// that the one before can be kept.
func (m *macro) layer() ([]*resource, error) {
	for _, name := range []string{"LayerName", "LicenseInfo", "Description", "RetentionPolicy"} {
		if !truthy(m.props.get(name)) {
			continue
		}
		v, err := m.resolve(m.props.get(name))
		if err != nil {
			return nil, err
		}
		if _, ok := v.(string); !ok && asDict(v) == nil {
			return nil, badResource(m.id, "Could not resolve parameter for '%s' or parameter is not a String.", name)
		}
		m.props.Set(name, v)
	}
	attributes := m.passed()
	if !attributes.has("DeletionPolicy") {
		attributes.Set("DeletionPolicy", "Retain")
	}
	if policy := m.props.get("RetentionPolicy"); policy != nil {
		keep, err := m.retention(policy)
		if err != nil {
			return nil, err
		}
		attributes.Set("DeletionPolicy", keep)
	}
	props := NewDict()
	copyProps(props, m.props, m.props.names()...)
	self := made("Type", prefix+"LayerVersion")
	if truthy(m.source.get("DependsOn")) {
		self.Set("DependsOn", m.source.get("DependsOn"))
	}
	copyProps(self, m.attributes, "UpdatePolicy", "Condition")
	self.Set("Properties", props)
	id := hashed(m.id, made(m.id, self))
	m.renamed[m.id] = id

	content, err := s3Location(id, "ContentUri", m.props.get("ContentUri"))
	if err != nil {
		return nil, err
	}
	out := made("Content", content, "LayerName", m.id)
	copyProps(out, m.props, "Description", "CompatibleArchitectures", "CompatibleRuntimes", "LicenseInfo")
	if truthy(m.props.get("LayerName")) {
		out.Set("LayerName", m.props.get("LayerName"))
	}
	for _, a := range listOf(m.props.get("CompatibleArchitectures")) {
		if !isIntrinsic(a) && !isIntrinsic(m.props.get("CompatibleArchitectures")) && a != "arm64" && a != "x86_64" {
			return nil, badResource(id, "CompatibleArchitectures needs to be a list of 'x86_64' or 'arm64'")
		}
	}
	return []*resource{{id: id, typ: "AWS::Lambda::LayerVersion", dependsOn: m.source.get("DependsOn"), attributes: attributes, props: out}}, nil
}

func (m *macro) retention(v any) (string, error) {
	const options = "['Retain', 'Delete']"
	s, ok := v.(string)
	switch {
	case isIntrinsic(v):
		return "", badResource(m.id, "'RetentionPolicy' does not accept intrinsic functions, please use one of the following options: %s", options)
	case !ok:
		return "", badResource(m.id, "Invalid 'RetentionPolicy' type, please use one of the following options: %s", options)
	case strings.EqualFold(s, "Retain"):
		return "Retain", nil
	case strings.EqualFold(s, "Delete"):
		return "Delete", nil
	}
	return "", badResource(m.id, "'RetentionPolicy' must be one of the following options: %s.", options)
}

// application is a nested stack. Those of the Serverless Application Repository
// would have to be fetched.
func (m *macro) application() ([]*resource, error) {
	location := m.props.get("Location")
	if d := asDict(location); d != nil {
		for _, name := range []string{"ApplicationId", "SemanticVersion"} {
			if !d.has(name) {
				return nil, badResource(m.id, "Resource is missing the required [%s] property.", name)
			}
		}
		return nil, badResource(m.id, "Applications of the Serverless Application Repository are not supported by this version of the sandbox; a Location that is a template's URL is.")
	}
	tags, err := m.createdTags()
	if err != nil {
		return nil, err
	}
	props := made("TemplateURL", location, "Tags", tags)
	copyProps(props, m.props, "Parameters", "NotificationARNs", "TimeoutInMinutes")
	stack := m.new("AWS::CloudFormation::Stack", m.id, props)
	stack.dependsOn = m.source.get("DependsOn")
	return []*resource{stack}, nil
}
