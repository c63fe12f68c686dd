package sandbox_test

import (
	"fmt"
	"runtime"
	"testing"

	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"axle/sandbox"
)

// network is a stack of the size that people have: a VPC with what belongs to it.
const network = `
Parameters: {Cidr: {Type: String, Default: 10.0.0.0/16}}
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: !Ref Cidr, Tags: [{Key: Name, Value: !Ref "AWS::StackName"}]}}
  A: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: !Select [0, !Cidr [!Ref Cidr, 4, 8]]}}
  B: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Vpc, CidrBlock: !Select [1, !Cidr [!Ref Cidr, 4, 8]]}}
  Routes: {Type: AWS::EC2::RouteTable, Properties: {VpcId: !Ref Vpc}}
  RoutesA: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {RouteTableId: !Ref Routes, SubnetId: !Ref A}}
  RoutesB: {Type: AWS::EC2::SubnetRouteTableAssociation, Properties: {RouteTableId: !Ref Routes, SubnetId: !Ref B}}
  Topic: {Type: AWS::SNS::Topic}
Outputs:
  Vpc: {Value: !Ref Vpc}
  Subnets: {Value: !Join [",", [!Ref A, !Ref B]]}
`

func BenchmarkCreateStack(b *testing.B) {
	t := newCFN(b, sandbox.Options{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	i := 0
	for b.Loop() {
		i++
		name, body := fmt.Sprintf("s%d", i), network
		if _, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: &name, TemplateBody: &body}); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(i), "B/stack")
	t.want(t.settled("s1"), "CREATE_COMPLETE")
}
