package cloud

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"axle"
	"axle/internal/late"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// This is the only place of the package that reads the text of AWS's messages;
// each match stands beside the message as AWS writes it.

// Codes of the failures that are ours, beside AWS's own.
const (
	CodeNoCredentials  = "NoCredentials"
	CodeWrongAccount   = "WrongAccount"
	CodeRegionDisabled = "RegionDisabled"
	CodeUnreachable    = "Unreachable"
	CodeCancelled      = "Cancelled"
)

// Translate makes an *axle.Failure of an error of the SDK: what was being done,
// where, AWS's code and words, and a hint for what is known. A failure that is
// in the chain already stays as it is. For throttling, broken connections and
// server faults, something in the chain has Transient() == true. A nil error
// stays nil.
func Translate(err error, what string, account axle.Account, region string) error {
	if err == nil {
		return nil
	}
	var known *axle.Failure
	if errors.As(err, &known) {
		return known
	}
	f := &axle.Failure{Err: err}
	if isTransient(err) {
		f.Err = &transientError{err}
	}
	var api smithy.APIError
	var said string
	switch {
	case errors.Is(err, context.Canceled):
		f.Code, said = CodeCancelled, "cancelled"
	case foreign(err):
		f.Code, said, f.Hint = CodeUnreachable, "the answer isn't one of AWS"+status(err), "something else answers there: check AWS_ENDPOINT_URL, HTTP_PROXY and HTTPS_PROXY"
	case errors.As(err, &api):
		said = quote(api)
		f.Code, f.Hint = explain(api, account, region)
	default:
		f.Code, said, f.Hint = unanswered(err)
	}
	f.Message = what + place(account, region) + ": " + said
	return f
}

// unanswered explains a call that never got an answer.
func unanswered(err error) (code, said, hint string) {
	said = cause(err)
	var certificate *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.As(err, &certificate):
		return CodeUnreachable, said, "this machine doesn't trust who answers there: where a proxy looks into TLS, name the file of its CA in AWS_CA_BUNDLE"
	case isTransient(err):
		return CodeUnreachable, said, "check the network, proxy and AWS_ENDPOINT_URL; the call is repeated by itself for a while"
	case errors.As(err, &dns):
		return CodeUnreachable, said, "no host of that name is found: check the region's name, that the service exists there, AWS_ENDPOINT_URL, and this machine's DNS"
	case strings.Contains(said, "Failed to parse uri"):
		// "failed to resolve service endpoint, Failed to parse uri: 127.0.0.1:4566"
		return CodeUnreachable, said, "AWS_ENDPOINT_URL begins with http:// or https://"
	}
	return "Error", said, ""
}

// foreign says that the answer came from something else than AWS, such as a
// proxy: the SDK can't read it, or finds no code in it.
func foreign(err error) bool {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode() == "UnknownError"
	}
	var answer *smithyhttp.ResponseError // of status 0: there was no answer
	return errors.As(err, &answer) && answer.HTTPStatusCode() != 0 && !isTransient(err)
}

// status is the HTTP status of an answer, for people.
func status(err error) string {
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) {
		return ""
	}
	return fmt.Sprintf(" (HTTP %d %s)", answer.HTTPStatusCode(), http.StatusText(answer.HTTPStatusCode()))
}

// transientError says that the same call may succeed later.
type transientError struct{ err error }

func (e *transientError) Error() string   { return e.err.Error() }
func (e *transientError) Unwrap() error   { return e.err }
func (e *transientError) Transient() bool { return true }

func place(account axle.Account, region string) string {
	var parts []string
	if account.ID != "" {
		parts = append(parts, account.Label())
	}
	if region != "" {
		parts = append(parts, region)
	}
	if len(parts) == 0 {
		return ""
	}
	return " in " + strings.Join(parts, " ")
}

// quote is AWS's code and message. Request ids are left out: they make every
// message unique, and the log has them.
func quote(api smithy.APIError) string {
	message := strings.TrimSpace(encoded.ReplaceAllString(requestID.ReplaceAllString(api.ErrorMessage(), ""), ""))
	if message == "" || strings.EqualFold(message, "unknownerror") {
		return api.ErrorCode()
	}
	return api.ErrorCode() + ": " + message
}

