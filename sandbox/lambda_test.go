package sandbox_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (c *cloud) lambda(account string) *lambda.Client {
	c.t.Helper()
	return lambda.NewFromConfig(c.in(account, "eu-west-1"), func(o *lambda.Options) { o.RetryMaxAttempts = 1 })
}

// lambdaRole makes a role that Lambda may assume, with what it may do.
func (c *cloud) lambdaRole(account, name string, allow ...string) *string {
	c.t.Helper()
	ctx, client := context.Background(), iam.NewFromConfig(c.in(account, "us-east-1"))
	trust := document(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`)
	role := must[*iam.CreateRoleOutput](c.t)(client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}))
	if len(allow) > 0 {
		doc := document(allow...)
		_ = must[*iam.PutRolePolicyOutput](c.t)(client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("p"), PolicyDocument: &doc}))
	}
	return role.Role.Arn
}

// zipped is a package of files, all of them executable.
func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, body := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o755)
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = io.WriteString(w, body)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var bootstrap = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "bootstrap")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a copy is returned
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "bootstrap"), ".")
	cmd.Dir, cmd.Env = filepath.Join("testdata", "lambda"), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	body, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
	return string(body), err
})

// needs skips a test without a program that runs its functions.
func needs(t *testing.T, program string) {
	t.Helper()
	if err := exec.Command(program, "--version").Run(); err != nil {
		t.Skipf("SKIPPED: there is no %s on this machine to run functions with: %v", program, err)
	}
}

// goFunction makes a function of testdata/lambda.
func (c *cloud) goFunction(client *lambda.Client, name string, role *string, change ...func(*lambda.CreateFunctionInput)) string {
	c.t.Helper()
	program, err := bootstrap()
	if err != nil {
		c.t.Fatal(err)
	}
	return c.function(client, name, role, "provided.al2023", map[string]string{"bootstrap": program}, change...)
}

// function makes a function and waits until it is active.
func (c *cloud) function(client *lambda.Client, name string, role *string, runtime string, files map[string]string, change ...func(*lambda.CreateFunctionInput)) string {
	c.t.Helper()
	ctx := context.Background()
	in := &lambda.CreateFunctionInput{FunctionName: &name, Role: role, Runtime: types.Runtime(runtime), Handler: aws.String("index.handler"),
		Code: &types.FunctionCode{ZipFile: zipped(c.t, files)}, Timeout: aws.Int32(20)}
	for _, f := range change {
		f(in)
	}
	made := must[*lambda.CreateFunctionOutput](c.t)(client.CreateFunction(ctx, in))
	err := lambda.NewFunctionActiveV2Waiter(client, func(o *lambda.FunctionActiveV2WaiterOptions) { o.MinDelay = 20 * time.Millisecond }).
		Wait(ctx, &lambda.GetFunctionInput{FunctionName: &name}, forever)
	if err != nil {
		c.t.Fatal(err)
	}
	return *made.FunctionArn
}

// invoked is what a function answers.
func invoked(t *testing.T, client *lambda.Client, name, payload string) (map[string]any, *lambda.InvokeOutput) {
	t.Helper()
	out := must[*lambda.InvokeOutput](t)(client.Invoke(context.Background(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload), LogType: types.LogTypeTail}))
	var doc map[string]any
	if err := json.Unmarshal(out.Payload, &doc); err != nil {
		t.Fatalf("%s: %v", out.Payload, err)
	}
	return doc, out
}

func process(pid any) *os.Process {
	p, err := os.FindProcess(int(pid.(float64)))
	if err != nil { // on Windows, of one that has gone
		return nil
	}
	return p
}

func alive(pid any) bool {
	p := process(pid)
	return p != nil && (runtime.GOOS == "windows" || p.Signal(syscall.Signal(0)) == nil)
}

// Functions are processes: warm ones are used again, those that crash, hang or
// leave others behind are ended, and all of them with the sandbox.
func TestLambdaProcesses(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client := c.lambda(devAccount)
	arn := c.goFunction(client, "program", c.lambdaRole(devAccount, "Runs"))
	first, out := invoked(t, client, "program", `{"do":"echo","n":1}`)
	if first["arn"] != arn || first["handler"] != "index.handler" || aws.ToString(out.ExecutedVersion) != "$LATEST" || out.FunctionError != nil {
		t.Errorf("answered %v, %+v", first, out)
	}
	log, _ := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	for _, part := range []string{"START RequestId: ", "did echo\n", "\nEND RequestId: ", "Memory Size: 128 MB"} {
		if !strings.Contains(string(log), part) {
			t.Errorf("the log lacks %q: %s", part, log)
		}
	}
	again, _ := invoked(t, client, "program", `{}`)
	if again["pid"] != first["pid"] {
		t.Errorf("process %v isn't used again, but %v", first["pid"], again["pid"])
	}
	failed, out := invoked(t, client, "program", `{"do":"fail"}`)
	if failed["errorType"] != "Oops" || aws.ToString(out.FunctionError) != "Unhandled" {
		t.Errorf("failed as %v, %v", failed, aws.ToString(out.FunctionError))
	}
	crashed, out := invoked(t, client, "program", `{"do":"exit"}`)
	if crashed["errorType"] != "Runtime.ExitError" || !strings.HasSuffix(crashed["errorMessage"].(string), "Runtime exited with error: exit status 3") || out.FunctionError == nil {
		t.Errorf("crashed as %v", crashed)
	}
	large, _ := invoked(t, client, "program", `{"do":"large"}`)
	if large["errorType"] != "Function.ResponseSizeTooLarge" {
		t.Errorf("a large answer: %v", large["errorType"])
	}
	parent, _ := invoked(t, client, "program", `{"do":"child"}`)
	if parent["pid"] == first["pid"] || !alive(parent["child"]) {
		t.Errorf("after the crash of %v: %v", first["pid"], parent)
	}
	must[*lambda.UpdateFunctionConfigurationOutput](t)(client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("program"), Timeout: aws.Int32(1)}))
	late, _ := invoked(t, client, "program", `{"do":"sleep"}`)
	if late["errorType"] != "Sandbox.Timedout" || !strings.Contains(late["errorMessage"].(string), "Task timed out after 1.00 seconds") {
		t.Errorf("late as %v", late)
	}
	gone(t, parent["pid"], parent["child"])
}

// gone waits until processes are.
func gone(t *testing.T, pids ...any) {
	t.Helper()
	for _, pid := range pids {
		t.Logf("process %v is to end", pid)
		for alive(pid) {
			time.Sleep(pollTime)
		}
	}
}

// A process that has left its group isn't waited for, although it holds on to
// the function's output.
func TestLambdaWaitsForNoDaemon(t *testing.T) {
	c := newCloud(t, sandbox.Options{})
	client := c.lambda(devAccount)
	c.goFunction(client, "program", c.lambdaRole(devAccount, "Runs"), func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(1) })
	file := filepath.Join(t.TempDir(), "pid")
	pid := 0.0
	for pid == 0 { // a busy machine may end it before it has come that far
		late, _ := invoked(t, client, "program", fmt.Sprintf(`{"do":"daemon","file":%q}`, file))
		if late["errorType"] != "Sandbox.Timedout" {
			t.Fatalf("answered %v", late)
		}
		if body, err := os.ReadFile(file); err == nil {
			pid, _ = strconv.ParseFloat(string(body), 64)
		}
	}
	if !alive(pid) {
		t.Error("the daemon was waited for")
	}
	if p := process(pid); p != nil {
		_ = p.Kill()
	}
}

// No process and no file is left when the sandbox is closed, whatever runs.
func TestLambdaEndsWithTheSandbox(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var pids []any
	t.Run("open", func(t *testing.T) {
		c := newCloud(t, sandbox.Options{})
		client := c.lambda(devAccount)
		c.goFunction(client, "program", c.lambdaRole(devAccount, "Runs"), func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(900) })
		answer, _ := invoked(t, client, "program", `{"do":"child"}`)
		pids = append(pids, answer["pid"], answer["child"])
		for range 3 {
			_ = must[*lambda.InvokeOutput](t)(client.Invoke(context.Background(), &lambda.InvokeInput{FunctionName: aws.String("program"),
				InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"do":"sleep"}`)}))
		}
	})
	gone(t, pids...)
	left, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "axle-sandbox-lambda-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

