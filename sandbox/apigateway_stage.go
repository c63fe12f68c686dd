package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// snapshot is what a deployment of an API serves.
func (c *call) snapshot(a *restAPI) (*restDeployment, error) {
	methods := 0
	for _, r := range a.Resources {
		for _, m := range r.Methods {
			if methods++; m.Integration == nil {
				return nil, badAPI("No integration defined for method")
			}
		}
	}
	if methods == 0 {
		return nil, badAPI("The REST API doesn't contain any methods")
	}
	d := &restDeployment{ID: c.id(6), Description: c.In.str("description"), Created: c.now(), Resources: maps.Clone(a.Resources), Policy: a.Policy}
	for _, v := range listed(a.Settings["binaryMediaTypes"]) {
		if v != nil {
			d.Binary = append(d.Binary, text(v))
		}
	}
	return d, nil
}

func (d *restDeployment) shape() obj {
	return obj{"id": d.ID, "description": optional(d.Description), "createdDate": d.Created}
}

// createRestDeployment deploys the API, to a stage that it makes or changes if
// it is named.
func createRestDeployment(c *call, a *restAPI) (obj, error) {
	d, err := c.snapshot(a)
	if err != nil {
		return nil, err
	}
	name := c.In.str("stageName")
	if name != "" && (!stageName.MatchString(name) || name == "$default") {
		return nil, badAPI("Stage name only allows a-zA-Z0-9_")
	}
	put(&a.Deployments, d.ID, d)
	if name == "" {
		return d.shape(), nil
	}
	s := a.Stages[name]
	if s == nil {
		s = c.newStage(name)
		put(&a.Stages, name, s)
	}
	next := maps.Clone(s.Settings)
	next["deploymentId"] = d.ID
	if v := c.In.str("stageDescription"); v != "" {
		next["description"] = v
	}
	if v := c.In.obj("variables"); len(v) > 0 {
		next["variables"] = map[string]any(v)
	}
	s.Settings, s.Updated = next, c.now()
	return d.shape(), nil
}

func (c *call) restDeployment(a *restAPI) (*restDeployment, error) {
	if d := a.Deployments[c.In.str("deployment_id")]; d != nil {
		return d, nil
	}
	return nil, noGateway("Invalid Deployment identifier specified")
}

func getRestDeployment(c *call, a *restAPI) (obj, error) {
	d, err := c.restDeployment(a)
	if err != nil {
		return nil, err
	}
	return d.shape(), nil
}

func getRestDeployments(c *call, a *restAPI) (obj, error) {
	return c.restPage(sortedKeys(a.Deployments), func(id string) obj { return a.Deployments[id].shape() })
}

func updateRestDeployment(c *call, a *restAPI) (obj, error) {
	d, err := c.restDeployment(a)
	if err != nil {
		return nil, err
	}
	err = c.patches(func(_, path, value string) error {
		if path != "/description" {
			return noPatch(path)
		}
		d.Description = value
		return nil
	})
	return d.shape(), err
}

func deleteRestDeployment(c *call, a *restAPI) (obj, error) {
	d, err := c.restDeployment(a)
	if err != nil {
		return nil, err
	}
	for _, s := range a.Stages {
		if text(s.Settings["deploymentId"]) == d.ID {
			return nil, badAPI("Active stages pointing to this deployment must be moved or deleted")
		}
	}
	delete(a.Deployments, d.ID)
	return nil, nil
}

// restStageSettings are the fields of a stage that can be set.
var restStageSettings = []string{"deploymentId", "description", "variables", "tracingEnabled", "documentationVersion", "clientCertificateId"}

func (c *call) newStage(name string) *restStage {
	return &restStage{Created: c.now(), Updated: c.now(), Settings: map[string]any{"stageName": name, "cacheClusterEnabled": false,
		"cacheClusterStatus": "NOT_AVAILABLE", "methodSettings": map[string]any{}, "tracingEnabled": false}}
}

func (s *restStage) shape() obj {
	out := obj(maps.Clone(s.Settings))
	out["createdDate"], out["lastUpdatedDate"] = s.Created, s.Updated
	if len(s.Tags) > 0 {
		out["tags"] = s.Tags
	}
	return out
}