// EC2 writes "Encoded authorization failure message: v2H7FQoz...".
var encoded = late.MustCompile(`\s*Encoded authorization failure message: \S+`)

// CloudFormation writes "(Service: AmazonSNS; Status Code: 403; Error Code:
// AuthorizationError; Request ID: 1f...; Proxy: null)".
// The SDK writes "StatusCode: 500, RequestID: 1f..., ".
var requestID = late.MustCompile(`(?:[;,] )?Request ?I[Dd]: [0-9A-Za-z-]*(?:; Proxy: null)?`)

// cause is the innermost text that says something, without the SDK's wrapping
// and without queries of URLs, which may be signed.
func cause(err error) string {
	var op *smithy.OperationError
	if errors.As(err, &op) {
		err = op.Err
	}
	var u *url.Error
	if errors.As(err, &u) {
		target, _, _ := strings.Cut(u.URL, "?")
		return fmt.Sprintf("%s %s: %v", u.Op, target, u.Err)
	}
	return requestID.ReplaceAllString(strings.TrimPrefix(err.Error(), "failed to refresh cached credentials, "), "")
}

// explain returns the code and a hint for an answer of AWS.
func explain(api smithy.APIError, account axle.Account, region string) (code, hint string) {
	code = api.ErrorCode()
	switch {
	case deniedCodes[code]:
		return code, denied(api.ErrorMessage())
	case expiredCodes[code]:
		return code, "the credentials have expired or were revoked: sign in again (aws sso login, or whatever gave them), then resume"
	case code == "AWSOrganizationsNotInUseException":
		// "Your account is not a member of an organization."
		return code, "create an organization in AWS Organizations, use credentials of an account that is in one, or list accounts with organization.source: file:accounts.yaml"
	case code == "OptInRequired", code == "RegionDisabledException", keyCodes[code] && optIn(region):
		return CodeRegionDisabled, fmt.Sprintf("region %s isn't enabled in account %s: enable it (aws account enable-region --region-name %s; it takes minutes to hours), or leave it out with regions: enabled",
			region, account.Label(), region)
	case keyCodes[code]:
		return code, "AWS doesn't know the access key: it was deleted, or belongs to another partition or endpoint"
	case code == "SignatureDoesNotMatch", code == "InvalidSignatureException", code == "RequestTimeTooSkewed":
		return code, "check the secret access key, and this machine's clock"
	case code == "SubscriptionRequiredException":
		// "The AWS Access Key Id needs a subscription for the service"
		return code, "a new account needs up to a day until all services work in it: resume later"
	}
	return code, ""
}

var deniedCodes = map[string]bool{"AccessDenied": true, "AccessDeniedException": true, "UnauthorizedOperation": true,
	"AuthorizationError": true, "AuthorizationErrorException": true, "NotAuthorized": true, "Forbidden": true}

var expiredCodes = map[string]bool{"ExpiredToken": true, "ExpiredTokenException": true, "RequestExpired": true, "TokenRefreshRequired": true}

// keyCodes come with a wrong key, and with a right one in a region that the
// account hasn't opted into.
var keyCodes = map[string]bool{"InvalidClientTokenId": true, "UnrecognizedClientException": true, "AuthFailure": true, "InvalidAccessKeyId": true}

// alwaysOn are the regions of the aws partition that need no opt-in
// (docs.aws.amazon.com/accounts, "Enable or disable AWS Regions").
var alwaysOn = map[string]bool{
	"us-east-1": true, "us-east-2": true, "us-west-1": true, "us-west-2": true, "ca-central-1": true, "sa-east-1": true,
	"eu-central-1": true, "eu-west-1": true, "eu-west-2": true, "eu-west-3": true, "eu-north-1": true, "ap-south-1": true,
	"ap-northeast-1": true, "ap-northeast-2": true, "ap-northeast-3": true, "ap-southeast-1": true, "ap-southeast-2": true,
}

func optIn(region string) bool {
	return region != "" && !alwaysOn[region] && !strings.HasPrefix(region, "cn-") && !strings.HasPrefix(region, "us-gov-") && !strings.HasPrefix(region, "us-iso")
}

