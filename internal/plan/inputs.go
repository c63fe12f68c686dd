package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"axle"
	"axle/internal/diag"
	"axle/internal/expr"
)

// Outputs gives the outputs of a step, or false when they aren't known.
type Outputs = func(step string) (map[string]string, bool)

// Reader answers what expressions ask AWS for: all of the reads, each with a
// value or an error.
type Reader func([]axle.Read) map[axle.Read]axle.Found

// InputValue is what is known of one input of a step.
type InputValue struct {
	Value string
	// Secret: it must not be shown.
	Secret bool
	// After names the stacks after which the value will be known; sorted.
	After []string
	// Reads are what it was, or will be, made of.
	Reads []axle.Read
	Err   error
}

// Inputs evaluates a step's values, of a plan in which nothing is read from AWS:
// see Reading.
func (p *Plan) Inputs(s *axle.Step, outputs Outputs) (axle.Inputs, error) {
	return p.Reading(nil)(s, outputs)
}

// Reading returns what evaluates a step's values. What depends on outputs that
// aren't known is Unknown. ssm(), secret() and export() are answered by read, all
// of a step's in as few questions as can be: several only where the name of one
// comes from another.
func (p *Plan) Reading(read Reader) func(*axle.Step, Outputs) (axle.Inputs, error) {
	return func(s *axle.Step, outputs Outputs) (axle.Inputs, error) {
		known := p.Evaluate(s, outputs, read)
		in := axle.Inputs{Values: make(map[string]string, len(known))}
		failed, err := "", error(nil)
		for name, v := range known {
			if v.Secret {
				if in.Secret == nil {
					in.Secret = map[string]bool{}
				}
				in.Secret[name] = true
			}
			switch {
			case v.Err != nil:
				if err == nil || name < failed {
					failed, err = name, v.Err
				}
			case len(v.After) > 0:
				if in.Unknown == nil {
					in.Unknown = map[string][]string{}
				}
				in.Unknown[name] = v.After
			default:
				in.Values[name] = v.Value
			}
		}
		if err != nil {
			return in, inputError(failed, s, err)
		}
		if after := unread(s, outputs); len(after) > 0 {
			if in.Unknown == nil {
				in.Unknown = map[string][]string{}
			}
			in.Unknown[ByStackOutput] = after
		}
		return in, nil
	}
}

// Evaluate tells what is known of each input of a step. read may be nil.
func (p *Plan) Evaluate(s *axle.Step, outputs Outputs, read Reader) map[string]InputValue {
	out := make(map[string]InputValue, len(s.Input))
	found := map[axle.Read]axle.Found(nil)
	for {
		var missing []axle.Read
		for name, v := range s.Input {
			if _, done := out[name]; done {
				continue
			}
			known, more := p.evaluate(s, v, outputs, found)
			if strings.HasPrefix(name, "tag:") && known.Secret && known.Err == nil {
				known.Err = errors.New("it is a SecureString, and everybody who may see the stack sees its tags")
			}
			if missing = append(missing, more...); len(more) == 0 {
				out[name] = known
			}
		}
		if len(missing) == 0 {
			return out
		}
		if found == nil {
			found = map[axle.Read]axle.Found{}
		}
		var answers map[axle.Read]axle.Found
		if read != nil {
			answers = read(slices.Compact(sortReads(missing)))
		}
		for _, r := range missing {
			answer, ok := answers[r]
			if !ok {
				answer.Err = fmt.Errorf("%s can't be read here", r)
			}
			found[r] = answer
		}
	}
}

func sortReads(list []axle.Read) []axle.Read {
	slices.SortFunc(list, func(a, b axle.Read) int {
		return cmp.Or(a.Target().Compare(b.Target()), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key))
	})
	return list
}

// inputError says which input of which step an error is about; that of an
// expression names the target itself, as does what AWS was asked.
func inputError(name string, s *axle.Step, err error) error {
	var asked *axle.Failure
	if errors.As(err, &asked) {
		f := *asked
		f.Message, f.Err = fmt.Sprintf("%s of %s: %s", name, s.Name, f.Message), err
		return &f
	}
	var inside diag.Diagnostic
	if errors.As(err, &inside) {
		return fmt.Errorf("%s of %s: %w", name, s.Name, err)
	}
	return fmt.Errorf("%s of %s in %s: %w", name, s.Name, s.Where(), err)
}