const pythonEcho = `
import json, os, urllib.request
def handler(event, context):
    print("seen", event)
    if event.get("fail"):
        raise ValueError("as told")
    if event.get("bad"):
        return {1, 2}
    return {"event": event, "function": context.function_name, "id": context.aws_request_id, "color": os.environ.get("COLOR"),
            "key": os.environ["AWS_ACCESS_KEY_ID"][:4], "secret": os.environ.get("SANDBOX_SECRET"), "left": context.get_remaining_time_in_millis()}
`

func TestLambdaPython(t *testing.T) {
	needs(t, "python3")
	t.Setenv("SANDBOX_SECRET", "of this machine")
	c := newCloud(t, sandbox.Options{})
	client, role := c.lambda(devAccount), c.lambdaRole(devAccount, "Runs")
	c.function(client, "echo", role, "python3.12", map[string]string{"index.py": pythonEcho}, func(in *lambda.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"COLOR": "red"}}
	})
	out, _ := invoked(t, client, "echo", `{"a":"é"}`)
	if out["event"].(map[string]any)["a"] != "é" || out["function"] != "echo" || out["color"] != "red" || out["key"] != "ASIA" || out["secret"] != nil || out["left"].(float64) < 10_000 {
		t.Errorf("answered %v", out)
	}
	failed, _ := invoked(t, client, "echo", `{"fail":true}`)
	if failed["errorType"] != "ValueError" || failed["errorMessage"] != "as told" || len(failed["stackTrace"].([]any)) != 1 {
		t.Errorf("failed as %v", failed)
	}
	if bad, _ := invoked(t, client, "echo", `{"bad":true}`); bad["errorType"] != "Runtime.MarshalError" {
		t.Errorf("failed as %v", bad)
	}
	for name, files := range map[string]map[string]string{"ImportModuleError": {"other.py": ""}, "HandlerNotFound": {"index.py": ""},
		"UserCodeSyntaxError": {"index.py": "def"}, "ZeroDivisionError": {"index.py": "1/0"}} {
		c.function(client, name, role, "python3.13", files)
		if out, _ := invoked(t, client, name, `{}`); !strings.HasSuffix(out["errorType"].(string), name) {
			t.Errorf("%s: failed as %v", name, out)
		}
	}
}