// sides are the ends of AWS's "User: ... is not authorized to perform: ... on
// resource: ..." that tell which policy refuses
// (docs.aws.amazon.com/IAM, "Troubleshoot access denied error messages").
var sides = []struct{ says, side, hint string }{
	{"because no identity-based policy allows", "identity policy", "no identity policy of the caller allows it: add the action to the role's or user's policies"},
	{"because no resource-based policy allows", "resource policy", "the resource's own policy doesn't allow the caller: name the caller in it"},
	{"because no role trust policy allows", "trust policy", "the role's trust policy doesn't allow the caller: name the caller in it"},
	{"because no permissions boundary allows", "permissions boundary", "the caller's permissions boundary leaves it out"},
	{"because no session policy allows", "session policy", "the session policy (access.session_policy) leaves it out"},
	{"because no service control policy allows", "service control policy", "no service control policy of the account's OUs allows it: ask who runs the organization"},
	{"because no resource control policy allows", "resource control policy", "no resource control policy of the organization allows it: ask who runs the organization"},
	{"because no VPC endpoint policy allows", "VPC endpoint policy", "the VPC endpoint's policy leaves it out"},
	{"with an explicit deny in a service control policy", "service control policy", "a service control policy denies it: ask who runs the organization, or exclude the account"},
	{"with an explicit deny in a resource control policy", "resource control policy", "a resource control policy denies it: ask who runs the organization"},
	{"with an explicit deny in an identity-based policy", "identity policy", "an identity policy of the caller denies it"},
	{"with an explicit deny in a resource-based policy", "resource policy", "the resource's own policy denies it"},
	{"with an explicit deny in the role trust policy", "trust policy", "the role's trust policy denies it"},
	{"with an explicit deny in a permissions boundary", "permissions boundary", "the caller's permissions boundary denies it"},
	{"with an explicit deny in a session policy", "session policy", "the session policy (access.session_policy) denies it"},
	{"with an explicit deny in a VPC endpoint policy", "VPC endpoint policy", "the VPC endpoint's policy denies it"},
}

func denied(message string) string {
	for _, s := range sides {
		if strings.Contains(message, s.says) {
			return s.hint
		}
	}
	return "the credentials aren't allowed to do this: check the policies of the access role, and service control policies"
}

// LacksPermission says whether the caller's own policies are what refuses: "...
// because no identity-based policy allows the s3:GetObject action".
func LacksPermission(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && deniedCodes[api.ErrorCode()] && strings.Contains(api.ErrorMessage(), sides[0].says)
}

// assumeFailure explains why a role couldn't be assumed. When it was an earlier hop
// that failed, the role wasn't asked for: the hop's own failure is the answer. hop is
// what axle.yaml says of the role.
func assumeFailure(err error, role string, account axle.Account, caller, externalID string, hop firstHop) error {
	what := "assume role " + role
	var api smithy.APIError
	if isCredential(err) || !errors.As(err, &api) || !deniedCodes[api.ErrorCode()] {
		return Translate(err, what, account, "")
	}
	sent := "no external id is sent"
	if externalID != "" {
		sent = "an external id is sent"
	}
	f := &axle.Failure{Code: api.ErrorCode(), Resource: role, Err: err}
	f.Message = fmt.Sprintf("assume role %s%s as %s: %s", role, place(account, ""), caller, quote(api))
	if strings.Contains(api.ErrorMessage(), "may not be assumed by root") {
		// "Roles may not be assumed by root accounts."
		f.Hint = "the root user can't assume roles: sign in as a role or an IAM user"
		return f
	}
	side := ""
	for _, s := range sides {
		if strings.Contains(api.ErrorMessage(), s.says) {
			side = s.side
			f.Hint = s.hint
			break
		}
	}
	switch {
	case side == "" && hop.made:
		f.Hint = fmt.Sprintf("access.via names this role, through which every account is entered: axle bootstrap --yes makes it and lets the caller in; if that was done, a policy of %s must allow sts:AssumeRole on it", caller)
	case side == "" && hop.place != "":
		entered := "every account is"
		if hop.own {
			entered = "the accounts that the override matches are"
		}
		f.Hint = fmt.Sprintf("%s names this role, through which %s entered: it must be there and trust %s, whose own policies must allow sts:AssumeRole on it", hop.place, entered, caller)
	case side == "":
		f.Hint = fmt.Sprintf("either the caller's identity policy doesn't allow sts:AssumeRole on the role, or the role's trust policy doesn't name the caller or wants another external id (%s), or the role doesn't exist (axle bootstrap --yes makes the roles), or the account was closed since the organization was looked at (--refresh looks again)", sent)
	case side == "identity policy":
		f.Hint = fmt.Sprintf("the caller's side refuses: an identity policy of %s must allow sts:AssumeRole on %s", caller, role)
	case side == "resource policy" || side == "trust policy":
		f.Hint = fmt.Sprintf("the role's side refuses: its trust policy doesn't let %s in (%s); axle bootstrap --yes mends the roles that it made", caller, sent)
	}
	explainState(f, account)
	return f
}

