package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"axle/internal/config"
)

// run is one command line.
func runApp(t *testing.T, line string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	app := &App{In: strings.NewReader(""), Out: &o, Err: &e, Getenv: func(string) string { return "" }}
	code = app.Run(t.Context(), strings.Fields(line))
	return code, o.String(), e.String()
}

// The commands that axle access advise ends with are exact: each is taken, and
// what it writes is an axle.yaml without a mistake.
func TestAdviceIsTaken(t *testing.T) {
	resources := "--resource arn:aws:dynamodb:eu-west-1:222222222222:table/orders --resource arn:aws:ssm:eu-west-1:222222222222:parameter/orders " +
		"--resource arn:aws:secretsmanager:eu-west-1:333333333333:secret:db-AbC123 --resource arn:aws:s3:::orders --resource-account 444444444444 " +
		"--resource arn:aws:glue:us-east-1:222222222222:table/shop/orders --resource arn:aws:states:eu-west-1:222222222222:stateMachine:s " +
		"--need read,start,dynamodb:PutItem --kms-key arn:aws:kms:eu-west-1:333333333333:key/k"
	caller := " --caller arn:aws:iam::111111111111:role/app "
	for _, where := range []string{caller, caller + "--from lambda --vpc-only --caller-exists", caller + "--from ec2 --calls-per-second 8000 --external-id 5f2c --org o-a1b2c3d4e5",
		caller + "--from onpremises", "--from eks --issuer https://oidc.example.com --service-account shop/web --vpc-only",
		"--from eks --cluster shop --cluster-account 111111111111 --service-account shop/web --region eu-west-1 --vpc-only", caller + "--from kubernetes --issuer https://oidc.example.com --service-account shop/web"} {
		line := "access advise " + where + " " + resources
		code, out, errs := runApp(t, line)
		if code != 0 || !strings.Contains(out, "Next:") {
			t.Fatalf("axle %s: exit code %d: %s", line, code, errs)
		}
		code, out, _ = runApp(t, line+" --output json")
		var advice struct {
			Resources []struct{ Resource, Pattern string }
			Commands  []string
		}
		if err := json.Unmarshal([]byte(out), &advice); err != nil || code != 0 || len(advice.Commands) == 0 || len(advice.Resources) != 6 {
			t.Fatalf("%v: %s", err, out)
		}
		all := ""
		t.Chdir(t.TempDir()) // a line is taken apart at its spaces, which the folder's path may have
		for i, command := range advice.Commands {
			all += command + "\n"
			dir := string(rune('a' + i))
			command = strings.TrimPrefix(command[:strings.LastIndex(command, " --out ")], "axle ") + " --out " + dir
			if code, _, errs := runApp(t, command); code != 0 {
				t.Errorf("axle %s: exit code %d: %s", command, code, errs)
				continue
			}
			if _, problems := config.Load(filepath.Join(dir, "axle.yaml"), ""); problems.Err() != nil {
				t.Errorf("%v", problems.Err())
			}
			if code, _, _ := runApp(t, command); code != exitUsage {
				t.Error("files that exist were overwritten")
			}
			if code, _, errs := runApp(t, command+" --force"); code != 0 {
				t.Errorf("--force: %s", errs)
			}
			if _, err := os.Stat(filepath.Join(dir, "templates")); err != nil {
				t.Error(err)
			}
		}
		for _, r := range advice.Resources {
			if !strings.Contains(all, "--resource "+r.Resource) {
				t.Errorf("%s: no command is for %s", where, r.Resource)
			}
		}
	}
}

// An advice is refused with a hint where it would be a guess.
func TestAdviceMistakes(t *testing.T) {
	for _, line := range []string{"--from moon", "--calls-per-second -1", "", "--need read", "--region eu-west-1,us-east-1"} {
		line = "access advise --resource arn:aws:sqs:eu-west-1:222222222222:q " + line
		if code, _, errs := runApp(t, line); code != exitUsage || !strings.Contains(errs, "hint: ") {
			t.Errorf("axle %s: exit code %d: %s", line, code, errs)
		}
	}
}
