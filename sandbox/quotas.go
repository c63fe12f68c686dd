package sandbox

import (
	"sort"
	"strings"
)

// serviceQuota is a quota as Service Quotas shows it; value is AWS's default.
type serviceQuota struct {
	service, code, name string
	value               float64
	fixed               bool // can't be raised
}

// The quotas that something here looks up.
const (
	quotaStacks        = "L-0485CB21"
	quotaConcurrency   = "L-B99A9384"
	quotaVPCs          = "L-F678F1CE"
	quotaPeerings      = "L-7E9ECCDB"
	quotaRoles         = "L-FE177D64"
	quotaAttached      = "L-0DA4ABF3"
	quotaAttachedUser  = "L-4019AD8B"
	quotaAttachedGroup = "L-384571C4"
	quotaOIDC          = "L-858F3967"
)

// serviceQuotas are those that the sandbox shows. It enforces those of stacks,
// VPCs, peerings, roles, attached policies and identity providers; the others
// are what AWS gives to an account that never asked for more.
var serviceQuotas = []serviceQuota{
	{service: "cloudformation", code: quotaStacks, name: "Stack count", value: 2000},
	{service: "iam", code: quotaAttached, name: "Managed policies per role", value: 10},
	{service: "iam", code: quotaAttachedUser, name: "Managed policies per user", value: 10},
	{service: "iam", code: quotaAttachedGroup, name: "Managed policies per group", value: 10},
	{service: "iam", code: quotaOIDC, name: "OpenId connect providers per account", value: maxOIDC},
	{service: "iam", code: "L-C07B4B0D", name: "Role trust policy length", value: 2048},
	{service: "iam", code: quotaRoles, name: "Roles per account", value: 1000},
	{service: "iam", code: "L-F55AF5E4", name: "Users per account", value: 5000, fixed: true},
	{service: "lambda", code: quotaConcurrency, name: "Concurrent executions", value: 1000},
	{service: "lambda", code: "L-2ACBD22F", name: "Function and layer storage", value: 75},
	{service: "s3", code: "L-DC2B2D3D", name: "General purpose buckets", value: 10000},
	{service: "vpc", code: quotaPeerings, name: "Active VPC peering connections per VPC", value: 50},
	{service: "vpc", code: "L-DC9F7029", name: "Outstanding VPC peering connection requests", value: 25},
	{service: "vpc", code: quotaVPCs, name: "VPCs per Region", value: 5},
	{service: "vpc", code: "L-A4707A72", name: "Internet gateways per Region", value: 5},
	{service: "vpc", code: "L-407747CB", name: "Subnets per VPC", value: 200},
	{service: "vpc", code: "L-589F43AA", name: "Route tables per VPC", value: 200},
	{service: "vpc", code: "L-93826ACB", name: "Routes per route table", value: 50},
	{service: "vpc", code: "L-0EA8095F", name: "Inbound or outbound rules per security group", value: 60},
	{service: "vpc", code: "L-E79EC296", name: "VPC security groups per Region", value: 2500},
}

// quotaTitles are the services' names beside their codes.
var quotaTitles = map[string]string{
	"cloudformation": "AWS CloudFormation", "iam": "AWS Identity and Access Management (IAM)", "lambda": "AWS Lambda",
	"s3": "Amazon Simple Storage Service (Amazon S3)", "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
}

func quotaOf(code string) *serviceQuota {
	for i := range serviceQuotas {
		if serviceQuotas[i].code == code {
			return &serviceQuotas[i]
		}
	}
	return nil
}

func (s *Sandbox) quotaOps() map[string]operation {
	return map[string]operation{
		"GetServiceQuota":             {run: getQuota},
		"GetAWSDefaultServiceQuota":   {run: getDefaultQuota},
		"ListServiceQuotas":           {run: listQuotas},
		"ListAWSDefaultServiceQuotas": {run: listDefaultQuotas},
		"RequestServiceQuotaIncrease": {run: raiseQuota, resources: func(c *call) []string {
			return []string{c.quotaARN(c.In.str("ServiceCode"), c.In.str("QuotaCode"))}
		}},
	}
}

func (c *call) quotaARN(service, code string) string {
	return "arn:aws:servicequotas:" + c.Region + ":" + c.Account.ID + ":" + service + "/" + code
}

// quota is what the account may have in the call's region: what it was given
// there, what the organization file gives it everywhere, or AWS's default.
func (c *call) quota(code string) float64 {
	q := quotaOf(code)
	region := c.Region
	if q.service == "iam" || q.service == "s3" {
		region = ""
	} else if v, ok := c.Account.Quotas[region+"/"+code]; ok {
		return v
	}
	if v, ok := c.Account.Quotas[code]; ok {
		return v
	}
	if m := c.st.Org.Members[c.Account.ID]; m != nil {
		if v, ok := m.Quotas[code]; ok {
			return v
		}
	}
	return q.value
}

