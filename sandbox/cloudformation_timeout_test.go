package sandbox_test

import (
	"context"
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
