package sandbox

import (
	"slices"
	"sort"
	"strings"
)

// taggedResource is a resource with tags, as the tagging API shows it.
type taggedResource struct {
	ARN  string
	Tags map[string]string
}

// taggers give the tagged resources of the caller's account in the call's
// region, service by service; a new service adds its own.
var taggers = []func(*call) []taggedResource{
	taggedAccounts, taggedParameters, taggedSecrets, taggedRoles, taggedKeys, taggedTables, taggedNetworks, taggedTopics, taggedStacks, taggedBuckets, taggedQueues, taggedEvents, taggedAPIs, taggedFunctions,
}

// taggedAccounts are the accounts and OUs of the organization, which only the
// management account sees, in us-east-1.
func taggedAccounts(c *call) []taggedResource {
	o := &c.st.Org
	if c.Account.ID != o.Management || c.Region != "us-east-1" {
		return nil
	}
	list := make([]taggedResource, 0, len(o.Members)+len(o.Units))
	for _, id := range c.tree().all {
		list = append(list, taggedResource{o.arn("account", id), o.Members[id].Tags})
	}
	for id, u := range o.Units {
		if u.Parent != "" {
			list = append(list, taggedResource{o.arn("ou", id), u.Tags})
		}
	}
	return list
}

func taggedParameters(c *call) []taggedResource {
	var list []taggedResource
	for name, p := range c.here().SSM.Parameters {
		list = append(list, taggedResource{c.parameterARN(name), p.Tags})
	}
	return list
}

func taggedSecrets(c *call) []taggedResource {
	var list []taggedResource
	for arn, sec := range c.here().Secrets.Secrets {
		list = append(list, taggedResource{arn, sec.Tags})
	}
	return list
}

func taggedRoles(c *call) []taggedResource {
	if c.Region != "us-east-1" {
		return nil
	}
	var list []taggedResource
	for _, r := range c.Account.IAM.Roles {
		list = append(list, taggedResource{r.ARN, r.Tags})
	}
	for _, p := range c.Account.IAM.Policies {
		list = append(list, taggedResource{p.ARN, p.Tags})
	}
	for _, p := range c.Account.IAM.OIDC {
		list = append(list, taggedResource{p.ARN, p.Tags})
	}
	return list
}

func taggedNetworks(c *call) []taggedResource {
	var list []taggedResource
	for id, tags := range c.here().EC2.Tags {
		if k, ok := ec2KindOf(id); ok {
			list = append(list, taggedResource{c.ec2ARN(k.arn, id), tags})
		}
	}
	return list
}

func taggedTopics(c *call) []taggedResource {
	var list []taggedResource
	for _, t := range c.here().SNS.Topics {
		list = append(list, taggedResource{t.arn(), t.Tags})
	}
	return list
}

func taggedStacks(c *call) []taggedResource {
	var list []taggedResource
	for id, st := range c.here().CFN.Stacks {
		if st.Status != "DELETE_COMPLETE" {
			list = append(list, taggedResource{id, st.Tags})
		}
	}
	return list
}

func (s *Sandbox) taggingOps() map[string]operation {
	return map[string]operation{
		"GetResources": {run: getResources},
		"GetTagKeys":   {run: getTagKeys},
		"GetTagValues": {run: getTagValues},
	}
}

// resources are all tagged resources that the caller sees here, by ARN.
func (c *call) resources(keep func(taggedResource) bool) []taggedResource {
	var all []taggedResource
	for _, list := range taggers {
		for _, t := range list(c) {
			if len(t.Tags) > 0 && keep(t) {
				all = append(all, t)
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ARN < all[j].ARN })
	return all
}

// getResources follows the rule that resources which never had tags aren't
// shown, unless they are asked for by ARN.
func getResources(c *call) (obj, error) {
	types, filters, arns := c.In.strs("ResourceTypeFilters"), c.In.list("TagFilters"), c.In.strs("ResourceARNList")
	size := c.In.int("ResourcesPerPage", 50)
	switch {
	case size < 1 || size > 100:
		return nil, fail("InvalidParameterException", "ResourcesPerPage must be between 1 and 100.")
	case len(types) > 100 || len(filters) > 50:
		return nil, fail("InvalidParameterException", "Too many filters.")
	}
	found := c.resources(func(t taggedResource) bool {
		return ofType(t.ARN, types) && tagsMatch(t.Tags, filters) && (len(arns) == 0 || slices.Contains(arns, t.ARN))
	})
	page, next, ok := paginate(c.Sandbox, found, func(t taggedResource) string { return t.ARN }, c.In.str("PaginationToken"), size)
	if !ok {
		return nil, fail("InvalidParameterException", "The PaginationToken is not valid.")
	}
	list := make([]obj, 0, len(page))
	for _, t := range page {
		list = append(list, obj{"ResourceARN": t.ARN, "Tags": tagList(t.Tags)})
	}
	return obj{"ResourceTagMappingList": list, "PaginationToken": next}, nil
}

// ofType matches an ARN with filters such as "ec2:vpc", "s3" or
// "organizations:account".
func ofType(arn string, types []string) bool {
	if len(types) == 0 {
		return true
	}
	p := strings.SplitN(arn, ":", 6)
	if len(p) < 6 {
		return false
	}
	kind := p[5]
	if i := strings.IndexAny(kind, "/:"); i >= 0 {
		kind = kind[:i]
	}
	return slices.Contains(types, p[2]) || slices.Contains(types, p[2]+":"+kind)
}

func tagsMatch(tags map[string]string, filters []params) bool {
	for _, f := range filters {
		v, ok := tags[f.str("Key")]
		if want := f.strs("Values"); !ok || len(want) > 0 && !slices.Contains(want, v) {
			return false
		}
	}
	return true
}

func getTagKeys(c *call) (obj, error) {
	keys := map[string]bool{}
	for _, t := range c.resources(func(taggedResource) bool { return true }) {
		for k := range t.Tags {
			keys[k] = true
		}
	}
	return tagPage(c, "TagKeys", sortedKeys(keys))
}

func getTagValues(c *call) (obj, error) {
	key, values := c.In.str("Key"), map[string]bool{}
	if key == "" {
		return nil, fail("InvalidParameterException", "1 validation error detected: Value null at 'key' failed to satisfy constraint: Member must not be null")
	}
	for _, t := range c.resources(func(taggedResource) bool { return true }) {
		if v, ok := t.Tags[key]; ok {
			values[v] = true
		}
	}
	return tagPage(c, "TagValues", sortedKeys(values))
}

func tagPage(c *call, field string, items []string) (obj, error) {
	page, next, ok := paginate(c.Sandbox, items, same, c.In.str("PaginationToken"), 100)
	if !ok {
		return nil, fail("InvalidParameterException", "The PaginationToken is not valid.")
	}
	return obj{field: append([]string{}, page...), "PaginationToken": next}, nil
}
