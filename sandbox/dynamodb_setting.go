package sandbox

import (
	"strconv"
	"strings"
	"time"

	"axle/policy"
)

func describeTimeToLive(_ *call, t *dynamoTable) (obj, error) {
	out := obj{"TimeToLiveStatus": "DISABLED"}
	if t.TTL != "" {
		out = obj{"TimeToLiveStatus": "ENABLED", "AttributeName": t.TTL}
	}
	return obj{"TimeToLiveDescription": out}, nil
}

// updateTimeToLive sets the attribute. Nothing expires: AWS takes days for it,
// and gives what has expired until then.
func updateTimeToLive(c *call, t *dynamoTable) (obj, error) {
	spec := c.In.obj("TimeToLiveSpecification")
	on, name := spec.bool("Enabled"), spec.str("AttributeName")
	switch {
	case t.status(c.now()) != "ACTIVE":
		return nil, c.busy(t)
	case name == "":
		return nil, fail("ValidationException", "TimeToLiveSpecification needs an AttributeName.")
	case on && t.TTL != "":
		return nil, fail("ValidationException", "TimeToLive is already enabled")
	case !on && t.TTL == "":
		return nil, fail("ValidationException", "TimeToLive is already disabled")
	case !on && t.TTL != name:
		return nil, fail("ValidationException", "TimeToLive is active on a different AttributeName: current AttributeName is %s", t.TTL)
	}
	if t.TTL = ""; on {
		t.TTL = name
	}
	return obj{"TimeToLiveSpecification": obj{"Enabled": on, "AttributeName": name}}, nil
}

func describeContinuousBackups(c *call, t *dynamoTable) (obj, error) {
	recovery := obj{"PointInTimeRecoveryStatus": "DISABLED"}
	if !t.Backups.IsZero() {
		recovery = obj{"PointInTimeRecoveryStatus": "ENABLED", "RecoveryPeriodInDays": t.Recovery,
			"EarliestRestorableDateTime": t.Backups, "LatestRestorableDateTime": c.now()}
	}
	return obj{"ContinuousBackupsDescription": obj{"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": recovery}}, nil
}

func updateContinuousBackups(c *call, t *dynamoTable) (obj, error) {
	spec := c.In.obj("PointInTimeRecoverySpecification")
	days := spec.int("RecoveryPeriodInDays", 35)
	if t.status(c.now()) != "ACTIVE" {
		return nil, fail("ContinuousBackupsUnavailableException", "Backups are being enabled for the table: %s. Please retry later", t.Name)
	}
	if days < 1 || days > 35 {
		return nil, fail("ValidationException", "RecoveryPeriodInDays must be between 1 and 35.")
	}
	if on := spec.bool("PointInTimeRecoveryEnabled"); !on {
		t.Backups, t.Recovery = time.Time{}, 0
	} else if t.Recovery = days; t.Backups.IsZero() {
		t.Backups = c.now()
	}
	return describeContinuousBackups(c, t)
}

func (c *call) checkTableTags(tags map[string]string) error {
	if len(tags) > 50+3 {
		return invalidTable("Too many tags")
	}
	for k, v := range tags {
		if k == "" || len(k) > 128 || len(v) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") && c.Via == "" {
			return invalidTable("Tag key %q is not valid", k)
		}
	}
	return nil
}

func tagTable(c *call, t *dynamoTable) (obj, error) {
	all := map[string]string{}
	for _, tags := range []map[string]string{t.Tags, c.In.tags("Tags")} {
		for k, v := range tags {
			all[k] = v
		}
	}
	if err := c.checkTableTags(all); err != nil {
		return nil, err
	}
	t.Tags = all
	return nil, nil
}

func untagTable(c *call, t *dynamoTable) (obj, error) {
	for _, k := range c.In.strs("TagKeys") {
		delete(t.Tags, k)
	}
	return nil, nil
}

func listTableTags(c *call, t *dynamoTable) (obj, error) {
	page, next, ok := paginate(c.Sandbox, tagList(t.Tags), func(o obj) string { return text(o["Key"]) }, c.In.str("NextToken"), 10)
	if !ok {
		return nil, fail("ValidationException", "Invalid NextToken")
	}
	return obj{"Tags": page, "NextToken": optional(next)}, nil
}

