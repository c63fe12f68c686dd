package sandbox

// iamState is what this service keeps.
type iamState struct{}
