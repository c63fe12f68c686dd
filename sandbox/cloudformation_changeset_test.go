package sandbox_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"axle/sandbox"
)

func (t *cfnTest) changeSet(stack, name, body string, params ...string) *cf.DescribeChangeSetOutput {
	t.Helper()
	_, err := t.CreateChangeSet(t.ctx, &cf.CreateChangeSetInput{StackName: &stack, ChangeSetName: &name, TemplateBody: &body, Parameters: pairs(params)})
	if err != nil {
		t.Fatalf("change set %s: %v", name, err)
	}
	set, err := t.DescribeChangeSet(t.ctx, &cf.DescribeChangeSetInput{StackName: &stack, ChangeSetName: &name, IncludePropertyValues: aws.Bool(true)})
	if err != nil {
		t.Fatalf("change set %s: %v", name, err)
	}
	return set
}

// changeSets are the change sets of a stack, "name execution", sorted.
func (t *cfnTest) changeSets(stack string) string {
	t.Helper()
	listed, err := t.ListChangeSets(t.ctx, &cf.ListChangeSetsInput{StackName: &stack})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, cs := range listed.Summaries {
		out = append(out, *cs.ChangeSetName+" "+string(cs.ExecutionStatus))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// lines are a change set's changes: "Action LogicalId Replacement [what]".
func lines(set *cf.DescribeChangeSetOutput) string {
	var out []string
	for _, c := range set.Changes {
		r := c.ResourceChange
		line := string(r.Action) + " " + *r.LogicalResourceId + " " + string(r.Replacement)
		for _, d := range r.Details {
			line += " [" + string(d.Target.Attribute) + " " + aws.ToString(d.Target.Name) + " " + string(d.Evaluation) + " " +
				string(d.ChangeSource) + " " + aws.ToString(d.CausingEntity) + "]"
		}
		out = append(out, strings.ReplaceAll(strings.Join(strings.Fields(line), " "), " ]", "]"))
	}
	return strings.Join(out, "\n")
}

func TestChangeSetDiff(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	t.create("s", named, "N=one")
	for _, c := range []struct{ name, body, params, want string }{
		{"display", named, "N=one D=x", "Modify T False [Properties DisplayName Static ParameterReference D] [Properties DisplayName Dynamic DirectModification]"},
		{"rename", named, "N=two", "Modify P False [Properties Value Dynamic ResourceReference T]\n" +
			"Modify T True [Properties TopicName Static ParameterReference N] [Properties TopicName Dynamic DirectModification]"},
		{"direct", strings.Replace(named, "Name: /p", "Name: /q", 1), "N=one", "Modify P True [Properties Name Static DirectModification]"},
		{"more", named + "  Q: {Type: AWS::SNS::Topic}\n", "N=one", "Add Q"},
		{"less", strings.Replace(named, "  P:", "  R:", 1), "N=one", "Remove P\nAdd R"},
		{"meta", strings.Replace(named, "  T: {", "  T: {Metadata: {a: b}, ", 1), "N=one", "Modify T False [Metadata Static DirectModification]"},
	} {
		set := t.changeSet("s", c.name, c.body, strings.Fields(c.params)...)
		if set.Status != types.ChangeSetStatusCreateComplete || set.ExecutionStatus != types.ExecutionStatusAvailable {
			t.Errorf("%s: %s %s", c.name, set.Status, aws.ToString(set.StatusReason))
		}
		if got := lines(set); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
	set := t.changeSet("s", "values", named, "N=two")
	d := set.Changes[1].ResourceChange.Details[0].Target
	if aws.ToString(d.BeforeValue) != "one" || aws.ToString(d.AfterValue) != "two" {
		t.Errorf("values: %+v", d)
	}
}

func TestChangeSetOfOutputsAlone(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	t.create("s", chain)
	set := t.changeSet("s", "outputs", strings.Replace(chain, "  A: {Value: !Ref A}", "  A2: {Value: !Ref A}", 1))
	if set.Status != types.ChangeSetStatusCreateComplete || len(set.Changes) != 0 {
		t.Fatalf("%+v", set)
	}
	if _, err := t.ExecuteChangeSet(t.ctx, &cf.ExecuteChangeSetInput{ChangeSetName: set.ChangeSetId}); err != nil {
		t.Fatal(err)
	}
	t.output(t.want(t.settled("s"), "UPDATE_COMPLETE"), "A2")
}

func TestChangeSetLife(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	t.create("s", chain)
	empty := t.changeSet("s", "empty", chain)
	if empty.Status != types.ChangeSetStatusFailed || empty.ExecutionStatus != types.ExecutionStatusUnavailable ||
		*empty.StatusReason != "The submitted information didn't contain changes. Submit different information to create a change set." {
		t.Errorf("empty: %+v", empty)
	}
	_, err := t.ExecuteChangeSet(t.ctx, &cf.ExecuteChangeSetInput{ChangeSetName: empty.ChangeSetId})
	t.refused(err, "InvalidChangeSetStatus", "cannot be executed in its current status of [FAILED]")
	a := t.changeSet("s", "a", chain, "V=two")
	b := t.changeSet("s", "b", chain, "V=three")
	if again := t.changeSet("s", "a", chain, "V=two"); *again.ChangeSetId != *a.ChangeSetId {
		t.Error("the same change set twice")
	}
	_, err = t.CreateChangeSet(t.ctx, &cf.CreateChangeSetInput{StackName: aws.String("s"), ChangeSetName: aws.String("a"), TemplateBody: aws.String(chain)})
	t.refused(err, "AlreadyExistsException", "ChangeSet a cannot be created due to a mismatch with existing attribute Parameters")
	if _, err := t.ExecuteChangeSet(t.ctx, &cf.ExecuteChangeSetInput{ChangeSetName: a.ChangeSetId}); err != nil {
		t.Fatal(err)
	}
	st := t.want(t.settled("s"), "UPDATE_COMPLETE")
	if aws.ToString(st.ChangeSetId) != *a.ChangeSetId {
		t.Errorf("stack's change set %q", aws.ToString(st.ChangeSetId))
	}
	_, err = t.ExecuteChangeSet(t.ctx, &cf.ExecuteChangeSetInput{ChangeSetName: a.ChangeSetId})
	t.refused(err, "InvalidChangeSetStatus", "current execution status of [EXECUTE_COMPLETE]")
	_, err = t.ExecuteChangeSet(t.ctx, &cf.ExecuteChangeSetInput{ChangeSetName: b.ChangeSetId})
	t.refused(err, "ChangeSetNotFound", "does not exist")
	if got := t.changeSets("s"); got != "a EXECUTE_COMPLETE" {
		t.Errorf("change sets after one was executed: %s", got)
	}
	d := t.changeSet("s", "d", chain, "V=four")
	t.want(t.update("s", chain, "V=five"), "UPDATE_COMPLETE")
	if got := t.changeSets("s"); got != "a EXECUTE_COMPLETE, d OBSOLETE" {
		t.Errorf("change sets after a direct update: %s", got)
	}
	_, err = t.ExecuteChangeSet(t.ctx, &cf.ExecuteChangeSetInput{ChangeSetName: d.ChangeSetId})
	t.refused(err, "InvalidChangeSetStatus", "current execution status of [OBSOLETE]")
	if _, err := t.DeleteChangeSet(t.ctx, &cf.DeleteChangeSetInput{ChangeSetName: d.ChangeSetId}); err != nil {
		t.Fatal(err)
	}
	_, err = t.DescribeChangeSet(t.ctx, &cf.DescribeChangeSetInput{ChangeSetName: d.ChangeSetId})
	t.refused(err, "ChangeSetNotFound", "does not exist")
	_, err = t.CreateChangeSet(t.ctx, &cf.CreateChangeSetInput{StackName: aws.String("nobody"), ChangeSetName: aws.String("a"), TemplateBody: aws.String(chain)})
	t.refused(err, "ValidationError", "Stack [nobody] does not exist")
	_, err = t.CreateChangeSet(t.ctx, &cf.CreateChangeSetInput{StackName: aws.String("s"), ChangeSetName: aws.String("c"),
		ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: aws.String(chain)})
	t.refused(err, "ValidationError", "Stack [s] already exists and cannot be created again with the changeSet [c].")
}

// What contradicts itself, or what CloudFormation doesn't know, is refused.
func TestBadStackRequests(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	_, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(chain), ClientRequestToken: aws.String("a b")})
	t.refused(err, "ValidationError", "Value 'a b' at 'clientRequestToken' failed to satisfy constraint")
	_, err = t.ListStacks(t.ctx, &cf.ListStacksInput{StackStatusFilter: []types.StackStatus{"CREATE_COMPLETE", "GONE"}})
	t.refused(err, "ValidationError", "Value '[CREATE_COMPLETE, GONE]' at 'stackStatusFilter' failed to satisfy constraint")
	if _, err := t.ListStacks(t.ctx, &cf.ListStacksInput{StackStatusFilter: types.StackStatus("").Values()}); err != nil {
		t.Errorf("all there are: %v", err)
	}
	in := &cf.CreateChangeSetInput{StackName: aws.String("s"), ChangeSetName: aws.String("c"), TemplateBody: aws.String(chain),
		ChangeSetType: types.ChangeSetTypeCreate, OnStackFailure: types.OnStackFailureDelete}
	if _, err := t.CreateChangeSet(t.ctx, in); err != nil {
		t.Fatal(err)
	}
	execute := &cf.ExecuteChangeSetInput{StackName: aws.String("s"), ChangeSetName: aws.String("c"), DisableRollback: aws.Bool(true)}
	_, err = t.ExecuteChangeSet(t.ctx, execute)
	t.refused(err, "ValidationError", "DisableRollback")
	execute.DisableRollback = nil
	if _, err := t.ExecuteChangeSet(t.ctx, execute); err != nil {
		t.Fatal(err)
	}
	t.want(t.settled("s"), "CREATE_COMPLETE")
	in.ChangeSetName, in.ChangeSetType = aws.String("d"), types.ChangeSetTypeUpdate
	_, err = t.CreateChangeSet(t.ctx, in)
	t.refused(err, "ValidationError", "OnStackFailure")
}

func TestShellOfANewStackIsDeleted(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	set, err := t.CreateChangeSet(t.ctx, &cf.CreateChangeSetInput{StackName: aws.String("s"), ChangeSetName: aws.String("c"),
		ChangeSetType: types.ChangeSetTypeCreate, TemplateBody: aws.String(chain)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := t.GetTemplate(t.ctx, &cf.GetTemplateInput{StackName: aws.String("s"), ChangeSetName: aws.String("c")})
	if err != nil || *got.TemplateBody != chain {
		t.Errorf("template of the change set: %v", err)
	}
	t.delete("s")
	t.want(t.settled(*set.StackId), "DELETE_COMPLETE")
}

const exporting = `
Parameters: {V: {Type: String, Default: one}}
Resources: {A: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !Ref V}}}
Outputs: {V: {Value: !GetAtt A.Value, Export: {Name: shared}}}
`

const importing = `
Resources: {B: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !ImportValue shared}}}
Outputs: {V: {Value: !GetAtt B.Value}}
`

const exportless = `
Resources: {B: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: zero}}}
`

func TestExports(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	st := t.want(t.create("early", importing), "ROLLBACK_COMPLETE")
	if h := t.history("early"); !strings.Contains(strings.Join(h, "\n"), "early ROLLBACK_IN_PROGRESS No export named shared found. Rollback requested by user.") {
		t.Errorf("events: %v", h)
	}
	t.delete(*st.StackId)
	producer := t.want(t.create("producer", exporting), "CREATE_COMPLETE")
	consumer := t.want(t.create("consumer", importing), "CREATE_COMPLETE")
	if t.output(consumer, "V") != "one" {
		t.Error("not imported")
	}
	t.want(t.create("other", exporting), "ROLLBACK_COMPLETE")
	if h := strings.Join(t.history("other"), "\n"); !strings.Contains(h, "Export with name shared is already exported by stack producer.") {
		t.Errorf("events: %s", h)
	}
	t.delete("producer")
	producer = t.want(t.settled("producer"), "CREATE_COMPLETE")
	if want := "Export shared cannot be deleted as it is in use by consumer"; aws.ToString(producer.StackStatusReason) != want {
		t.Errorf("reason %q", aws.ToString(producer.StackStatusReason))
	}
	producer = t.want(t.update("producer", exporting, "V=two"), "UPDATE_ROLLBACK_COMPLETE")
	if h := strings.Join(t.history("producer"), "\n"); !strings.Contains(h, "Export shared cannot be updated as it is in use by consumer") {
		t.Errorf("events: %s", h)
	}
	imports, err := t.ListImports(t.ctx, &cf.ListImportsInput{ExportName: aws.String("shared")})
	if err != nil || len(imports.Imports) != 1 {
		t.Errorf("imports: %v %v", imports, err)
	}
	t.delete("consumer")
	_, err = t.ListImports(t.ctx, &cf.ListImportsInput{ExportName: aws.String("shared")})
	t.refused(err, "ValidationError", "Export 'shared' is not imported by any stack.")
	t.delete("producer")
	exports, err := t.ListExports(t.ctx, &cf.ListExportsInput{})
	if err != nil || len(exports.Exports) != 0 {
		t.Errorf("exports: %v %v", exports, err)
	}
}
