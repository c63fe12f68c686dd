package report

import "testing"

// TestFold: what names one target goes, what names the cause stays.
func TestFold(t *testing.T) {
	for _, tt := range []struct{ message, name, want string }{
		{"no lambda:GetPolicy on function:shop-app-Work-277B55CC9E1F of 200000000001", "dev", "no lambda:GetPolicy on function:shop-app-Work-<made> of <account>"},
		{"assume role axle-spoke in account 222222222222 (dev): denied", "dev", "assume role axle-spoke in account <account>: denied"},
		{"assume role axle-spoke in account dev (222222222222): denied", "dev", "assume role axle-spoke in account <account>: denied"},
		{"account qa (333333333333) has no tag", "qa", "account <account> has no tag"},
		{"the device of dev is developed", "dev", "the device of <account> is developed"},
		{"role dev-role and dev", "dev", "role <account>-role and <account>"},
		{"a is a name of one letter", "a", "a is a name of one letter"},
		{"no name at all", "", "no name at all"},
		{"vpc vpc-0123456789abcdef0 in eu-west-1", "", "vpc <id> in <region>"},
		{"ap-southeast-2 and us-gov-west-1", "", "<region> and <region>"},
		{"arn:aws:sts::222222222222:assumed-role/axle-spoke/axle-r20261121-3fa2c1 is not authorized", "", "arn:aws:sts::<account>:assumed-role/axle-spoke/<session> is not authorized"},
		{"stack a1b2c3d4-1111-2222-3333-444455556666 failed", "", "stack <id> failed"},
		{"Access denied (Service: Sts, Status Code: 403, Request ID: 1b671a64)", "", "Access denied"},
		{"Access denied, request id: 1b671a64-40d5-491e-99b0-da01ff1f3341", "", "Access denied,"},
		{"line one\n\tline   two", "", "line one line two"},
		{"1234567890123 isn't an account", "", "1234567890123 isn't an account"},
		{"größe-dev ist dev", "dev", "größe-<account> ist <account>"},
		{"ädev isn't it", "dev", "ädev isn't it"},
	} {
		if got := fold(tt.message, tt.name); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.message, got, tt.want)
		}
	}
}

// What two messages of one cause have in common isn't folded away.
func TestCommon(t *testing.T) {
	for _, tt := range []struct{ a, aName, b, bName, want string }{
		{"VPC vpc-0123456789abcdef0 in eu-west-1 of 111111111111", "", "VPC vpc-1123456789abcdef0 in eu-west-1 of 111111111111", "", "VPC <id> in eu-west-1 of 111111111111"},
		{"account dev (222222222222): x", "dev", "account qa (333333333333): x", "qa", "account <account> (<account>): x"},
		{"account my team (222222222222): x", "my team", "account qa (333333333333): x", "qa", "account <account>: x"},
		{"account team a: x", "team a", "account team b: x", "team b", "account <account>: x"},
	} {
		if got := common(tt.a, tt.aName, tt.b, tt.bName); got != tt.want {
			t.Errorf("%q and %q: got %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
}
