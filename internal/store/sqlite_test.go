package store_test

import (
	"path/filepath"
	"testing"

	"axle/internal/store"
	"axle/internal/store/storetest"
)

func open(t *testing.T, path string) *store.SQLite {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	dir := t.TempDir()
	storetest.Contract(t, func(t *testing.T, name string) store.Store {
		return open(t, filepath.Join(dir, "odd %?#'", name, "axle.db"))
	})
}
