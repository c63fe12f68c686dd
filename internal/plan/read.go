package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"axle"
	"axle/internal/config"
	"axle/internal/diag"
	"axle/internal/expr"
	"axle/internal/late"
	"axle/internal/template"
)

// hubPrefix before a name means: of the hub account, in the hub's region.
const hubPrefix = "hub:"

// What names look like. Parameter Store's may end with a version or a label,
// ":3"; a key of a secret follows a #, which no secret's name has.
var (
	parameterName = late.MustCompile(`^(arn:[a-z-]+:ssm:\S+|/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*(:[a-zA-Z0-9_.-]+)?)$`)
	secretName    = late.MustCompile(`^(arn:[a-z-]+:secretsmanager:\S+|[a-zA-Z0-9/_+=.@-]+)$`)
	exportName    = late.MustCompile(`^[a-zA-Z0-9:-]+$`)
)

func isRead(fn string) bool {
	return fn == axle.ReadParameter || fn == axle.ReadSecret || fn == axle.ReadExport
}

// readOf says what a call with these arguments asks for, when a step at a target
// makes it.
func (p *Plan) readOf(fn string, args []string, opts map[string]string, at axle.Target) (axle.Read, error) {
	r := axle.Read{Kind: fn, Account: at.Account, Region: at.Region}
	if fn == axle.ReadExport {
		r.Account, r.Name = args[0], args[1]
		if !axle.ValidAccountID(r.Account) {
			return r, fmt.Errorf("export() takes the id of an account first, and %q isn't one", r.Account)
		}
		if !exportName.MatchString(r.Name) {
			return r, fmt.Errorf("%q is not the name of an export", r.Name)
		}
		return r, nil
	}
	name, hub := strings.CutPrefix(args[0], hubPrefix)
	switch {
	case hub && (opts["account"] != "" || opts["region"] != ""):
		return r, errors.New("hub: before the name and the options account and region exclude each other")
	case hub && p.Hub.Account.ID == "":
		return r, fmt.Errorf("%s%s: axle.yaml has no hub", hubPrefix, name)
	case hub:
		r.Account, r.Region = p.Hub.Account.ID, p.Hub.Region
	}
	if parts := strings.SplitN(name, ":", 6); parts[0] == "arn" && len(parts) == 6 && parts[3] != "" {
		r.Region = parts[3] // where an ARN is answered for
	}
	if id := opts["account"]; id != "" {
		if r.Account = id; !axle.ValidAccountID(id) {
			return r, fmt.Errorf("%q is not an account id", id)
		}
	}
	if region := opts["region"]; region != "" {
		r.Region = region
	}
	pattern := parameterName
	if r.Name = name; fn == axle.ReadSecret {
		r.Name, r.Key, _ = strings.Cut(name, "#")
		pattern = secretName
	}
	if !pattern.MatchString(r.Name) {
		return r, fmt.Errorf("%q can't be the name of a %s", r.Name, strings.Fields(r.String())[0])
	}
	return r, nil
}

// dynamicReference is what CloudFormation reads the secret by, in the place where
// the stack is.
func dynamicReference(r axle.Read, at axle.Target) (string, error) {
	if r.Target() != at && !strings.HasPrefix(r.Name, "arn:") {
		return "", fmt.Errorf("CloudFormation resolves %s in the stack's own account and region only, not in %s", r, r.Target())
	}
	text := "{{resolve:secretsmanager:" + r.Name + ":SecretString"
	if r.Key != "" {
		text += ":" + r.Key
	}
	return text + "}}", nil
}

// checkReads finds what a stack's parameters and tags ask of AWS and shouldn't.
func checkReads(s *config.Stack, t *Source, problems *diag.List) {
	for _, p := range s.Tags {
		for _, c := range calls(p) {
			if c.Func == axle.ReadSecret {
				problems.Add(c.Pos, "everybody who may see the stack sees its tags", "a secret can't be in a tag")
			}
		}
	}
	for _, p := range s.Parameters {
		for _, c := range calls(p) {
			if !isRead(c.Func) {
				continue
			}
			if c.Dynamic && (c.Account != nil || c.Region != nil || strings.HasPrefix(firstArg(c), hubPrefix)) {
				problems.Add(c.Pos, `leave "dynamic" out: Axle reads the secret then, and passes it on`,
					"CloudFormation resolves secrets of the stack's own account and region only")
			}
			if t == nil {
				continue
			}
			if declared, ok := t.Parameters[p.Name]; ok {
				checkRead(c, declared, t, problems)
			}
		}
	}
}

