package sandbox

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

// sqsState is what SQS keeps of one account and region.
type sqsState struct {
	Queues  map[string]*queue    `json:"queues,omitempty"`  // by name
	Deleted map[string]time.Time `json:"deleted,omitempty"` // names that were deleted, and when
}

// queue is a queue with its messages. Attributes hold what was set; defaults
// are added when they are shown.
type queue struct {
	Name       string            `json:"name"`
	Owner      string            `json:"owner"`
	Region     string            `json:"region"`
	Attributes map[string]string `json:"attributes,omitempty"`
	Was        map[string]string `json:"was,omitempty"`   // the attributes before the last change, which an unkind sandbox still goes by
	Bound      map[string]string `json:"bound,omitempty"` // unique ids of the policy's principals
	Tags       map[string]string `json:"tags,omitempty"`
	Created    time.Time         `json:"created"`
	Modified   time.Time         `json:"modified"`
	Purged     time.Time         `json:"purged,omitzero"`
	Messages   []*queueMessage   `json:"messages,omitempty"` // in the order of sending
	Sequence   int64             `json:"sequence,omitempty"`
	Sent       map[string]sent   `json:"sent,omitempty"` // of a FIFO queue, by deduplication id
}

func (q *queue) arn() string { return "arn:aws:sqs:" + q.Region + ":" + q.Owner + ":" + q.Name }

func (q *queue) fifo() bool { return strings.HasSuffix(q.Name, ".fifo") }

// localQueueOps are those that a queue's policy can't open to other accounts,
// after "Limitations of Amazon SQS custom policies".
var localQueueOps = []string{"AddPermission", "CreateQueue", "DeleteQueue", "ListQueues", "ListQueueTags", "RemovePermission",
	"SetQueueAttributes", "TagQueue", "UntagQueue"}

var queueName = naming{late.MustCompile(`^[A-Za-z0-9_-]+$`), 1, 80}

func (s *Sandbox) sqsOps() map[string]operation {
	on := func(run func(*call, *queue) (obj, error)) operation {
		return operation{access: queueAccess, run: func(c *call) (obj, error) {
			q, err := c.queueOf(c.In.str("QueueUrl"))
			if err != nil {
				return nil, err
			}
			return run(c, q)
		}}
	}
	return map[string]operation{
		"CreateQueue":                  {run: createQueue, access: createQueueAccess},
		"GetQueueUrl":                  {run: getQueueURL, open: true},
		"ListQueues":                   {run: listQueues},
		"DeleteQueue":                  on(deleteQueue),
		"PurgeQueue":                   on(purgeQueue),
		"GetQueueAttributes":           on(getQueueAttributes),
		"SetQueueAttributes":           on(setQueueAttributes),
		"TagQueue":                     on(tagQueue),
		"UntagQueue":                   on(untagQueue),
		"ListQueueTags":                on(listQueueTags),
		"AddPermission":                on(addQueuePermission),
		"RemovePermission":             on(removeQueuePermission),
		"SendMessage":                  on(sendMessage),
		"SendMessageBatch":             on(sendMessageBatch),
		"ReceiveMessage":               on(receiveMessage),
		"DeleteMessage":                on(deleteMessage),
		"DeleteMessageBatch":           on(deleteMessageBatch),
		"ChangeMessageVisibility":      on(changeVisibility),
		"ChangeMessageVisibilityBatch": on(changeVisibilityBatch),
	}
}

// sqsQueryCode is the code that an error had in the query protocol, which SQS
// sends in a header and SDKs go by.
func sqsQueryCode(code string) string {
	switch code {
	case "QueueDoesNotExist":
		return "AWS.SimpleQueueService.NonExistentQueue"
	case "QueueNameExists":
		return "QueueAlreadyExists"
	case "AccessDeniedException":
		return "AccessDenied"
	case "QueueDeletedRecently", "EmptyBatchRequest", "TooManyEntriesInBatchRequest", "BatchEntryIdsNotDistinct", "BatchRequestTooLong",
		"InvalidBatchEntryId", "MessageNotInflight", "PurgeQueueInProgress", "UnsupportedOperation":
		return "AWS.SimpleQueueService." + code
	case "KmsAccessDenied", "KmsDisabled", "KmsNotFound", "KmsInvalidState", "KmsInvalidKeyUsage":
		return "KMS." + strings.TrimPrefix(code, "Kms") + "Exception"
	case "InvalidParameterValueException":
		return "InvalidParameterValue"
	case "MissingRequiredParameterException":
		return "MissingParameter"
	}
	return code
}

// invalidQueueValue is how SQS refuses a parameter's value.
func invalidQueueValue(value, name, why string) error {
	return fail("InvalidParameterValueException", "Value %s for parameter %s is invalid. Reason: %s", value, name, why)
}

