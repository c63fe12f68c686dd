package policy

import (
	"strings"
	"testing"
)

func TestCovers(t *testing.T) {
	for _, tt := range []struct {
		wide, narrow string
		want         bool
	}{{"*", "a", true}, {"a*", "a*", true}, {"a*", "ab*", true}, {"ab*", "a*", false}, {"a*c", "abc", true}, {"a*c", "ab", false}, {"a", "a", true}, {"a", "ab", false}, {"a*b*c", "axbyc", true}, {"a?", "a*", false}, {"a?c", "abc", true},
		{strings.Repeat("a*", 200) + "b", strings.Repeat("a", 5000), false}} {
		if got := Covers(tt.wide, tt.narrow); got != tt.want {
			t.Errorf("%s covers %s: %v", tt.wide, tt.narrow, got)
		}
	}
}

func TestOwnAccountOnly(t *testing.T) {
	for action, want := range map[string]bool{"kms:Decrypt": false, "kms:PutKeyPolicy": true, "KMS:decrypt": false, "sqs:SendMessage": false,
		"sqs:SetQueueAttributes": true, "secretsmanager:GetSecretValue": false, "secretsmanager:CreateSecret": true, "s3:GetObject": false} {
		if got := OwnAccountOnly(action); got != want {
			t.Errorf("%s: %v", action, got)
		}
	}
	if RolesOnly("ec2") != "EC2" || RolesOnly("s3") != "" {
		t.Error("services without resource policies")
	}
}