func TestLambdaNode(t *testing.T) {
	needs(t, "node")
	c := newCloud(t, sandbox.Options{})
	client, role := c.lambda(devAccount), c.lambdaRole(devAccount, "Runs")
	for name, files := range map[string]map[string]string{
		"common":   {"index.js": `exports.handler = async (event, context) => ({got: event.n, name: context.functionName})`},
		"module":   {"index.mjs": `export const handler = async (event, context) => ({got: event.n, name: context.functionName})`},
		"callback": {"index.js": `exports.handler = (event, context, done) => setTimeout(() => done(null, {got: event.n, name: context.functionName}), 5)`},
	} {
		c.function(client, name, role, "nodejs22.x", files)
		if out, _ := invoked(t, client, name, `{"n":7}`); out["got"] != 7.0 || out["name"] != name {
			t.Errorf("%s answered %v", name, out)
		}
	}
	c.function(client, "fails", role, "nodejs22.x", map[string]string{"index.js": `exports.handler = async () => { throw new TypeError("no") }`})
	if out, _ := invoked(t, client, "fails", `{}`); out["errorType"] != "TypeError" || out["errorMessage"] != "no" {
		t.Errorf("failed as %v", out)
	}
	c.function(client, "missing", role, "nodejs22.x", map[string]string{"other.js": ``})
	if out, _ := invoked(t, client, "missing", `{}`); out["errorType"] != "Runtime.ImportModuleError" {
		t.Errorf("failed as %v", out)
	}
}

