package sandbox

import (
	"strings"
	"time"
)

const mappingRoutes = `
POST   /2015-03-31/event-source-mappings          202 CreateEventSourceMapping
GET    /2015-03-31/event-source-mappings          200 ListEventSourceMappings
GET    /2015-03-31/event-source-mappings/{UUID}   200 GetEventSourceMapping
PUT    /2015-03-31/event-source-mappings/{UUID}   202 UpdateEventSourceMapping
DELETE /2015-03-31/event-source-mappings/{UUID}   202 DeleteEventSourceMapping
`

// eventMapping reads a queue or a table's stream and invokes a function with
// what it finds.
type eventMapping struct {
	ID       string      `json:"id"`
	Function functionRef `json:"function"`
	Source   string      `json:"source"` // ARN
	Disabled bool        `json:"disabled,omitempty"`
	Batch    int         `json:"batch"`            // records
	Window   int         `json:"window,omitempty"` // seconds to wait for a full batch
	Filters  []string    `json:"filters,omitempty"`
	// Items says that the function tells which records failed.
	Items       bool              `json:"items,omitempty"`
	Concurrency int               `json:"concurrency,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	// Doing is Creating, Updating, Enabling, Disabling or Deleting, until Until.
	Doing    string    `json:"doing,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	Modified time.Time `json:"modified"`
	Result   string    `json:"result"`
	// What follows is of streams.
	Start     string    `json:"start,omitempty"` // TRIM_HORIZON or LATEST
	Position  int64     `json:"position,omitempty"`
	Bisect    bool      `json:"bisect,omitempty"`
	MaxAge    int       `json:"max_age,omitempty"` // seconds, -1 for no limit
	Retries   int       `json:"retries,omitempty"` // -1 for no limit
	Parallel  int       `json:"parallel,omitempty"`
	OnFailure string    `json:"on_failure,omitempty"`
	Failures  int       `json:"failures,omitempty"` // of the batch at Position
	Size      int       `json:"size,omitempty"`     // of the next batch, when a failed one was cut
	NotBefore time.Time `json:"not_before,omitzero"`

	changed chan struct{} // closed when its poller must look again
	running int           // invocations under way
	trouble int           // how often in a row it had to be put off
}

func (m *eventMapping) ofStream() bool { return strings.Contains(m.Source, ":dynamodb:") }

func (m *eventMapping) arn() string {
	return "arn:aws:lambda:" + m.Function.Region + ":" + m.Function.Account + ":event-source-mapping:" + m.ID
}

// state is the mapping's at a time; "" when its deletion is over.
func (m *eventMapping) state(now time.Time) string {
	switch {
	case now.Before(m.Until):
		return m.Doing
	case m.Doing == "Deleting":
		return ""
	case m.Disabled:
		return "Disabled"
	}
	return "Enabled"
}

func mappingOps() map[string]operation {
	on := func(run func(*call, *eventMapping) (obj, error)) operation {
		return operation{access: mappingAccess, run: func(c *call) (obj, error) {
			m := c.mapping()
			if m == nil {
				return nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "The resource you requested does not exist."}
			}
			return run(c, m)
		}}
	}
	return map[string]operation{
		"CreateEventSourceMapping": {run: createMapping, access: mappingAccess},
		"ListEventSourceMappings":  {run: listMappings},
		"GetEventSourceMapping":    on(getMapping),
		"UpdateEventSourceMapping": on(updateMapping),
		"DeleteEventSourceMapping": on(deleteMapping),
	}
}

// mapping finds the mapping of the call; nil if there is none.
func (c *call) mapping() *eventMapping {
	all := c.here().Lambda.Mappings
	m := all[c.In.str("UUID")]
	if m != nil && m.state(c.now()) == "" {
		delete(all, m.ID)
		return nil
	}
	return m
}

// mappingAccess is the permission on a mapping, with its function as a
// condition key.
func mappingAccess(c *call) ([]access, error) {
	a := access{Action: "lambda:" + c.Op, Context: requestTags(c.In.strMap("Tags"))}
	if c.Op != "CreateEventSourceMapping" {
		a.Resource = c.arn("event-source-mapping:" + c.In.str("UUID"))
	}
	if m := c.mapping(); m != nil {
		a.Context["lambda:FunctionArn"] = []string{m.Function.arn()}
	} else if r, err := c.readFunction(c.In.str("FunctionName"), ""); err == nil {
		a.Context["lambda:FunctionArn"] = []string{r.arn()}
	}
	return []access{a}, nil
}