// evaluate evaluates one value with what has been found. missing are the reads
// that it needs beside these.
func (p *Plan) evaluate(s *axle.Step, v axle.Value, outputs Outputs, found map[axle.Read]axle.Found) (known InputValue, missing []axle.Read) {
	known.Secret = v.Secret
	if v.Withheld {
		known.Err = errors.New("it is secret, so the journal doesn't have it, and axle.yaml doesn't give it any more")
		return known, nil
	}
	if len(v.Refs) == 0 && v.Expr == "" {
		known.Value = v.Literal
		return known, nil
	}
	look := &lookup{refs: v.Refs, outputs: outputs, plan: p, at: s.Target(), needs: s.Needs, found: found}
	if v.Expr == "" {
		got, _, err := look.ref(v.Refs[0])
		known.Value, _ = got.(string)
		known.After, known.Err = look.after(), err
		return known, nil
	}
	text, err := p.text(v.Expr)
	if err != nil {
		known.Err = err
		return known, nil
	}
	value, ok, err := text.Eval(p.scope(p.Accounts[s.Account], s.Region), look)
	known.Reads, known.Secret, known.Err = look.reads, known.Secret || look.secret, err
	switch {
	case err != nil:
	case len(look.missing) > 0 && len(look.waiting) == 0:
		return known, look.missing
	case ok:
		known.Value = value
	default:
		known.After = look.after()
	}
	return known, nil
}

// text compiles an expression once for the plan.
func (p *Plan) text(source string) (*expr.Text, error) {
	if t, ok := p.texts.Load(source); ok {
		return t.(*expr.Text), nil
	}
	t, problems := expr.CompileText(source, diag.Pos{}, expr.Names{})
	if err := problems.Err(); err != nil {
		return nil, err
	}
	p.texts.Store(source, t)
	return t, nil
}

func (p *Plan) scope(account axle.Account, region string) expr.Scope {
	return expr.Scope{Account: account, Region: region, HubAccount: p.Hub.Account, HubRegion: p.Hub.Region, Vars: p.Vars, Env: p.Env}
}

// lookup answers an expression's calls: from the outputs of steps, and from what
// was read.
type lookup struct {
	refs    []axle.Ref
	outputs Outputs
	waiting []string // stacks whose outputs weren't known

	plan    *Plan
	at      axle.Target
	needs   []string // steps that come first
	found   map[axle.Read]axle.Found
	reads   []axle.Read // all that was asked for
	missing []axle.Read // those of them that found hasn't
	secret  bool        // one of the values is
}

func (l *lookup) Call(source, fn string, args []string, opts map[string]string) (any, bool, error) {
	if isRead(fn) {
		return l.read(fn, args, opts)
	}
	for _, r := range l.refs {
		if r.Call == source {
			return l.ref(r)
		}
	}
	return nil, false, fmt.Errorf("%s isn't resolved in this plan", source)
}

// read answers ssm(), secret() and export().
func (l *lookup) read(fn string, args []string, opts map[string]string) (any, bool, error) {
	r, err := l.plan.readOf(fn, args, opts, l.at)
	if err != nil {
		return nil, false, err
	}
	if opts["dynamic"] == "true" {
		text, err := dynamicReference(r, l.at)
		return text, err == nil, err
	}
	l.reads = append(l.reads, r)
	answer, ok := l.found[r]
	switch {
	case !ok:
		l.missing = append(l.missing, r)
		return nil, false, nil
	case errors.Is(answer.Err, axle.ErrNotFound) && l.await():
		return nil, false, nil // what comes first may make it
	case answer.Err != nil:
		return nil, false, answer.Err
	}
	l.secret = l.secret || answer.Secret
	return answer.Value, true, nil
}

// await waits for the steps that come first and aren't done, if there are any.
func (l *lookup) await() bool {
	for _, step := range l.needs {
		if _, known := l.outputs(step); !known {
			l.waiting = append(l.waiting, stepName(step))
		}
	}
	return len(l.waiting) > 0
}

func (l *lookup) ref(r axle.Ref) (any, bool, error) {
	values := make([]string, 0, len(r.Steps))
	for _, step := range r.Steps {
		out, known := l.outputs(step)
		if !known {
			l.waiting = append(l.waiting, stepName(step))
			continue
		}
		v, ok := out[r.Key]
		if !ok {
			return nil, false, &MissingOutputError{Step: step, Key: r.Key}
		}
		values = append(values, v)
	}
	if len(values) < len(r.Steps) {
		return nil, false, nil
	}
	if r.List {
		return values, true, nil
	}
	return values[0], true, nil
}

func (l *lookup) after() []string {
	slices.Sort(l.waiting)
	return slices.Compact(l.waiting)
}

// Reads says whether any value asks AWS for a parameter, a secret or an export.
func (p *Plan) Reads() bool {
	seen := map[string]bool{}
	for i := range p.Steps {
		for _, v := range p.Steps[i].Input {
			if v.Expr == "" || seen[v.Expr] {
				continue
			}
			seen[v.Expr] = true
			text, err := p.text(v.Expr)
			if err == nil && slices.ContainsFunc(text.Calls(), reads) {
				return true
			}
		}
	}
	return false
}

// reads says whether a call asks AWS, rather than another stack.
func reads(c expr.Call) bool { return isRead(c.Func) && !c.Dynamic }
