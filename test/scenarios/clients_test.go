//go:build scenarios

package scenarios

import "testing"

func awscli(t *testing.T) {}
func boto3(t *testing.T)  {}
