package sandbox

import (
	"encoding/json"
	"time"
)

// asyncConfig is what becomes of asynchronous invocations.
type asyncConfig struct {
	Age      int       `json:"age"`     // seconds that an event may wait
	Retries  int       `json:"retries"` // after the first attempt
	Success  string    `json:"success,omitempty"`
	Failure  string    `json:"failure,omitempty"` // ARNs of destinations
	Modified time.Time `json:"modified"`
}

const defaultRetries = 2

// retries is how often a failed event of a version or alias is tried again.
func (f *lambdaFunction) retries(qualifier string) int {
	if a := f.async(qualifier); a != nil {
		return a.Retries
	}
	return defaultRetries
}

// eventAge is how long an event of a version or alias may wait.
func (f *lambdaFunction) eventAge(qualifier string) time.Duration {
	if a := f.async(qualifier); a != nil {
		return time.Duration(a.Age) * time.Second
	}
	return eventAge
}

// async is the configuration that holds for a qualifier, nil for Lambda's own.
func (f *lambdaFunction) async(qualifier string) *asyncConfig {
	if qualifier == "" {
		qualifier = latest
	}
	return f.Async[qualifier]
}

// eventSucceeded tells the destination of successes, if there is one.
func (s *Sandbox) eventSucceeded(f *lambdaFunction, e *lambdaEvent, result invocationResult) {
	if a := f.async(e.ref.Qualifier); a != nil && a.Success != "" {
		s.tell(f, e, a.Success, s.record(f, e, result, "Success"))
	}
}

// eventFailed tells the destination of failures, and the dead-letter queue or
// topic. An event with neither is lost.
func (s *Sandbox) eventFailed(f *lambdaFunction, e *lambdaEvent, result invocationResult, why string) {
	a, v := f.async(e.ref.Qualifier), f.version(e.ref.Qualifier)
	told := false
	if a != nil && a.Failure != "" {
		told = s.tell(f, e, a.Failure, s.record(f, e, result, why))
	}
	if v != nil && v.DeadLetter != "" {
		told = s.deadLetter(f, e, v, result) || told
	}
	if !told {
		s.log.Warn("Lambda: an event failed and is lost", "function", e.ref.arn(), "attempts", e.attempts+1, "error", string(result.Payload))
	}
}

// record is the document that destinations get.
func (s *Sandbox) record(f *lambdaFunction, e *lambdaEvent, result invocationResult, why string) []byte {
	version := result.Version
	if version == "" {
		version = latest
	}
	response := map[string]any{"statusCode": 200, "executedVersion": version}
	if result.Error != "" {
		response["functionError"] = result.Error
	}
	return []byte(documentText(map[string]any{"version": "1.0", "timestamp": s.now().Format(timeXML),
		"requestContext": map[string]any{"requestId": e.id, "functionArn": f.arn() + ":" + version, "condition": why, "approximateInvokeCount": e.attempts + 1},
		"requestPayload": json.RawMessage(e.payload), "responseContext": response, "responsePayload": json.RawMessage(result.Payload)}))
}

// deadLetter sends the event itself, with the error in its attributes.
func (s *Sandbox) deadLetter(f *lambdaFunction, e *lambdaEvent, v *functionVersion, result invocationResult) bool {
	var failure struct{ ErrorMessage string }
	_ = json.Unmarshal(result.Payload, &failure)
	attribute := func(kind, value string) any { return map[string]any{"DataType": kind, "StringValue": value} }
	attributes := map[string]any{"RequestID": attribute("String", e.id), "ErrorCode": attribute("Number", "200")}
	if failure.ErrorMessage != "" {
		attributes["ErrorMessage"] = attribute("String", failure.ErrorMessage[:min(len(failure.ErrorMessage), 1024)])
	}
	return s.send(f, v, v.DeadLetter, e.payload, attributes)
}

// tell sends a record to a destination.
func (s *Sandbox) tell(f *lambdaFunction, e *lambdaEvent, target string, record []byte) bool {
	v := f.version(e.ref.Qualifier)
	return v != nil && s.send(f, v, target, record, nil)
}

// send gives a text to a queue, a topic or another function, as the function's
// role.
func (s *Sandbox) send(f *lambdaFunction, v *functionVersion, target string, body []byte, attributes map[string]any) bool {
	as, err := s.asFunction(v.Role, f.Name, "lambda", arnRegion(target))
	if err == nil {
		err = as.sendTo(target, body, attributes)
	}
	if err != nil {
		s.log.Warn("Lambda: can't send to the destination: "+err.Error(), "function", f.arn(), "destination", target)
	}
	return err == nil
}