func createRestStage(c *call, a *restAPI) (obj, error) {
	name := c.In.str("stageName")
	switch {
	case !stageName.MatchString(name) || name == "$default":
		return nil, badAPI("Stage name only allows a-zA-Z0-9_")
	case a.Stages[name] != nil:
		return nil, apiConflict("Stage already exists")
	case a.Deployments[c.In.str("deploymentId")] == nil:
		return nil, badAPI("Deployment id does not exist")
	case c.In.bool("cacheClusterEnabled") || len(c.In.obj("canarySettings")) > 0:
		return nil, badAPI("The sandbox has neither caches nor canaries.")
	}
	s := c.newStage(name)
	maps.Copy(s.Settings, pick(c.In, restStageSettings...))
	if c.In.has("tracingEnabled") {
		s.Settings["tracingEnabled"] = c.In.bool("tracingEnabled")
	}
	s.Tags = c.In.strMap("tags")
	put(&a.Stages, name, s)
	return s.shape(), nil
}

func (c *call) restStage(a *restAPI) (*restStage, error) {
	if s := a.Stages[c.In.str("stage_name")]; s != nil {
		return s, nil
	}
	return nil, noGateway("Invalid stage identifier specified")
}

func getRestStage(c *call, a *restAPI) (obj, error) {
	s, err := c.restStage(a)
	if err != nil {
		return nil, err
	}
	return s.shape(), nil
}

func getRestStages(_ *call, a *restAPI) (obj, error) {
	items := []obj{}
	for _, name := range sortedKeys(a.Stages) {
		items = append(items, a.Stages[name].shape())
	}
	return obj{"item": items}, nil
}

// methodSettings are the fields of a method's settings in a stage, by the end
// of a patch's path.
var methodSettings = map[string]string{"metrics/enabled": "metricsEnabled", "logging/loglevel": "loggingLevel", "logging/dataTrace": "dataTraceEnabled",
	"throttling/burstLimit": "throttlingBurstLimit", "throttling/rateLimit": "throttlingRateLimit"}

func updateRestStage(c *call, a *restAPI) (obj, error) {
	s, err := c.restStage(a)
	if err != nil {
		return nil, err
	}
	next := maps.Clone(s.Settings)
	err = c.patches(func(op, path, value string) error {
		parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
		switch name := parts[0]; {
		case path == "/deploymentId" && a.Deployments[value] == nil:
			return badAPI("Deployment id does not exist")
		case path == "/tracingEnabled":
			next[name] = value == "true"
		case len(parts) == 1 && slices.Contains(restStageSettings, name) && name != "variables":
			if next[name] = value; op == "remove" {
				delete(next, name)
			}
		case len(parts) == 2 && (name == "variables" || name == "accessLogSettings"):
			inner := maps.Clone(map[string]any(asParams(next[name])))
			if inner == nil {
				inner = map[string]any{}
			}
			if inner[parts[1]] = value; op == "remove" {
				delete(inner, parts[1])
			}
			next[name] = inner
		case path == "/accessLogSettings" && op == "remove":
			delete(next, name)
		case len(parts) == 4 && methodSettings[parts[2]+"/"+parts[3]] != "":
			return setMethod(next, pointer(parts[0])+"/"+parts[1], methodSettings[parts[2]+"/"+parts[3]], value)
		default:
			return noPatch(path)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Settings, s.Updated = next, c.now()
	return s.shape(), nil
}

// setMethod sets one field of a method's settings.
func setMethod(stage map[string]any, method, field, value string) error {
	v, err := apiValue(field, value)
	if field == "metricsEnabled" {
		v = value == "true"
	}
	if err != nil {
		return err
	}
	all := maps.Clone(map[string]any(asParams(stage["methodSettings"])))
	one := maps.Clone(map[string]any(asParams(all[strings.TrimPrefix(method, "/")])))
	if one == nil {
		one = map[string]any{}
	}
	one[field] = v
	all[strings.TrimPrefix(method, "/")] = one
	stage["methodSettings"] = all
	return nil
}

func deleteRestStage(c *call, a *restAPI) (obj, error) {
	if _, err := c.restStage(a); err != nil {
		return nil, err
	}
	delete(a.Stages, c.In.str("stage_name"))
	return nil, nil
}
