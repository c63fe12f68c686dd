package access

import (
	"strings"
	"testing"

	"axle"
	"axle/internal/template"
)

// plan adds a template as it will be in an account.
func plan(t *testing.T, p *Planned, account, stack, text string, parameters map[string]string) {
	t.Helper()
	tm, problems := template.Parse(stack+".yaml", []byte(text))
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	w := template.World{Partition: "aws", Account: account, Region: "eu-west-1", Stack: stack, Parameters: parameters}
	p.Add(Stack{Name: stack, Account: axle.Account{ID: account, Name: map[string]string{dev: "dev", data: "data"}[account]}, World: w, Declared: tm.Resolve(w)})
}

const callers = `
Parameters:
  Bucket: {Type: String, Default: ""}
  Kind: {Type: AWS::SSM::Parameter::Value<String>, Default: /kind}
Conditions:
  Wide: !Equals [!Ref Kind, wide]
Resources:
  Attached:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: more
      Roles: [app]
      PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "sqs:*", Resource: "*"}]}
  Managed:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:*", Resource: !Sub "arn:aws:s3:::${Bucket}/*"}]}
  Reader:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}
      ManagedPolicyArns: [!Ref Managed]
  Bounded:
    Type: AWS::IAM::Role
    Properties:
      RoleName: bounded
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/AdministratorAccess"]
      PermissionsBoundary: !Ref Managed
  Maybe:
    Type: AWS::IAM::Role
    Properties:
      RoleName: maybe
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}
      Policies:
        - PolicyName: p
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - !If [Wide, {Effect: Allow, Action: "*", Resource: "*"}, {Effect: Allow, Action: "s3:*", Resource: "*"}]
  Denying:
    Type: AWS::IAM::Role
    Properties:
      RoleName: denying
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]}
      Policies:
        - PolicyName: p
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: "*", Resource: "*"}
              - {Effect: Deny, Action: "sqs:*", Resource: !ImportValue forbidden}
`

const resources = `
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {QueueName: orders}
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "200000000001"}, Action: "sqs:SendMessage", Resource: !GetAtt Queue.Arn}]}
  Function:
    Type: AWS::Lambda::Function
    Properties: {FunctionName: f, Runtime: python3.13, Handler: i.h, Role: "arn:aws:iam::200000000002:role/x", Code: {ZipFile: x}}
  Permission:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: !Ref Function, Action: "lambda:InvokeFunction", Principal: s3.amazonaws.com, SourceArn: "arn:aws:s3:::b"}
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "200000000001"}, Action: "kms:Decrypt", Resource: "*"}]}
  Alias:
    Type: AWS::KMS::Alias
    Properties: {AliasName: alias/k, TargetKeyId: !Ref Key}
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties: {Name: db, KmsKeyId: !Ref Key}
  SecretPolicy:
    Type: AWS::SecretsManager::ResourcePolicy
    Properties:
      SecretId: !Ref Secret
      ResourcePolicy: {Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {AWS: "200000000001"}, Action: "secretsmanager:GetSecretValue", Resource: "*"}]}
`

func TestPlanned(t *testing.T) {
	w := newWorld()
	w.role(dev, "app", trusts(dev), allow("sts:*", "*"))
	w.owners["arn:aws:s3:::mine/x"], w.resources["arn:aws:s3:::mine/x"] = dev, &Resource{ARN: "arn:aws:s3:::mine/x"}
	p := NewPlanned()
	plan(t, p, dev, "callers", callers, map[string]string{"Bucket": "mine"})
	plan(t, p, data, "things", resources, nil)
	queue, bucket := "arn:aws:sqs:eu-west-1:"+data+":orders", "arn:aws:s3:::mine/x"
	for _, c := range []struct {
		who, action, on string
		context         map[string][]string
		want            Verdict
	}{
		{"dev/app", "sqs:SendMessage", queue, nil, Allowed}, // by a policy that is attached to a role that exists
		{"dev/app", "sqs:ReceiveMessage", queue, nil, Denied},
		{"dev/app", "sts:GetSessionToken", "*", nil, Allowed}, // what it has stays
		{"dev/callers-Reader-generated", "s3:GetObject", bucket, nil, Allowed},
		{"dev/callers-Reader-generated", "sqs:SendMessage", queue, nil, Denied},
		{"dev/bounded", "s3:GetObject", bucket, nil, Allowed},
		{"dev/bounded", "sqs:SendMessage", queue, nil, Denied},
		{"dev/maybe", "sqs:SendMessage", queue, nil, Unknown},
		{"dev/maybe", "sqs:ReceiveMessage", queue, nil, Denied}, // whatever it turns out to be
		{"dev/denying", "sqs:SendMessage", queue, nil, Unknown},
		{"dev/denying", "s3:GetObject", bucket, nil, Allowed}, // the Deny can't be about this
		{"s3.amazonaws.com", "lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:" + data + ":function:f", map[string][]string{"aws:SourceArn": {"arn:aws:s3:::b"}}, Allowed},
		{"s3.amazonaws.com", "lambda:InvokeFunction", "arn:aws:lambda:eu-west-1:" + data + ":function:f", map[string][]string{"aws:SourceArn": {"arn:aws:s3:::c"}}, Denied},
		{"dev/denying", "kms:Decrypt", "arn:aws:kms:eu-west-1:" + data + ":alias/k", nil, Allowed},
		{"dev/denying", "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:" + data + ":secret:db", nil, Allowed},
		{"dev/app", "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-1:" + data + ":secret:db", nil, Denied},
	} {
		a := ask(t, w.over(p), Request{Principal: c.who, Action: c.action, Resource: c.on, Context: c.context, Direct: true})
		if a.Verdict != c.want {
			t.Errorf("%s %s %s: %s, want %s: %+v", c.who, c.action, c.on, a.Verdict, c.want, a)
		}
		if strings.HasSuffix(c.on, "secret:db") && c.want == Allowed && (a.Encryption == nil || a.Encryption.Verdict != Allowed) {
			t.Errorf("the secret's key: %+v", a.Encryption)
		}
	}
	if _, err := w.facts().Can(t.Context(), Request{Principal: "dev/bounded", Action: "sqs:SendMessage", Resource: queue}); err == nil {
		t.Error("what isn't deployed isn't there")
	}
}

// FuzzBounds: whatever stands in a policy, reading it with its placeholders comes
// to an end.
func FuzzBounds(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${B}/*"}]}`)
	f.Add(`{"Statement":{"Effect":"Deny","NotAction":["${A}"],"NotResource":"${R}","Condition":{"StringEquals":{"aws:x":"${V}"}}}}`)
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"${P}"},"Action":"*","Resource":"${aws:username}"}]}`)
	f.Fuzz(func(_ *testing.T, text string) {
		_, _, _ = bounds(text)
		_, _ = keysOf(text), granteesOf(text)
	})
}
