package sandbox

import (
	"maps"
	"strings"
	"time"
)

// ec2State is the network of one account in one region: every kind of resource
// by its id, and the tags of all of them by resource id. A peering connection
// lives where it was requested; the accepter's side only knows where that is.
type ec2State struct {
	VPCs        map[string]*vpc              `json:"vpcs,omitempty"`
	Subnets     map[string]*subnet           `json:"subnets,omitempty"`
	RouteTables map[string]*routeTable       `json:"route_tables,omitempty"`
	ACLs        map[string]*networkACL       `json:"acls,omitempty"`
	Groups      map[string]*securityGroup    `json:"groups,omitempty"`
	Rules       map[string]*groupRule        `json:"rules,omitempty"`
	Gateways    map[string]*internetGateway  `json:"gateways,omitempty"`
	Addresses   map[string]*elasticIP        `json:"addresses,omitempty"`
	NATs        map[string]*natGateway       `json:"nats,omitempty"`
	Peerings    map[string]*peering          `json:"peerings,omitempty"`
	Peered      map[string]place             `json:"peered,omitempty"`
	Tags        map[string]map[string]string `json:"tags,omitempty"`
	DHCP        string                       `json:"dhcp,omitempty"`   // id of the default DHCP options
	Tokens      map[string]string            `json:"tokens,omitempty"` // resource by client token
	Unseen      map[string]time.Time         `json:"-"`                // what descriptions show only from then on
}

// place is an account and a region.
type place struct {
	Account string `json:"account"`
	Region  string `json:"region"`
}

// ec2 is the caller's network in the call's region.
func (c *call) ec2() *ec2State { return &c.Account.region(c.Region).EC2 }

// put stores a resource in a map that may not exist yet.
func put[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// ec2Kind is how a type of resource is called in ids, ARNs and errors.
type ec2Kind struct {
	prefix string // of ids, with the dash
	arn    string // resource type in ARNs and tag specifications
	code   string // error code prefix: code + ".NotFound" or ".Malformed"
	noun   string // AWS's message is "The <noun> ID 'x' does not exist"
}

// ec2Kinds are the resources that can be named by id.
var ec2Kinds = []ec2Kind{
	{"vpc-", "vpc", "InvalidVpcID", "vpc"},
	{"subnet-", "subnet", "InvalidSubnetID", "subnet"},
	{"rtb-", "route-table", "InvalidRouteTableID", "routeTable"},
	{"acl-", "network-acl", "InvalidNetworkAclID", "networkAcl"},
	{"sg-", "security-group", "InvalidGroup", "security group"},
	{"sgr-", "security-group-rule", "InvalidSecurityGroupRuleId", "security group rule"},
	{"igw-", "internet-gateway", "InvalidInternetGatewayID", "internetGateway"},
	{"eipalloc-", "elastic-ip", "InvalidAllocationID", "allocation"},
	{"nat-", "natgateway", "InvalidNatGatewayID", "natGateway"},
	{"pcx-", "vpc-peering-connection", "InvalidVpcPeeringConnectionID", "vpcPeeringConnection"},
	{"dopt-", "dhcp-options", "InvalidDhcpOptionID", "dhcpOption"},
}

// ec2KindOf finds the kind by an id's prefix.
func ec2KindOf(id string) (ec2Kind, bool) {
	for _, k := range ec2Kinds {
		if strings.HasPrefix(id, k.prefix) {
			return k, true
		}
	}
	return ec2Kind{}, false
}

// noSuch is what EC2 answers when ids of a kind are malformed or unknown.
// prefix says which kind was expected.
func noSuch(prefix string, ids ...string) *apiError {
	k, _ := ec2KindOf(prefix)
	for _, id := range ids {
		if !strings.HasPrefix(id, prefix) {
			return fail(k.code+".Malformed", "Invalid id: %q (expecting \"%s...\")", id, prefix)
		}
	}
	list := strings.Join(ids, ", ")
	switch {
	case prefix == "sg-" && len(ids) == 1:
		return fail("InvalidGroup.NotFound", "The security group '%s' does not exist", list)
	case prefix == "sg-":
		return fail("InvalidGroup.NotFound", "The security groups '%s' do not exist", list)
	case prefix == "nat-":
		return fail("NatGatewayNotFound", "The Nat Gateway %s was not found", list)
	case len(ids) == 1:
		return fail(k.code+".NotFound", "The %s ID '%s' does not exist", k.noun, list)
	}
	return fail(k.code+".NotFound", "The %s IDs '%s' do not exist", k.noun, list)
}

// need returns the resource that an input names, or the error that EC2 gives
// when the parameter is left out, malformed or names nothing.
func need[T any](c *call, all map[string]*T, param, prefix string) (*T, error) {
	id := c.In.str(param)
	if id == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter %s", lowerFirst(param))
	}
	v := all[id]
	if v == nil {
		return nil, noSuch(prefix, id)
	}
	return v, nil
}

