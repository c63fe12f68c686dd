package sandbox_test

import (
	"encoding/json"
	"strings"
	"testing"

	"axle/sandbox"
)

// What a parameter with NoEcho holds is in no event and no change set, also when
// it needs quoting, is a list, or belongs to a version of the stack that is over.
func TestNoEchoIsNeverShown(tt *testing.T) {
	t := newCFN(tt, sandbox.Options{})
	body := `
Parameters:
  One: {Type: String, NoEcho: true}
  Many: {Type: CommaDelimitedList, NoEcho: true}
  Name: {Type: String}
Resources:
  P: {Type: AWS::SSM::Parameter, Properties: {Name: !Ref Name, Type: String, Value: !Ref One, Description: !Select [1, !Ref Many]}}
`
	params := func(n, name string) []string {
		return []string{"One=hush\\" + n + `&"<`, "Many=a" + n + ",hush-item" + n, "Name=" + name}
	}
	t.create("s", body, params("1", "/a")...)
	set := t.changeSet("s", "c", body, params("2", "/b")...)
	t.want(t.update("s", body, params("2", "/b")...), "UPDATE_COMPLETE") // the first is replaced and cleaned up
	fails := strings.Replace(body, "Resources:", "Resources:\n  T: {Type: AWS::SNS::Topic, DependsOn: P, Properties: {TopicName: 'not a name'}}", 1)
	t.want(t.update("s", fails, params("3", "/c")...), "UPDATE_ROLLBACK_COMPLETE")
	events, err := json.Marshal([]any{set, t.events("s")})
	if err != nil {
		t.Fatal(err)
	}
	if text := string(events); strings.Contains(text, "hush") {
		t.Errorf("shown:\n%s", strings.Join(strings.SplitAfter(text, "},"), "\n"))
	}
	if !strings.Contains(string(events), `{\"Description\":\"****\",\"Name\":\"/a\",\"Type\":\"String\",\"Value\":\"****\"}`) {
		t.Errorf("the events lack the properties:\n%s", events)
	}
}
