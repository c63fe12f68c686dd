package sandbox_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	cf "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"axle/sandbox"
)

// A creation that takes longer than TimeoutInMinutes is rolled back then.
func TestCreationTimesOut(tt *testing.T) {
	synctest.Test(tt, func(tt *testing.T) {
		box, err := sandbox.New(sandbox.Options{StackTime: 10 * time.Minute})
		if err != nil {
			tt.Fatal(err)
		}
		defer box.Close()
		key, secret := box.Credentials()
		client := cf.NewFromConfig(aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String("http://sandbox"), HTTPClient: onSandbox{box},
			Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")})
		t := &cfnTest{TB: tt, Client: client, box: box, ctx: context.Background()}
		began := time.Now()
		for name, minutes := range map[string]int32{"slow": 4, "patient": 11} {
			if _, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: &name, TemplateBody: aws.String(topicTemplate), TimeoutInMinutes: &minutes}); err != nil {
				tt.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		t.want(t.settled("patient"), "CREATE_COMPLETE")
		t.want(t.settled("slow"), "ROLLBACK_COMPLETE")
		history := strings.Join(t.history("slow"), "\n")
		if !strings.Contains(history, "slow ROLLBACK_IN_PROGRESS The following resource(s) failed to create: [Topic]. Stack creation time exceeded the specified timeout. Rollback requested by user.") {
			tt.Errorf("history:\n%s", history)
		}
		for _, e := range t.events("slow") {
			if e.ResourceStatus == types.ResourceStatusRollbackInProgress && e.Timestamp.Sub(began).Round(time.Second) != 4*time.Minute {
				tt.Errorf("rolled back after %s", e.Timestamp.Sub(began))
			}
		}
	})
}

// An export is in use from the start of a creation or update that imports it
// until that has been undone; and it is gone from the start of its own deletion.
func TestExportsWhileStacksChange(tt *testing.T) {
	synctest.Test(tt, func(tt *testing.T) {
		box, cfg := still(tt, sandbox.Options{StackTime: time.Hour, Faults: []sandbox.Fault{{Kind: "fail", Stack: "late", Resource: "B", On: "update", Count: 1}}})
		t := &cfnTest{TB: tt, Client: cf.NewFromConfig(cfg), box: box, ctx: tt.Context()}
		start := func(name, body string) {
			tt.Helper()
			if _, err := t.CreateStack(t.ctx, &cf.CreateStackInput{StackName: &name, TemplateBody: &body}); err != nil {
				tt.Fatal(err)
			}
		}
		users := func(want ...string) {
			tt.Helper()
			out, err := t.ListImports(t.ctx, &cf.ListImportsInput{ExportName: aws.String("shared")})
			if len(want) == 0 {
				t.refused(err, "ValidationError", "Export 'shared' is not imported by any stack.")
			} else if err != nil || !slices.Equal(out.Imports, want) {
				tt.Errorf("imported by %v, %v, want %v", out, err, want)
			}
		}
		start("producer", exporting)
		start("late", exportless)
		time.Sleep(2 * time.Hour)
		start("consumer", importing) // takes an hour
		users("consumer")
		t.delete("producer")
		if st := t.want(t.settled("producer"), "CREATE_COMPLETE"); aws.ToString(st.StackStatusReason) != "Export shared cannot be deleted as it is in use by consumer" {
			tt.Errorf("deleted while a stack that imports is created: %s", aws.ToString(st.StackStatusReason))
		}
		t.delete("consumer") // while it is being created
		users("consumer")
		time.Sleep(2 * time.Hour)
		users()
		if _, err := t.UpdateStack(t.ctx, &cf.UpdateStackInput{StackName: aws.String("late"), TemplateBody: aws.String(importing)}); err != nil {
			tt.Fatal(err)
		}
		users("late")
		time.Sleep(3 * time.Hour)
		t.want(t.settled("late"), "UPDATE_ROLLBACK_COMPLETE")
		users()
		t.delete("producer")
		start("consumer", importing)
		time.Sleep(3 * time.Hour)
		t.want(t.settled("consumer"), "ROLLBACK_COMPLETE")
		if h := strings.Join(t.history("consumer"), "\n"); !strings.Contains(h, "No export named shared found.") {
			tt.Errorf("made while the exporting stack was being deleted:\n%s", h)
		}
	})
}

// What would have no effect is refused rather than taken.
func TestOptionsWithoutEffectAreRefused(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	for text, change := range map[string]func(*cf.CreateStackInput){
		"timeoutInMinutes": func(in *cf.CreateStackInput) { in.TimeoutInMinutes = aws.Int32(0) },
		"onFailure":        func(in *cf.CreateStackInput) { in.OnFailure = "SHRUG" },
		"RollbackConfiguration": func(in *cf.CreateStackInput) {
			in.RollbackConfiguration = &types.RollbackConfiguration{MonitoringTimeInMinutes: aws.Int32(5)}
		},
		"NotificationARNs": func(in *cf.CreateStackInput) { in.NotificationARNs = []string{"arn:aws:sns:eu-west-1:111111111111:t"} },
	} {
		in := &cf.CreateStackInput{StackName: aws.String("s"), TemplateBody: aws.String(topicTemplate)}
		change(in)
		_, err := t.CreateStack(t.ctx, in)
		t.refused(err, "ValidationError", text)
	}
}