// ec2ARN is the ARN of a resource of the caller's account.
func (c *call) ec2ARN(kind, id string) string {
	return "arn:aws:ec2:" + c.Region + ":" + c.Account.ID + ":" + kind + "/" + id
}

// touching lists the resources that a call acts on, for the IAM decision: pairs
// of a resource type and the input that holds its ids ("" for what is made).
func touching(pairs ...string) func(*call) []string {
	return func(c *call) []string {
		var out []string
		for i := 0; i+1 < len(pairs); i += 2 {
			kind, param := pairs[i], pairs[i+1]
			if param == "" {
				out = append(out, c.ec2ARN(kind, "*"))
				continue
			}
			for _, id := range idsIn(c.In, param) {
				out = append(out, c.ec2ARN(kind, id))
			}
		}
		return out
	}
}

// touchingIDs is touching for operations that take ids of any kind.
func touchingIDs(param string) func(*call) []string {
	return func(c *call) []string {
		var out []string
		for _, id := range idsIn(c.In, param) {
			if k, ok := ec2KindOf(id); ok {
				out = append(out, c.ec2ARN(k.arn, id))
			}
		}
		return out
	}
}

// ec2Access asks for the operation's action on every resource, with the
// condition keys that EC2 gives: the tags of what is there, the tags asked for
// on what is made, and the two VPCs of a peering connection.
func ec2Access(resources func(*call) []string) func(*call) ([]access, error) {
	return func(c *call) ([]access, error) {
		action := "ec2:" + c.Op
		var out []access
		for _, arn := range resources(c) {
			kind, id, _ := strings.Cut(arn[strings.LastIndexByte(arn, ':')+1:], "/")
			ctx := map[string][]string{"ec2:Region": {c.Region}}
			if id == "*" {
				maps.Copy(ctx, requestTags(c.tagsAsked(kind)))
			}
			for k, v := range c.ec2().Tags[id] {
				ctx["aws:ResourceTag/"+k], ctx["ec2:ResourceTag/"+k] = []string{v}, []string{v}
			}
			if kind == "vpc-peering-connection" {
				c.peeringConditions(id, ctx)
			}
			out = append(out, access{Action: action, Resource: arn, Context: ctx})
		}
		if len(out) == 0 {
			out = []access{{Action: action}}
		}
		return out, nil
	}
}

// idsIn reads an input that is one id or a list of them.
func idsIn(in params, param string) []string {
	if id := in.str(param); id != "" {
		return []string{id}
	}
	return in.strs(param)
}

// done is the output of operations that only say that they worked.
func done() (obj, error) { return obj{"return": true}, nil }

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// ec2Ops is what the sandbox serves of EC2.
func (s *Sandbox) ec2Ops() map[string]operation {
	all := map[string]operation{}
	for _, some := range []map[string]operation{
		ec2PlaceOperations(), ec2VPCOperations(), ec2SubnetOperations(), ec2RouteTableOperations(),
		ec2RouteOperations(), ec2GatewayOperations(), ec2GroupOperations(), ec2RuleOperations(),
		ec2PeeringOperations(), ec2TagOperations(), ec2NATOperations(),
	} {
		maps.Copy(all, some)
	}
	for name, op := range all {
		op.run = dryRun(op.run)
		if op.resources != nil {
			op.access, op.resources = ec2Access(op.resources), nil
		}
		all[name] = op
	}
	return all
}

// dryRun answers DryRun as EC2 does: the caller is allowed (the decision came
// before), so the call would have succeeded.
func dryRun(run func(*call) (obj, error)) func(*call) (obj, error) {
	return func(c *call) (obj, error) {
		if c.In.bool("DryRun") {
			return nil, &apiError{Status: 412, Code: "DryRunOperation",
				Message: "Request would have succeeded, but DryRun flag is set."}
		}
		return run(c)
	}
}
