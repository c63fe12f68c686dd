package sam

import (
	"slices"
	"strings"

	"axle/internal/late"
)

const (
	policyKey     = "x-amazon-apigateway-policy"
	validatorsKey = "x-amazon-apigateway-request-validators"
)

var requestParameter = late.MustCompile(`^method\.request\.(querystring|path|header)\.`)

// plainDict is a map of the transform's own that Python has always kept in order.
func plainDict(pairs ...any) *Dict {
	d := NewDict()
	for i := 0; i+1 < len(pairs); i += 2 {
		d.own(pairs[i].(string), pairs[i+1])
	}
	return d
}

// request adds what the event says of its requests: model and parameters.
func (e *event) request(d *definition) error {
	methods, err := d.integrated(e.props.text("Path"), methodKey(e.props.text("Method")))
	if err != nil {
		return err
	}
	if truthy(e.props.get("RequestModel")) {
		if err := e.requestModel(d, methods); err != nil {
			return err
		}
	}
	if !truthy(e.props.get("RequestParameters")) {
		return nil
	}
	for _, p := range e.props.list("RequestParameters") {
		name, settings := "", NewDict()
		if one := asDict(p); one != nil {
			if one.len() == 0 {
				return badEvent(e.name, "Invalid value for 'RequestParameters' property. Values must be an object, e.g { Required: true, Caching: false }")
			}
			name = one.names()[0]
			settings = one.dict(name)
		} else {
			name, _ = textOf(p)
		}
		if !requestParameter.MatchString(name) {
			return badEvent(e.name, "Invalid value for 'RequestParameters' property. Keys must be in the format 'method.request.[querystring|path|header].{value}', e.g 'method.request.header.Authorization'.")
		}
		if settings == nil || slices.ContainsFunc(settings.names(), func(k string) bool { return k != "Required" && k != "Caching" }) {
			return badEvent(e.name, "Invalid value for 'RequestParameters' property. Values must be an object, e.g { Required: true, Caching: false }")
		}
		for _, m := range methods {
			addParameter(m, name, settings)
		}
	}
	return nil
}

func addParameter(m *Dict, name string, settings *Dict) {
	place, rest, _ := strings.Cut(strings.ReplaceAll(name, "method.request.", ""), ".")
	where := any(place)
	if place == "querystring" {
		where = word("query")
	}
	required := any(false)
	if settings.has("Required") {
		required = settings.get("Required")
	}
	m.own("parameters", append(m.list("parameters"), oldDict("in", where, "name", rest, "required", required, "type", word("string"))))
	if truthy(settings.get("Caching")) {
		integration := m.dict(integrationKey)
		integration.own("cacheKeyParameters", append(integration.list("cacheKeyParameters"), name))
	}
}

// requestModel says what a request's body is like, and whether that is checked.
func (e *event) requestModel(d *definition, methods []*Dict) error {
	given := e.props.dict("RequestModel")
	if given == nil {
		return badEvent(e.name, "Property 'RequestModel' should be a map.")
	}
	if !truthy(given.get("Model")) {
		return nil
	}
	method, path := strings.ToLower(e.props.text("Method")), e.props.text("Path")
	model, isText := textOf(given.get("Model"))
	models := e.api.props.get("Models")
	why := ""
	switch {
	case !truthy(models):
		why = "because the related API does not define any Models."
	case asDict(models) == nil:
		why = "because the related API Models defined is of invalid type."
	case !isText:
		why = "because the related API does not contain valid Models."
	case !truthy(asDict(models).get(model)):
		why = "because it wasn't defined in the API's Models."
	}
	if why != "" {
		return badEvent(e.name, "Unable to set RequestModel [%s] on API method [%s] for path [%s] %s", strings.Trim(oldText(given.get("Model")), "u'"), method, path, why)
	}
	model = strings.ToLower(model)
	for _, m := range methods {
		d.addModel(m, model, given.get("Required"))
	}
	return e.validate(d, methods, given)
}

func (d *definition) addModel(m *Dict, model string, required any) {
	if d.doc.get("swagger") != nil {
		parameter := oldDict("in", word("body"), "name", model, "schema", plainDict("$ref", word("#/definitions/"+model)))
		if required != nil {
			parameter.own("required", required)
		}
		m.own("parameters", append(m.list("parameters"), parameter))
		return
	}
	if !openAPI3.MatchString(versionText(d.doc.get("openapi"))) {
		return
	}
	body := plainDict("content", plainDict("application/json", plainDict("schema", plainDict("$ref", word("#/components/schemas/"+model)))))
	if required != nil {
		body.own("required", required)
	}
	m.own("requestBody", body)
}

