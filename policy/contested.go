package policy

import (
	"math/bits"
	"slices"
	"strings"
)

// reading is a set of contested rules, each taken in its second sense. AWS's
// documentation is silent about them or contradicts itself; Evaluate takes the
// first sense, which is the one that is nearer to the text.
type reading uint8

const (
	// The role's name in the caller's session differs from the policy's in case
	// only. First: another role.
	foldRoleName reading = 1 << iota
	// ForAnyValue with IfExists and the key missing. First: the IfExists
	// sentence, which makes the condition true.
	anyIfExists
	// A resource policy names the session, or everyone, in the same account, and
	// a session policy doesn't allow. First: the resource policy is enough.
	sessionLimits
	// NotPrincipal names a part of account, role and session only. First: a Deny
	// holds, an Allow doesn't.
	halfExcluded
	// An RCP denies, and the service is on the longer list of those that RCPs
	// cover only. First: it is covered.
	rcpUncovered

	allReadings = 1<<iota - 1
)

// contests say what is contested, for explanations.
var contests = [...]string{
	"whether a role's name may differ in case",
	"what ForAnyValue with IfExists comes to when the key is missing",
	"whether a session policy limits what a resource policy gives to the session or to everyone",
	"what a NotPrincipal does that lists only a part of the caller's account, role and session",
	"whether resource control policies cover this service",
}

// second says whether a contested rule, which is being applied, is taken in its
// second sense.
func (e *evaluation) second(r reading) bool {
	e.met |= r
	return e.as&r != 0
}

// Contested names the contested rules on which the verdict rests: with AWS's
// documentation read in another way it would be another. Nil when there are none.
func Contested(req *Request, p *Policies) []string {
	d, met := evaluate(req, p, 0)
	if met == 0 {
		return nil
	}
	for before := reading(0); before != met; {
		before = met
		for _, as := range fewestFirst {
			if as&^met != 0 {
				continue
			}
			other, more := evaluate(req, p, as)
			met |= more
			if other.Verdict == d.Verdict {
				continue
			}
			var on []string
			for i, what := range contests {
				if as&(1<<i) != 0 {
					on = append(on, what)
				}
			}
			return on
		}
	}
	return nil
}

// fewestFirst are all readings but the first, those with fewer rules first.
var fewestFirst = func() []reading {
	var all []reading
	for r := reading(1); r <= allReadings; r++ {
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b reading) int { return bits.OnesCount8(uint8(a)) - bits.OnesCount8(uint8(b)) })
	return all
}()

// coverage says whether RCPs hold for a service.
type coverage uint8

const (
	uncovered coverage = iota
	perhapsCovered
	covered
)

// rcpCovered are the services whose resources RCPs cover by all of AWS's pages,
// and rcpPerhaps those that only a longer list of September 2026 has, whose
// meaning AWS's pages don't confirm. SNS and Lambda are on neither. Sorted.
var (
	rcpCovered = []string{"kms", "s3", "secretsmanager", "sqs", "sts"}
	rcpPerhaps = []string{"aoss", "appconfig", "appstream", "autoscaling", "autoscaling-plans", "budgets", "clouddirectory", "cloudfront",
		"cloudsearch", "cloudtrail-data", "codeartifact", "codebuild", "codecommit", "codepipeline", "cognito-identity", "cognito-idp",
		"comprehend", "comprehendmedical", "compute-optimizer", "cost-optimization-hub", "dax", "dsql", "dynamodb", "ecr", "ecr-public",
		"events", "firehose", "fis", "fms", "gamelift", "health", "inspector-scan", "kendra", "kinesisvideo", "logs", "memorydb",
		"networkmonitor", "notifications", "opensearch", "pca-connector-ad", "personalize", "polly", "pricing", "resource-groups",
		"rolesanywhere", "servicediscovery", "signin", "support", "swf", "textract", "timestream-influxdb", "transcribe", "transfer",
		"translate", "wafv2", "workspaces", "xray"}
)

// rcpCoverage says whether RCPs hold for an action. "RCPs can't be used to
// restrict ... kms:RetireGrant" (AWS Organizations User Guide).
func rcpCoverage(action string) coverage {
	service, operation, _ := strings.Cut(action, ":")
	if strings.EqualFold(service, "kms") && strings.EqualFold(operation, "RetireGrant") {
		return uncovered
	}
	service = lower(service)
	if slices.Contains(rcpCovered, service) {
		return covered
	}
	if _, found := slices.BinarySearch(rcpPerhaps, service); found {
		return perhapsCovered
	}
	return uncovered
}