// checkRead holds one call against the parameter that gets its value.
func checkRead(c expr.Call, declared template.Parameter, t *Source, problems *diag.List) {
	switch {
	case declared.SSM():
		problems.Warn(c.Pos, fmt.Sprintf("give it the name of the parameter, or make its type String in %s", declared.Pos),
			"parameter %q is read from Parameter Store by CloudFormation already: it takes a name, not %s()", declared.Name, c.Func)
	case c.Dynamic:
		if why, at := t.Undynamic(declared.Name); why != "" {
			problems.Add(c.Pos, fmt.Sprintf(`leave "dynamic" out: Axle reads the secret then, and passes it on (see %s)`, at),
				"CloudFormation wouldn't resolve the secret in parameter %q: %s", declared.Name, why)
		}
	case c.Func == axle.ReadSecret && !declared.NoEcho:
		problems.Warn(c.Pos, fmt.Sprintf("add NoEcho: true to it in %s", declared.Pos),
			"parameter %q gets a secret, and CloudFormation shows it to whoever may describe the stack", declared.Name)
	}
}

func calls(p config.Parameter) []expr.Call {
	if p.Value == nil {
		return nil
	}
	return p.Value.Calls()
}

// onlySecret says whether a value is nothing but one secret(): then what its name
// is made of is no secret.
func onlySecret(t *expr.Text) bool {
	calls, source := t.Calls(), strings.TrimSpace(t.String())
	return len(calls) == 1 && calls[0].Func == axle.ReadSecret &&
		strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(source, "${{"), "}}")) == calls[0].Source
}

// AsksAWS says whether a parameter asks for something beside outputs.
func AsksAWS(p config.Parameter) bool {
	return slices.ContainsFunc(calls(p), func(c expr.Call) bool { return isRead(c.Func) })
}

// AnyName stands for a name that isn't known before the run.
const AnyName = "*"

// ReadsOf are the reads that a value makes for an account and region, those that
// CloudFormation makes for it apart.
func ReadsOf(text *expr.Text, sc expr.Scope) (reads, dynamic []axle.Read) {
	at := axle.Target{Account: sc.Account.ID, Region: sc.Region}
	n := &nameLookup{plan: &Plan{Hub: Hub{Account: sc.HubAccount, Region: sc.HubRegion}}, at: at, seen: map[string]bool{}}
	_, _, _ = text.Eval(sc, n) // what fails is reported where the plan is made
	for _, c := range text.Calls() {
		if !isRead(c.Func) || n.seen[c.Source] {
			continue
		}
		// Not reached: its name is made of others, or something else decides.
		r := axle.Read{Kind: c.Func, Account: at.Account, Region: at.Region, Name: AnyName}
		if c.Func != axle.ReadExport && firstArg(c) != "" {
			if known, err := n.plan.readOf(c.Func, c.Args, nil, at); err == nil && c.Account == nil && c.Region == nil {
				r = known
			}
		}
		n.add(r, c.Dynamic)
	}
	return n.reads, n.dynamic
}

// nameLookup finds out what would be read, and reads nothing.
type nameLookup struct {
	plan           *Plan
	at             axle.Target
	seen           map[string]bool // calls by their text
	reads, dynamic []axle.Read
}

func (n *nameLookup) add(r axle.Read, dynamic bool) {
	if r.Key = ""; dynamic {
		n.dynamic = append(n.dynamic, r)
	} else {
		n.reads = append(n.reads, r)
	}
}

func (n *nameLookup) Call(source, fn string, args []string, opts map[string]string) (any, bool, error) {
	if isRead(fn) {
		if r, err := n.plan.readOf(fn, args, opts, n.at); err == nil {
			n.seen[source] = true
			n.add(r, opts["dynamic"] == "true")
		}
	}
	return nil, false, nil
}

// checkValue holds a value that is known against the limits of the template's
// parameter, so that CloudFormation needn't refuse a change set for it. A value
// that many targets have is looked at once.
func (b *builder) checkValue(p *config.Parameter, stack string, t axle.Target, v axle.Value) {
	if v.Literal == "" || b.in.Destroy || b.in.Templates[stack] == nil {
		return
	}
	declared, ok := b.in.Templates[stack].Parameters[p.Name]
	if !ok || !limited(&declared) {
		return
	}
	key := checkedValue{stack, p.Name, v.Literal}
	if b.checked[key] {
		return
	}
	if b.checked == nil {
		b.checked = map[checkedValue]bool{}
	}
	b.checked[key] = true
	if err := declared.Check(v.Literal); err != nil {
		b.once(p.ValuePos, fmt.Sprintf("%s of stack %q", p.Name, stack), t, err, "the limits are those of "+declared.Pos.String())
	}
}

type checkedValue struct{ stack, parameter, value string }

func limited(p *template.Parameter) bool {
	return p.Type == "Number" || p.Type == "List<Number>" || len(p.Allowed) > 0 || p.AllowedPattern != "" || p.MinLength != nil || p.MaxLength != nil
}
