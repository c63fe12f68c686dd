package sandbox

// kmsGrant lets a principal use a key, beside all policies.
type kmsGrant struct {
	ID string `json:"id"`
}

// granted says whether a grant on the key covers the access.
func (c *call) granted(*kmsKey, access) bool { return false }
