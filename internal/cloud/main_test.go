package cloud

import (
	"testing"

	"axle/internal/cloud/cloudtest"
)

func TestMain(m *testing.M) { cloudtest.Main(m) }