// revision is the id of a policy's new revision.
func (c *call) revision() string {
	return strconv.FormatInt(c.now().UnixMilli(), 10) + strconv.FormatInt(c.serial(), 10)
}

// checkTablePolicy refuses what isn't a policy for the table, and one that
// takes from the caller the right to change it again, unless that is meant.
func (c *call) checkTablePolicy(t *dynamoTable, doc string, meant bool) (map[string]string, error) {
	if len(doc) > 20480 {
		return nil, fail("LimitExceededException", "Resource-based policy is larger than 20 KB")
	}
	bound, err := c.checkResourcePolicy(doc, "dynamodb:")
	if err == nil {
		err = c.known(bound)
	}
	if e, ok := err.(*apiError); ok && e.Code == "PrincipalNotFound" {
		return nil, fail("ValidationException", "Invalid policy document: Principal in the policy is invalid: %s", e.Message)
	}
	if err != nil {
		return nil, fail("ValidationException", "Invalid policy document: %s", strings.TrimPrefix(err.Error(), "policy: "))
	}
	for _, s := range s3Statements(doc) {
		for _, r := range append(textList(s.Resource), textList(s.NotResource)...) {
			if r != t.arn() && !strings.HasPrefix(r, t.arn()+"/") && !strings.ContainsAny(r, "*?$") {
				return nil, fail("ValidationException", "Invalid policy document: Resource %s isn't the table", r)
			}
		}
	}
	if publicPolicy(doc) { // Block Public Access is always on
		return nil, fail("ValidationException", "Invalid policy document: The policy grants public access, which DynamoDB's Block Public Access doesn't let through")
	}
	d, _ := c.decide(access{Action: "dynamodb:PutResourcePolicy", Resource: t.arn(), Owner: t.Account, Policy: doc})
	if !meant && d.Verdict == policy.ExplicitDeny && d.Kind == policy.ResourcePolicy {
		return nil, fail("ValidationException", "Resource-based policy would remove the caller's permission to change it: set ConfirmRemoveSelfResourceAccess to confirm")
	}
	return bound, nil
}

// expected refuses when the caller expects another revision.
func (c *call) expected(t *dynamoTable) error {
	want := c.In.str("ExpectedRevisionId")
	if want == "" || want == t.Revision || want == "NO_POLICY" && t.Policy.Text == "" {
		return nil
	}
	return noTablePolicy(t)
}

func noTablePolicy(t *dynamoTable) error {
	return fail("PolicyNotFoundException", "Resource-based policy not found for the provided ResourceArn: %s", t.arn())
}

func putTablePolicy(c *call, t *dynamoTable) (obj, error) {
	doc := c.In.str("Policy")
	bound, err := c.checkTablePolicy(t, doc, c.In.bool("ConfirmRemoveSelfResourceAccess"))
	if err == nil {
		err = c.expected(t)
	}
	if err != nil {
		return nil, err
	}
	if doc != t.Policy.Text {
		t.Policy.change(doc, bound, c.now())
		t.Revision = c.revision()
	}
	return obj{"RevisionId": t.Revision}, nil
}

// getTablePolicy is eventually consistent, as AWS says of it.
func getTablePolicy(c *call, t *dynamoTable) (obj, error) {
	doc := c.inForce(&t.Policy)
	if doc == "" {
		return nil, noTablePolicy(t)
	}
	return obj{"Policy": doc, "RevisionId": t.Revision}, nil
}

// deleteTablePolicy does nothing where there is none, unless a revision is
// expected.
func deleteTablePolicy(c *call, t *dynamoTable) (obj, error) {
	if err := c.expected(t); err != nil {
		return nil, err
	}
	if t.Policy.Text == "" {
		return nil, nil
	}
	was := t.Revision
	t.Policy.change("", nil, c.now())
	t.Revision = ""
	return obj{"RevisionId": was}, nil
}
