package axle

// Artifact is content that a template refers to in the hub's buckets: code, a
// nested template, a definition.
type Artifact struct {
	// Key is the object's: <kind>/<digest><extension>. The same content has the
	// same key.
	Key string `json:"key"`
	// Early: CloudFormation reads it when a change set is worked out.
	Early bool `json:"early,omitempty"`
	// Home: it is in the bucket of the hub's region; else in that of the stack's.
	Home bool `json:"home,omitempty"`
	// Sources are what it was made of, such as "function Hello, CodeUri ./src".
	Sources []string `json:"sources,omitempty"`
}

// The kinds of artifacts: the folders of the bucket.
const (
	ArtifactTemplates = "templates" // what CloudFormation itself reads
	ArtifactCode      = "code"
	ArtifactFiles     = "files"
)
