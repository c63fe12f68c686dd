package sandbox

import (
	"regexp"
	"slices"
	"strings"
)

// listing describes one kind of EC2 resource: which of them a call may see and
// how they are shown and filtered.
type listing[T any] struct {
	set     string                       // name of the list in the output
	param   string                       // input that holds ids
	prefix  string                       // of ids
	all     map[string]*T                //
	show    func(*T) obj                 // as Describe shows it
	filters map[string]func(*T) []string // by filter name; tag filters are added
	hidden  func(*T) bool                // not visible any more, or not yet
	tagless bool                         // the kind has no tags
}

// describe answers a Describe call: by id without looking at others, else all
// that pass the filters, in pages when they are asked for.
func describe[T any](c *call, l listing[T]) (obj, error) {
	ids := c.In.strs(l.param)
	if len(ids) > 0 && c.In.str("MaxResults") != "" {
		return nil, fail("InvalidParameterCombination", "The parameter %s cannot be used with the parameter maxResults",
			lowerFirst(l.param)+"s")
	}
	tests, err := filterTests(c, l)
	if err != nil {
		return nil, err
	}
	chosen, err := candidates(c, l, ids)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, id := range chosen {
		if matchAll(tests, l.all[id], id) {
			found = append(found, id)
		}
	}
	if len(ids) == 0 {
		slices.Sort(found)
	}
	page, token, err := c.ec2Page(found, len(ids) > 0)
	if err != nil {
		return nil, err
	}
	out := make([]obj, 0, len(page))
	for _, id := range page {
		o := l.show(l.all[id])
		if !l.tagless {
			o["tagSet"] = c.tagSet(id)
		}
		out = append(out, o)
	}
	res := obj{l.set: out}
	if token != "" {
		res["nextToken"] = token
	}
	return res, nil
}

// candidates are the ids that a call names, or all that can be seen, in no
// order.
func candidates[T any](c *call, l listing[T], ids []string) ([]string, error) {
	seen := func(id string, v *T) bool { return !c.unseen(id) && (l.hidden == nil || !l.hidden(v)) }
	if len(ids) == 0 {
		all := make([]string, 0, len(l.all))
		for id, v := range l.all {
			if seen(id, v) {
				all = append(all, id)
			}
		}
		return all, nil
	}
	var gone []string
	for _, id := range ids {
		if v := l.all[id]; v == nil || !seen(id, v) {
			gone = append(gone, id)
		}
	}
	if len(gone) > 0 {
		return nil, noSuch(l.prefix, gone...)
	}
	return ids, nil
}

// born notes that a resource was made. An unkind sandbox shows some of them
// only a moment later, as EC2's descriptions lag behind its changes;
// CloudFormation waits for that.
func (c *call) born(id string) {
	if c.opts.Unkind && c.Via == "" && c.random() < 0.3 {
		put(&c.ec2().Unseen, id, c.soon())
	}
}

// unseen says whether descriptions don't show a resource yet.
func (c *call) unseen(id string) bool {
	st := c.ec2()
	until, ok := st.Unseen[id]
	if ok && !c.now().Before(until) {
		delete(st.Unseen, id)
		return false
	}
	return ok
}

// filterTest is one filter of a call: what it reads and the values it accepts.
type filterTest[T any] struct {
	read   func(v *T, id string) []string
	accept func(string) bool
}

// filterTests reads the call's filters. All must hold, any value of one suffices.
func filterTests[T any](c *call, l listing[T]) ([]filterTest[T], error) {
	tags := c.ec2().Tags
	var out []filterTest[T]
	for _, f := range c.In.list("Filter") {
		name := f.str("Name")
		t := filterTest[T]{accept: anyOf(f.strs("Value"))}
		key, byTag := strings.CutPrefix(name, "tag:")
		switch read := l.filters[name]; {
		case byTag && !l.tagless:
			t.read = func(_ *T, id string) []string {
				if v, ok := tags[id][key]; ok {
					return []string{v}
				}
				return nil
			}
		case name == "tag-key" && !l.tagless:
			t.read = func(_ *T, id string) []string { return sortedKeys(tags[id]) }
		case read != nil:
			t.read = func(v *T, _ string) []string { return read(v) }
		default:
			return nil, fail("InvalidParameterValue", "The filter '%s' is invalid", name)
		}
		out = append(out, t)
	}
	return out, nil
}

func matchAll[T any](tests []filterTest[T], v *T, id string) bool {
	for _, t := range tests {
		ok := false
		for _, have := range t.read(v, id) {
			if t.accept(have) {
				ok = true
				break
			}
		}
		if !ok {
			return false
		}
	}
	return true
}

// anyOf accepts what equals one of the values or matches its * and ?.
func anyOf(values []string) func(string) bool {
	plain := map[string]bool{}
	var patterns []*regexp.Regexp
	for _, v := range values {
		if !strings.ContainsAny(v, "*?") {
			plain[v] = true
			continue
		}
		q := regexp.QuoteMeta(v)
		q = strings.ReplaceAll(strings.ReplaceAll(q, `\*`, ".*"), `\?`, ".")
		if re, err := regexp.Compile("^(?s:" + q + ")$"); err == nil {
			patterns = append(patterns, re)
		}
	}
	return func(s string) bool {
		if plain[s] {
			return true
		}
		for _, re := range patterns {
			if re.MatchString(s) {
				return true
			}
		}
		return false
	}
}

// ec2Page cuts one page out of ids, which are in order; all of them, if the
// call named them.
func (c *call) ec2Page(ids []string, whole bool) (page []string, token string, err error) {
	size, given := c.In.int("MaxResults", 0), c.In.str("MaxResults") != ""
	if given && (size < 5 || size > 1000) {
		return nil, "", fail("InvalidMaxResults", "The value for MaxResults must be between 5 and 1000")
	}
	if whole {
		return ids, "", nil
	}
	if !given {
		size = 1000
	}
	page, token, ok := paginate(c.Sandbox, ids, same, c.In.str("NextToken"), size)
	if !ok {
		return nil, "", fail("InvalidNextToken", "The token '%s' is invalid", c.In.str("NextToken"))
	}
	return page, token, nil
}

// one is a filter's value that is always there.
func one(s string) []string { return []string{s} }
