package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// provider makes, changes and removes the resources of one CloudFormation type
// through the services' own operations, as the identity that the stack works as.
type provider struct {
	// create makes the resource and returns its physical id and what Fn::GetAtt
	// reads (strings or []any; a nested attribute under its full name,
	// "Endpoint.Port"). If it fails after something was made, it returns the id
	// beside the error: the rollback then removes it.
	create func(*resourceCall) (id string, attrs map[string]any, err error)
	// update changes the resource in place and returns all attributes anew, or
	// errReplace when a mayReplace property can't be changed that way.
	// nil: every change of a property replaces.
	update func(*resourceCall) (attrs map[string]any, err error)
	// remove deletes the resource. One that is gone already is no error.
	remove func(*resourceCall) error
	// settle, if set, is asked after create, update (or rollback) and delete
	// whether the resource is ready, until it is; then it gives the attributes.
	settle func(rc *resourceCall, verb string) (done bool, attrs map[string]any, err error)
	// properties are the top-level properties that the type has. Others are
	// refused as CloudFormation does.
	properties map[string]property
	// open types take any property.
	open bool
	// attributes are the names that Fn::GetAtt takes.
	attributes []string
	// ref is the attribute that Ref gives; "" means the physical id.
	ref string
	// name is the property that is the resource's own name, if it has one: a
	// resource named by the template can't be replaced under the same name.
	name string
	// tags is the property that holds tags ("" for untaggable types): stack
	// tags reach it through resourceCall.tags, and a change of the stack's tags
	// is an update of the resource.
	tags string
	// iam is the capability that a template with this type needs: "" or
	// CAPABILITY_IAM (with name set by the template: CAPABILITY_NAMED_IAM).
	iam string
	// documents are properties that are JSON documents of the service: their
	// numbers and booleans stay what they are, all other scalars become text.
	documents []string
	// secret is a property whose value no event shows.
	secret string
}

// handed is how the properties of a resource reach the service.
func (p provider) handed(props any) any {
	given, ok := props.(map[string]any)
	if !ok {
		return asText(props)
	}
	out := make(map[string]any, len(given))
	for name, v := range given {
		out[name] = p.handedAs(name, v)
	}
	return out
}

// handedAs is handed for one property.
func (p provider) handedAs(name string, v any) any {
	if slices.Contains(p.documents, name) {
		return v
	}
	return asText(v)
}

// property says how a property behaves. Flags are or-ed.
type property uint8

const (
	mutable    property = 0         // "Update requires: No interruption"
	required   property = 1 << iota // must be given
	replaces                        // "Update requires: Replacement"
	mayReplace                      // "Update requires: Some interruptions" or a replacement in some cases
)

// resourceCall is what a provider works on: the call runs as the stack's role
// or caller, with Via "cloudformation".
type resourceCall struct {
	*call
	StackName, StackID string
	StackTags          map[string]string
	LogicalID, Type    string
	PhysicalID         string // in update and remove
	Props, OldProps    params // evaluated; OldProps in update only
	OldAttrs           map[string]any
	Token              string // the same for every attempt of the same change
}

// do calls an operation of a service in the stack's region. An error keeps the
// service's name for the event's reason.
func (rc *resourceCall) do(service, op string, in params) (obj, error) {
	return rc.doIn(rc.Region, service, op, in)
}

// doIn calls an operation in another region.
func (rc *resourceCall) doIn(region, service, op string, in params) (obj, error) {
	out, err := rc.invoke(service, op, region, in)
	if err != nil {
		return nil, &resourceError{Service: service, Err: err}
	}
	return out, nil
}

// generatedName is the name that CloudFormation gives to a resource that the
// template leaves unnamed: stack, logical id and a random part, within limit.
func (rc *resourceCall) generatedName(limit int) string {
	suffix := "-" + strings.ToUpper(rc.id(12))
	base := rc.StackName + "-" + rc.LogicalID
	if room := limit - len(suffix); len(base) > room {
		half := (room - 1) / 2
		stack := rc.StackName[:min(len(rc.StackName), max(half, room-1-len(rc.LogicalID)))]
		base = stack + "-" + rc.LogicalID
		base = base[:min(len(base), room)]
	}
	return base + suffix
}

