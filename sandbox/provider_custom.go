package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	customType   = "AWS::CloudFormation::CustomResource"
	customPrefix = "Custom::"
	// customPath is where custom resources are answered for, with a token that
	// stands for a signature.
	customPath = "/.sandbox/cloudformation/"
	// customTime is how long CloudFormation waits for an answer at most.
	customTime = time.Hour
	// maxAnswer is the size of an answer in bytes.
	maxAnswer = 4096
	// physicalAttribute is the attribute under which settle gives a physical id
	// that the resource has found for itself.
	physicalAttribute = "aws:physical-id"
)

// customRequest is a request to a custom resource until it is answered.
type customRequest struct {
	Token    string         `json:"token"`
	ID       string         `json:"id"`
	Until    time.Time      `json:"until"`
	Answered bool           `json:"answered,omitempty"`
	Failed   bool           `json:"failed,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Physical string         `json:"physical,omitempty"`
	Data     map[string]any `json:"data,omitempty"`
}

// customProvider hands the work to a function or a topic, and waits until
// somebody answers at the address that the request has.
func customProvider() provider {
	p := provider{open: true, properties: map[string]property{"ServiceToken": required, "ServiceTimeout": mutable}, attributes: []string{"*"}, settle: settleCustom}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		rc.PhysicalID = rc.generatedName(255) // until it has one of its own
		if err := rc.ask("Create"); err != nil {
			return "", nil, err
		}
		return rc.PhysicalID, nil, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if rc.Props.str("ServiceToken") != rc.OldProps.str("ServiceToken") {
			return nil, invalid("Modifying service token is not allowed.")
		}
		return rc.OldAttrs, rc.ask("Update")
	}
	p.remove = func(rc *resourceCall) error { return rc.ask("Delete") }
	return p
}

// customTypes gives every type of the template that begins with Custom:: what
// all of them have.
func customTypes(types map[string]provider, names ...string) {
	for _, name := range names {
		if rest, is := strings.CutPrefix(name, customPrefix); is && rest != "" && len(name) <= 60 {
			types[name] = types[customType]
		}
	}
}

// customNames are the types of that kind in stacks that are there already.
func (s *Sandbox) customNames() []string {
	var names []string
	if s.st == nil {
		return nil
	}
	for _, a := range s.st.Accounts {
		for _, r := range a.Regions {
			for _, st := range r.CFN.Stacks {
				for _, res := range st.Resources {
					if strings.HasPrefix(res.Type, customPrefix) {
						names = append(names, res.Type)
					}
				}
			}
		}
	}
	return names
}

// customKey names the request about one physical resource.
func (rc *resourceCall) customKey() string {
	return rc.StackID + "/" + rc.LogicalID + "/" + rc.PhysicalID
}

// ask sends a request as the stack's role or caller, which needs the permission.
func (rc *resourceCall) ask(kind string) error {
	service := rc.Props.str("ServiceToken")
	parts := strings.SplitN(service, ":", 6)
	if len(parts) < 6 || parts[2] != "lambda" && parts[2] != "sns" {
		return invalid("Invalid service token.")
	}
	if parts[3] != rc.Region {
		return invalid("Custom resource's ServiceToken %s must be in the stack's region, %s.", service, rc.Region)
	}
	limit := customTime
	if rc.Props.has("ServiceTimeout") {
		n := rc.Props.int("ServiceTimeout", 0)
		if n < 1 || n > int(customTime.Seconds()) {
			return invalid("ServiceTimeout must be between 1 and 3600 seconds.")
		}
		limit = time.Duration(n) * time.Second
	}
	r := &customRequest{Token: rc.id(40), ID: rc.uuid(), Until: rc.now().Add(limit)}
	event := map[string]any{"RequestType": kind, "ServiceToken": service, "ResponseURL": rc.endpoint + customPath + r.Token, "StackId": rc.StackID, "RequestId": r.ID,
		"LogicalResourceId": rc.LogicalID, "ResourceType": rc.Type, "ResourceProperties": map[string]any(rc.Props)}
	if kind != "Create" {
		event["PhysicalResourceId"] = rc.PhysicalID
	}
	if kind == "Update" {
		event["OldResourceProperties"] = map[string]any(rc.OldProps)
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	if parts[2] == "sns" {
		_, err = rc.do("sns", "Publish", params{"TopicArn": service, "Subject": "AWS CloudFormation custom resource request", "Message": string(payload)})
	} else {
		_, err = rc.do("lambda", "Invoke", params{"FunctionName": service, "Body": payload, "Header": map[string]any{"X-Amz-Invocation-Type": "Event"}})
	}
	if err == nil {
		put(&rc.st.Custom, rc.customKey(), r)
	}
	return err
}

// settleCustom waits for the answer.
func settleCustom(rc *resourceCall, _ string) (bool, map[string]any, error) {
	r := rc.st.Custom[rc.customKey()]
	switch {
	case r == nil:
		return true, rc.OldAttrs, nil
	case !r.Answered && rc.now().Before(r.Until):
		return false, nil, nil
	}
	delete(rc.st.Custom, rc.customKey())
	attrs := map[string]any{}
	if r.Physical != "" {
		attrs[physicalAttribute] = r.Physical
	}
	switch {
	case !r.Answered:
		//lint:ignore ST1005 AWS's words
		return false, attrs, fmt.Errorf("CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [%s]. If you are using the Python cfn-response module, you may need to update your Lambda function code so that CloudFormation can attach the updated version.", r.ID)
	case r.Failed:
		//lint:ignore ST1005 AWS's words
		return false, attrs, fmt.Errorf("Received response status [FAILED] from custom resource. Message returned: %s (RequestId: %s)", r.Reason, r.ID)
	}
	flatten("", r.Data, attrs)
	return true, attrs, nil
}

// flatten gives nested data under names with dots, as Fn::GetAtt reads them.
func flatten(prefix string, data, into map[string]any) {
	for k, v := range data {
		if inner, ok := v.(map[string]any); ok {
			flatten(prefix+k+".", inner, into)
		}
		into[prefix+k] = asText(v)
	}
}

// serveCustom takes an answer.
func (s *Sandbox) serveCustom(r *http.Request, body []byte) *reply {
	rec := &reply{header: http.Header{}, status: http.StatusOK}
	s.lock()
	defer s.unlock()
	if err := s.answered(r, body); err != nil {
		s.log.Warn("CloudFormation: an answer of a custom resource isn't taken: " + err.Error())
		rec.WriteHeader(http.StatusForbidden)
		_, _ = rec.Write([]byte(err.Error()))
	}
	return rec
}

func (s *Sandbox) answered(r *http.Request, body []byte) error {
	var found *customRequest
	for _, c := range s.st.Custom {
		if c.Token == strings.TrimPrefix(r.URL.Path, customPath) {
			found = c
		}
	}
	switch {
	case r.Method != http.MethodPut:
		return errors.New("the answer must be PUT")
	case found == nil || found.Answered:
		return errors.New("nobody waits for it any more")
	}
	var answer struct {
		Status, Reason, PhysicalResourceId, RequestId string
		Data                                          map[string]any
	}
	found.Answered, found.Failed = true, true
	switch err := json.Unmarshal(body, &answer); {
	case len(body) > maxAnswer:
		found.Reason = "Response object is too long."
	case err != nil:
		found.Reason = "Invalid Response object: " + err.Error()
	case answer.RequestId != found.ID:
		found.Reason = "Invalid Response object: its RequestId isn't the request's"
	case answer.Status == "SUCCESS" && answer.PhysicalResourceId == "":
		found.Reason = "Invalid PhysicalResourceId"
	default:
		found.Failed = answer.Status != "SUCCESS"
		found.Reason, found.Physical, found.Data = answer.Reason, answer.PhysicalResourceId, answer.Data
	}
	s.st.Changes++
	return nil
}