// What a function can't be made of, or run with, is refused in Lambda's words.
func TestLambdaRefuses(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, role := c.lambda(devAccount), c.lambdaRole(devAccount, "Runs")
	code := zipped(t, map[string]string{"index.py": pythonEcho})
	try := func(change func(*lambda.CreateFunctionInput)) error {
		in := &lambda.CreateFunctionInput{FunctionName: aws.String("f"), Role: role, Runtime: types.RuntimePython312, Handler: aws.String("index.handler"), Code: &types.FunctionCode{ZipFile: code}}
		change(in)
		_, err := client.CreateFunction(ctx, in)
		return err
	}
	_ = c.actor(devAccount, "Untrusted", "")
	for _, r := range []struct {
		code, words string
		change      func(*lambda.CreateFunctionInput)
	}{
		{"InvalidParameterValueException", "cannot be assumed by Lambda", func(in *lambda.CreateFunctionInput) { in.Role = aws.String("arn:aws:iam::222222222222:role/Nobody") }},
		{"InvalidParameterValueException", "cannot be assumed by Lambda", func(in *lambda.CreateFunctionInput) {
			in.Role = aws.String("arn:aws:iam::222222222222:role/Untrusted")
		}},
		{"AccessDeniedException", "Cross-account pass role is not allowed.", func(in *lambda.CreateFunctionInput) { in.Role = aws.String("arn:aws:iam::333333333333:role/Runs") }},
		{"InvalidParameterValueException", "Could not unzip uploaded file", func(in *lambda.CreateFunctionInput) { in.Code = &types.FunctionCode{ZipFile: []byte("no zip")} }},
		{"InvalidParameterValueException", "no longer supported", func(in *lambda.CreateFunctionInput) { in.Runtime = types.RuntimeGo1x }},
		{"InvalidParameterValueException", "failed to satisfy constraint", func(in *lambda.CreateFunctionInput) { in.Runtime = "cobol" }},
		{"InvalidParameterValueException", "Runtime and Handler are mandatory", func(in *lambda.CreateFunctionInput) { in.Handler = nil }},
		{"ValidationException", "timeout", func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(901) }},
		{"InvalidParameterValueException", "Reserved keys used in this request: AWS_REGION", func(in *lambda.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"AWS_REGION": "x"}}
		}},
		{"InvalidParameterValueException", "container images", func(in *lambda.CreateFunctionInput) {
			in.PackageType, in.Code = types.PackageTypeImage, &types.FunctionCode{ImageUri: aws.String("x")}
		}},
		{"InvalidParameterValueException", "Unzipped size must be smaller", func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{ZipFile: zipped(t, map[string]string{"large": strings.Repeat("x", 251<<20)})}
		}},
	} {
		refused(t, try(r.change), r.code, r.words)
	}
	if err := try(func(in *lambda.CreateFunctionInput) { in.Runtime = types.RuntimeJava21 }); err != nil {
		t.Fatal(err)
	}
	refused(t, try(func(*lambda.CreateFunctionInput) {}), "ResourceConflictException", "Function already exist: f")
	_, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("f")})
	refused(t, err, "InvalidRuntimeException", "The sandbox has nothing to run java21 with")
	_, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("f"), Payload: []byte("{")})
	refused(t, err, "InvalidRequestContentException", "Could not parse request body into json")
	_, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("other")})
	refused(t, err, "ResourceNotFoundException", "Function not found: arn:aws:lambda:eu-west-1:222222222222:function:other")
	_, err = client.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: aws.String("f"), ReservedConcurrentExecutions: aws.Int32(950)})
	refused(t, err, "InvalidParameterValueException", "below its minimum value of [100]")
	// Who may not pass the role may not give it to a function.
	plain := lambda.NewFromConfig(c.actor(devAccount, "Plain", `{"Effect":"Allow","Action":"lambda:*","Resource":"*"}`))
	_, err = plain.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("g"), Role: role, Runtime: types.RuntimePython312, Handler: aws.String("index.handler"), Code: &types.FunctionCode{ZipFile: code}})
	refused(t, err, "AccessDeniedException", "is not authorized to perform: iam:PassRole on resource: "+*role)
}

// A package whose names or links lead out of it doesn't get out.
func TestLambdaUnpacksInside(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	client, role := c.lambda(devAccount), c.lambdaRole(devAccount, "Runs")
	outside := filepath.Join(t.TempDir(), "outside")
	link := func(b *bytes.Buffer) {
		z := zip.NewWriter(b)
		h := &zip.FileHeader{Name: "way"}
		h.SetMode(os.ModeSymlink | 0o777)
		w, _ := z.CreateHeader(h)
		_, _ = io.WriteString(w, filepath.Dir(outside))
		w, _ = z.Create("way/outside")
		_, _ = io.WriteString(w, "x")
		_ = z.Close()
	}
	var linked bytes.Buffer
	link(&linked)
	for name, code := range map[string][]byte{"dots": zipped(t, map[string]string{"../../../../../../../.." + outside: "x"}), "links": linked.Bytes()} {
		must[*lambda.CreateFunctionOutput](t)(client.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: &name, Role: role, Runtime: types.RuntimeProvidedal2,
			Handler: aws.String("x"), Code: &types.FunctionCode{ZipFile: code}}))
		_, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name})
		refused(t, err, "InvalidZipFileException", "escapes")
	}
	if _, err := os.Stat(outside); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", outside, err)
	}
}

