package sandbox

// snsState is what this service keeps.
type snsState struct{}
