package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/axle.schema.json")

const schemaFile = "../../docs/axle.schema.json"

// The schema that editors use is that of the parser's own table.
func TestSchemaIsUpToDate(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, Schema()) {
		t.Error("docs/axle.schema.json is out of date: go test ./internal/config -update")
	}
	if !json.Valid(got) {
		t.Error("not JSON")
	}
}

// Every key says what it is for.
func TestFormatIsDocumented(t *testing.T) {
	var walk func(f *form, path string)
	walk = func(f *form, path string) {
		for _, k := range f.keys {
			if k.form.doc == "" && k.form.is != missing {
				t.Errorf("%s has no doc", join(path, k.name))
			}
			walk(&k.form, join(path, k.name))
		}
		if f.of != nil {
			walk(f.of, path+"[]")
		}
	}
	walk(&file, "")
}
