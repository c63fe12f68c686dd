package sandbox_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"axle/sandbox"
)

func parseFaults(t *testing.T, src string) []sandbox.Fault {
	t.Helper()
	faults, err := sandbox.ParseFaults("faults.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

func TestFaultsAreStrict(t *testing.T) {
	for src, want := range map[string]string{
		"faults: [{kind: explode}]":                     "explode",
		"faults: [{kind: drop, servce: sts}]":           "servce",
		"faults: [{kind: delay}]":                       "needs a delay",
		"faults: [{kind: error}]":                       "needs a code",
		"faults: [{kind: fail, service: sts}]":          "fault 1: kind fail",
		"faults: [{kind: drop, probability: 2}]":        "probability",
		"faults: [{kind: drop, operation: '[a'}]":       "pattern",
		"faults: [{kind: throttle, type: 'AWS::X::Y'}]": "belong to kind fail",
	} {
		if _, err := sandbox.ParseFaults("faults.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", src, err)
		}
	}
}

// Each request gets what the schedule says.
func TestFaultSchedule(t *testing.T) {
	tests := map[string]string{ // faults -> outcome of six calls: . is served, x isn't
		"{kind: throttle, nth: 3}":                                      "..x...",
		"{kind: throttle, after: 2, count: 2}":                          "..xx..",
		"{kind: throttle, count: 1}":                                    "x.....",
		"{kind: deny}":                                                  "xxxxxx",
		"{kind: deny, region: us-*}":                                    "......",
		"{kind: deny, operation: Get*}":                                 "......",
		"{kind: deny, account: '222222222222'}":                         "......",
		"{kind: drop, nth: 1}":                                          "x.....",
		"{kind: error, code: InternalServerError, status: 500, nth: 6}": ".....x",
		"{kind: delay, delay: 1ms}":                                     "......",
		"{kind: expire, count: 1}":                                      "......", // these credentials don't expire
	}
	for src, want := range tests {
		t.Run(src, func(t *testing.T) {
			b := newBox(t, sandbox.Options{Faults: parseFaults(t, "faults: ["+src+"]")})
			client, got := ssm.NewFromConfig(b.top), ""
			for range 6 {
				if _, err := client.DescribeParameters(context.Background(), &ssm.DescribeParametersInput{}); err != nil {
					got += "x"
				} else {
					got += "."
				}
			}
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestSessionExpires(t *testing.T) {
	b := newBox(t, sandbox.Options{Accounts: 1, Faults: parseFaults(t, "faults: [{kind: expire, service: ssm, nth: 2}]")})
	client, ctx := ssm.NewFromConfig(b.in(firstAccount)), context.Background()
	var codes []string
	for range 3 {
		_, err := client.DescribeParameters(ctx, &ssm.DescribeParametersInput{})
		codes = append(codes, fmt.Sprint(err != nil))
		if err != nil {
			refused(t, err, "ExpiredTokenException", "")
		}
	}
	if fmt.Sprint(codes) != "[false true true]" {
		t.Error(codes)
	}
	b.in(firstAccount)
}

// A part of AWS's rates is a part of what is let through at once, and at least
// one call.
func TestPartOfRates(t *testing.T) {
	for limits, want := range map[string][2]float64{"aws": {600, 600}, "aws/10": {60, 60}, "aws/1000": {0.6, 1}} {
		if perSecond, atOnce, ok := sandbox.Rate(limits, "sts:AssumeRole"); !ok || perSecond != want[0] || atOnce != want[1] {
			t.Errorf("%s: %v a second, %v at once, %v", limits, perSecond, atOnce, ok)
		}
	}
	for _, limits := range []string{"azure", "aws/", "aws/0", "aws/-1", "aws/x", "/2"} {
		if _, err := sandbox.New(sandbox.Options{Limits: limits}); err == nil {
			t.Errorf("limits %q are taken", limits)
		}
	}
}

// With AWS's rates, a burst is let through up to the bucket's size.
func TestRequestRates(t *testing.T) {
	b := newBox(t, sandbox.Options{Limits: "aws"})
	client, ctx := ssm.NewFromConfig(b.top), context.Background()
	served, start := 0, time.Now()
	for range 60 {
		_, err := client.DescribeParameters(ctx, &ssm.DescribeParametersInput{})
		if err == nil {
			served++
			continue
		}
		refused(t, err, "ThrottlingException", "Rate exceeded")
	}
	if most := 41 + int(time.Since(start).Seconds()*20); served < 40 || served > most {
		t.Errorf("%d served, want 40 to %d", served, most)
	}
	if _, err := sts.NewFromConfig(b.top).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Error("another API is throttled too:", err)
	}
}
