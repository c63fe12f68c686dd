package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// load writes the files beside an axle.yaml and loads it.
func load(t *testing.T, files map[string]string, env string) (*Project, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p, problems := Load(filepath.Join(dir, "axle.yaml"), env)
	var said []string
	for _, d := range problems {
		said = append(said, strings.ReplaceAll(d.Error(), dir+"/", ""))
	}
	return p, strings.Join(said, "\n")
}

func TestParameterFiles(t *testing.T) {
	const yaml = "name: a\nregions: [eu-west-1]\nstacks:\n  s: {template: x, targets: true, parameters: {Own: own}, parameters_file: [one, two], tags: {team: own}}\n"
	for _, tt := range []struct{ name, one, two, want, said string }{
		{"mappings", "A: 1\nB: ${{ account.name }}\n", "A: two\nOwn: no\n", "A=two B=${{ account.name }} Own=own", ""},
		{"JSON with tabs", "{\n\t\"A\":\t\"x\\ty\"\n}", "[\n\t{\"ParameterKey\": \"B\", \"ParameterValue\": \"\"}\n]", "A=x\ty B= Own=own", ""},
		{"CodePipeline", `{"Parameters": {"A": "1"}, "Tags": {"team": "no", "x": "y"}}`, "# nothing\n", "A=1 Own=own tag team=own tag x=y", ""},
		{"empty", "", "\n\n", "Own=own", ""},
		{"a parameter of that name", "Parameters: p\n", "{}", "Parameters=p Own=own", ""},
		{"mistakes", "A: {b: c}\nA-B: x\n", "[{ParameterKey: A, ParameterValue: x}, {ParameterKey: A, ParameterValue: y}, {ParameterKey: B}]", "",
			"one:1:4: one.A is a mapping|one:2:1: \"A-B\" in one is not a parameter's name|two:1:55: parameter \"A\" is here for the second time|two:1:78: two[2] has no \"ParameterValue\""},
		{"a bad tag", `{"Parameters": {}, "Tags": {"aws:x": "y"}}`, "", "", "one:1:29: tags that begin with aws:"},
		{"not YAML", "A: [\n", "just text", "", "one:1:1: not YAML|two:1:1: two is text, where a mapping of names is needed"},
		{"a policy", `{"Parameters": {}, "StackPolicy": {}}`, "", "Own=own", "one:1:20: warning: stack policies aren't set"},
	} {
		p, said := load(t, map[string]string{"axle.yaml": yaml, "one": tt.one, "two": tt.two}, "")
		for want := range strings.SplitSeq(tt.said, "|") {
			if !strings.Contains(said, want) || tt.said == "" && said != "" {
				t.Errorf("%s: said\n%s\nwant %s", tt.name, said, want)
			}
		}
		var got []string
		for _, v := range p.Stacks[0].Parameters {
			got = append(got, v.Name+"="+v.Value.String())
		}
		for _, v := range p.Stacks[0].Tags {
			if len(p.Stacks[0].Tags) > 1 {
				got = append(got, "tag "+v.Name+"="+v.Value.String())
			}
		}
		if tt.want != "" && strings.Join(got, " ") != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, strings.Join(got, " "), tt.want)
		}
	}
}

func TestParameterFilePaths(t *testing.T) {
	files := map[string]string{"axle.yaml": `name: a
regions: [eu-west-1]
vars: {kind: x}
stacks:
  s: {template: x, targets: true, parameters_file: "${{ env + '-' + vars.kind }}"}
environments:
  prod: {vars: {kind: y}}
  other: {parameters_file: {s: given}}
  bad: {parameters_file: {t: given, s: ["${{ region }}", "${{ vars.none }}", nowhere]}}
`, "prod-y": "A: prod", "given": "A: given"}
	for env, want := range map[string]string{"prod": "prod", "other": "given"} {
		p, said := load(t, files, env)
		if strings.Contains(said, "error") || len(p.Stacks[0].Parameters) != 1 || p.Stacks[0].Parameters[0].Value.String() != want {
			t.Errorf("%s: %v\n%s", env, p.Stacks[0].Parameters, said)
		}
	}
	_, said := load(t, files, "bad")
	for _, want := range []string{`axle.yaml:9:27: unknown stack "t"`, "axle.yaml:9:42: a file of parameters is the same for all targets", `vars has no key "none"`, "parameters file nowhere: no such file"} {
		if !strings.Contains(said, want) {
			t.Errorf("not said: %s\n%s", want, said)
		}
	}
	if _, said := load(t, files, ""); !strings.Contains(said, "no environment is chosen: --env bad, other, prod") {
		t.Error(said)
	}
}
