package sandbox_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// A sandbox that is killed loses what changed in its last moment at most: not the
// keys that it printed, and not what was there a second ago.
func TestKilledSandbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := filepath.Join(t.TempDir(), "live.json")
		box, cfg := still(t, sandbox.Options{State: live})
		killed := func() (string, *ssm.Client) { // what is in the file is all that the next one has
			time.Sleep(time.Second)
			synctest.Wait()
			raw, err := os.ReadFile(live)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "killed.json")
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			next, cfg := still(t, sandbox.Options{State: file})
			key, _ := next.Credentials()
			return key, ssm.NewFromConfig(cfg)
		}
		client := ssm.NewFromConfig(cfg)
		key, _ := box.Credentials()
		if got, _ := killed(); got != key {
			t.Errorf("the keys are %s, and were %s", got, key)
		}
		must[*ssm.PutParameterOutput](t)(client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/a"), Value: aws.String("b"), Type: types.ParameterTypeString}))
		_, next := killed()
		must[*ssm.GetParameterOutput](t)(next.GetParameter(t.Context(), &ssm.GetParameterInput{Name: aws.String("/a")}))
		if err := os.Remove(live); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if _, err := os.Stat(live); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("written though nothing had changed: %v", err)
		}
	})
}