func (m *eventMapping) shown(now time.Time) obj {
	out := obj{"UUID": m.ID, "EventSourceMappingArn": m.arn(), "EventSourceArn": m.Source, "FunctionArn": m.Function.arn(), "BatchSize": m.Batch,
		"MaximumBatchingWindowInSeconds": m.Window, "State": m.state(now), "StateTransitionReason": "USER_INITIATED", "LastModified": m.Modified,
		"FunctionResponseTypes": []string{}}
	if m.Items {
		out["FunctionResponseTypes"] = []string{"ReportBatchItemFailures"}
	}
	if len(m.Filters) > 0 {
		var filters []obj
		for _, f := range m.Filters {
			filters = append(filters, obj{"Pattern": f})
		}
		out["FilterCriteria"] = obj{"Filters": filters}
	}
	if m.Concurrency > 0 {
		out["ScalingConfig"] = obj{"MaximumConcurrency": m.Concurrency}
	}
	if m.ofStream() {
		out["StartingPosition"], out["BisectBatchOnFunctionError"], out["MaximumRecordAgeInSeconds"] = m.Start, m.Bisect, m.MaxAge
		out["MaximumRetryAttempts"], out["ParallelizationFactor"], out["LastProcessingResult"] = m.Retries, m.Parallel, m.Result
		out["TumblingWindowInSeconds"] = 0
		to := obj{}
		if m.OnFailure != "" {
			to["Destination"] = m.OnFailure
		}
		out["DestinationConfig"] = obj{"OnFailure": to}
	}
	return out
}

// unservedMappingInputs are refused rather than ignored.
var unservedMappingInputs = []string{"SelfManagedEventSource", "SelfManagedKafkaEventSourceConfig", "AmazonManagedKafkaEventSourceConfig", "DocumentDBEventSourceConfig",
	"SourceAccessConfigurations", "Topics", "Queues", "KMSKeyArn", "MetricsConfig", "ProvisionedPollerConfig", "StartingPositionTimestamp", "LoggingConfig"}

