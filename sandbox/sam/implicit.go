package sam

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// implicitApi is a kind of API that exists because functions have events of it.
type implicitApi struct {
	id, event, typ, property string // its logical id; the event's type; the API's type; the event's property that names an API
	skeleton                 func() *Dict
	stage                    string
	conditions               map[string]map[string]map[string]string // API, path, method
	keep, keepReplaced       map[string][]any                        // what the functions say of deletion, by API
}

func restApis() *implicitApi {
	return &implicitApi{id: "ServerlessRestApi", event: "Api", typ: "Api", property: "RestApiId", stage: "Prod", skeleton: restSkeleton,
		conditions: map[string]map[string]map[string]string{}, keep: map[string][]any{}, keepReplaced: map[string][]any{}}
}

func httpApis() *implicitApi {
	return &implicitApi{id: "ServerlessHttpApi", event: "HttpApi", typ: "HttpApi", property: "ApiId", skeleton: httpSkeleton,
		conditions: map[string]map[string]map[string]string{}, keep: map[string][]any{}, keepReplaced: map[string][]any{}}
}

func restSkeleton() *Dict {
	return oldDict("swagger", word("2.0"), "info", oldDict("version", word("1.0"), "title", oldDict("Ref", word("AWS::StackName"))), "paths", oldDict())
}

func httpSkeleton() *Dict {
	return oldDict("openapi", word("3.0.1"), "info", oldDict("version", word("1.0"), "title", oldDict("Ref", word("AWS::StackName"))), "paths", oldDict())
}

// managedKey marks an API whose definition is the transform's.
const managedKey = "__MANAGE_SWAGGER"

// hasRestApi says whether a REST API is declared, or an event of one.
func (t *transform) hasRestApi() bool {
	for _, id := range t.resources().names() {
		r := t.resources().dict(id)
		switch r.get("Type") {
		case prefix + "Api":
			return true
		case prefix + "Function":
			events := r.dict("Properties").dict("Events")
			for _, name := range events.names() {
				if events.dict(name).get("Type") == "Api" {
					return true
				}
			}
		}
	}
	return false
}

// hasHTTPDefault says whether an HTTP API has a default authorizer; the
// transform orders its maps as those of REST APIs.
func (t *transform) hasHTTPDefault() bool {
	global := truthy(t.template.dict("Globals").dict("HttpApi").dict("Auth").get("DefaultAuthorizer"))
	for _, id := range t.resources().names() {
		r := t.resources().dict(id)
		switch r.get("Type") {
		case prefix + "HttpApi":
			if global || truthy(r.dict("Properties").dict("Auth").get("DefaultAuthorizer")) {
				return true
			}
		case prefix + "Function":
			events := r.dict("Properties").dict("Events")
			for _, name := range events.names() {
				if global && events.dict(name).get("Type") == "HttpApi" {
					return true
				}
			}
		}
	}
	return false
}

// toOldOrder gives what goes into the names of deployments the order that they
// were first made with.
func (t *transform) toOldOrder() {
	oldOrder(t.template.dict("Globals").get("Api"))
	shallowOrder(t.template.dict("Parameters"))
	shallowOrder(t.resources())
	for _, id := range t.resources().names() {
		r := t.resources().dict(id)
		props := r.dict("Properties")
		switch r.get("Type") {
		case prefix + "Api", prefix + "HttpApi":
			oldOrder(props)
		case prefix + "Function":
			oldOrder(props.get("Events"))
			oldOrder(props.get("FunctionName"))
		}
	}
}

func shallowOrder(d *Dict) {
	if d == nil {
		return
	}
	keys := d.names()
	d.old = newOldTable()
	for _, k := range keys {
		d.old.add(k)
	}
}

// addDefinitions gives an empty definition to APIs without one.
func (t *transform) addDefinitions() {
	for typ, skeleton := range map[string]func() *Dict{"Api": restSkeleton, "HttpApi": httpSkeleton} {
		for _, id := range t.ofType(typ) {
			r := t.resources().dict(id)
			if r.get("Properties") == nil {
				r.Set("Properties", NewDict())
			}
			props := r.dict("Properties")
			if truthy(props.get("DefinitionBody")) || truthy(props.get("DefinitionUri")) {
				continue
			}
			props.own("DefinitionBody", skeleton())
			props.own(managedKey, true)
		}
	}
}

