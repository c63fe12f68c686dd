package sandbox

// ssmState is what this service keeps.
type ssmState struct{}
