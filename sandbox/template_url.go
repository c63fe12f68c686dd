package sandbox

// templateObject reads a template from the sandbox's own S3, which must let
// the caller.
func (c *call) templateObject(url string) (string, error) {
	return "", invalid("TemplateURL must be a supported URL.")
}