func (c *call) showQuota(q *serviceQuota, value float64) obj {
	global := q.service == "iam" || q.service == "s3"
	arn := c.quotaARN(q.service, q.code)
	if global {
		arn = strings.Replace(arn, ":"+c.Region+":", "::", 1)
	}
	unit := "None"
	if q.service == "lambda" && q.code != quotaConcurrency {
		unit = "Gigabytes"
	}
	return obj{"ServiceCode": q.service, "ServiceName": quotaTitles[q.service], "QuotaArn": arn, "QuotaCode": q.code,
		"QuotaName": q.name, "Value": value, "Unit": unit, "Adjustable": !q.fixed, "GlobalQuota": global}
}

// namedQuota finds the quota that the call names.
func (c *call) namedQuota() (*serviceQuota, error) {
	service, code := c.In.str("ServiceCode"), c.In.str("QuotaCode")
	if err := c.quotaService(); err != nil {
		return nil, err
	}
	if q := quotaOf(code); q != nil && q.service == service {
		return q, nil
	}
	return nil, fail("NoSuchResourceException", "The request failed because the specified service quota doesn't exist.")
}

// quotaService refuses services that have no quotas here.
func (c *call) quotaService() error {
	if _, ok := quotaTitles[c.In.str("ServiceCode")]; !ok {
		return fail("NoSuchResourceException", "The request failed because the specified service does not exist.")
	}
	return nil
}

func getQuota(c *call) (obj, error) {
	q, err := c.namedQuota()
	if err != nil {
		return nil, err
	}
	return obj{"Quota": c.showQuota(q, c.quota(q.code))}, nil
}

func getDefaultQuota(c *call) (obj, error) {
	q, err := c.namedQuota()
	if err != nil {
		return nil, err
	}
	return obj{"Quota": c.showQuota(q, q.value)}, nil
}

func listQuotas(c *call) (obj, error) {
	return c.quotaPage(func(q *serviceQuota) float64 { return c.quota(q.code) })
}

func listDefaultQuotas(c *call) (obj, error) {
	return c.quotaPage(func(q *serviceQuota) float64 { return q.value })
}

func (c *call) quotaPage(value func(*serviceQuota) float64) (obj, error) {
	if err := c.quotaService(); err != nil {
		return nil, err
	}
	size := c.In.int("MaxResults", 100)
	if size < 1 || size > 100 {
		return nil, fail("IllegalArgumentException", "MaxResults must be between 1 and 100.")
	}
	var list []*serviceQuota
	for i := range serviceQuotas {
		q := &serviceQuotas[i]
		if only := c.In.str("QuotaCode"); q.service == c.In.str("ServiceCode") && (only == "" || only == q.code) {
			list = append(list, q)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].code < list[j].code })
	page, next, ok := paginate(c.Sandbox, list, func(q *serviceQuota) string { return q.code }, c.In.str("NextToken"), size)
	if !ok {
		return nil, fail("InvalidPaginationTokenException", "Invalid token was used.")
	}
	out := []obj{}
	for _, q := range page {
		out = append(out, c.showQuota(q, value(q)))
	}
	return obj{"Quotas": out, "NextToken": optional(next)}, nil
}

// raiseQuota approves at once what people, or AWS's automation, decide on.
func raiseQuota(c *call) (obj, error) {
	q, err := c.namedQuota()
	if err != nil {
		return nil, err
	}
	wanted := c.In.float("DesiredValue")
	switch {
	case q.fixed:
		return nil, fail("IllegalArgumentException", "The quota %s isn't adjustable.", q.code)
	case wanted <= c.quota(q.code):
		return nil, fail("IllegalArgumentException", "You must provide a quota value greater than the current quota value.")
	}
	if c.Account.Quotas == nil {
		c.Account.Quotas = map[string]float64{}
	}
	shown := c.showQuota(q, wanted)
	key := c.Region + "/" + q.code
	if shown["GlobalQuota"] == true {
		key = q.code
	}
	c.Account.Quotas[key] = wanted
	now := c.now()
	return obj{"RequestedQuota": obj{"Id": c.id(32), "ServiceCode": q.service, "ServiceName": quotaTitles[q.service], "QuotaCode": q.code,
		"QuotaName": q.name, "DesiredValue": wanted, "Status": "APPROVED", "Created": now, "LastUpdated": now,
		"Requester": `{"accountId":"` + c.Account.ID + `","callerArn":"` + c.Who.ARN + `"}`,
		"QuotaArn":  shown["QuotaArn"], "GlobalQuota": shown["GlobalQuota"], "Unit": shown["Unit"]}}, nil
}
