package sandbox

// ssmState is what Systems Manager keeps of one account and region.
type ssmState struct{}

func (s *Sandbox) ssmOps() map[string]operation { return map[string]operation{} }
