//go:build scenarios

package scenarios

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/sns"
)

// secret is the NoEcho parameter's value in testdata/lifecycle.
const secret = "correct-horse-battery"

// lifecycle is the scenario: stacks in one account that are made, fail, are
// mended, change, refuse and go.
func lifecycle(w *world) {
	cfg := w.config("eu-west-1")
	var said []string // all that axle printed
	deploy := func(code int) run {
		w.t.Helper()
		stdout, stderr := w.axle(code, "deploy", "--yes", "--output", "json")
		said = append(said, stdout, stderr)
		return w.read(stdout)
	}
	w.project("lifecycle")

	w.step("create; one fails and is rolled back", func() {
		r := deploy(3)
		w.same("counts", [3]int{2, 1, 0}, [3]int{r.Counts.Succeeded, r.Counts.Failed, r.Counts.Skipped})
		w.failed(r, "ResourceFailed", "Bad", "Bad (AWS::SSM::Parameter)")
		w.statuses(cfg, map[string]string{"life-base": "CREATE_COMPLETE", "life-user": "CREATE_COMPLETE", "life-frail": "ROLLBACK_COMPLETE"})
		w.same("topics after the rollback", 1, w.topics(cfg))
		w.same("the imported value", w.parameter(cfg, "/life/topic"), w.deployedOutputs(cfg, "life-base")["Topic"])
	})
	w.step("mended, it is made anew", func() {
		w.edit("frail.yaml", "Type: Nonsense", "Type: String")
		r := deploy(0)
		w.same("actions", map[string]int{"stack create": 1, "stack none": 2}, r.actions())
		w.statuses(cfg, map[string]string{"life-base": "CREATE_COMPLETE", "life-user": "CREATE_COMPLETE", "life-frail": "CREATE_COMPLETE"})
		w.same("the parameter passed from output to parameter", "small", w.parameter(cfg, "/life/size"))
	})
	w.step("nothing to change, by text and by an empty change set", func() {
		w.same("actions", map[string]int{"stack none": 3}, deploy(0).actions())
		stdout, stderr := w.axle(0, "deploy", "--yes", "--verify", "--output", "json")
		said = append(said, stdout, stderr)
		w.same("actions with --verify", map[string]int{"stack none": 3}, w.read(stdout).actions())
	})
	w.step("update", func() {
		w.edit("axle.yaml", "Title: first", "Title: second")
		w.same("actions", map[string]int{"stack update": 1, "stack none": 2}, deploy(0).actions())
		w.same("the updated parameter", "second", w.parameter(cfg, "/life/title"))
	})
	w.step("update of outputs alone", func() {
		w.edit("frail.yaml", "Outputs:\n", "Outputs:\n  More: {Value: !Sub \"${AWS::StackName}-more\"}\n")
		if w.gaps.outputsIgnored {
			deploy(0)
			return
		}
		r := deploy(0)
		w.same("actions", map[string]int{"stack update": 1, "stack none": 2}, r.actions())
		w.same("the added output", "life-frail-more", w.deployedOutputs(cfg, "life-frail")["More"])
	})
	w.step("an update fails and is rolled back", func() {
		w.edit("frail.yaml", "Resources:\n", "Resources:\n  Worse: {Type: AWS::SSM::Parameter, DependsOn: Bad, Properties: {Name: /life/worse, Type: Nonsense, Value: x}}\n")
		w.edit("frail.yaml", "Value: !Ref Size", "Value: !Sub \"very ${Size}\"")
		r := deploy(3)
		w.failed(r, "ResourceFailed", "Worse", "Worse (AWS::SSM::Parameter)")
		w.statuses(cfg, map[string]string{"life-base": "UPDATE_COMPLETE", "life-user": "CREATE_COMPLETE", "life-frail": "UPDATE_ROLLBACK_COMPLETE"})
		w.same("the parameter after the rollback", "small", w.parameter(cfg, "/life/size"))
	})
	w.step("mended, it is updated", func() {
		w.edit("frail.yaml", "Type: Nonsense, Value: x", "Type: String, Value: x")
		w.same("actions", map[string]int{"stack update": 1, "stack none": 2}, deploy(0).actions())
		w.same("the parameter", "very small", w.parameter(cfg, "/life/size"))
	})
	w.step("a value that the parameter doesn't allow", func() {
		w.edit("base.yaml", "Size: {Value: small}", "Size: {Value: enormous}")
		w.edit("base.yaml", "DisplayName: !Ref Title", "DisplayName: !Sub \"${Title}.\"") // so that there is more to it than outputs
		r := deploy(3)
		w.failed(r, "ValidationError", "", "Size")
		w.statuses(cfg, map[string]string{"life-base": "UPDATE_COMPLETE", "life-user": "CREATE_COMPLETE", "life-frail": "UPDATE_COMPLETE"})
		w.edit("base.yaml", "Size: {Value: enormous}", "Size: {Value: large}")
		w.edit("base.yaml", "${Title}.", "${Title}!")
		w.same("actions", map[string]int{"stack update": 2, "stack none": 1}, deploy(0).actions())
		w.same("the allowed value", "very large", w.parameter(cfg, "/life/size"))
	})
	w.step("a secret stays one", func() {
		for _, p := range w.stacks(cfg)["life-base"].Parameters {
			if aws.ToString(p.ParameterKey) == "Password" {
				w.same("the NoEcho parameter", "****", aws.ToString(p.ParameterValue))
			}
		}
		for _, text := range append(said, w.state()...) {
			if strings.Contains(text, secret) {
				w.t.Errorf("%s: the NoEcho value was printed or kept", w.name)
			}
		}
	})
	w.step("an export in use isn't deleted", func() {
		w.axle(4, "destroy", "--yes", "--output", "json", "-f", "base-only.yaml") // we see the readers
		stdout, _ := w.axle(1, "destroy", "--yes", "--output", "json", "-f", "base-only.yaml", "--force-references")
		w.failed(w.read(stdout), "", "", "life-user")
		w.statuses(cfg, map[string]string{"life-base": w.stackStatus(cfg, "life-base"), "life-user": "CREATE_COMPLETE", "life-frail": "UPDATE_COMPLETE"})
	})
	w.step("destroy", func() {
		w.same("actions", map[string]int{"stack delete": 3}, w.run(0, "destroy").actions())
		w.statuses(cfg, map[string]string{})
		w.same("topics", 0, w.topics(cfg))
		exports := must[*cloudformation.ListExportsOutput](w, "list exports")(cloudformation.NewFromConfig(cfg).ListExports(w.t.Context(), &cloudformation.ListExportsInput{}))
		w.same("exports", 0, len(exports.Exports))
		w.same("actions of another destroy", map[string]int{"stack none": 3}, w.run(0, "destroy").actions())
	})
}

