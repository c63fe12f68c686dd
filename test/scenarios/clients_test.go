//go:build scenarios

package scenarios

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fifty is a sandbox with that many member accounts, as its users start it.
func fifty(t *testing.T) *world {
	w := sandbox("--accounts", "50").start(t)
	w.vars["AWS_DEFAULT_REGION"] = w.vars["AWS_REGION"] // boto3 doesn't read the other one
	return w
}

// awscli is a session with AWS's command line: it looks around, enters a member
// account, and makes a stack there through a change set, and a peering.
func awscli(t *testing.T) {
	aws := needVenv(t, "aws")
	w := fifty(t)
	template := filepath.Join(w.dir, "topic.yaml")
	if err := os.WriteFile(template, []byte(topicTemplate), 0o644); err != nil {
		t.Fatal(err)
	}
	// call runs the CLI and returns its JSON.
	call := func(args ...string) map[string]any {
		t.Helper()
		stdout, stderr, code := w.command(aws, args...)
		if code != 0 {
			t.Fatalf("aws %s: exit %d\n%s", strings.Join(args, " "), code, stderr)
		}
		out := map[string]any{}
		if err := json.Unmarshal([]byte(stdout), &out); strings.TrimSpace(stdout) != "" && err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, stdout)
		}
		return out
	}

	var member string
	w.step("organizations list-accounts", func() {
		accounts := call("organizations", "list-accounts")["Accounts"].([]any)
		w.same("accounts", 51, len(accounts))
		member = accounts[1].(map[string]any)["Id"].(string)
	})
	w.step("sts assume-role", func() {
		out := call("sts", "assume-role", "--role-arn", "arn:aws:iam::"+member+":role/OrganizationAccountAccessRole", "--role-session-name", "cli")
		keys := out["Credentials"].(map[string]any)
		w.vars["AWS_ACCESS_KEY_ID"], w.vars["AWS_SECRET_ACCESS_KEY"] = keys["AccessKeyId"].(string), keys["SecretAccessKey"].(string)
		w.vars["AWS_SESSION_TOKEN"] = keys["SessionToken"].(string)
		w.same("account", member, call("sts", "get-caller-identity")["Account"])
		_, stderr, code := w.command(aws, "sts", "assume-role", "--role-arn", "arn:aws:iam::"+member+":role/nobody", "--role-session-name", "cli")
		if code == 0 || !strings.Contains(stderr, "An error occurred (AccessDenied) when calling the AssumeRole operation") {
			t.Errorf("a role that isn't there: exit %d, %s", code, stderr)
		}
	})
	w.step("cloudformation create-change-set, describe, execute, describe-stacks", func() {
		call("cloudformation", "create-change-set", "--stack-name", "hello", "--change-set-name", "first", "--change-set-type", "CREATE",
			"--template-body", "file://"+template, "--parameters", "ParameterKey=Title,ParameterValue=Hello")
		call("cloudformation", "wait", "change-set-create-complete", "--stack-name", "hello", "--change-set-name", "first")
		set := call("cloudformation", "describe-change-set", "--stack-name", "hello", "--change-set-name", "first")
		w.same("change set", []any{"CREATE_COMPLETE", "AVAILABLE"}, []any{set["Status"], set["ExecutionStatus"]})
		change := set["Changes"].([]any)[0].(map[string]any)["ResourceChange"].(map[string]any)
		w.same("change", []any{"Add", "Topic", "AWS::SNS::Topic"}, []any{change["Action"], change["LogicalResourceId"], change["ResourceType"]})
		call("cloudformation", "execute-change-set", "--stack-name", "hello", "--change-set-name", "first")
		call("cloudformation", "wait", "stack-create-complete", "--stack-name", "hello")
		stack := call("cloudformation", "describe-stacks", "--stack-name", "hello")["Stacks"].([]any)[0].(map[string]any)
		w.same("stack", "CREATE_COMPLETE", stack["StackStatus"])
		arn := stack["Outputs"].([]any)[0].(map[string]any)["OutputValue"].(string)
		w.same("topic's account", member, strings.Split(arn, ":")[4])
	})
	w.step("an empty change set", func() {
		call("cloudformation", "create-change-set", "--stack-name", "hello", "--change-set-name", "empty",
			"--template-body", "file://"+template, "--parameters", "ParameterKey=Title,UsePreviousValue=true")
		_, _, code := w.command(aws, "cloudformation", "wait", "change-set-create-complete", "--stack-name", "hello", "--change-set-name", "empty")
		w.same("exit of wait", 255, code)
		set := call("cloudformation", "describe-change-set", "--stack-name", "hello", "--change-set-name", "empty")
		w.same("change set", []any{"FAILED", "The submitted information didn't contain changes. Submit different information to create a change set."},
			[]any{set["Status"], set["StatusReason"]})
	})
	w.step("ec2 describe-vpc-peering-connections", func() {
		vpc := func(cidr string) string {
			return call("ec2", "create-vpc", "--cidr-block", cidr)["Vpc"].(map[string]any)["VpcId"].(string)
		}
		w.same("peerings before", 0, len(call("ec2", "describe-vpc-peering-connections")["VpcPeeringConnections"].([]any)))
		made := call("ec2", "create-vpc-peering-connection", "--vpc-id", vpc("10.1.0.0/16"), "--peer-vpc-id", vpc("10.2.0.0/16"))
		id := made["VpcPeeringConnection"].(map[string]any)["VpcPeeringConnectionId"].(string)
		call("ec2", "accept-vpc-peering-connection", "--vpc-peering-connection-id", id)
		found := call("ec2", "describe-vpc-peering-connections", "--filters", "Name=status-code,Values=active")["VpcPeeringConnections"].([]any)
		w.same("active peerings", 1, len(found))
		w.same("id", id, found[0].(map[string]any)["VpcPeeringConnectionId"])
	})
}