// tags are what the resource carries: the three of CloudFormation, the stack's,
// and the template's, which win. given is the property as the template has it,
// a list of {Key, Value} or a map.
func (rc *resourceCall) tags(given any) map[string]string {
	out := map[string]string{}
	maps.Copy(out, rc.StackTags)
	switch g := given.(type) {
	case map[string]any:
		for k, v := range g {
			out[k] = scalarText(v)
		}
	case []any:
		for _, item := range g {
			if t, ok := item.(map[string]any); ok {
				out[scalarText(t["Key"])] = scalarText(t["Value"])
			}
		}
	}
	out["aws:cloudformation:stack-name"] = rc.StackName
	out["aws:cloudformation:stack-id"] = rc.StackID
	out["aws:cloudformation:logical-id"] = rc.LogicalID
	return out
}

// tagList is tags as a list of {Key, Value} ordered by key, for query inputs.
func (rc *resourceCall) tagList(given any) []any {
	tags := rc.tags(given)
	out := make([]any, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, map[string]any{"Key": k, "Value": tags[k]})
	}
	return out
}

// resourceError is a service's refusal inside a stack operation.
type resourceError struct {
	Service string
	Err     error
}

func (e *resourceError) Error() string { return e.Err.Error() }
func (e *resourceError) Unwrap() error { return e.Err }

// reason is the text of a failed resource's event.
func (rc *resourceCall) reason(err error) string {
	var api *apiError
	var re *resourceError
	if !errors.As(err, &api) {
		return err.Error()
	}
	if !errors.As(err, &re) { // CloudFormation's own
		return api.Message
	}
	service := serviceTitle(re.Service)
	status := api.Status
	if status == 0 {
		status = 400
	}
	return fmt.Sprintf("Resource handler returned message: %q (RequestToken: %s, HandlerErrorCode: %s)",
		fmt.Sprintf("%s (Service: %s, Status Code: %d, Request ID: %s)", api.Message, service, status, rc.uuid()),
		rc.uuid(), handlerErrorCode(api.Code))
}

// serviceTitle is a service's name as the SDK for Java prints it in reasons.
func serviceTitle(service string) string {
	if service == "" {
		return "CloudFormation"
	}
	return strings.ToUpper(service[:1]) + service[1:]
}

// handlerErrorCode sorts a service's error into the codes of resource handlers.
func handlerErrorCode(code string) string {
	switch {
	case strings.Contains(code, "AccessDenied"), strings.Contains(code, "Unauthorized"), code == "AuthorizationError":
		return "AccessDenied"
	case strings.Contains(code, "AlreadyExists"), strings.Contains(code, "Duplicate"), strings.Contains(code, "BucketAlready"):
		return "AlreadyExists"
	case strings.Contains(code, "NotFound"), strings.Contains(code, "NoSuch"), strings.Contains(code, "NonExist"), strings.Contains(code, "DoesNotExist"):
		return "NotFound"
	case strings.Contains(code, "Throttl"), strings.Contains(code, "RequestLimitExceeded"):
		return "Throttling"
	case strings.Contains(code, "LimitExceeded"):
		return "ServiceLimitExceeded"
	case strings.Contains(code, "Internal"), strings.Contains(code, "ServiceFailure"):
		return "ServiceInternalError"
	}
	return "InvalidRequest"
}

// providers are the types that stacks can hold, by name. A service's file
// provider_<service>.go gives its own and is listed here.
func providers() map[string]provider {
	all := map[string]provider{}
	for _, some := range []map[string]provider{
		stackProviders(), ec2Providers(), snsProviders(), iamProviders(), ssmProviders(), s3Providers(), kmsProviders(), dynamodbProviders(), sqsProviders(), secretsProviders(), cloudwatchProviders(), eventsProviders(), schedulerProviders(), restAPIProviders(), httpAPIProviders(), lambdaProviders(),
	} {
		maps.Copy(all, some)
	}
	return all
}
