// Package sam_test compares the sandbox's transform of SAM templates with AWS's
// own translator, aws-sam-translator.
package sam_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"axle/sandbox/sam"
)

// translated is what translate.py says of a template.
type translated struct {
	File     string          `json:"file"`
	Template json.RawMessage `json:"template"`
	Result   json.RawMessage `json:"result"`
	Error    string          `json:"error"`
}

// venv gives the Python that has AWS's translator. CI must have it; elsewhere a
// missing one skips the test, loudly.
func venv(t *testing.T) string {
	t.Helper()
	python, err := filepath.Abs("../../.venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if p := os.Getenv("AXLE_SAM_PYTHON"); p != "" {
		python = p
	}
	check := exec.CommandContext(t.Context(), python, "-c", "import samtranslator")
	if out, err := check.CombinedOutput(); err != nil {
		what := fmt.Sprintf("no .venv with aws-sam-translator (%v %s); `sh test/venv.sh .venv test/requirements.txt` makes it", err, out)
		if os.Getenv("CI") != "" {
			t.Fatal(what)
		}
		t.Skip("NOT COMPARED with AWS's translator: ", what)
	}
	return python
}

// translate has AWS's translator translate files, in one run.
func translate(t *testing.T, files []string) []translated {
	t.Helper()
	in, err := json.Marshal(files)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), venv(t), "translate.py")
	cmd.Stdin = bytes.NewReader(in)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("translate.py: %v\n%s", err, stderr.Bytes())
	}
	var out []translated
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// ours translates a template with the sandbox's transform.
func ours(t *testing.T, template json.RawMessage) (any, error) {
	t.Helper()
	v, err := sam.ReadJSON(template)
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Metadata struct {
			Test struct {
				Parameters map[string]any
				Region     string
			}
		}
	}
	if err := json.Unmarshal(template, &meta); err != nil {
		t.Fatal(err)
	}
	o := sam.Options{Parameters: meta.Metadata.Test.Parameters, Region: meta.Metadata.Test.Region, Managed: managed}
	if o.Region == "" {
		o.Region = "eu-west-1"
	}
	out, err := sam.Transform(v.(*sam.Dict), o)
	if err != nil {
		return nil, err
	}
	return plain(t, sam.Plain(out)), nil
}

// managed are the managed policies that the templates name.
func managed(name string) (string, bool) {
	switch name {
	case "AmazonS3ReadOnlyAccess", "AmazonDynamoDBReadOnlyAccess", "AWSLambda_ReadOnlyAccess":
		return "arn:aws:iam::aws:policy/" + name, true
	case "AWSLambdaBasicExecutionRole", "AWSLambdaKinesisExecutionRole":
		return "arn:aws:iam::aws:policy/service-role/" + name, true
	}
	return "", false
}

func plain(t *testing.T, v any) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// inAnyOrder sorts lists whose order means nothing, and is the translator's by chance.
func inAnyOrder(v any) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			inAnyOrder(e)
		}
	case map[string]any:
		if list, ok := x["DependsOn"].([]any); ok {
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(text(a), text(b)) })
		}
		for _, e := range x {
			inAnyOrder(e)
		}
	}
}

// different lists where two trees differ.
func different(path string, want, got any) []string {
	if reflect.DeepEqual(want, got) {
		return nil
	}
	a, isA := want.(map[string]any)
	b, isB := got.(map[string]any)
	if isA && isB {
		var out []string
		keys := slices.Collect(maps.Keys(a))
		for k := range b {
			if _, both := a[k]; !both {
				keys = append(keys, k)
			}
		}
		slices.Sort(keys)
		for _, k := range keys {
			va, inA := a[k]
			vb, inB := b[k]
			switch {
			case !inA:
				out = append(out, path+"/"+k+": only ours: "+text(vb))
			case !inB:
				out = append(out, path+"/"+k+": only AWS's: "+text(va))
			default:
				out = append(out, different(path+"/"+k, va, vb)...)
			}
		}
		return out
	}
	la, isA := want.([]any)
	lb, isB := got.([]any)
	if isA && isB && len(la) == len(lb) {
		var out []string
		for i := range la {
			out = append(out, different(fmt.Sprintf("%s/%d", path, i), la[i], lb[i])...)
		}
		return out
	}
	return []string{path + ": AWS's " + text(want) + ", ours " + text(got)}
}

func text(v any) string {
	raw, _ := json.Marshal(v)
	return string(raw)
}

// known are differences that have a reason: file, and what differs.
var known = map[string][]string{}

func TestTranslator(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 25 {
		t.Fatal(len(files), "templates", err)
	}
	compare(t, files)
}

// TestRandom compares random templates: AXLE_SAM_SEED and AXLE_SAM_COUNT, if
// set, say which and how many.
func TestRandom(t *testing.T) {
	set := func(name, otherwise string) string {
		if v := os.Getenv(name); v != "" {
			return v
		}
		return otherwise
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), venv(t), "random_templates.py", set("AXLE_SAM_SEED", "1"), set("AXLE_SAM_COUNT", "60"), dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("random_templates.py: %v\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), "templates", err)
	}
	compare(t, files)
}

// compare holds the two translations of each file against each other.
func compare(t *testing.T, files []string) {
	t.Helper()
	for _, aws := range translate(t, files) {
		name := strings.TrimSuffix(filepath.Base(aws.File), ".yaml")
		t.Run(name, func(t *testing.T) {
			got, err := ours(t, aws.Template)
			if aws.Error != "" || err != nil {
				t.Fatalf("AWS's: %s\nours:  %v", aws.Error, err)
			}
			var want any
			if err := json.Unmarshal(aws.Result, &want); err != nil {
				t.Fatal(err)
			}
			inAnyOrder(want)
			inAnyOrder(got)
			diff := different("", want, got)
			if !slices.Equal(diff, known[name]) {
				t.Errorf("differences:\n%s\nknown:\n%s", strings.Join(diff, "\n"), strings.Join(known[name], "\n"))
			}
		})
	}
}

// TestRefused compares what is refused, in the translator's words.
func TestRefused(t *testing.T) {
	files, err := filepath.Glob("testdata/refused/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), "templates", err)
	}
	for _, aws := range translate(t, files) {
		t.Run(strings.TrimSuffix(filepath.Base(aws.File), ".yaml"), func(t *testing.T) {
			_, err := ours(t, aws.Template)
			if err == nil || aws.Error == "" {
				t.Fatalf("AWS's: %s\nours:  %v", aws.Error, err)
			}
			if err.Error() != aws.Error {
				t.Errorf("AWS's: %s\nours:  %v", aws.Error, err)
			}
		})
	}
}
