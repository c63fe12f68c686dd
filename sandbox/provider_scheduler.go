package sandbox

// schedulerProviders are EventBridge Scheduler's resource types.
func schedulerProviders() map[string]provider {
	return map[string]provider{"AWS::Scheduler::Schedule": scheduleProvider()}
}

// scheduleProvider makes schedules; Ref gives the name.
func scheduleProvider() provider {
	p := provider{
		properties: map[string]property{"Name": replaces, "GroupName": mutable, "Description": mutable, "FlexibleTimeWindow": required, "ScheduleExpression": required,
			"ScheduleExpressionTimezone": mutable, "StartDate": mutable, "EndDate": mutable, "State": mutable, "KmsKeyArn": mutable, "Target": required},
		attributes: []string{"Arn"},
		name:       "Name",
	}
	input := func(rc *resourceCall, name string) params {
		in := rc.pass("GroupName", "Description", "FlexibleTimeWindow", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "EndDate", "State", "KmsKeyArn", "Target")
		in["Name"] = name
		return in
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		name := rc.Props.str("Name")
		if name == "" {
			name = rc.generatedName(64)
		}
		out, err := rc.do("scheduler", "CreateSchedule", input(rc, name))
		if err != nil {
			return "", nil, err
		}
		return name, map[string]any{"Arn": text(out["ScheduleArn"])}, nil
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		out, err := rc.do("scheduler", "UpdateSchedule", input(rc, rc.PhysicalID))
		if err != nil {
			return nil, err
		}
		return map[string]any{"Arn": text(out["ScheduleArn"])}, nil
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("scheduler", "DeleteSchedule", params{"Name": rc.PhysicalID, "GroupName": rc.Props.or("GroupName", "default")})
		return tolerate(err, "NotFoundException")
	}
	return p
}
