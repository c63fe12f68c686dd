package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"axle"
	"axle/internal/expr"
	"axle/internal/plan"
)

// shelf answers reads from a map of "account/region/name", and counts questions.
type shelf struct {
	has       map[string]axle.Found
	questions [][]axle.Read
}

func (s *shelf) read(reads []axle.Read) map[axle.Read]axle.Found {
	s.questions = append(s.questions, reads)
	out := map[axle.Read]axle.Found{}
	for _, r := range reads {
		found, ok := s.has[r.Target().String()+" "+r.Name+"#"+r.Key]
		if !ok {
			found.Err = fmt.Errorf("no %s: %w", r, axle.ErrNotFound)
		}
		out[r] = found
	}
	return out
}

var reading = world{yaml: head(`
  maker: {template: maker.yaml, targets: hub}
  user:
    template: user.yaml
    targets: account.name == "dev"
    parameters:
      Own: ${{ ssm("/own/" + account.tags["env"]) }}
      Hub: ${{ secret("hub:db#password") + ssm("hub:/x:3") }}
      Far: '${{ ssm("/far", {"account": "000000000003", "region": "us-east-1"}) }}'
      Named: ${{ ssm("/by/" + ssm("/name")) }}
      Made: ${{ ssm("/made/" + output("maker", "A")) }}
      Exported: ${{ export(hub.account.id, "shared:Id") }}
      Resolved: '${{ "a" + secret("app/db#key", {"dynamic": true}) }}'
`), templates: map[string]string{"user": body([]string{"Own", "Hub , NoEcho: true", "Far", "Named", "Made", "Exported", "Resolved"}, nil)}}

func newShelf() *shelf {
	const dev, hub = "000000000002/eu-west-1 ", "000000000001/eu-west-1 "
	return &shelf{has: map[string]axle.Found{
		dev + "/own/dev#":              {Value: "own"},
		hub + "db#password":            {Value: "hunter2", Secret: true},
		hub + "/x:3#":                  {Value: "-x"},
		"000000000003/us-east-1 /far#": {Value: "hunter2-far", Secret: true},
		dev + "/name#":                 {Value: "n"},
		dev + "/by/n#":                 {Value: "named"},
		dev + "/made/a#":               {Value: "made"},
		hub + "shared:Id#":             {Value: "exported"},
	}}
}

func TestReading(t *testing.T) {
	p, s := reading.build(t), newShelf()
	if !p.Reads() {
		t.Fatal("the plan reads")
	}
	in, err := p.Reading(s.read)(find(t, p, "stack/user/000000000002/eu-west-1"), known)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "values", in.Values, map[string]string{"Own": "own", "Hub": "hunter2-x", "Far": "hunter2-far", "Named": "named",
		"Made": "made", "Exported": "exported", "Resolved": "a{{resolve:secretsmanager:app/db:SecretString:key}}"})
	same(t, "secret", in.Secret, map[string]bool{"Hub": true, "Far": true})
	if len(s.questions) != 2 || len(s.questions[1]) != 1 {
		t.Errorf("all that is known is asked for at once, then the one name that comes from another: %v", s.questions)
	}
	if _, text := reread(t, p); strings.Contains(text, "hunter2") {
		t.Errorf("a secret is in the journal: %s", text)
	}
}

// What the stack that comes first may make is known after it; without one that is
// open it is an error.
func TestReadingWhatIsNotThere(t *testing.T) {
	p, s := reading.build(t), newShelf()
	delete(s.has, "000000000002/eu-west-1 /own/dev#")
	step := find(t, p, "stack/user/000000000002/eu-west-1")
	in, err := p.Reading(s.read)(step, func(string) (map[string]string, bool) { return nil, false })
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unknown", in.Unknown, map[string][]string{"Own": {"maker"}, "Made": {"maker"}})
	_, err = p.Reading(s.read)(step, known)
	if err == nil || !strings.Contains(err.Error(), "Own of user: dev (000000000002) eu-west-1: no parameter /own/dev") {
		t.Errorf("got %v", err)
	}
	if _, err := p.Inputs(step, known); err == nil || !strings.Contains(err.Error(), "can't be read here") {
		t.Errorf("nothing was read, and yet: %v", err)
	}
}

func TestReadingIntoTags(t *testing.T) {
	w := world{yaml: head(`
  user:
    template: user.yaml
    targets: account.name == "dev"
    tags: {Far: "${{ ssm('/far', {'account': '000000000003', 'region': 'us-east-1'}) }}"}
`)}
	p := w.build(t)
	_, err := p.Reading(newShelf().read)(&p.Steps[0], known)
	if err == nil || !strings.Contains(err.Error(), "SecureString") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret in a tag: %v", err)
	}
}

func TestReadsOf(t *testing.T) {
	in := reading.input(t)
	stack, _ := in.Project.Stack("user")
	hub, _ := plan.FindHub(in.Project, in.Org)
	var got []string
	for _, p := range stack.Parameters {
		account := someAccounts()[1]
		own, dynamic := plan.ReadsOf(p.Value, expr.Scope{Account: account, Region: "eu-west-1", HubAccount: hub.Account, HubRegion: hub.Region})
		for _, r := range own {
			got = append(got, r.Target().String()+" "+r.String())
		}
		for _, r := range dynamic {
			got = append(got, "dynamic "+r.Target().String()+" "+r.String())
		}
	}
	same(t, "reads", got, []string{
		"000000000002/eu-west-1 parameter /own/dev",
		"000000000001/eu-west-1 secret db", "000000000001/eu-west-1 parameter /x:3",
		"000000000003/us-east-1 parameter /far",
		"000000000002/eu-west-1 parameter /name", "000000000002/eu-west-1 parameter *",
		"000000000002/eu-west-1 parameter *",
		"000000000001/eu-west-1 export shared:Id",
		"dynamic 000000000002/eu-west-1 secret app/db",
	})
}

// Values that are known are held against the template's limits, secrets unseen.
func TestValuesAgainstTheTemplate(t *testing.T) {
	w := world{yaml: head(`
  user:
    template: user.yaml
    targets: account.tags["env"] != ""
    parameters:
      Size: ${{ account.name }}
      Count: ${{ vars.count }}
      Password: short
vars: {count: many}
`), templates: map[string]string{"user": `
Parameters:
  Size: {Type: String, AllowedPattern: "dev|qa"}
  Count: {Type: Number}
  Password: {Type: String, NoEcho: true, MinLength: 8}
Resources: {T: {Type: AWS::SNS::Topic}}
`}}
	got := w.problems(t)
	for _, want := range []string{
		`Size of stack "user" in prod (000000000004) eu-west-1: "prod" doesn't match the allowed pattern dev|qa`,
		`Count of stack "user" in dev (000000000002) eu-west-1: "many" is not a number`,
		`Password of stack "user" in dev (000000000002) eu-west-1: the value is shorter than 8 characters`,
		`hint: the limits are those of user.yaml:3:3`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not said: %s\n%s", want, got)
		}
	}
	if strings.Contains(got, "short ") || strings.Contains(got, `"short"`) {
		t.Errorf("a NoEcho value is shown: %s", got)
	}
}
