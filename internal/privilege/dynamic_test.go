package privilege

import (
	"strings"
	"testing"
)

// A dynamic reference that is put together, as the CDK does it, takes the secret
// that it names, and no other.
func TestDynamicReferences(t *testing.T) {
	const secret = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:"
	for name, c := range map[string]struct{ value, reads, not string }{
		"literal": {`"{{resolve:secretsmanager:shop/db:SecretString:password}}"`, secret + "shop/db-AbCdEf", secret + "shop/other-AbCdEf"},
		"sub":     {`!Sub "{{resolve:secretsmanager:${Made}:SecretString:password}}"`, secret + "Made-abcdefghijkl-AbCdEf", secret + "shop/db-AbCdEf"},
		"sub map": {`!Sub ["{{resolve:secretsmanager:${It}::}}", {It: !Ref Named}]`, secret + "shop/db-AbCdEf", secret + "shop/other-AbCdEf"},
		"join":    {`!Join ["", ["{{resolve:secretsmanager:", !Ref Named, ":SecretString:password::}}"]]`, secret + "shop/db-AbCdEf", secret + "shop/other-AbCdEf"},
		"long":    {`{"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "Made"}, ":SecretString:password::}}"]]}`, secret + "Made-abcdefghijkl-AbCdEf", secret + "shop/db-AbCdEf"},
		"branch":  {`!If [C, x, !Join ["", ["{{resolve:secretsmanager:", !Ref Named, "}}"]]]`, secret + "shop/db-AbCdEf", secret + "shop/other-AbCdEf"},
		"RDS's":   {`!Sub "{{resolve:secretsmanager:${Db.MasterUserSecret.SecretArn}::password}}"`, secret + "rds!db-1-AbCdEf", "arn:aws:secretsmanager:eu-west-1:222222222222:secret:rds!db-1-AbCdEf"},
		"mapping": {`!FindInMap [M, !Ref P, v]`, secret + "shop/db-AbCdEf", secret + "shop/other-AbCdEf"},
	} {
		body := `
Parameters: {P: {Type: String}}
Conditions: {C: !Equals [!Ref P, x]}
Mappings: {M: {a: {v: "{{resolve:secretsmanager:shop/db}}"}}}
Resources:
  Made: {Type: AWS::SecretsManager::Secret, Properties: {GenerateSecretString: {}}}
  Named: {Type: AWS::SecretsManager::Secret, Properties: {Name: shop/db}}
  Db: {Type: AWS::RDS::DBInstance, Properties: {ManageMasterUserPassword: true}}
  Instance: {Type: AWS::RDS::DBInstance, Properties: {MasterUserPassword: ` + c.value + `}}
`
		if name != "mapping" {
			body = strings.Replace(body, "{{resolve:secretsmanager:shop/db}}", "x", 1)
		}
		g := &Group{Partition: "aws", Accounts: []string{"111111111111"}, Stacks: []Stack{{Name: "app", Template: parsed(t, body), Regions: []string{"eu-west-1"}}}}
		list := For(Deploy, g, nil).Statements
		if !allows(t, list, "secretsmanager:GetSecretValue", c.reads, nil) {
			t.Errorf("%s: %s can't be read", name, c.reads)
		}
		if allows(t, list, "secretsmanager:GetSecretValue", c.not, nil) {
			t.Errorf("%s: %s can be read", name, c.not)
		}
		g.Accounts = append(g.Accounts, "222222222222") // the policy is a template's, for each of them
		text := YAML(For(Deploy, g, nil).Statements, 0)
		if strings.Contains(text, "<") || strings.Contains(text, "eu-west-1:*:secret") || !strings.Contains(text, "eu-west-1:${AWS::AccountId}:secret") {
			t.Errorf("%s: in several accounts:\n%s", name, text)
		}
	}
}