// What only one of the kinds of sources takes.
var (
	streamInputs = []string{"BisectBatchOnFunctionError", "DestinationConfig", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts", "ParallelizationFactor", "StartingPosition"}
	queueInputs  = []string{"ScalingConfig"}
)

// setMapping sets what the input gives and checks it.
func (c *call) setMapping(m *eventMapping) error {
	for _, name := range unservedMappingInputs {
		if v, given := c.In[name]; given && len(documentText(v)) > 2 {
			return invalidLambda("The sandbox doesn't serve %s.", name)
		}
	}
	others := streamInputs
	if m.ofStream() {
		others = queueInputs
	}
	for _, name := range others {
		if v := documentText(c.In[name]); v != "" && v != "{}" && v != "false" {
			return invalidLambda("Unsupported %s parameter for given event source mapping type.", name)
		}
	}
	if c.In.has("TumblingWindowInSeconds") && c.In.int("TumblingWindowInSeconds", 0) != 0 {
		return invalidLambda("The sandbox doesn't serve TumblingWindowInSeconds.")
	}
	m.Batch, m.Window = c.In.int("BatchSize", m.Batch), c.In.int("MaximumBatchingWindowInSeconds", m.Window)
	if c.In.has("FunctionResponseTypes") {
		m.Items = len(c.In.strs("FunctionResponseTypes")) > 0
	}
	if c.In.has("Enabled") {
		m.Disabled = !c.In.bool("Enabled")
	}
	if c.In.has("ScalingConfig") {
		m.Concurrency = c.In.obj("ScalingConfig").int("MaximumConcurrency", 0)
	}
	if c.In.has("FilterCriteria") {
		m.Filters = nil
		for _, f := range c.In.obj("FilterCriteria").list("Filters") {
			if _, err := parsePattern(f.str("Pattern")); err != nil {
				return invalidLambda("Invalid filter pattern definition.")
			}
			m.Filters = append(m.Filters, f.str("Pattern"))
		}
	}
	if m.Batch < 1 || m.Batch > 10000 || m.Window < 0 || m.Window > 300 || len(m.Filters) > 5 {
		return invalidLambda("A batch has 1 to 10000 records, its window 0 to 300 seconds, and there are up to 5 filters.")
	}
	return nil
}

// setStream sets what only streams have.
func (c *call) setStream(m *eventMapping, v *functionVersion) error {
	m.Bisect = m.Bisect && !c.In.has("BisectBatchOnFunctionError") || c.In.bool("BisectBatchOnFunctionError")
	m.MaxAge, m.Retries, m.Parallel = c.In.int("MaximumRecordAgeInSeconds", m.MaxAge), c.In.int("MaximumRetryAttempts", m.Retries), c.In.int("ParallelizationFactor", m.Parallel)
	if c.In.has("DestinationConfig") {
		m.OnFailure = c.In.obj("DestinationConfig").obj("OnFailure").str("Destination")
		if err := c.checkDestination(v.Role, m.OnFailure); err != nil {
			return err
		}
	}
	switch {
	case m.Start != "TRIM_HORIZON" && m.Start != "LATEST":
		return invalidLambda("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null. (TRIM_HORIZON or LATEST for a table's stream)")
	case m.Retries < -1 || m.Retries > 10000 || m.Parallel < 1 || m.Parallel > 10 || m.MaxAge != -1 && (m.MaxAge < 60 || m.MaxAge > 604800):
		return invalidLambda("MaximumRetryAttempts is -1 to 10000, ParallelizationFactor 1 to 10, MaximumRecordAgeInSeconds -1 or 60 to 604800.")
	case m.Batch > 10000:
		return invalidLambda("BatchSize is at most 10000 for a stream.")
	}
	return nil
}

func createMapping(c *call) (obj, error) {
	r, err := c.readFunction(c.In.str("FunctionName"), "")
	if err != nil {
		return nil, err
	}
	m := &eventMapping{ID: c.uuid(), Function: r, Source: c.In.str("EventSourceArn"), Tags: c.In.strMap("Tags"), Batch: 10, MaxAge: -1, Retries: -1, Parallel: 1,
		Start: c.In.str("StartingPosition"), Result: "No records processed", changed: make(chan struct{})}
	f := c.functionAt(r)
	if f == nil || f.version(r.Qualifier) == nil || r.Account != c.Account.ID {
		return nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Function does not exist: " + r.arn()}
	}
	if m.ofStream() {
		m.Batch = 100
	}
	if err := c.checkMapping(m, f); err != nil {
		return nil, err
	}
	for _, id := range sortedKeys(c.here().Lambda.Mappings) {
		if o := c.here().Lambda.Mappings[id]; o.Source == m.Source && o.Function == m.Function && o.state(c.now()) != "" {
			kind := map[bool]string{true: "dynamodb", false: "SQS"}[m.ofStream()]
			return nil, &apiError{Status: 409, Code: "ResourceConflictException", Message: "An event source mapping with " + kind + ` arn (" ` + m.Source + ` ") and function (" ` + f.Name +
				` ") already exists. Please update or delete the existing mapping with UUID ` + o.ID}
		}
	}
	m.Doing, m.Until, m.Modified = "Creating", c.now().Add(c.functionTime()), c.now()
	if m.ofStream() && m.Start == "LATEST" {
		m.Position = c.streamEnd(m.Source)
	}
	put(&c.here().Lambda.Mappings, m.ID, m)
	c.watch(m)
	return m.shown(c.now()), nil
}

// checkMapping sets and checks everything of a mapping that is made or changed.
func (c *call) checkMapping(m *eventMapping, f *lambdaFunction) error {
	if err := c.setMapping(m); err != nil {
		return err
	}
	v := f.version(m.Function.Qualifier)
	switch {
	case strings.HasPrefix(m.Source, "arn:aws:sqs:"):
		return c.checkQueueSource(m, v)
	case strings.HasPrefix(m.Source, "arn:aws:dynamodb:"):
		if err := c.setStream(m, v); err != nil {
			return err
		}
		return c.checkStreamSource(m, v)
	}
	return invalidLambda("Unrecognized event source: the sandbox reads SQS queues and streams of DynamoDB tables, not %s.", m.Source)
}

// checkQueueSource refuses a queue that isn't there, that the function's role
// can't read, or that hands out messages again while they are worked on.
func (c *call) checkQueueSource(m *eventMapping, v *functionVersion) error {
	q := c.queueByARN(m.Source)
	switch {
	case q == nil:
		return invalidLambda("Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.")
	case q.Region != c.Region:
		return invalidLambda("The queue %s must be in the function's region.", m.Source)
	case q.fifo() && m.Window > 0:
		return invalidLambda("Batching window is not supported for FIFO queues")
	case q.fifo() && m.Batch > 10:
		return invalidLambda("The batch size of a FIFO queue is at most 10.")
	case m.Batch > 10 && m.Window == 0:
		return invalidLambda("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
	case m.Concurrency != 0 && (m.Concurrency < 2 || m.Concurrency > 1000):
		return breaks(text(m.Concurrency), "scalingConfig.maximumConcurrency", "Member must have value between 2 and 1000")
	}
	shown := params{}
	for k, v := range c.shownQueue(q) {
		shown[k] = v
	}
	if hidden := shown.int("VisibilityTimeout", 30); hidden < v.Timeout {
		return invalidLambda("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", hidden, v.Timeout)
	}
	as, err := c.asFunction(v.Role, m.Function.Name, "sqs", c.Region)
	if err != nil {
		return err
	}
	for _, op := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		a := access{Action: "sqs:" + op, Resource: q.arn(), Owner: q.Owner, Policy: c.bound(c.effective(q)["Policy"], q.Bound)}
		if as.check(a) != nil {
			return invalidLambda("The provided execution role does not have permissions to call %s on SQS", op)
		}
	}
	return nil
}

func getMapping(c *call, m *eventMapping) (obj, error) { return m.shown(c.now()), nil }

func listMappings(c *call) (obj, error) {
	var found []*eventMapping
	function := c.In.str("FunctionName")
	r, err := c.readFunction(function, "")
	if function != "" && err != nil {
		return nil, err
	}
	for _, id := range sortedKeys(c.here().Lambda.Mappings) {
		m := c.here().Lambda.Mappings[id]
		if m.state(c.now()) == "" || function != "" && m.Function != r || c.In.str("EventSourceArn") != "" && c.In.str("EventSourceArn") != m.Source {
			continue
		}
		found = append(found, m)
	}
	return lambdaPage(c, "EventSourceMappings", found, func(m *eventMapping) string { return m.ID }, func(m *eventMapping) any { return m.shown(c.now()) })
}

// busyMapping refuses to change a mapping that is on its way.
func (c *call) busyMapping(m *eventMapping) error {
	if !c.now().Before(m.Until) || c.Via == "cloudformation" { // which waits until it is
		return nil
	}
	return &apiError{Status: 400, Code: "ResourceInUseException", Message: "Cannot update the event source mapping because it is in use."}
}

func updateMapping(c *call, m *eventMapping) (obj, error) {
	if err := c.busyMapping(m); err != nil {
		return nil, err
	}
	changed := *m
	if c.In.str("FunctionName") != "" {
		r, err := c.readFunction(c.In.str("FunctionName"), "")
		if err != nil {
			return nil, err
		}
		changed.Function = r
	}
	f := c.functionAt(changed.Function)
	if f == nil || f.version(changed.Function.Qualifier) == nil || changed.Function.Account != c.Account.ID {
		return nil, &apiError{Status: 404, Code: "ResourceNotFoundException", Message: "Function does not exist: " + changed.Function.arn()}
	}
	if err := c.checkMapping(&changed, f); err != nil {
		return nil, err
	}
	changed.Doing, changed.Until, changed.Modified = "Updating", c.now().Add(c.functionTime()), c.now()
	if changed.Disabled != m.Disabled {
		changed.Doing = map[bool]string{true: "Disabling", false: "Enabling"}[changed.Disabled]
	}
	*m = changed
	m.wake()
	return m.shown(c.now()), nil
}

func deleteMapping(c *call, m *eventMapping) (obj, error) {
	if err := c.busyMapping(m); err != nil {
		return nil, err
	}
	m.Doing, m.Until = "Deleting", c.now().Add(c.functionTime())
	out := m.shown(c.now())
	out["State"] = "Deleting"
	m.wake()
	return out, nil
}
