package access

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"axle"
	"axle/policy"
)

// fill puts the condition keys into the request that the policies look at: those
// that follow from who asks for what, and those that were given. What may be
// there and isn't known is named unknown; all else is absent.
func (f *Facts) fill(w *weighed, s *subject, r *object, given map[string][]string) {
	req := w.req
	req.Context = make(map[string][]string, len(w.keys)+len(given))
	for k, v := range given {
		req.Context[strings.ToLower(k)] = v
	}
	slices.Sort(w.keys)
	for _, key := range slices.Compact(w.keys) {
		if _, ok := req.Context[key]; ok {
			continue
		}
		switch values, known := f.value(key, s, r, req); {
		case !known:
			req.Unknown = append(req.Unknown, key)
		case len(values) > 0:
			req.Context[key] = values
		}
	}
}

// engineKeys are set by package policy.
var engineKeys = map[string]bool{"aws:principalarn": true, "aws:principalaccount": true, "aws:principaltype": true,
	"aws:principalisawsservice": true, "aws:principalservicename": true, "aws:resourceaccount": true}

// absentKeys are set by services that act for others, in sessions with tags, and
// in calls that create; a plain call has none of them.
var absentKeys = map[string]bool{"aws:calledvia": true, "aws:calledviafirst": true, "aws:calledvialast": true,
	"aws:sourceidentity": true, "sts:sourceidentity": true, "sts:transitivetagkeys": true, "kms:viaservice": true, "kms:grantisforawsresource": true}

// value is what a key has; none and known means that it is absent.
func (f *Facts) value(key string, s *subject, r *object, req *policy.Request) (values []string, known bool) {
	one := func(v string) ([]string, bool) {
		if v == "" {
			return nil, true
		}
		return []string{v}, true
	}
	prefix, name, _ := strings.Cut(key, "/")
	switch {
	case engineKeys[key], absentKeys[key]:
		return nil, true
	case prefix == "aws:principaltag":
		return s.tag(name)
	case prefix == "aws:resourcetag" || prefix == "iam:resourcetag" || strings.HasSuffix(prefix, ":resourcetag"):
		if r.tags == nil {
			return nil, false
		}
		return one(fold(r.tags, name))
	case prefix == "aws:requesttag" || key == "aws:tagkeys":
		return nil, strings.HasPrefix(strings.ToLower(req.Action), "sts:assume")
	}
	switch key {
	case "aws:principalorgid":
		return f.orgID(s.inside && s.hasAccount())
	case "aws:principalorgpaths":
		return f.orgPath(s.account, s.inside && s.hasAccount())
	case "aws:resourceorgid":
		return f.orgID(r.inside)
	case "aws:resourceorgpaths":
		return f.orgPath(r.account, r.inside)
	case "aws:requestedregion":
		region := regionOf(r.arn)
		return []string{region}, region != ""
	case "aws:securetransport":
		return []string{"true"}, true
	case "aws:viaawsservice":
		return []string{"false"}, true
	case "aws:currenttime":
		return []string{f.now.UTC().Format(time.RFC3339)}, true
	case "aws:epochtime":
		return []string{strconv.FormatInt(f.now.Unix(), 10)}, true
	case "aws:username":
		if s.Type == policy.User {
			return one(s.ARN[strings.LastIndexByte(s.ARN, '/')+1:])
		}
		return nil, true
	case "aws:userid":
		if s.Type == policy.User && s.ID != "" {
			return one(s.ID)
		}
		return nil, false
	case "aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths":
		return nil, s.Type != policy.Service // of services only
	case "kms:calleraccount":
		return one(s.Account)
	case "s3:resourceaccount":
		return one(r.account.ID)
	}
	return nil, false
}

func (s *subject) hasAccount() bool {
	return s.Type != policy.Service && s.Type != policy.WebIdentity && s.Type != policy.Anonymous
}

// tag is the value of aws:PrincipalTag: sessions have the tags of their role.
func (s *subject) tag(name string) ([]string, bool) {
	switch {
	case s.facts != nil:
		if v := fold(s.facts.Tags, name); v != "" {
			return []string{v}, true
		}
		return nil, true
	case s.missing != nil:
		return nil, false
	}
	return nil, true
}

// fold finds a tag by its name in whatever case.
func fold(tags map[string]string, name string) string {
	for k, v := range tags {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// orgID is the organization's id, unknown when it was read from a file.
func (f *Facts) orgID(inside bool) ([]string, bool) {
	if !inside {
		return nil, true
	}
	return []string{f.org.ID}, f.org.ID != ""
}

// orgPath is the account's path by ids: "o-x/r-y/ou-z/".
func (f *Facts) orgPath(a axle.Account, inside bool) ([]string, bool) {
	if !inside {
		return nil, true
	}
	return []string{f.org.ID + "/" + strings.Join(a.OUIDs, "/") + "/"}, f.org.ID != ""
}
