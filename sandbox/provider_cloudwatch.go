package sandbox

// cloudwatchProviders are CloudWatch's resource types.
func cloudwatchProviders() map[string]provider {
	return map[string]provider{"AWS::CloudWatch::Alarm": alarmProvider()}
}

// alarmProvider makes metric alarms; Ref gives the name.
func alarmProvider() provider {
	p := provider{
		properties: map[string]property{"AlarmName": replaces, "Tags": mutable},
		attributes: []string{"Arn"},
		name:       "AlarmName",
		tags:       "Tags",
	}
	for _, name := range alarmSettings {
		p.properties[name] = mutable
	}
	p.properties["ComparisonOperator"], p.properties["EvaluationPeriods"] = required, required
	put := func(rc *resourceCall, name string, tags bool) (map[string]any, error) {
		in := rc.pass(alarmSettings...)
		in["AlarmName"] = name
		if tags {
			in["Tags"] = rc.tagList(rc.Props["Tags"])
		}
		if _, err := rc.do("monitoring", "PutMetricAlarm", in); err != nil {
			return nil, err
		}
		attrs := map[string]any{"Arn": "arn:aws:cloudwatch:" + rc.Region + ":" + rc.Account.ID + ":alarm:" + name}
		rc.noteTags(attrs)
		return attrs, nil
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		name := rc.Props.str("AlarmName")
		if name == "" {
			name = rc.generatedName(255)
		}
		out, err := rc.do("monitoring", "DescribeAlarms", params{"AlarmNames": []any{name}})
		if err != nil {
			return "", nil, err
		}
		if found, _ := out["MetricAlarms"].([]obj); len(found) > 0 {
			return "", nil, fail("AlreadyExists", "%s already exists", name)
		}
		attrs, err := put(rc, name, true)
		return name, attrs, err
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		attrs, err := put(rc, rc.PhysicalID, false)
		if err != nil {
			return nil, err
		}
		if _, err := rc.do("monitoring", "ListTagsForResource", params{"ResourceARN": attrs["Arn"]}); err != nil {
			return nil, err
		}
		return attrs, rc.retagBy("monitoring", "TagResource", "UntagResource", params{"ResourceARN": attrs["Arn"]}, attrs)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("monitoring", "DeleteAlarms", params{"AlarmNames": []any{rc.PhysicalID}})
		return tolerate(err, "ResourceNotFound")
	}
	return p
}