// wrongAccount guards against doing in one account what is meant for another.
func wrongAccount(account axle.Account, owner, credentials string) error {
	return &axle.Failure{Code: CodeWrongAccount, Blocked: true, Resource: credentials,
		Message: fmt.Sprintf("enter account %s: %s is of account %s", account.Label(), credentials, owner),
		Hint:    "role: none is only for the account that the credentials belong to; name a role for this one under access (access.overrides decides by account)"}
}

// readFailure explains why a parameter, a secret or exports couldn't be read:
// when it was denied, which permission is missing on which side.
func readFailure(err error, r axle.Read, account axle.Account) error {
	if r.Kind == axle.ReadExport {
		r.Name = ""
	}
	what := "read " + strings.TrimSpace(r.String())
	failure := Translate(err, what, account, r.Region)
	var api smithy.APIError
	var f *axle.Failure
	if isCredential(err) || !errors.As(err, &api) || !errors.As(failure, &f) {
		return failure
	}
	action := map[string]string{axle.ReadParameter: "ssm:GetParameters", axle.ReadSecret: "secretsmanager:GetSecretValue", axle.ReadExport: "cloudformation:ListExports"}[r.Kind]
	// Parameter Store: "The ciphertext refers to a customer master key that does
	// not exist, does not exist in this region, or you are not allowed to
	// access."; Secrets Manager: "Access to KMS is not allowed".
	said := api.ErrorMessage()
	key := strings.Contains(said, "kms:Decrypt") || strings.Contains(said, "The ciphertext refers to") || strings.Contains(said, "Access to KMS is not allowed")
	if !key && !deniedCodes[api.ErrorCode()] {
		return failure
	}
	side := denied(said)
	if side == denied("") {
		side = "a policy of the access role must allow it, and no service control policy deny it"
	}
	if key {
		action = "kms:Decrypt"
		side += "; the policy of the key that it is encrypted with must let the role in too"
	} else if r.Kind == axle.ReadSecret {
		side += "; a policy of the secret itself may deny it"
	}
	f.Resource = r.Name
	f.Hint = fmt.Sprintf("%s is needed in %s: %s", action, account.Label(), side)
	return f
}

// organizationFailure explains why Organizations refused the caller of an
// account. management is "" when it isn't known.
func organizationFailure(err error, what, caller, account, management string) error {
	var api smithy.APIError
	if isCredential(err) || !errors.As(err, &api) || !deniedCodes[api.ErrorCode()] {
		return Translate(err, what, axle.Account{}, "")
	}
	f := &axle.Failure{Code: api.ErrorCode(), Err: err, Message: fmt.Sprintf("%s as %s: %s", what, caller, quote(api))}
	const actions = "organizations:List*, organizations:Describe* and tag:GetResources"
	if account == management || denied(api.ErrorMessage()) != denied("") {
		// "User: ... is not authorized to perform: organizations:ListAccounts
		// on resource: * because no identity-based policy allows ..."
		f.Hint = "allow " + actions + " to " + caller + " (" + denied(api.ErrorMessage()) + ")"
		return f
	}
	// From a member account AWS says no more than "You don't have permissions
	// to access this resource."; elsewhere "This operation can be called only
	// from the organization's management account or by a member account that
	// is a delegated administrator."
	where := "the management account"
	if management != "" {
		where += " (" + management + ")"
	}
	f.Hint = fmt.Sprintf("only %s and delegated administrators may list the organization: use credentials of one that allow %s, make account %s a delegated administrator, or list accounts with organization.source: file:accounts.yaml", where, actions, account)
	return f
}