func noQueue() error { return fail("QueueDoesNotExist", "The specified queue does not exist.") }

// queueURL is the queue's URL at this sandbox.
func (s *Sandbox) queueURL(q *queue) string {
	base := s.endpoint
	if base == "" { // nobody has called since the state was loaded
		base = "https://sqs." + q.Region + ".amazonaws.com"
	}
	return base + "/" + q.Owner + "/" + q.Name
}

// queueParts are the account and name in a queue's URL, whatever its host: a
// saved sandbox may come back at another address.
func queueParts(address string) (owner, name string) {
	u, err := url.Parse(address)
	if err != nil {
		return "", ""
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(parts) < 2 {
		return "", ""
	}
	return parts[len(parts)-2], parts[len(parts)-1]
}

// queueAt finds any account's queue in a region; nil if there is none. A queue
// is slow to be known in an unkind sandbox.
func (s *Sandbox) queueAt(owner, region, name string) *queue {
	a := s.account(owner)
	if a == nil || a.Regions[region] == nil {
		return nil
	}
	return a.Regions[region].SQS.Queues[name]
}

// queueByARN is queueAt for an ARN.
func (s *Sandbox) queueByARN(arn string) *queue {
	p := strings.Split(arn, ":")
	if len(p) != 6 || p[2] != "sqs" {
		return nil
	}
	return s.queueAt(p[4], p[3], p[5])
}

// queueOf finds the queue of a URL.
func (c *call) queueOf(address string) (*queue, error) {
	if address == "" {
		return nil, fail("MissingRequiredParameterException", "The request must contain the parameter QueueUrl.")
	}
	owner, name := queueParts(address)
	if name == "" {
		return nil, fail("InvalidAddress", "The address %s is not valid for this endpoint.", address)
	}
	q := c.queueAt(owner, c.Region, name)
	if q == nil || c.Via == "" && c.stale(q.Created) {
		return nil, noQueue()
	}
	return q, nil
}

// queueAccess is the permission on the queue of the call, to which its policy
// has a say. A batch needs the permission of the single operation.
func queueAccess(c *call) ([]access, error) {
	a, err := c.accessToQueue(c.In.str("QueueUrl"))
	return []access{a}, err
}

func (c *call) accessToQueue(address string) (access, error) {
	owner, name := queueParts(address)
	a := access{Action: "sqs:" + strings.TrimSuffix(c.Op, "Batch"), Owner: owner, Context: map[string][]string{},
		Resource: "arn:aws:sqs:" + c.Region + ":" + owner + ":" + name}
	q := c.queueAt(owner, c.Region, name)
	if q == nil {
		if owner != c.Account.ID {
			_, err := c.queueOf(address)
			return a, err
		}
		return a, nil
	}
	if owner == c.Account.ID || !slices.Contains(localQueueOps, c.Op) {
		a.Policy = c.bound(c.effective(q)["Policy"], q.Bound)
	}
	for k, v := range q.Tags {
		a.Context["aws:ResourceTag/"+k] = []string{v}
	}
	for k, v := range requestTags(c.In.strMap("Tags")) {
		a.Context[k] = v
	}
	return a, nil
}

// effective are the attributes that the queue goes by: in an unkind sandbox
// those before a change, for a while.
func (s *Sandbox) effective(q *queue) map[string]string {
	if q.Was != nil && s.stale(q.Modified) {
		return q.Was
	}
	return q.Attributes
}

func createQueueAccess(c *call) ([]access, error) {
	tags := c.queueTags()
	a := access{Action: "sqs:CreateQueue", Resource: c.arn(c.In.str("QueueName")), Context: requestTags(tags)}
	needs := []access{a}
	if len(tags) > 0 {
		a.Action = "sqs:TagQueue"
		needs = append(needs, a)
	}
	return needs, nil
}

// queueTags are the tags of CreateQueue, which has them under a name in small letters.
func (c *call) queueTags() map[string]string {
	if c.In.has("tags") {
		return c.In.strMap("tags")
	}
	return c.In.strMap("Tags")
}

// createQueue makes a queue; the same one again gives the same URL.
func createQueue(c *call) (obj, error) {
	name, attributes := c.In.str("QueueName"), c.In.strMap("Attributes")
	if name == "" {
		return nil, fail("MissingRequiredParameterException", "The request must contain the parameter QueueName.")
	}
	base, fifo := strings.CutSuffix(name, ".fifo")
	if !queueName.MatchString(base) || len(name) > 80 {
		return nil, fail("InvalidParameterValueException", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	if fifo != (attributes["FifoQueue"] == "true") {
		return nil, fail("InvalidParameterValueException", "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	}
	st := &c.here().SQS
	if q := st.Queues[name]; q != nil {
		shown := c.shownQueue(q)
		for _, k := range sortedKeys(attributes) {
			if shown[k] != attributes[k] {
				return nil, fail("QueueNameExists", "A queue already exists with the same name and a different value for attribute %s", k)
			}
		}
		return obj{"QueueUrl": c.queueURL(q)}, nil
	}
	if at, ok := st.Deleted[name]; ok && c.opts.Unkind && c.now().Sub(at) < time.Minute {
		return nil, fail("QueueDeletedRecently", "You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	q := &queue{Name: name, Owner: c.Account.ID, Region: c.Region, Attributes: map[string]string{}, Tags: c.queueTags(), Created: c.now(), Modified: c.now()}
	if err := c.setAttributes(q, attributes, true); err != nil {
		return nil, err
	}
	put(&st.Queues, name, q)
	delete(st.Deleted, name)
	return obj{"QueueUrl": c.queueURL(q)}, nil
}

// getQueueURL checks its permission itself: who may not see another account's
// queue is told that there is none.
func getQueueURL(c *call) (obj, error) {
	name, owner := c.In.str("QueueName"), c.In.or("QueueOwnerAWSAccountId", c.Account.ID)
	a, err := c.accessToQueue("/" + owner + "/" + name)
	if err != nil {
		return nil, err
	}
	if err := c.check(a); err != nil {
		if owner != c.Account.ID {
			return nil, fail("QueueDoesNotExist", "The specified queue does not exist or you do not have access to it.")
		}
		return nil, err
	}
	q, err := c.queueOf("/" + owner + "/" + name)
	if err != nil {
		return nil, err
	}
	return obj{"QueueUrl": c.queueURL(q)}, nil
}

func listQueues(c *call) (obj, error) {
	queues := c.here().SQS.Queues
	var names []string
	for _, n := range sortedKeys(queues) {
		if strings.HasPrefix(n, c.In.str("QueueNamePrefix")) && !c.stale(queues[n].Created) {
			names = append(names, n)
		}
	}
	if !c.In.has("MaxResults") { // then there are no pages
		return c.queueURLs(names[:min(len(names), 1000)], ""), nil
	}
	size := c.In.int("MaxResults", 0)
	if size < 1 || size > 1000 {
		return nil, invalidQueueValue(c.In.str("MaxResults"), "MaxResults", "Must be an integer from 1 to 1000.")
	}
	page, next, ok := paginate(c.Sandbox, names, same, c.In.str("NextToken"), size)
	if !ok {
		return nil, invalidQueueValue(c.In.str("NextToken"), "NextToken", "Invalid or expired next token.")
	}
	return c.queueURLs(page, next), nil
}

func (c *call) queueURLs(names []string, next string) obj {
	urls := make([]string, 0, len(names))
	for _, n := range names {
		urls = append(urls, c.queueURL(c.here().SQS.Queues[n]))
	}
	return obj{"QueueUrls": urls, "NextToken": optional(next)}
}

func deleteQueue(c *call, q *queue) (obj, error) {
	st := &c.account(q.Owner).region(q.Region).SQS
	delete(st.Queues, q.Name)
	put(&st.Deleted, q.Name, c.now())
	for n, at := range st.Deleted {
		if c.now().Sub(at) > time.Minute {
			delete(st.Deleted, n)
		}
	}
	return nil, nil
}

func purgeQueue(c *call, q *queue) (obj, error) {
	if c.now().Sub(q.Purged) < time.Minute {
		return nil, fail("PurgeQueueInProgress", "Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.Name)
	}
	q.Purged, q.Messages = c.now(), nil
	return nil, nil
}

func tagQueue(c *call, q *queue) (obj, error) {
	all := map[string]string{}
	for k, v := range q.Tags {
		all[k] = v
	}
	for k, v := range c.In.strMap("Tags") {
		if strings.HasPrefix(strings.ToLower(k), "aws:") && c.Via == "" {
			return nil, fail("InvalidParameterValueException", "Tag keys that begin with aws: are reserved.")
		}
		all[k] = v
	}
	if len(all) > 50+3 {
		return nil, fail("InvalidParameterValueException", "A queue can have at most 50 tags.")
	}
	q.Tags = all
	return nil, nil
}

func untagQueue(c *call, q *queue) (obj, error) {
	for _, k := range c.In.strs("TagKeys") {
		delete(q.Tags, k)
	}
	return nil, nil
}

func listQueueTags(_ *call, q *queue) (obj, error) {
	if len(q.Tags) == 0 {
		return obj{}, nil
	}
	tags := obj{}
	for k, v := range q.Tags {
		tags[k] = v
	}
	return obj{"Tags": tags}, nil
}

func taggedQueues(c *call) []taggedResource {
	var list []taggedResource
	for _, q := range c.here().SQS.Queues {
		list = append(list, taggedResource{q.arn(), q.Tags})
	}
	return list
}
