package sandbox

// orgState is what this service keeps.
type orgState struct{}