// validate has API Gateway check requests before they reach the function.
func (e *event) validate(d *definition, methods []*Dict, given *Dict) error {
	if given.get("ValidateBody") == nil && given.get("ValidateParameters") == nil {
		return nil
	}
	settings := map[string]bool{}
	for _, name := range []string{"ValidateBody", "ValidateParameters"} {
		v, ok := given.get(name).(bool)
		if given.get(name) != nil && !ok {
			return badEvent(e.name, "Unable to set Validator to RequestModel [%s] on API method [%s] for path [%s] ValidateBody and ValidateParameters must be a boolean type, strings or intrinsics are not supported.",
				given.text("Model"), strings.ToLower(e.props.text("Method")), e.props.text("Path"))
		}
		settings[name] = v
	}
	body, parameters := settings["ValidateBody"], settings["ValidateParameters"]
	name := "no-validation"
	switch {
	case body && parameters:
		name = "body-and-params"
	case body:
		name = "body-only"
	case parameters:
		name = "params-only"
	}
	if d.doc.dict(validatorsKey).len() == 0 {
		d.doc.own(validatorsKey, oldDict())
	}
	if !d.doc.dict(validatorsKey).has(name) {
		d.doc.dict(validatorsKey).update(oldDict(name, oldDict("validateRequestBody", body, "validateRequestParameters", parameters)))
	}
	for _, m := range methods {
		m.update(oldDict("x-amazon-apigateway-request-validator", word(name)))
	}
	return nil
}

// addModels declares the models of requests and answers.
func (m *macro) addModels(d *definition) error {
	models := m.props.dict("Models")
	if d.doc.dict("definitions") == nil {
		d.doc.own("definitions", oldDict())
	}
	for _, name := range models.names() {
		schema := models.dict(name)
		if schema == nil {
			return badResource(m.id, "Invalid value for 'Models' property")
		}
		if !truthy(schema.get("type")) {
			return badTemplate("'Models' schema is missing 'type'.")
		}
		d.doc.dict("definitions").Set(strings.ToLower(name), schema)
	}
	return nil
}

// addResponses sets what API Gateway itself answers.
func (m *macro) addResponses(d *definition) error {
	const key = "x-amazon-apigateway-gateway-responses"
	responses := m.props.dict("GatewayResponses")
	if d.doc.dict(key) == nil {
		d.doc.own(key, oldDict())
	}
	for _, kind := range responses.names() {
		given := responses.dict(kind)
		if given == nil || isIntrinsic(given) {
			return badResource(m.id, "Unable to set GatewayResponses attribute because intrinsic functions are not supported for this field.")
		}
		for _, k := range given.names() {
			if k != "ResponseParameters" && k != "ResponseTemplates" && k != "StatusCode" {
				return badResource(m.id, "Invalid property '%s' in 'GatewayResponses' property '%s'.", k, kind)
			}
		}
		parameters, err := m.responseParameters(kind, given)
		if err != nil {
			return err
		}
		out := oldDict("responseParameters", parameters, "responseTemplates", oldDict())
		if truthy(given.get("ResponseTemplates")) {
			out.own("responseTemplates", given.get("ResponseTemplates"))
		}
		if v := given.get("StatusCode"); truthy(v) {
			code := versionText(v)
			if len(code) > 3 || strings.Trim(code, "0123456789") != "" {
				return badResource(m.id, "Property 'StatusCode' must be numeric")
			}
			out.own("statusCode", word(code))
		}
		d.doc.dict(key).Set(kind, out)
	}
	return nil
}

func (m *macro) responseParameters(kind string, response *Dict) (*Dict, error) {
	out := oldDict()
	if !truthy(response.get("ResponseParameters")) {
		return out, nil
	}
	given := response.dict("ResponseParameters")
	if given == nil {
		return nil, badResource(m.id, "Property 'GatewayResponses.%s.ResponseParameters' should be a map.", kind)
	}
	places := [][2]string{{"Headers", "header."}, {"Paths", "path."}, {"QueryStrings", "querystring."}}
	for _, k := range given.names() {
		if !slices.ContainsFunc(places, func(p [2]string) bool { return p[0] == k }) {
			return nil, badResource(m.id, "Invalid gateway response parameter '%s'", k)
		}
	}
	for _, place := range places {
		values := given.dict(place[0])
		if values == nil && given.has(place[0]) {
			return nil, badResource(m.id, "Property 'ResponseParameters.%s' should be a map.", place[0])
		}
		for _, k := range values.names() {
			out.Set("gatewayresponse."+place[1]+k, values.get(k))
		}
	}
	return out, nil
}
