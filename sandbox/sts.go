package sandbox

func (s *Sandbox) stsOps() map[string]operation {
	return map[string]operation{
		"GetCallerIdentity": {run: getCallerIdentity, open: true},
	}
}

func getCallerIdentity(c *call) (obj, error) {
	return obj{"Account": c.Who.Account, "Arn": c.Who.ARN, "UserId": c.Who.UserID}, nil
}
