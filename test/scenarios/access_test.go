//go:build scenarios

package scenarios

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestAccess: who can do what is answered from what an emulator that nobody here
// wrote says of users, roles, policies, organization and buckets.
func TestAccess(t *testing.T) {
	on(t, access, sandbox(alone...), unkindSandbox(alone...), moto(), ministack())
}

func access(w *world) {
	t, ctx := w.t, w.t.Context()
	b := w.newOrganization()
	work := b.ou(b.root, "Workloads", nil)
	dev, data := b.account(work, "dev", nil), b.account(work, "data", nil)
	w.project("access")
	policy := func(statement string) *string {
		return aws.String(`{"Version":"2012-10-17","Statement":[` + statement + `]}`)
	}
	w.step("roles in dev, a bucket in data", func() {
		client := iam.NewFromConfig(w.in(dev, "eu-west-1"))
		trust := policy(`{"Effect":"Allow","Principal":{"AWS":"` + dev + `"},"Action":"sts:AssumeRole"}`)
		for _, name := range []string{"app", "auditor"} {
			must[*iam.CreateRoleOutput](w, "role "+name)(client.CreateRole(ctx, &iam.CreateRoleInput{RoleName: &name, Path: aws.String("/team/"), AssumeRolePolicyDocument: trust}))
		}
		must[*iam.PutRolePolicyOutput](w, "inline policy")(client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("app"), PolicyName: aws.String("read"),
			PolicyDocument: policy(`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject","sts:AssumeRole"],"Resource":"*"}`)}))
		// moto has none of AWS's own policies.
		made := must[*iam.CreatePolicyOutput](w, "policy")(client.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("everything"), PolicyDocument: policy(`{"Effect":"Allow","Action":"*","Resource":"*"}`)}))
		must[*iam.AttachRolePolicyOutput](w, "attach")(client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("auditor"), PolicyArn: made.Policy.Arn}))
		bucket := s3.NewFromConfig(w.in(data, "eu-west-1"), func(o *s3.Options) { o.UsePathStyle = true })
		must[*s3.CreateBucketOutput](w, "bucket")(bucket.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("bookings-of-data"),
			CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}}))
		must[*s3.PutBucketPolicyOutput](w, "bucket policy")(bucket.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("bookings-of-data"),
			Policy: policy(`{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::` + dev + `:role/team/app","arn:aws:iam::` + dev + `:role/team/auditor"]},"Action":"s3:GetObject","Resource":"arn:aws:s3:::bookings-of-data/*"}`)}))
	})
	can := func(want, who, action string) {
		t.Helper()
		code := 1
		if want == "allowed" {
			code = 0
		}
		stdout, _ := w.axle(code, "access", "can", who, action, "arn:aws:s3:::bookings-of-data/x", "--direct", "--refresh", "--output", "json")
		var a struct{ Verdict string }
		if err := json.Unmarshal([]byte(stdout), &a); err != nil {
			t.Fatal(err)
		}
		w.same(who+" "+action, want, a.Verdict)
	}
	w.step("answers", func() {
		can("allowed", "dev/app", "s3:GetObject")
		can("denied", "dev/app", "s3:PutObject")
		can("allowed", "dev/auditor", "s3:GetObject")
		can("denied", "dev/auditor", "s3:PutObject")
	})
	w.step("an SCP of the OU", func() {
		client := organizations.NewFromConfig(w.config("us-east-1"))
		_, _ = client.EnablePolicyType(ctx, &organizations.EnablePolicyTypeInput{RootId: &b.root, PolicyType: orgtypes.PolicyTypeServiceControlPolicy}) // it may be
		made := must[*organizations.CreatePolicyOutput](w, "SCP")(client.CreatePolicy(ctx, &organizations.CreatePolicyInput{Name: aws.String("NoReading"), Description: aws.String("x"),
			Type: orgtypes.PolicyTypeServiceControlPolicy, Content: policy(`{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`)}))
		must[*organizations.AttachPolicyOutput](w, "attach")(client.AttachPolicy(ctx, &organizations.AttachPolicyInput{PolicyId: made.Policy.PolicySummary.Id, TargetId: &work}))
		can("denied", "dev/app", "s3:GetObject")
	})
}
