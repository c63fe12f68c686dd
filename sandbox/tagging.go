package sandbox

func (s *Sandbox) taggingOps() map[string]operation { return map[string]operation{} }
