package sandbox

// Fault is a scheduled fault.
type Fault struct{}

// faultState is a fault with what has come of it.
type faultState struct {
	Fault
	seen int
}

// trouble is what goes wrong with a request on purpose: an error, or a
// dropped connection.
func (s *Sandbox) trouble(c *call, svc service) (*apiError, bool) { return nil, false }

// faultFor is the fault scheduled for a resource of a stack, "" for none: the
// reason that its creation, update or deletion fails.
func (s *Sandbox) faultFor(account, region, stack, logicalID, resourceType, verb string) string {
	return ""
}