// addImplicit makes the implicit API of a kind and adds to it, and to those that
// are declared without a definition, the paths of the functions' events.
func (t *transform) addImplicit(a *implicitApi) error {
	existing := clone(t.resources().get(a.id))
	props := oldDict("DefinitionBody", a.skeleton(), managedKey, true)
	if a.stage != "" {
		props.own("StageName", word(a.stage))
	}
	t.resources().Set(a.id, made("Type", prefix+a.typ, "Properties", props))
	for _, id := range t.ofType("Function") {
		f := t.resources().dict(id)
		events := f.dict("Properties").dict("Events")
		found := NewDict()
		if events != nil && events.old != nil {
			found.old = newOldTable()
		}
		for _, name := range events.names() {
			if events.dict(name).get("Type") == a.event {
				found.Set(name, events.get(name))
			}
		}
		if found.len() == 0 {
			continue
		}
		if err := t.addRoutes(a, f, found); err != nil {
			t.note(inFunction(id, err))
			continue
		}
		events.update(found)
	}
	if len(t.problems) > 0 {
		return nil
	}
	t.implicitAttributes(a)
	if err := t.conditionalPaths(a); err != nil {
		return err
	}
	if body := t.resources().dict(a.id).dict("Properties").dict("DefinitionBody"); body.dict("paths").len() > 0 {
		return nil
	}
	if existing != nil {
		t.resources().Set(a.id, existing)
	} else {
		t.resources().drop(a.id)
	}
	return nil
}

// addRoutes adds the paths of a function's events to their APIs.
func (t *transform) addRoutes(a *implicitApi, f, events *Dict) error {
	for _, name := range events.names() {
		e := events.dict(name)
		if e.get("Properties") == nil && a.event == "HttpApi" {
			e.Set("Properties", NewDict())
		}
		props := e.dict("Properties")
		if props == nil && e.get("Properties") != nil {
			return badEvent(name, "Properties should be a map.")
		}
		if props == nil || props.len() == 0 && a.event == "Api" {
			continue
		}
		t.tagImplicit(a, f, props)
		if !props.has(a.property) {
			props.Set(a.property, ref(a.id))
		}
		if a.event == "HttpApi" && !truthy(props.get("Path")) && !truthy(props.get("Method")) {
			props.Set("Path", "$default")
			props.Set("Method", anyMethod)
		}
		api, path, method, err := routeOf(a, name, props)
		if err != nil {
			return err
		}
		condition, _ := f.get("Condition").(string)
		if a.conditions[api] == nil {
			a.conditions[api] = map[string]map[string]string{}
		}
		if a.conditions[api][path] == nil {
			a.conditions[api][path] = map[string]string{}
		}
		a.conditions[api][path][method] = condition
		a.keep[api] = append(a.keep[api], f.get("DeletionPolicy"))
		a.keepReplaced[api] = append(a.keepReplaced[api], f.get("UpdateReplacePolicy"))
		if err := t.addRoute(a, name, api, path, method); err != nil {
			return err
		}
		if a.event == "HttpApi" && props.has("RouteSettings") {
			if err := t.routeSettings(name, api, props, condition); err != nil {
				return err
			}
		}
	}
	return nil
}

func routeOf(a *implicitApi, name string, props *Dict) (api, path, method string, err error) {
	given := props.get(a.property)
	if d := asDict(given); d.has("Ref") {
		given = d.get("Ref")
	}
	fields := []struct {
		name string
		v    any
		text *string
	}{{"Path", props.get("Path"), &path}, {"Method", props.get("Method"), &method}, {a.property, given, &api}}
	for _, f := range fields {
		if f.v == nil {
			return "", "", "", badEvent(name, "Property '%s' is required.", f.name)
		}
	}
	for _, f := range fields {
		s, ok := textOf(f.v)
		if !ok {
			return "", "", "", badEvent(name, "Property '%s' should be a string.", f.name)
		}
		*f.text = s
	}
	return api, path, method, nil
}

// tagImplicit gives the implicit API the tags of a function that passes them on.
func (t *transform) tagImplicit(a *implicitApi, f, props *Dict) {
	if props.has(a.property) {
		return
	}
	global := t.template.dict("Globals").dict("Function")
	pick := func(name string) any {
		if v := f.dict("Properties").get(name); truthy(v) {
			return v
		}
		return global.get(name)
	}
	tags := asDict(pick("Tags"))
	if tags.len() == 0 || !truthy(pick("PropagateTags")) {
		return
	}
	of := t.resources().dict(a.id).dict("Properties")
	if of.dict("Tags") == nil {
		of.own("Tags", NewDict())
	}
	of.dict("Tags").update(tags)
	of.own("PropagateTags", true)
}

