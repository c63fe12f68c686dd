package sandbox

// ec2State is what this service keeps.
type ec2State struct{}
