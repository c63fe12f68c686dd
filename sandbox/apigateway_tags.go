package sandbox

import "strings"

// gatewayTagOps are the operations on tags, of REST and HTTP APIs alike.
var gatewayTagOps = map[string]func(*call) (obj, error){"GetTags": getGatewayTags, "TagResource": tagGateway, "UntagResource": untagGateway}

// gatewayTags are the tags of the API or stage that a call names.
func (c *call) gatewayTags() (tags func() map[string]string, set func(map[string]string), err error) {
	arn := c.In.or("resource_arn", c.In.str("resource-arn"))
	path, ok := strings.CutPrefix(arn, "arn:aws:apigateway:"+c.Region+"::/")
	parts := strings.Split(path, "/")
	if ok && len(parts) == 2 || len(parts) == 4 && parts[2] == "stages" {
		if a := c.here().HTTP.APIs[parts[1]]; a != nil && parts[0] == "apis" {
			if len(parts) == 2 {
				return func() map[string]string { return a.Tags }, func(t map[string]string) { a.Tags = t }, nil
			}
			if a.Stages[parts[3]] != nil {
				return func() map[string]string { return a.StageTags[parts[3]] }, func(t map[string]string) { put(&a.StageTags, parts[3], t) }, nil
			}
		}
		if a := c.here().REST.APIs[parts[1]]; a != nil && parts[0] == "restapis" {
			if len(parts) == 2 {
				return func() map[string]string { return a.Tags }, func(t map[string]string) { a.Tags = t }, nil
			}
			if s := a.Stages[parts[3]]; s != nil {
				return func() map[string]string { return s.Tags }, func(t map[string]string) { s.Tags = t }, nil
			}
		}
	}
	return nil, nil, noGateway("Invalid resource identifier specified: %s", arn)
}

func getGatewayTags(c *call) (obj, error) {
	tags, _, err := c.gatewayTags()
	if err != nil {
		return nil, err
	}
	out := obj{}
	for k, v := range tags() {
		out[k] = v
	}
	return obj{"tags": out}, nil
}

func tagGateway(c *call) (obj, error) {
	tags, set, err := c.gatewayTags()
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for k, v := range tags() {
		all[k] = v
	}
	for k, v := range c.In.strMap("tags") {
		if strings.HasPrefix(strings.ToLower(k), "aws:") && c.Via == "" {
			return nil, badAPI("Invalid tag key: %s. Tag keys can't begin with aws:", k)
		}
		all[k] = v
	}
	if len(all) > 50+3 {
		return nil, badAPI("A resource has 50 tags at most")
	}
	set(all)
	return obj{}, nil
}

func untagGateway(c *call) (obj, error) {
	tags, set, err := c.gatewayTags()
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for k, v := range tags() {
		all[k] = v
	}
	for _, k := range c.In.many("tagKeys") {
		delete(all, k)
	}
	set(all)
	return nil, nil
}

// taggedAPIs are the APIs and stages with tags.
func taggedAPIs(c *call) []taggedResource {
	var list []taggedResource
	for _, a := range c.here().HTTP.APIs {
		list = append(list, taggedResource{a.arn(), a.Tags})
		for name, tags := range a.StageTags {
			list = append(list, taggedResource{a.arn() + "/stages/" + name, tags})
		}
	}
	for _, a := range c.here().REST.APIs {
		list = append(list, taggedResource{a.arn(), a.Tags})
		for name, s := range a.Stages {
			list = append(list, taggedResource{a.arn() + "/stages/" + name, s.Tags})
		}
	}
	return list
}
