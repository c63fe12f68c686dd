package sam

// macro is a SAM resource on its way to plain ones.
type macro struct {
	*transform
	id         string
	source     *Dict
	props      *Dict
	attributes *Dict
}

// resource is a plain CloudFormation resource.
type resource struct {
	id, typ    string
	dependsOn  any
	attributes *Dict
	props      *Dict
}

// attributesOf are the attributes of a resource that stay with it.
func attributesOf(r *Dict) *Dict {
	out := NewDict()
	for _, a := range []string{"DeletionPolicy", "UpdatePolicy", "Condition", "UpdateReplacePolicy", "Metadata"} {
		out.set(a, r.get(a))
	}
	return out
}

// passed are the attributes that all have that a SAM resource stands for.
func (m *macro) passed() *Dict { return passedOf(m.attributes) }

func passedOf(attributes *Dict) *Dict {
	out := NewDict()
	for _, a := range []string{"Condition", "DeletionPolicy", "UpdateReplacePolicy"} {
		out.set(a, attributes.get(a))
	}
	return out
}

// new is a resource that stands beside the macro's own.
func (m *macro) new(typ, id string, props *Dict) *resource {
	return &resource{id: id, typ: typ, attributes: m.passed(), props: props}
}

func (r *resource) dict() *Dict {
	out := made("Type", r.typ)
	if truthy(r.dependsOn) {
		out.Set("DependsOn", r.dependsOn)
	}
	out.update(r.attributes)
	out.Set("Properties", r.props)
	return out
}

// copyProps takes properties over as they are.
func copyProps(to, from *Dict, names ...string) {
	for _, n := range names {
		to.set(n, from.get(n))
	}
}

func tagList(tags *Dict) []any {
	out := []any{}
	for _, k := range tags.names() {
		v := tags.get(k)
		if v == nil {
			v = ""
		}
		out = append(out, made("Key", k, "Value", v))
	}
	return out
}

// createdTags begin with SAM's own tag.
func (m *macro) createdTags() ([]any, error) {
	tags := m.props.dict("Tags")
	for _, reserved := range []string{"lambda:createdBy", "serverlessrepo:applicationId", "serverlessrepo:semanticVersion"} {
		if tags.has(reserved) {
			return nil, badResource(m.id, "%s is a reserved Tag key name and cannot be set on your resource. Please change the tag key in the input.", reserved)
		}
	}
	return append([]any{made("Key", "lambda:createdBy", "Value", "SAM")}, tagList(tags)...), nil
}

// tagged are the generated types that take tags.
var tagged = map[string]bool{
	"AWS::Lambda::Function": true, "AWS::IAM::Role": true, "AWS::SQS::Queue": true, "AWS::SNS::Topic": true, "AWS::ApiGateway::ApiKey": true,
	"AWS::ApiGateway::RestApi": true, "AWS::ApiGateway::Stage": true, "AWS::ApiGateway::UsagePlan": true, "AWS::DynamoDB::Table": true, "AWS::S3::Bucket": true,
	"AWS::ApiGatewayV2::Stage": true,
}

// propagate puts the macro's tags on all that it stands for, if asked to.
func (m *macro) propagate(made []*resource, asked any) {
	tags := m.props.dict("Tags")
	if !truthy(asked) || tags.len() == 0 {
		return
	}
	for _, r := range made {
		switch {
		case r.typ == "AWS::ApiGatewayV2::Stage":
			r.props.Set("Tags", clone(tags))
		case tagged[r.typ]:
			r.props.Set("Tags", tagList(tags))
		}
	}
}
