package sandbox

// Fault is a scheduled fault.
type Fault struct{}
