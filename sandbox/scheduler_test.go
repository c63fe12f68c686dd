package sandbox_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
)

// Schedules invoke their targets as a role, at a rate, in a time zone, once and
// no more, and between two dates.
func TestSchedules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // it is 2000-01-01, 00:00 UTC
		ctx, c, opts := context.Background(), &cloud{t: t}, sandbox.Options{State: t.TempDir() + "/state.json"}
		box, cfg := still(t, opts)
		arn, url := c.queueFor(cfg, "q", "")
		people := iam.NewFromConfig(cfg)
		trust := document(`{"Effect":"Allow","Principal":{"Service":"scheduler.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:scheduler:eu-west-1:` + strings.Split(arn, ":")[4] + `:schedule-group/default"}}}`)
		role := must[*iam.CreateRoleOutput](t)(people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("timer"), AssumeRolePolicyDocument: &trust})).Role.Arn
		client := scheduler.NewFromConfig(cfg)
		create := func(name, expression string, change func(*scheduler.CreateScheduleInput)) error {
			in := &scheduler.CreateScheduleInput{Name: &name, ScheduleExpression: &expression, FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
				Target: &types.Target{Arn: &arn, RoleArn: role, Input: aws.String(name + " <aws.scheduler.scheduled-time>")}}
			if change != nil {
				change(in)
			}
			_, err := client.CreateSchedule(ctx, in)
			return err
		}
		if err := create("refused", "rate(1 minutes)", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if got := waiting(t, cfg, url); len(got) != 0 {
			t.Fatalf("the role may send nothing: %q", got)
		}
		must[*scheduler.DeleteScheduleOutput](t)(client.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: aws.String("refused")}))
		allow := document(`{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"` + arn + `"}`)
		must[*iam.PutRolePolicyOutput](t)(people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("timer"), PolicyName: aws.String("p"), PolicyDocument: &allow}))
		for name, expression := range map[string]string{"once": "at(2000-01-01T01:00:00)", "daily": "cron(0 6 * * ? *)", "window": "rate(1 hour)"} {
			err := create(name, expression, func(in *scheduler.CreateScheduleInput) {
				switch name {
				case "once":
					in.ActionAfterCompletion = types.ActionAfterCompletionDelete
				case "daily":
					in.ScheduleExpressionTimezone = aws.String("Europe/Berlin")
				case "window":
					from, to := time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC), time.Date(2000, 1, 1, 5, 0, 0, 0, time.UTC)
					in.StartDate, in.EndDate = &from, &to
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := strings.Join(waiting(t, cfg, url), ","); got != "once 2000-01-01T01:00:00Z" {
			t.Errorf("in two hours %s", got)
		}
		_, err := client.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: aws.String("once")})
		refused(t, err, "ResourceNotFoundException", "Schedule once does not exist.")
		if err := box.Close(); err != nil {
			t.Fatal(err)
		}
		_, cfg = still(t, opts)
		time.Sleep(10 * time.Hour)
		synctest.Wait()
		got := strings.Join(waiting(t, cfg, url), ",")
		if got != "once 2000-01-01T01:00:00Z,window 2000-01-01T03:00:00Z,window 2000-01-01T04:00:00Z,daily 2000-01-01T05:00:00Z" {
			t.Errorf("after a restart %s", got)
		}
	})
}

