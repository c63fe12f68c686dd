package control

import (
	"testing"

	"axle"

	"github.com/google/go-cmp/cmp"
)

// TestPhantoms: what Fn::GetStackOutput gives is no drift; all else stays.
func TestPhantoms(t *testing.T) {
	text := []byte(`Resources:
  A:
    Type: AWS::SNS::Topic
    Properties: {DisplayName: {'Fn::GetStackOutput': {StackName: x, OutputName: y}}, KmsMasterKeyId: k}
  B: {Type: AWS::SNS::Topic, Properties: {DisplayName: plain}}
  C:
    Type: AWS::SQS::Queue
    Properties: {RedrivePolicy: {deadLetterTargetArn: {'Fn::GetStackOutput': {StackName: x, OutputName: y}}}}
`)
	differs := func(id string, paths ...string) axle.Drifted {
		d := axle.Drifted{LogicalID: id, Status: "MODIFIED"}
		for _, p := range paths {
			d.Properties = append(d.Properties, axle.Difference{Path: p})
		}
		return d
	}
	found := []axle.Drifted{differs("A", "/DisplayName", "/KmsMasterKeyId"), differs("B", "/DisplayName"),
		differs("C", "/RedrivePolicy/deadLetterTargetArn"), {LogicalID: "D", Status: "DELETED"}}
	real, phantoms := withoutPhantoms(found, text)
	want := []axle.Drifted{differs("A", "/KmsMasterKeyId"), differs("B", "/DisplayName"), {LogicalID: "D", Status: "DELETED"}}
	if d := cmp.Diff(want, real); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"A.DisplayName", "C.RedrivePolicy.deadLetterTargetArn"}, phantoms); d != "" {
		t.Error(d)
	}
	if real, phantoms := withoutPhantoms(found[1:2], []byte("Resources: {}")); len(real) != 1 || phantoms != nil {
		t.Errorf("without the function: %v, %v", real, phantoms)
	}
}
