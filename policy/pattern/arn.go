package pattern

import (
	"fmt"
	"strings"

	"axle/internal/late"
)

// A Mistake is an input that can't be worked with, and what to do about it.
type Mistake struct{ What, Hint string }

func (m *Mistake) Error() string { return m.What }

func mistake(hint, format string, args ...any) error {
	return &Mistake{fmt.Sprintf(format, args...), hint}
}

// arn is an ARN in its parts.
type arn struct {
	text, partition, service, region, account, rest string
}

var accountID = late.MustCompile(`^\d{12}$`)

// parseARN cuts an ARN; what names it for the message.
func parseARN(text, what string) (arn, error) {
	parts := strings.SplitN(text, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		return arn{}, mistake("write the full ARN, such as "+exampleARN(text)+": across accounts a bare name means the caller's own account", "%s %q isn't an ARN", what, text)
	}
	a := arn{text, parts[1], parts[2], parts[3], parts[4], parts[5]}
	if a.account != "" && !accountID.MatchString(a.account) {
		return arn{}, mistake("an account id has 12 digits", "%s %q has the account %q", what, text, a.account)
	}
	if strings.ContainsAny(a.partition+a.service+a.region+a.account, "*?") {
		return arn{}, mistake("name the partition, service, region and account", "%s %q has a wildcard before its last part", what, text)
	}
	return a, nil
}

func exampleARN(text string) string {
	if strings.HasPrefix(text, "http") && strings.Contains(text, "sqs") {
		return "arn:aws:sqs:eu-west-1:222222222222:orders"
	}
	return "arn:aws:dynamodb:eu-west-1:222222222222:table/orders"
}

// suffix is the end of the partition's host names.
func suffix(partition string) string {
	if partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// principal is the caller: a role or a user.
type principal struct {
	arn
	user bool
	name string // without its path
}

// parseCaller reads the ARN of a role or user that is to be let in.
func parseCaller(text, what string) (principal, error) {
	switch {
	case text == "":
		return principal{}, mistake("name the role that calls: "+what+" arn:aws:iam::111111111111:role/app", "%s is missing", what)
	case text == "*" || strings.ContainsAny(text, "*?"):
		return principal{}, mistake("name one role; IAM matches no wildcards in a principal, and \"*\" is everybody", "%s %q has a wildcard", what, text)
	case accountID.MatchString(text):
		return principal{}, mistake("name the role that calls, such as arn:aws:iam::"+text+":role/app", "%s %q is a whole account", what, text)
	}
	a, err := parseARN(text, what)
	if err != nil {
		if !strings.Contains(text, ":") {
			err = mistake("write arn:aws:iam::ACCOUNT:role/"+text, "%s %q is a bare name, not an ARN", what, text)
		}
		return principal{}, err
	}
	kind, name, _ := strings.Cut(a.rest, "/")
	switch {
	case a.service == "sts" && kind == "assumed-role":
		role, _, _ := strings.Cut(name, "/")
		return principal{}, mistake("name the role itself: arn:"+a.partition+":iam::"+a.account+":role/"+role+" (with its path)",
			"%s %q is one session of a role, and the next has another name", what, text)
	case a.service == "lambda":
		return principal{}, mistake("name its execution role: aws lambda get-function-configuration --function-name ... --query Role",
			"%s %q is a function, which is no principal", what, text)
	case a.service != "iam":
		return principal{}, mistake("name a role, such as arn:aws:iam::111111111111:role/app", "%s %q is no role or user", what, text)
	case a.account == "":
		return principal{}, mistake("an IAM ARN has the account: arn:aws:iam::111111111111:role/app", "%s %q names no account", what, text)
	case a.rest == "root":
		return principal{}, mistake("name the role that calls; --trust-account trusts its whole account", "%s %q is a whole account", what, text)
	case (kind != "role" && kind != "user") || name == "" || strings.HasSuffix(name, "/"):
		return principal{}, mistake("name a role or a user", "%s %q is no role or user", what, text)
	}
	return principal{arn: a, user: kind == "user", name: name[strings.LastIndexByte(name, '/')+1:]}, nil
}

// root is the ARN by which policies name a whole account.
func root(partition, account string) string {
	return "arn:" + partition + ":iam::" + account + ":root"
}
