package sandbox

import "strings"

func ec2TagOperations() map[string]operation {
	return map[string]operation{
		"CreateTags":   {run: createTags, resources: touchingIDs("ResourceId")},
		"DeleteTags":   {run: deleteTags, resources: touchingIDs("ResourceId")},
		"DescribeTags": {run: describeTags},
	}
}

// tagSet is a resource's tags as Describe shows them, nil (left out) if none.
func (c *call) tagSet(id string) any {
	tags := c.ec2().Tags[id]
	if len(tags) == 0 {
		return nil
	}
	out := make([]obj, 0, len(tags))
	for _, k := range sortedKeys(tags) {
		out = append(out, obj{"key": k, "value": tags[k]})
	}
	return out
}

// setTags checks and stores tags on a resource of the caller's region.
func (c *call) setTags(id string, tags map[string]string) error {
	if err := c.checkTags(tags); err != nil {
		return err
	}
	if len(tags) == 0 {
		return nil
	}
	st := c.ec2()
	have := st.Tags[id]
	count := len(have)
	for k := range tags {
		if _, ok := have[k]; !ok && !strings.HasPrefix(k, "aws:") {
			count++
		}
	}
	if count > 50+3 { // the three of CloudFormation don't count
		return fail("TagLimitExceeded", "You have reached the maximum number of 50 tags allowed on resource '%s'.", id)
	}
	if have == nil {
		have = map[string]string{}
		put(&st.Tags, id, have)
	}
	for k, v := range tags {
		have[k] = v
	}
	return nil
}

// checkTags applies EC2's restrictions. Only services may set aws: tags.
func (c *call) checkTags(tags map[string]string) error {
	for k, v := range tags {
		switch {
		case k == "":
			return fail("InvalidParameterValue", "Tag key cannot be null or empty.")
		case strings.HasPrefix(strings.ToLower(k), "aws:") && c.Via == "":
			return fail("InvalidParameterValue", "Value ( %s ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use", k)
		case len(k) > 127*2 || len(v) > 256*2:
			return fail("InvalidParameterValue", "Tag key or value exceeds the maximum length: %s", k)
		}
	}
	return nil
}

// specTags reads TagSpecification for a resource type, refusing other types.
// Tagging at creation needs ec2:CreateTags too.
func (c *call) specTags(kind string) (map[string]string, error) {
	for _, spec := range c.In.list("TagSpecification") {
		switch t := spec.str("ResourceType"); t {
		case kind:
		case "":
			return nil, fail("InvalidParameterValue", "Tag specification resource type must have a value")
		default:
			return nil, fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", t)
		}
	}
	out := c.tagsAsked(kind)
	if len(out) == 0 {
		return out, nil
	}
	if err := c.checkTags(out); err != nil {
		return nil, err
	}
	ctx := requestTags(out)
	ctx["ec2:CreateAction"] = []string{c.Op}
	return out, c.check(access{Action: "ec2:CreateTags", Resource: c.ec2ARN(kind, "*"), Context: ctx})
}

// tagsAsked are the tags of TagSpecification for a resource type.
func (c *call) tagsAsked(kind string) map[string]string {
	out := map[string]string{}
	for _, spec := range c.In.list("TagSpecification") {
		if spec.str("ResourceType") == kind {
			for k, v := range spec.tags("Tag") {
				out[k] = v
			}
		}
	}
	return out
}

// exists says whether an id names a resource that the caller's region shows.
func (st *ec2State) exists(id string) bool {
	var ok bool
	switch k, _ := ec2KindOf(id); k.prefix {
	case "vpc-":
		_, ok = st.VPCs[id]
	case "subnet-":
		_, ok = st.Subnets[id]
	case "rtb-":
		_, ok = st.RouteTables[id]
	case "acl-":
		_, ok = st.ACLs[id]
	case "sg-":
		_, ok = st.Groups[id]
	case "sgr-":
		_, ok = st.Rules[id]
	case "igw-":
		_, ok = st.Gateways[id]
	case "eipalloc-":
		_, ok = st.Addresses[id]
	case "nat-":
		_, ok = st.NATs[id]
	case "pcx-":
		_, ok = st.Peerings[id]
		if !ok {
			_, ok = st.Peered[id]
		}
	case "dopt-":
		ok = id == st.DHCP
	}
	return ok
}

func (c *call) taggable() ([]string, error) {
	ids := c.In.strs("ResourceId")
	if len(ids) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter resourceIdSet")
	}
	for _, id := range ids {
		k, ok := ec2KindOf(id)
		if !ok {
			return nil, fail("InvalidID", "The ID '%s' is not valid", id)
		}
		if !c.ec2().exists(id) {
			return nil, noSuch(k.prefix, id)
		}
	}
	return ids, nil
}

func createTags(c *call) (obj, error) {
	ids, err := c.taggable()
	if err != nil {
		return nil, err
	}
	tags := c.In.tags("Tag")
	if len(tags) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter tagSet")
	}
	for _, id := range ids {
		if err := c.setTags(id, tags); err != nil {
			return nil, err
		}
	}
	return done()
}

// deleteTags removes tags by key; with a value given, only if it is that value.
// Without any tag all go but those of services.
func deleteTags(c *call) (obj, error) {
	ids, err := c.taggable()
	if err != nil {
		return nil, err
	}
	wanted := c.In.list("Tag")
	for _, id := range ids {
		have := c.ec2().Tags[id]
		if len(wanted) == 0 {
			for k := range have {
				if !strings.HasPrefix(k, "aws:") {
					delete(have, k)
				}
			}
		}
		for _, t := range wanted {
			k := t.str("Key")
			if v, ok := have[k]; ok && (!t.has("Value") || t.str("Value") == v) {
				delete(have, k)
			}
		}
		if len(have) == 0 {
			delete(c.ec2().Tags, id)
		}
	}
	return done()
}

// tagged is one tag of one resource, as DescribeTags lists them.
type tagged struct{ id, kind, key, value string }

func describeTags(c *call) (obj, error) {
	all := map[string]*tagged{}
	for id, tags := range c.ec2().Tags {
		k, _ := ec2KindOf(id)
		for key, value := range tags {
			all[id+"\x00"+key] = &tagged{id, k.arn, key, value}
		}
	}
	return describe(c, listing[tagged]{
		set: "tagSet", all: all, tagless: true,
		show: func(t *tagged) obj {
			return obj{"resourceId": t.id, "resourceType": t.kind, "key": t.key, "value": t.value}
		},
		filters: map[string]func(*tagged) []string{
			"key":           func(t *tagged) []string { return one(t.key) },
			"value":         func(t *tagged) []string { return one(t.value) },
			"resource-id":   func(t *tagged) []string { return one(t.id) },
			"resource-type": func(t *tagged) []string { return one(t.kind) },
		},
	})
}