// failed checks that one step failed, and how; what is empty isn't looked at.
func (w *world) failed(r run, code, resource, message string) {
	w.t.Helper()
	failures := r.failures()
	if len(failures) != 1 {
		w.t.Fatalf("%s: failures: %q", w.name, failures)
	}
	f := failures[0]
	if code != "" && f.Code != code || resource != "" && f.Resource != resource || !strings.Contains(f.Message, message) {
		w.t.Errorf("%s: failed with %+v, want %s at %s with %q", w.name, f, code, resource, message)
	}
}

// statuses checks that the account has exactly these stacks.
func (w *world) statuses(cfg aws.Config, want map[string]string) {
	w.t.Helper()
	got := map[string]string{}
	for name, s := range w.stacks(cfg) {
		got[name] = string(s.StackStatus)
	}
	w.same("stacks", want, got)
}

func (w *world) stackStatus(cfg aws.Config, name string) string {
	w.t.Helper()
	return string(w.stacks(cfg)[name].StackStatus)
}

func (w *world) deployedOutputs(cfg aws.Config, name string) map[string]string {
	w.t.Helper()
	out := map[string]string{}
	for _, o := range w.stacks(cfg)[name].Outputs {
		out[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return out
}

// topics counts those of SNS in a target.
func (w *world) topics(cfg aws.Config) int {
	w.t.Helper()
	n := 0
	pages := sns.NewListTopicsPaginator(sns.NewFromConfig(cfg), &sns.ListTopicsInput{})
	for pages.HasMorePages() {
		n += len(must[*sns.ListTopicsOutput](w, "list topics")(pages.NextPage(w.t.Context())).Topics)
	}
	return n
}

// state is all that axle keeps beside axle.yaml.
func (w *world) state() []string {
	w.t.Helper()
	var out []string
	err := filepath.WalkDir(filepath.Join(w.dir, ".axle"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		out = append(out, string(body))
		return err
	})
	if err != nil || len(out) == 0 {
		w.t.Fatalf("%s: read .axle: %d files, %v", w.name, len(out), err)
	}
	return out
}
