package sandbox

// stackProviders are CloudFormation's own resource types.
func stackProviders() map[string]provider {
	return map[string]provider{
		"AWS::CloudFormation::WaitConditionHandle": {
			properties: map[string]property{},
			create: func(rc *resourceCall) (string, map[string]any, error) {
				return rc.generatedName(128), nil, nil
			},
			update: func(*resourceCall) (map[string]any, error) { return nil, nil },
			remove: func(*resourceCall) error { return nil },
		},
	}
}
