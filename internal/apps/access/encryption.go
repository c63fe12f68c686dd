package access

import (
	"context"
	"strings"
)

// needsKey says what an action does with the key that encrypts its resource.
// From each service's chapter on encryption: reading decrypts, writing makes a
// data key. A DynamoDB table's key is used by the service under a grant that it
// got when the table was made, and the caller's rights are asked as well.
var needsKey = map[string][]string{
	"s3:getobject":                            {"kms:Decrypt"},
	"s3:getobjectversion":                     {"kms:Decrypt"},
	"s3:putobject":                            {"kms:GenerateDataKey"},
	"secretsmanager:getsecretvalue":           {"kms:Decrypt"},
	"secretsmanager:batchgetsecretvalue":      {"kms:Decrypt"},
	"secretsmanager:putsecretvalue":           {"kms:GenerateDataKey", "kms:Decrypt"},
	"secretsmanager:updatesecret":             {"kms:GenerateDataKey", "kms:Decrypt"},
	"sqs:sendmessage":                         {"kms:GenerateDataKey", "kms:Decrypt"},
	"sqs:receivemessage":                      {"kms:Decrypt"},
	"sns:publish":                             {"kms:GenerateDataKey", "kms:Decrypt"},
	"ssm:getparameter":                        {"kms:Decrypt"},
	"ssm:getparameters":                       {"kms:Decrypt"},
	"ssm:getparametersbypath":                 {"kms:Decrypt"},
	"ssm:putparameter":                        {"kms:Encrypt"},
	"dynamodb:getitem":                        {"kms:Decrypt"},
	"dynamodb:batchgetitem":                   {"kms:Decrypt"},
	"dynamodb:query":                          {"kms:Decrypt"},
	"dynamodb:scan":                           {"kms:Decrypt"},
	"dynamodb:putitem":                        {"kms:Decrypt"},
	"dynamodb:updateitem":                     {"kms:Decrypt"},
	"dynamodb:deleteitem":                     {"kms:Decrypt"},
	"dynamodb:batchwriteitem":                 {"kms:Decrypt"},
	"dynamodb:transactgetitems":               {"kms:Decrypt"},
	"dynamodb:transactwriteitems":             {"kms:Decrypt"},
	"dynamodb:partiqlselect":                  {"kms:Decrypt"},
	"dynamodb:conditioncheckitem":             {"kms:Decrypt"},
	"secretsmanager:replicatesecrettoregions": {"kms:Decrypt"},
}

// addEncryption decides whether the caller may use the key that encrypts the
// resource, through the service.
func (f *Facts) addEncryption(ctx context.Context, a *Answer, s *subject, action string, r *object, given map[string][]string) error {
	actions := needsKey[strings.ToLower(action)]
	if r.key == nil || len(actions) == 0 {
		return nil
	}
	service := serviceOf(r.arn)
	e := &Answer{Principal: a.Principal, Name: a.Name, Action: strings.Join(actions, " and "), Resource: r.key.ID, ResourceAccount: r.account.ID, Policies: []Says{}}
	switch {
	case r.key.Unread != "":
		e.Verdict = Unknown
		e.Missing = []Gap{{What: "the key that encrypts " + r.arn, Why: r.key.Unread}}
	case r.key.Managed && s.Account == r.account.ID:
		e.Verdict = Allowed
		e.Note = "AWS's own key for " + service + ": whoever may use the service in the account may use it"
	case r.key.Managed:
		e.Verdict = Denied
		e.Note = "it is encrypted with AWS's own key for " + service + ", which works for nobody outside of " + r.account.Label()
		e.Changes = []Change{{Account: r.account.ID, Policy: r.arn, Text: "encrypt " + r.arn + " with a key of your own, and allow " + strings.Join(actions, " and ") + " in its key policy"}}
	default:
		if err := f.useKey(ctx, e, actions, s, service, r, given); err != nil {
			return err
		}
	}
	if service == "s3" && !r.key.Managed && r.key.Unread == "" && !strings.EqualFold(action, "s3:PutObject") {
		e.Note = "the bucket's default key: an object may have been written with another"
	}
	a.Encryption = e
	a.Verdict = worse(a.Verdict, e.Verdict)
	a.Keys = append(a.Keys, e.Keys...)
	return nil
}

// useKey asks the policies of a customer's key; the worst of several accesses
// is the answer.
func (f *Facts) useKey(ctx context.Context, e *Answer, actions []string, s *subject, service string, r *object, given map[string][]string) error {
	arn := r.key.ID
	region := regionOf(r.arn)
	if region == "" {
		region = regionOf(arn)
	}
	if accountOf(arn) == "" {
		resource := "key/" + strings.TrimPrefix(arn, "key/")
		if strings.HasPrefix(arn, "alias/") {
			resource = arn
		}
		arn = "arn:" + partitionOf(r.arn) + ":kms:" + region + ":" + r.account.ID + ":" + resource
	}
	key, err := f.object(ctx, arn, "", s)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		e.Verdict, e.Missing = Unknown, []Gap{gapOf("the key "+arn, err)}
		return nil
	}
	known := map[string][]string{"kms:ViaService": {service + "." + region + ".amazonaws.com"}, "kms:CallerAccount": {s.Account}}
	for k, v := range given {
		known[k] = v
	}
	verdict := Allowed
	for i, action := range actions {
		one, err := f.decide(ctx, s, action, key, known, true)
		if err != nil {
			return err
		}
		if v := worse(verdict, one.Verdict); v != verdict || i == 0 {
			verdict = v
			said := strings.Join(actions, " and ")
			*e = *one
			e.Action = said
		}
	}
	e.Verdict = verdict
	return nil
}

func partitionOf(arn string) string {
	parts := strings.SplitN(arn, ":", 3)
	if len(parts) == 3 && parts[0] == "arn" {
		return parts[1]
	}
	return "aws"
}