// Code is read from a bucket as the caller: the bucket's policy and the key's
// have their say.
func TestLambdaReadsCodeAsTheCaller(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	code := zipped(t, map[string]string{"index.py": pythonEcho})
	hub, far, key := c.s3(devAccount, "eu-west-1"), c.s3(devAccount, "us-east-1"), c.key(devAccount)
	for client, name := range map[*s3.Client]string{hub: "axle-code", far: "axle-far"} {
		in := &s3.CreateBucketInput{Bucket: &name}
		if client == hub {
			in.CreateBucketConfiguration = inRegion("eu-west-1")
		}
		must[*s3.CreateBucketOutput](t)(client.CreateBucket(ctx, in))
		put := &s3.PutObjectInput{Bucket: &name, Key: aws.String("zip/a.zip"), Body: bytes.NewReader(code)}
		if client == hub {
			put.ServerSideEncryption, put.SSEKMSKeyId = s3types.ServerSideEncryptionAwsKms, &key
		}
		must[*s3.PutObjectOutput](t)(client.PutObject(ctx, put))
	}
	qa, role := c.lambda(qaAccount), c.lambdaRole(qaAccount, "Runs")
	try := func(bucket, object string) error {
		_, err := qa.CreateFunction(ctx, &lambda.CreateFunctionInput{FunctionName: aws.String("f"), Role: role, Runtime: types.RuntimePython312, Handler: aws.String("index.handler"),
			Code: &types.FunctionCode{S3Bucket: &bucket, S3Key: &object}})
		return err
	}
	refused(t, try("axle-code", "zip/a.zip"), "AccessDeniedException",
		"Your access has been denied by S3, please make sure your request credentials have permission to GetObject for axle-code/zip/a.zip. S3 Error Code: AccessDenied. S3 Error Message: ")
	policy := document(`{"Effect":"Allow","Principal":{"AWS":"` + qaAccount + `"},"Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::axle-code/*","arn:aws:s3:::axle-code"]}`)
	must[*s3.PutBucketPolicyOutput](t)(hub.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("axle-code"), Policy: &policy}))
	refused(t, try("axle-code", "zip/a.zip"), "AccessDeniedException", "kms:Decrypt")
	open := document(`{"Effect":"Allow","Principal":{"AWS":"`+devAccount+`"},"Action":"kms:*","Resource":"*"}`,
		`{"Effect":"Allow","Principal":{"AWS":"`+qaAccount+`"},"Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"s3.eu-west-1.amazonaws.com"}}}`)
	must[*kms.PutKeyPolicyOutput](t)(c.kms(devAccount).PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: &key, Policy: &open}))
	refused(t, try("axle-code", "zip/b.zip"), "InvalidParameterValueException", "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.")
	refused(t, try("axle-far", "zip/a.zip"), "InvalidParameterValueException", "S3 Error Code: PermanentRedirect. S3 Error Message: The bucket is in this region: us-east-1.")
	if err := try("axle-code", "zip/a.zip"); err != nil {
		t.Fatal(err)
	}
	got := must[*lambda.GetFunctionOutput](t)(qa.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("f")}))
	answer, err := http.Get(*got.Code.Location)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end
	if body, _ := io.ReadAll(answer.Body); !bytes.Equal(body, code) {
		t.Errorf("%s gives %d bytes, not the package", *got.Code.Location, len(body))
	}
}

// Other accounts invoke a function that its policy, and their own, let them.
func TestLambdaAcrossAccounts(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	dev := c.lambda(devAccount)
	arn := c.goFunction(dev, "shared", c.lambdaRole(devAccount, "Runs"))
	far := lambda.NewFromConfig(c.actor(qaAccount, "Caller", `{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"`+arn+`"}`))
	try := func(qualifier *string) error {
		_, err := far.Invoke(ctx, &lambda.InvokeInput{FunctionName: &arn, Qualifier: qualifier, Payload: []byte(`{}`)})
		return err
	}
	refused(t, try(nil), "AccessDeniedException", "because no resource-based policy allows the lambda:InvokeFunction action")
	give := &lambda.AddPermissionInput{FunctionName: aws.String("shared"), StatementId: aws.String("qa"), Action: aws.String("lambda:InvokeFunction"), Principal: aws.String(qaAccount)}
	must[*lambda.AddPermissionOutput](t)(dev.AddPermission(ctx, give))
	_, err := dev.AddPermission(ctx, give)
	refused(t, err, "ResourceConflictException", "The statement id (qa) provided already exists.")
	if err := try(nil); err != nil {
		t.Fatal(err)
	}
	must[*lambda.PublishVersionOutput](t)(dev.PublishVersion(ctx, &lambda.PublishVersionInput{FunctionName: aws.String("shared")}))
	refused(t, try(aws.String("1")), "AccessDeniedException", "function:shared:1") // neither policy is about the version
	must[*lambda.RemovePermissionOutput](t)(dev.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: aws.String("shared"), StatementId: aws.String("qa")}))
	refused(t, try(nil), "AccessDeniedException", "")
}
