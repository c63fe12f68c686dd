package cloud

import (
	"os"
	"strings"
	"testing"
)

// TestMain takes the settings for AWS away that whoever runs the tests has: a
// profile, a file of certificates, addresses.
func TestMain(m *testing.M) {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name) // it has a name that can be set
		}
	}
	os.Exit(m.Run())
}