// configFailure explains what is wrong with the environment's credentials.
func configFailure(err error) error {
	f := &axle.Failure{Code: CodeNoCredentials, Blocked: true, Err: fmt.Errorf("%w: %w", ErrNoCredentials, err)}
	var profile config.SharedConfigProfileNotExistError
	var mfa config.AssumeRoleTokenProviderNotSetError
	var path *fs.PathError
	var api smithy.APIError
	switch {
	case errors.Is(err, context.Canceled):
		f.Code, f.Blocked, f.Message, f.Err = CodeCancelled, false, "get AWS credentials: cancelled", err
	case errors.As(err, &profile):
		f.Message = fmt.Sprintf("AWS profile %q isn't configured", profile.Profile)
		f.Hint = "check AWS_PROFILE, or make the profile with aws configure sso --profile " + profile.Profile
	case errors.As(err, &api):
		f.Code, f.Message = api.ErrorCode(), "get AWS credentials: "+quote(api)
		_, f.Hint = explain(api, axle.Account{}, "")
	case errors.As(err, &mfa):
		f.Message = "get AWS credentials: the profile's role wants a code of MFA, and Axle asks for none"
		f.Hint = `let the AWS CLI ask for it: eval "$(aws configure export-credentials --format env)"`
	case strings.Contains(err.Error(), "parse failed of process output"):
		// "parse failed of process output: ..., error: invalid character ...": all
		// that it printed, and keys may be among it.
		f.Err = ErrNoCredentials
		f.Message = "get AWS credentials: what the profile's credential_process printed isn't the JSON that is expected of it"
		f.Hint = "run the command by hand: stdout is for one JSON document, and for nothing else"
	case strings.Contains(err.Error(), "custom CA bundle"), errors.As(err, &path) && path.Path == os.Getenv("AWS_CA_BUNDLE"):
		// "failed to load custom CA bundle PEM file"
		f.Message = "read the CAs that AWS_CA_BUNDLE or the profile's ca_bundle names: " + cause(err)
		f.Hint = "it must be a file of certificates in PEM"
	case strings.Contains(err.Error(), "no EC2 IMDS role found"): // the last of the SDK's chain
		f.Message = "no AWS credentials found: none in the environment, in the profile, or on this machine"
		f.Hint = "sign in (aws sso login), set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; to try Axle without AWS: axle demo"
	default:
		// "the SSO session has expired or is invalid", a credential_process
		// that failed and the like: the SDK's words say which.
		f.Message = "get AWS credentials: " + cause(err)
		f.Hint = "sign in again (aws sso login), or check the profile's credential_process or source_profile"
	}
	return f
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	var f *axle.Failure
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}

func isDenied(err error) bool  { return deniedCodes[code(err)] }
func isExpired(err error) bool { return expiredCodes[code(err)] }

func isCredential(err error) bool {
	var own *credentialError
	return errors.As(err, &own)
}

// isTooLong matches "The requested DurationSeconds exceeds the MaxSessionDuration
// set for this role." and "The requested DurationSeconds exceeds the 1 hour
// session limit for roles assumed by role chaining".
func isTooLong(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "DurationSeconds exceeds")
}

// isTransient says whether the same call may succeed later by itself.
func isTransient(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	var t interface{ Transient() bool }
	if errors.As(err, &t) {
		return t.Transient()
	}
	if isThrottle(err) || code(err) == "RequestTimeout" || code(err) == "InternalFailure" || code(err) == "ServiceUnavailable" {
		return true
	}
	var status interface{ HTTPStatusCode() int }
	if errors.As(err, &status) && status.HTTPStatusCode() >= 500 {
		return status.HTTPStatusCode() != 501
	}
	return retry.RetryableConnectionError{}.IsErrorRetryable(err).Bool()
}
