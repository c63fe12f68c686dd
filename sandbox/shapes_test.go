package sandbox

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestShapes holds the types of requests against the models that botocore ships:
// those of all operations that are served, and no others.
func TestShapes(t *testing.T) {
	python := pythonWithBotocore()
	if python == "" {
		t.Skip("no Python with botocore: neither ../.venv/bin/python nor python3 has it (make .venv/ready)")
	}
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var served strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s.ops)) {
		if services[name].protocol == restXML {
			continue
		}
		for _, op := range slices.Sorted(maps.Keys(s.ops[name])) {
			served.WriteString(name + " " + op + "\n")
		}
	}
	cmd := exec.Command(python, filepath.Join("testdata", "conformance", "shapes.py"))
	cmd.Stdin = strings.NewReader(served.String())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	want, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	for name, model := range readShapes(string(want)) {
		for at, members := range model {
			ours, ok := inputShapes()[name][at]
			if op, input := strings.CutPrefix(at, "="); input && !ok {
				t.Errorf("%s:%s is served, and shapes.txt doesn't have it: write it anew", name, op)
			}
			for member, kind := range members {
				if is, ok := ours[member]; ok && is != kind { // other versions of botocore have other members
					t.Errorf("%s %s %s is %q, want %q", name, at, member, is, kind)
				}
			}
		}
	}
}

// A member of the wrong type is refused before anything is done; null is none.
func TestWrongTypes(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, test := range []struct{ service, op, body, want string }{
		{"organizations", "CreateAccount", `{"Email":7,"AccountName":"n"}`, "NUMBER_VALUE can not be converted to a String"},
		{"organizations", "CreateAccount", `{"Email":true}`, "TRUE_VALUE can not be converted to a String"},
		{"organizations", "CreateAccount", `{"Email":{}}`, "Start of structure or map found where not expected."},
		{"organizations", "CreateAccount", `{"Tags":"x"}`, "Expected list or null"},
		{"organizations", "CreateAccount", `{"Tags":["x"]}`, "Expected null"},
		{"organizations", "CreateAccount", `{"Tags":[{"Key":["x"]}]}`, "Start of list found where not expected"},
		{"organizations", "ListAccounts", `{"MaxResults":"5"}`, "STRING_VALUE can not be converted to an Integer"},
		{"organizations", "ListAccounts", `{"MaxResults":null,"NextToken":null,"Unknown":[]}`, ""},
		{"organizations", "ListAccounts", `{} {}`, "there is more after the JSON document"},
		{"ssm", "PutParameter", `{"Name":"/a","Value":"v","Type":"String","Overwrite":"perhaps"}`, "STRING_VALUE can not be converted to a Boolean"},
		{"dynamodb", "PutItem", `{"TableName":"t","Item":{"a":{"N":5}}}`, "NUMBER_VALUE can not be converted to a String"},
		{"dynamodb", "PutItem", `{"TableName":"t","Item":{"a":{"L":[{"M":{"b":{"L":"x"}}}]}}}`, "Expected list or null"},
		{"sqs", "CreateQueue", `{"QueueName":"q","Attributes":[]}`, "Start of list found where not expected"},
		{"lambda", "POST /2015-03-31/functions", `{"FunctionName":"f","Timeout":"long"}`, "STRING_VALUE can not be converted to an Integer"},
		{"account", "POST /listRegions", `{"RegionOptStatusContains":"ENABLED"}`, "Expected list or null"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		svc, c := services[test.service], &call{Sandbox: s, HTTP: r, Body: []byte(test.body)}
		if _, path, rest := strings.Cut(test.op, " "); rest {
			r.URL.Path = path
		}
		r.Header.Set("X-Amz-Target", svc.target+"."+test.op)
		err := decodeRequest(c, svc)
		switch {
		case err == nil && test.want != "", err != nil && (err.Code != "SerializationException" || err.Message != test.want):
			t.Errorf("%s %s: %v, want %q", test.op, test.body, err, test.want)
		}
	}
}

// A form is all text: what isn't a number or a boolean where the model has one is
// refused before anything is done, and not taken for the default.
func TestFormTypes(t *testing.T) {
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const xsd = "MalformedInput: boolean must follow xsd1.1 definition"
	for _, test := range []struct{ service, form, want string }{
		{"iam", "Action=ListRoles&MaxItems=abc", "MalformedInput: Invalid Argument"},
		{"iam", "Action=ListRoles&MaxItems=", "MalformedInput: Invalid Argument"},
		{"iam", "Action=ListRoles&MaxItems=99999999999", "MalformedInput: Invalid Argument"},
		{"iam", "Action=ListRoles&MaxItems=5&Marker=abc&Unknown=x", ""},
		{"iam", "Action=CreatePolicyVersion&SetAsDefault=TRUE", xsd},
		{"iam", "Action=CreatePolicyVersion&SetAsDefault=", "MalformedInput: missing value for boolean type"},
		{"iam", "Action=CreatePolicyVersion&SetAsDefault=1", ""},
		{"sts", "Action=AssumeRole&DurationSeconds=1h", "MalformedInput: Invalid Argument"},
		{"sns", "Action=Subscribe&ReturnSubscriptionArn=yes", xsd},
		{"cloudformation", "Action=CreateStack&DisableRollback=no", xsd},
		{"cloudformation", "Action=CreateStack&TimeoutInMinutes=1.5", "MalformedInput: Invalid Argument"},
		{"cloudformation", "Action=CreateStack&Parameters.member.1.ParameterKey=a&Parameters.member.1.UsePreviousValue=x", xsd},
		{"cloudformation", "Action=CreateStackSet&AutoDeployment.Enabled=x", xsd},
		{"cloudformation", "Action=CreateStackInstances&OperationPreferences.MaxConcurrentCount=x", "MalformedInput: Invalid Argument"},
		{"ec2", "Action=DescribeVpcs&MaxResults=abc", "InvalidParameterValue: Value (abc) for parameter MaxResults is invalid."},
		{"ec2", "Action=DescribeVpcs&DryRun=perhaps", "InvalidParameterValue: Value (perhaps) for parameter DryRun is invalid."},
		{"ec2", "Action=AuthorizeSecurityGroupIngress&IpPermissions.1.FromPort=x", "InvalidParameterValue: Value (x) for parameter FromPort is invalid."},
		{"ec2", "Action=ModifyVpcAttribute&EnableDnsSupport.Value=x", "InvalidParameterValue: Value (x) for parameter Value is invalid."},
		{"ec2", "Action=AuthorizeSecurityGroupIngress&IpPermissions.1.FromPort=-1", ""},
	} {
		c := &call{Sandbox: s, HTTP: httptest.NewRequest(http.MethodPost, "/", nil), Body: []byte(test.form)}
		got := ""
		if err := decodeRequest(c, services[test.service]); err != nil {
			got = err.Code + ": " + err.Message
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.form, got, test.want)
		}
	}
}
