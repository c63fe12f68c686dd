//go:build scenarios

package scenarios

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// TestValues is values from Parameter Store, Secrets Manager and files.
func TestValues(t *testing.T) {
	on(t, values, sandbox(alone...), unkindSandbox(alone...), moto())
}

func values(w *world) {
	w.project("values")
	b := w.newOrganization()
	infra, work := b.ou(b.root, "Infrastructure", nil), b.ou(b.root, "Workloads", nil)
	tools := b.account(infra, "tools", nil)
	apps := map[string]string{b.account(work, "dev", nil): "dev", b.account(work, "prod", nil): "prod"}
	regions := []string{"eu-west-1", "us-east-1"}
	w.parameterIn(tools, "eu-west-1", "/shared/list", "a,b", ssmtypes.ParameterTypeStringList)
	w.secretIn(tools, "eu-west-1", "shared", "tulip-shared")
	for id, name := range apps {
		for _, region := range regions {
			w.parameterIn(id, region, "/app/"+name, "own-"+name, ssmtypes.ParameterTypeString)
			w.parameterIn(id, region, "/app/key", "tulip-"+region, ssmtypes.ParameterTypeSecureString)
			w.secretIn(id, region, "db", `{"password": "tulip-`+name+`"}`)
		}
	}
	w.step("each target has its own", func() {
		w.same("what the deploy did", map[string]int{"stack create": 4}, w.run(0, "deploy", "--env", "test").actions())
		for id, name := range apps {
			for _, region := range regions {
				w.same(name+" "+region, "own-"+name+" tulip-"+region+" tulip-"+name+" tulip-shared,a,b tulip-us-east-1 common test",
					w.parameter(w.in(id, region), "/values/all"))
			}
		}
	})
	w.step("where they come from", func() {
		out, _ := w.axle(0, "params", "--env", "test")
		for _, want := range []string{"(secret)", "secret shared of the hub", "ssm /app/dev", "test.yaml:1", "common.json:1"} {
			w.same(want, true, strings.Contains(out, want))
		}
		w.same("a secret is shown", false, strings.Contains(out, "tulip"))
	})
	w.step("a secret that changes", func() {
		if w.gaps.valuesIgnored {
			return
		}
		dev := slices.Sorted(maps.Keys(apps))[0]
		client := secretsmanager.NewFromConfig(w.in(dev, "us-east-1"))
		must[*secretsmanager.PutSecretValueOutput](w, "put secret value")(client.PutSecretValue(w.t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("db"), SecretString: aws.String(`{"password": "tulip-new"}`)}))
		w.run(0, "deploy", "--env", "test")
		w.same("in "+dev, true, strings.Contains(w.parameter(w.in(dev, "us-east-1"), "/values/all"), " tulip-new "))
	})
	w.step("no secret is kept", func() {
		_ = filepath.WalkDir(filepath.Join(w.dir, ".axle"), func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				body, err := os.ReadFile(path)
				w.same(path+" has a secret", false, err != nil || strings.Contains(string(body), "tulip"))
			}
			return nil
		})
	})
}

func (w *world) parameterIn(account, region, name, value string, kind ssmtypes.ParameterType) {
	w.t.Helper()
	must[*ssm.PutParameterOutput](w, "put parameter "+name)(ssm.NewFromConfig(w.in(account, region)).PutParameter(w.t.Context(),
		&ssm.PutParameterInput{Name: &name, Value: &value, Type: kind}))
}

func (w *world) secretIn(account, region, name, value string) {
	w.t.Helper()
	must[*secretsmanager.CreateSecretOutput](w, "create secret "+name)(secretsmanager.NewFromConfig(w.in(account, region)).CreateSecret(w.t.Context(),
		&secretsmanager.CreateSecretInput{Name: &name, SecretString: &value}))
}
