package sandbox

import "strings"

// useKeys checks that the caller may do all of the actions with the key of a
// resource of an account, and gives the key's ARN.
func (c *call) useKeys(owner, key, via string, context map[string]string, actions ...string) (string, error) {
	arn := ""
	for _, action := range actions {
		k, err := c.useKey(c.keyOf(owner, key, via), action, via, context)
		if err != nil {
			return "", err
		}
		arn = k.arn()
	}
	return arn, nil
}

// queueKeyError gives a refusal of KMS, which has its code of the query
// protocol, the one of today's.
func queueKeyError(err error) error {
	e, ok := err.(*apiError)
	if !ok || !strings.HasPrefix(e.Code, "KMS.") {
		return err
	}
	code := "Kms" + strings.TrimSuffix(strings.TrimPrefix(e.Code, "KMS."), "Exception")
	if code == "KmsInvalidArn" {
		code = "KmsNotFound"
	}
	return &apiError{Status: e.Status, Code: code, Message: e.Message}
}