func (c *call) sendTo(target string, body []byte, attributes map[string]any) error {
	if q := c.queueByARN(target); q != nil {
		in := params{"QueueUrl": c.queueURL(q), "MessageBody": string(body)}
		if attributes != nil {
			in["MessageAttributes"] = attributes
		}
		if q.fifo() {
			in["MessageGroupId"], in["MessageDeduplicationId"] = "lambda", c.uuid()
		}
		_, err := c.invoke("sqs", "SendMessage", "", in)
		return err
	}
	if c.topicAt(target) != nil {
		in := params{"TopicArn": target, "Message": string(body)}
		if attributes != nil {
			in["MessageAttributes"] = attributes
		}
		_, err := c.invoke("sns", "Publish", "", in)
		return err
	}
	r, err := c.readFunction(target, "")
	if err != nil {
		return err
	}
	f := c.functionAt(r)
	if f == nil {
		return noFunction(r)
	}
	if err := c.check(c.functionAccess("InvokeFunction", r)); err != nil {
		return err
	}
	return c.queueEvent(f, r, c.uuid(), body)
}

func asyncOps() map[string]operation {
	return map[string]operation{
		"PutFunctionEventInvokeConfig":    onFunction(putAsyncConfig),
		"UpdateFunctionEventInvokeConfig": onFunction(putAsyncConfig),
		"GetFunctionEventInvokeConfig":    onFunction(getAsyncConfig),
		"DeleteFunctionEventInvokeConfig": onFunction(deleteAsyncConfig),
		"ListFunctionEventInvokeConfigs":  onFunction(listAsyncConfigs),
	}
}

func (a *asyncConfig) shown(f *lambdaFunction, qualifier string) obj {
	out := obj{"LastModified": a.Modified, "FunctionArn": f.arn() + ":" + qualifier, "MaximumRetryAttempts": a.Retries, "MaximumEventAgeInSeconds": a.Age}
	to := obj{"OnSuccess": obj{}, "OnFailure": obj{}}
	if a.Success != "" {
		to["OnSuccess"] = obj{"Destination": a.Success}
	}
	if a.Failure != "" {
		to["OnFailure"] = obj{"Destination": a.Failure}
	}
	out["DestinationConfig"] = to
	return out
}

// asyncPlace is the qualifier under which a configuration is kept.
func (c *call) asyncPlace(f *lambdaFunction, r functionRef) (string, *functionVersion, error) {
	v, err := c.qualified(f, r)
	if r.Qualifier == "" {
		r.Qualifier = latest
	}
	return r.Qualifier, v, err
}

// putAsyncConfig sets a configuration anew, or (Update) what is given of it.
func putAsyncConfig(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	place, v, err := c.asyncPlace(f, r)
	if err != nil {
		return nil, err
	}
	a := asyncConfig{Age: int(eventAge.Seconds()), Retries: defaultRetries}
	if old := f.Async[place]; c.Op == "UpdateFunctionEventInvokeConfig" {
		if old == nil {
			return nil, noAsync(f, place)
		}
		a = *old
	}
	a.Age, a.Retries, a.Modified = c.In.int("MaximumEventAgeInSeconds", a.Age), c.In.int("MaximumRetryAttempts", a.Retries), c.now()
	if a.Age < 60 || a.Age > 21600 || a.Retries < 0 || a.Retries > 2 {
		return nil, breaks(text(a.Retries), "maximumRetryAttempts", "Member must have value between 0 and 2, and maximumEventAgeInSeconds between 60 and 21600")
	}
	to := c.In.obj("DestinationConfig")
	for name, target := range map[string]*string{"OnSuccess": &a.Success, "OnFailure": &a.Failure} {
		if !to.has(name) {
			continue
		}
		*target = to.obj(name).str("Destination")
		if err := c.checkDestination(v.Role, *target); err != nil {
			return nil, err
		}
	}
	put(&f.Async, place, &a)
	return a.shown(f, place), nil
}

func noAsync(f *lambdaFunction, place string) error {
	return &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "The function " + f.arn() + ":" + place + " doesn't have an EventInvokeConfig"}
}

func getAsyncConfig(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	place, _, err := c.asyncPlace(f, r)
	if err != nil {
		return nil, err
	}
	if f.Async[place] == nil {
		return nil, noAsync(f, place)
	}
	return f.Async[place].shown(f, place), nil
}

func deleteAsyncConfig(c *call, f *lambdaFunction, r functionRef) (obj, error) {
	place, _, err := c.asyncPlace(f, r)
	if err != nil {
		return nil, err
	}
	if f.Async[place] == nil {
		return nil, noAsync(f, place)
	}
	delete(f.Async, place)
	return obj{}, nil
}

func listAsyncConfigs(c *call, f *lambdaFunction, _ functionRef) (obj, error) {
	return lambdaPage(c, "FunctionEventInvokeConfigs", sortedKeys(f.Async), same, func(place string) any { return f.Async[place].shown(f, place) })
}
