package sandbox

// s3State is what this service keeps.
type s3State struct{}