// addRoute adds a path and method to an API that the transform manages.
func (t *transform) addRoute(a *implicitApi, name, api, path, method string) error {
	r := t.resources().dict(api)
	if r == nil || a.typ == "Api" && r.get("Type") == prefix+"HttpApi" {
		return badEvent(name, "%s must be a valid reference to an '%s' resource in same template.", a.property, prefix+a.typ)
	}
	props := r.dict("Properties")
	if !truthy(props.get(managedKey)) || props.dict("DefinitionBody") == nil {
		return nil
	}
	return editDefinition(props, func(d *definition) error {
		_, err := d.add(path, method)
		return err
	})
}

func (t *transform) routeSettings(name, api string, props *Dict, condition string) error {
	of := t.resources().dict(api).dict("Properties")
	if of == nil {
		return nil
	}
	if of.get("RouteSettings") == nil {
		of.Set("RouteSettings", NewDict())
	}
	all := of.dict("RouteSettings")
	if all == nil {
		return badResource(api, "Property 'RouteSettings' should be a map.")
	}
	route := strings.ToUpper(props.text("Method")) + " " + props.text("Path")
	if props.text("Method") == anyMethod {
		route = props.text("Path")
	}
	settings := props.dict("RouteSettings")
	if settings == nil {
		return badEvent(name, "Property 'RouteSettings' should be a map.")
	}
	if condition != "" {
		settings = ifElseNothing(condition, settings)
	}
	if all.dict(route) == nil {
		all.Set(route, NewDict())
	}
	all.dict(route).update(settings)
	return nil
}

// implicitAttributes gives the implicit API the condition and the policies of
// the functions behind it: it exists if one of them does.
func (t *transform) implicitAttributes(a *implicitApi) {
	r := t.resources().dict(a.id)
	distinct, all := distinctConditions(slices.Collect(maps.Values(a.conditions[a.id]))...)
	switch {
	case !all || len(distinct) == 0:
	case len(distinct) == 1:
		r.Set("Condition", distinct[0])
	default:
		r.Set("Condition", a.id+"Condition")
		t.combine(a.id+"Condition", distinct)
	}
	strongest := func(given []any, order ...string) any {
		for _, policy := range order {
			if slices.Contains(given, any(policy)) {
				return policy
			}
		}
		return nil
	}
	r.set("DeletionPolicy", strongest(a.keep[a.id], "Retain", "Delete"))
	r.set("UpdateReplacePolicy", strongest(a.keepReplaced[a.id], "Retain", "Snapshot", "Delete"))
}

// distinctConditions are the conditions of methods, and whether all have one.
func distinctConditions(paths ...map[string]string) ([]string, bool) {
	var out []string
	all := true
	for _, methods := range paths {
		for _, c := range methods {
			all = all && c != ""
			out = append(out, c)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), all
}

// conditionalPaths lets a path exist only when a function behind it does.
func (t *transform) conditionalPaths(a *implicitApi) error {
	for _, id := range t.ofType(a.typ) {
		props := t.resources().dict(id).dict("Properties")
		if !truthy(props.get(managedKey)) {
			continue
		}
		err := editDefinition(props, func(d *definition) error {
			for _, path := range d.paths.names() {
				distinct, all := distinctConditions(a.conditions[id][path])
				if !all || len(distinct) == 0 {
					continue
				}
				condition := distinct[0]
				if len(distinct) > 1 {
					condition = id + strings.NewReplacer("/", "SLASH", "{", "OB", "}", "CB").Replace(path) + "PathCondition"
					t.combine(condition, distinct)
				}
				d.paths.Set(path, wordIf(condition, d.paths.get(path), len(distinct) == 1))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wordIf is Fn::If with nothing otherwise, inside of a definition. The name of
// the condition may be the author's or the transform's.
func wordIf(condition string, v any, authors bool) *Dict {
	name := any(word(condition))
	if authors {
		name = condition
	}
	return oldDict("Fn::If", []any{name, v, oldDict("Ref", word("AWS::NoValue"))})
}

// combine adds a condition that is true when one of many is, ten at a time as
// Fn::Or takes them.
func (t *transform) combine(name string, conditions []string) {
	const most = 10
	if t.template.dict("Conditions") == nil {
		t.template.Set("Conditions", NewDict())
	}
	more := 0
	for n := len(conditions); n > most; n -= most - 1 {
		more++
	}
	for len(conditions) > 1 {
		id := name
		if more > 0 {
			id = fmt.Sprintf("%s%d", name, more)
			more--
		}
		first := conditions[:min(most, len(conditions))]
		var list []any
		for _, c := range first {
			list = append(list, made("Condition", c))
		}
		t.template.dict("Conditions").Set(id, made("Fn::Or", list))
		conditions = append(slices.Clone(conditions[len(first):]), id)
	}
}
