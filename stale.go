package axle

// A StaleInput is a value of a deployed stack that isn't any more what it was
// made of.
type StaleInput struct {
	// Input is the parameter, or "tag:" and the tag; empty where the template
	// reads by itself.
	Input string `json:"input,omitempty"`
	// Reads are the outputs: "VpcId of hub-network".
	Reads []string `json:"reads"`
	Has   string   `json:"has,omitempty"`
	Is    string   `json:"is,omitempty"`
	// Maybe: what it has can't be seen; what it reads changed after it.
	Maybe bool `json:"maybe,omitempty"`
}