// A rate counts from the schedule's start, else from when it was made, and at
// once; what would have been due while the sandbox was down is left out.
func TestScheduleRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, c, opts := context.Background(), &cloud{t: t}, sandbox.Options{State: t.TempDir() + "/state.json"}
		box, cfg := still(t, opts)
		arn, url := c.queueFor(cfg, "q", "")
		people := iam.NewFromConfig(cfg)
		trust := document(`{"Effect":"Allow","Principal":{"Service":"scheduler.amazonaws.com"},"Action":"sts:AssumeRole"}`)
		role := must[*iam.CreateRoleOutput](t)(people.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("timer"), AssumeRolePolicyDocument: &trust})).Role.Arn
		allow := document(`{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}`)
		must[*iam.PutRolePolicyOutput](t)(people.PutRolePolicy(ctx, &iam.PutRolePolicyInput{RoleName: aws.String("timer"), PolicyName: aws.String("p"), PolicyDocument: &allow}))
		must[*scheduler.CreateScheduleOutput](t)(scheduler.NewFromConfig(cfg).CreateSchedule(ctx, &scheduler.CreateScheduleInput{Name: aws.String("hourly"), ScheduleExpression: aws.String("rate(1 hour)"),
			FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff}, Target: &types.Target{Arn: &arn, RoleArn: role, Input: aws.String("<aws.scheduler.scheduled-time>")}}))
		due := func(wait time.Duration, want string) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			if got := strings.Join(waiting(t, cfg, url), ","); got != want {
				t.Errorf("after %s %s, want %s", wait, got, want)
			}
		}
		const first = "2000-01-01T00:00:00Z,2000-01-01T01:00:00Z" // nobody deletes the messages
		due(time.Second, first[:20])
		due(time.Hour, first)
		if err := box.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4*time.Hour + 30*time.Minute)
		_, cfg = still(t, opts)
		due(time.Minute, first)
		due(30*time.Minute, first+",2000-01-01T06:00:00Z")
	})
}

func TestSchedulesAreChecked(t *testing.T) {
	ctx, c := context.Background(), newCloud(t, sandbox.Options{})
	dev := c.in(devAccount, "eu-west-1")
	client := scheduler.NewFromConfig(dev)
	trust := document(`{"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"sts:AssumeRole"}`)
	role := must[*iam.CreateRoleOutput](t)(iam.NewFromConfig(dev).CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("events"), AssumeRolePolicyDocument: &trust})).Role.Arn
	for want, change := range map[string]func(*scheduler.CreateScheduleInput){
		"must allow AWS EventBridge Scheduler to assume the role": func(in *scheduler.CreateScheduleInput) {},
		"Invalid Schedule Expression rate(0 minutes)":             func(in *scheduler.CreateScheduleInput) { in.ScheduleExpression = aws.String("rate(0 minutes)") },
		"Invalid Schedule Expression Timezone Mars":               func(in *scheduler.CreateScheduleInput) { in.ScheduleExpressionTimezone = aws.String("Mars") },
		"Invalid FlexibleTimeWindow": func(in *scheduler.CreateScheduleInput) {
			in.FlexibleTimeWindow.Mode = types.FlexibleTimeWindowModeFlexible
		},
		"schedules invoke": func(in *scheduler.CreateScheduleInput) {
			in.Target.Arn = aws.String("arn:aws:scheduler:::aws-sdk:s3:listBuckets")
		},
		"EventBridgeParameters": func(in *scheduler.CreateScheduleInput) {
			in.Target.Arn = aws.String("arn:aws:events:eu-west-1:1:event-bus/default")
		},
		"must be the ARN of a role": func(in *scheduler.CreateScheduleInput) { in.Target.RoleArn = aws.String("x") },
		"regular expression":        func(in *scheduler.CreateScheduleInput) { in.Name = aws.String("a b") },
	} {
		in := &scheduler.CreateScheduleInput{Name: aws.String("s"), ScheduleExpression: aws.String("cron(0 6 * * ? *)"), FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff},
			Target: &types.Target{Arn: aws.String("arn:aws:lambda:eu-west-1:" + devAccount + ":function:f"), RoleArn: role}}
		change(in)
		_, err := client.CreateSchedule(ctx, in)
		refused(t, err, "ValidationException", want)
	}
	_, err := client.CreateSchedule(ctx, &scheduler.CreateScheduleInput{Name: aws.String("s"), GroupName: aws.String("other"), ScheduleExpression: aws.String("rate(1 day)"),
		FlexibleTimeWindow: &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff}, Target: &types.Target{Arn: aws.String("x"), RoleArn: aws.String("y")}})
	refused(t, err, "ResourceNotFoundException", "Schedule group other does not exist.")
}
