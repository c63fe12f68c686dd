package sandbox

// cfnState is what this service keeps.
type cfnState struct{}
