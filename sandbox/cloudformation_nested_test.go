package sandbox_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"axle/sandbox"
)

// upload puts a template into the bucket "templates" and gives its URL.
func (t *cfnTest) upload(key, body string) string {
	t.Helper()
	client := s3.NewFromConfig(configOf(t.box, t.url), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.HeadBucket(t.ctx, &s3.HeadBucketInput{Bucket: aws.String("templates")}); err != nil {
		_, err := client.CreateBucket(t.ctx, &s3.CreateBucketInput{Bucket: aws.String("templates"), CreateBucketConfiguration: &s3types.CreateBucketConfiguration{
			LocationConstraint: s3types.BucketLocationConstraintEuWest1}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.PutObject(t.ctx, &s3.PutObjectInput{Bucket: aws.String("templates"), Key: &key, Body: strings.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	return "https://templates.s3.eu-west-1.amazonaws.com/" + key
}

func TestTemplateURL(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	large := chain + "# " + strings.Repeat("x", 60_000)
	url := t.upload("a/large.yaml", large)
	if _, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateURL: &url}); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "CREATE_COMPLETE")
	for _, other := range []string{"https://s3.eu-west-1.amazonaws.com/templates/a/large.yaml", t.url + "/templates/a/large.yaml"} {
		if _, err := t.ValidateTemplate(t.ctx, &cf.ValidateTemplateInput{TemplateURL: &other}); err != nil {
			t.Errorf("%s: %v", other, err)
		}
	}
	_, err := t.ValidateTemplate(t.ctx, &cf.ValidateTemplateInput{TemplateURL: aws.String("https://example.com/templates/a/large.yaml")})
	t.refused(err, "ValidationError", "TemplateURL must be a supported URL.")
	_, err = t.ValidateTemplate(t.ctx, &cf.ValidateTemplateInput{TemplateURL: aws.String(url + "x")})
	t.refused(err, "ValidationError", "S3 error: The specified key does not exist.")
}

func TestNestedStack(tt *testing.T) {
	t := newCFN(tt, fails("B", "update", 1))
	url := t.upload("child.yaml", chain)
	parent := `
Parameters: {V: {Type: String}, Url: {Type: String}}
Resources:
  Child: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: !Ref Url, Parameters: {V: !Ref V}}}
  Topic: {Type: AWS::SNS::Topic, Properties: {DisplayName: !GetAtt Child.Outputs.V}}
Outputs: {V: {Value: !GetAtt Child.Outputs.V}}
`
	st := t.want(t.create("s", parent, "V=one", "Url="+url), "CREATE_COMPLETE")
	if v := t.output(st, "V"); !strings.HasSuffix(v, " one") {
		t.Errorf("output of the child %q", v)
	}
	res, err := t.DescribeStackResource(t.ctx, &cf.DescribeStackResourceInput{StackName: aws.String("s"), LogicalResourceId: aws.String("Child")})
	if err != nil {
		t.Fatal(err)
	}
	child := t.settled(*res.StackResourceDetail.PhysicalResourceId)
	if aws.ToString(child.ParentId) != *st.StackId || !strings.HasPrefix(*child.StackName, "s-Child-") {
		t.Errorf("child %+v", child)
	}
	t.want(t.update("s", parent, "V=two", "Url="+url), "UPDATE_ROLLBACK_COMPLETE")
	if h := t.history("s"); !slices.ContainsFunc(h, func(l string) bool {
		return strings.HasPrefix(l, "Child UPDATE_FAILED Embedded stack") && strings.Contains(l, "failed to update: [B]")
	}) {
		t.Errorf("events:\n%s", strings.Join(h, "\n"))
	}
	st = t.want(t.update("s", parent, "V=three", "Url="+url), "UPDATE_COMPLETE")
	if v := t.output(st, "V"); !strings.HasSuffix(v, " three") {
		t.Errorf("output of the child %q", v)
	}
	t.delete("s")
	t.want(t.settled(*st.StackId), "DELETE_COMPLETE")
	t.want(t.settled(*child.StackId), "DELETE_COMPLETE")
	if left := t.parameters(); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