// boto3 is a script of somebody else's: a stack in each of twenty accounts.
func boto3(t *testing.T) {
	python := needVenv(t, "python")
	w := fifty(t)
	file, err := filepath.Abs(script("twenty_accounts.py"))
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := w.command(python, file, "hello")
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, tail(stderr, 30))
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	w.same("stacks", 20, len(lines))
	for _, line := range lines {
		account, arn, _ := strings.Cut(line, " ")
		w.same("stack of "+account, "CREATE_COMPLETE", string(w.stacks(w.in(account, "eu-west-1"))["hello"].StackStatus))
		w.same("account in the topic's ARN", account, strings.Split(arn, ":")[4])
	}
}

// everywhere is one command of AWS's command line in every account of an
// organization, each entered by axle credentials, in a loop of the shell.
func everywhere(t *testing.T) {
	aws := needVenv(t, "aws")
	w := sandbox("--accounts", "4").start(t)
	config := "[profile hub]\naws_access_key_id = " + w.vars["AWS_ACCESS_KEY_ID"] + "\naws_secret_access_key = " + w.vars["AWS_SECRET_ACCESS_KEY"] + "\n"
	for file, body := range map[string]string{
		"config":    config,
		"axle.yaml": "name: everywhere\naccess: {role: OrganizationAccountAccessRole, overrides: [{where: account.management, role: none}]}\nstacks: {}\n",
	} {
		if err := os.WriteFile(filepath.Join(w.dir, file), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.vars["AWS_DEFAULT_REGION"] = w.vars["AWS_REGION"] // the CLI does not read the other one
	delete(w.vars, "AWS_ACCESS_KEY_ID")
	delete(w.vars, "AWS_SECRET_ACCESS_KEY")
	w.vars["AWS_CONFIG_FILE"] = filepath.Join(w.dir, "config")
	stdout, stderr, code := w.command("sh", "-ec", `
for id in $(AWS_PROFILE=hub "$1" organizations list-accounts --query 'Accounts[].Id' --output text); do
	printf '[profile %s]\ncredential_process = "%s" credentials %s --profile hub\n' "$id" "$2" "$id" >> config
	echo "$id $(AWS_PROFILE=$id "$1" sts get-caller-identity --query Account --output text)"
done`, "sh", aws, axleBinary)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if code != 0 || len(lines) != 5 {
		t.Fatalf("exit %d\n%s%s", code, stdout, tail(stderr, 20))
	}
	for _, line := range lines {
		account, entered, _ := strings.Cut(line, " ")
		w.same("the account that was entered", account, entered)
	}
}

const topicTemplate = `Parameters:
  Title: {Type: String}
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: !Ref Title}
Outputs:
  TopicArn: {Value: !Ref Topic}
`
