// Package cloudtest is what tests of packages that talk to AWS begin with.
package cloudtest

import (
	"os"
	"strings"
	"testing"
)

// Main runs a package's tests without the settings for AWS that whoever runs them
// has: a profile, a file of certificates, addresses.
func Main(m *testing.M) {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name) // it has a name that can be set
		}
	}
	m.Run() // its result is the exit code of who calls
}
