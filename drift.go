package axle

// Drifted is a resource that isn't as its stack made it.
type Drifted struct {
	LogicalID  string       `json:"logical_id"`
	PhysicalID string       `json:"physical_id"`
	Type       string       `json:"type"`
	Status     string       `json:"status"` // MODIFIED or DELETED
	Properties []Difference `json:"properties,omitempty"`
}

// Difference is one property that differs from its template.
type Difference struct {
	Path     string `json:"path"` // /DisplayName
	Kind     string `json:"kind"` // ADD, REMOVE or NOT_EQUAL
	Expected string `json:"expected"`
	Actual   string `json:"actual"`
}
