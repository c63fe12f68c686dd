package sandbox

import (
	"slices"
	"strings"
)

// ssmPage adds a page of parameters, by name, to an output.
func ssmPage(c *call, field string, names []string, size, longest int, show func(string) (obj, error)) (obj, error) {
	size = c.In.int("MaxResults", size)
	if size < 1 || size > longest {
		return nil, fail("ValidationException", "1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value between 1 and %d", size, longest)
	}
	page, next, ok := paginate(c.Sandbox, names, same, c.In.str("NextToken"), size)
	if !ok {
		return nil, fail("InvalidNextToken", "The specified token isn't valid.")
	}
	list := make([]obj, 0, len(page))
	for _, n := range page {
		one, err := show(n)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return obj{field: list, "NextToken": optional(next)}, nil
}

func getParametersByPath(c *call) (obj, error) {
	path := c.In.str("Path")
	if !strings.HasPrefix(path, "/") {
		return nil, fail("ValidationException", "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\".")
	}
	prefix := strings.TrimSuffix(path, "/") + "/"
	all := c.here().SSM.Parameters
	var names []string
	for _, name := range sortedKeys(all) {
		rest, ok := strings.CutPrefix(name, prefix)
		if prefix == "/" && !ok { // the root holds names without a slash too
			rest, ok = name, true
		}
		if !ok || !c.In.bool("Recursive") && strings.Contains(rest, "/") {
			continue
		}
		if match, err := c.matches(all[name], c.In.list("ParameterFilters")); err != nil {
			return nil, err
		} else if match {
			names = append(names, name)
		}
	}
	return ssmPage(c, "Parameters", names, 10, 10, func(n string) (obj, error) {
		v := all[n].latest()
		return c.showParameter(all[n], v, ""), c.mayRead(all[n], v)
	})
}

// matches applies parameter filters: Name, Path, Type, KeyId, Tier, DataType
// and tag:KEY with their options.
func (c *call) matches(p *parameter, filters []params) (bool, error) {
	v := p.latest()
	for _, f := range filters {
		key, values := f.str("Key"), f.strs("Values")
		option := f.or("Option", "Equals")
		have := []string{}
		switch {
		case key == "Name":
			have = []string{p.Name}
		case key == "Type":
			have = []string{v.Type}
		case key == "KeyId":
			have = []string{v.KeyID}
		case key == "Tier":
			have = []string{v.Tier}
		case key == "DataType":
			have = []string{v.DataType}
		case key == "Path":
			if !underPath(p.Name, values, option == "Recursive") {
				return false, nil
			}
			continue
		case strings.HasPrefix(key, "tag:"):
			if tag, ok := p.Tags[key[len("tag:"):]]; ok {
				have = []string{tag}
			}
		default:
			return false, fail("InvalidFilterKey", "The specified key isn't valid: %s.", key)
		}
		if len(values) == 0 && len(have) > 0 {
			continue
		}
		if !anyMatch(have, values, option) {
			return false, nil
		}
	}
	return true, nil
}

func underPath(name string, paths []string, recursive bool) bool {
	return slices.ContainsFunc(paths, func(path string) bool {
		rest, ok := strings.CutPrefix(name, strings.TrimSuffix(path, "/")+"/")
		return ok && (recursive || !strings.Contains(rest, "/"))
	})
}

func anyMatch(have, want []string, option string) bool {
	for _, h := range have {
		for _, w := range want {
			switch {
			case option == "Equals" && h == w, option == "BeginsWith" && strings.HasPrefix(h, w), option == "Contains" && strings.Contains(h, w):
				return true
			}
		}
	}
	return false
}

func describeParameters(c *call) (obj, error) {
	all := c.here().SSM.Parameters
	filters := c.In.list("ParameterFilters")
	for _, old := range c.In.list("Filters") { // the older form
		filters = append(filters, params{"Key": old.str("Key"), "Values": old["Values"], "Option": "BeginsWith"})
	}
	var names []string
	for _, name := range sortedKeys(all) {
		match, err := c.matches(all[name], filters)
		if err != nil {
			return nil, err
		}
		if match {
			names = append(names, name)
		}
	}
	return ssmPage(c, "Parameters", names, 50, 50, func(n string) (obj, error) {
		return c.describeParameter(all[n], all[n].latest()), nil
	})
}

func (c *call) describeParameter(p *parameter, v *parameterVersion) obj {
	return obj{
		"Name": p.Name, "ARN": c.parameterARN(p.Name), "Type": v.Type, "Version": v.Number, "Tier": v.Tier, "DataType": v.DataType,
		"Description": optional(v.Description), "AllowedPattern": optional(v.Pattern), "KeyId": optional(v.KeyID),
		"LastModifiedDate": v.Modified, "LastModifiedUser": v.By, "Policies": []any{},
	}
}

// taggedParameter finds the parameter that a tag operation names.
func (c *call) taggedParameter() (*parameter, error) {
	if kind := c.In.str("ResourceType"); kind != "Parameter" {
		return nil, fail("InvalidResourceType", "The resource type %s isn't valid.", kind)
	}
	p, _, err := c.parameter(c.In.str("ResourceId"))
	if err != nil {
		return nil, fail("InvalidResourceId", "The resource ID isn't valid. Verify that you entered the correct ID and try again.")
	}
	return p, nil
}

func tagParameter(c *call) (obj, error) {
	p, err := c.taggedParameter()
	if err != nil {
		return nil, err
	}
	if p.Tags == nil {
		p.Tags = map[string]string{}
	}
	for k, v := range c.In.tags("Tags") {
		p.Tags[k] = v
	}
	if len(p.Tags) > 50 {
		return nil, fail("TooManyTagsError", "The Tags parameter includes too many tags.")
	}
	return obj{}, nil
}

func untagParameter(c *call) (obj, error) {
	p, err := c.taggedParameter()
	if err != nil {
		return nil, err
	}
	for _, k := range c.In.strs("TagKeys") {
		delete(p.Tags, k)
	}
	return obj{}, nil
}

func listParameterTags(c *call) (obj, error) {
	p, err := c.taggedParameter()
	if err != nil {
		return nil, err
	}
	return obj{"TagList": tagList(p.Tags)}, nil
}
