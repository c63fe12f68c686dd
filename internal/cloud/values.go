package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"golang.org/x/sync/errgroup"
)

const (
	// perCall is how many parameters GetParameters takes.
	perCall = 10
	// readsAtOnce is how many calls one question makes at a time.
	readsAtOnce = 8
)

// Values reads parameters, secrets and exports wherever they are, and keeps what
// it has read. It is safe for concurrent use: whoever asks for what another one
// is reading waits for that.
type Values struct {
	cloud *Cloud

	mu   sync.Mutex
	kept map[axle.Read]*answer // by read, without the key of a secret
}

// answer is what was read; found is valid once done is closed.
type answer struct {
	done  chan struct{}
	found axle.Found
	// exports has all of a target's, when that is what was read.
	exports map[string]string
}

// Values returns a reader that knows nothing yet.
func (c *Cloud) Values() *Values { return &Values{cloud: c, kept: map[axle.Read]*answer{}} }

// whole is what is read for r: of a secret all of it, of exports all.
func whole(r axle.Read) axle.Read {
	r.Key = ""
	if r.Kind == axle.ReadExport {
		r.Name = ""
	}
	return r
}

// Read answers all of the reads; a failure is the answer of those that it
// concerns.
func (v *Values) Read(ctx context.Context, reads []axle.Read) map[axle.Read]axle.Found {
	asked := map[axle.Read]*answer{}
	var mine []axle.Read
	v.mu.Lock()
	for _, r := range reads {
		k := whole(r)
		if asked[k] != nil {
			continue
		}
		if v.kept[k] == nil {
			v.kept[k] = &answer{done: make(chan struct{})}
			mine = append(mine, k)
		}
		asked[k] = v.kept[k]
	}
	v.mu.Unlock()
	v.fetch(ctx, mine, asked)
	out := make(map[axle.Read]axle.Found, len(reads))
	for _, r := range reads {
		a := asked[whole(r)]
		select {
		case <-a.done:
			out[r] = v.part(r, a)
		case <-ctx.Done():
			out[r] = axle.Found{Err: ctx.Err()}
		}
	}
	return out
}

// Forget drops what was read in a target: something has changed there.
func (v *Values) Forget(t axle.Target) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for k := range v.kept {
		if k.Target() == t {
			delete(v.kept, k)
		}
	}
}

// fetch reads what nobody has read, parameters ten at a time. What may be better
// the next time isn't kept.
func (v *Values) fetch(ctx context.Context, list []axle.Read, asked map[axle.Read]*answer) {
	parameters := map[axle.Target][]axle.Read{}
	var g errgroup.Group // waited for below; each call ends with ctx
	g.SetLimit(readsAtOnce)
	for _, r := range list {
		switch r.Kind {
		case axle.ReadParameter:
			parameters[r.Target()] = append(parameters[r.Target()], r)
		case axle.ReadSecret:
			g.Go(func() error { asked[r].found = v.secret(ctx, r); return nil })
		default:
			g.Go(func() error { asked[r].exports, asked[r].found.Err = v.exports(ctx, r); return nil })
		}
	}
	for t, of := range parameters {
		for some := range slices.Chunk(of, perCall) {
			g.Go(func() error {
				for r, found := range v.parameters(ctx, t, some) {
					asked[r].found = found
				}
				return nil
			})
		}
	}
	_ = g.Wait() // no function gives an error
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, r := range list {
		a := asked[r]
		if err := a.found.Err; err != nil && (isTransient(err) || ctx.Err() != nil) && v.kept[r] == a {
			delete(v.kept, r)
		}
		close(a.done)
	}
}

// part is the answer to a read from that to the whole.
func (v *Values) part(r axle.Read, a *answer) axle.Found {
	switch {
	case a.found.Err != nil:
		return a.found
	case r.Kind == axle.ReadExport:
		value, ok := a.exports[r.Name]
		if !ok {
			return axle.Found{Err: noExport(r, v.cloud.account(r.Account), a.exports)}
		}
		return axle.Found{Value: value}
	case r.Key == "":
		return a.found
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(a.found.Value), &fields) != nil || fields == nil {
		return axle.Found{Err: badSecret(r, v.cloud.account(r.Account), "it is not a JSON object", "without #"+r.Key+" all of it is taken")}
	}
	field, ok := fields[r.Key]
	if !ok {
		return axle.Found{Err: badSecret(r, v.cloud.account(r.Account), "there is no such key", "its keys are written with their case")}
	}
	var text string
	if json.Unmarshal(field, &text) != nil { // a number, true or false, or JSON
		text = string(field)
	}
	return axle.Found{Value: text, Secret: true}
}

// parameters reads up to ten parameters of a target. Where that is denied they
// are read one by one, to find out which is.
func (v *Values) parameters(ctx context.Context, t axle.Target, some []axle.Read) map[axle.Read]axle.Found {
	out := make(map[axle.Read]axle.Found, len(some))
	names := make([]string, len(some))
	for i, r := range some {
		names[i] = r.Name
	}
	client, opt := v.cloud.SSM(t)
	answer, err := client.GetParameters(ctx, &ssm.GetParametersInput{Names: names, WithDecryption: aws.Bool(true)}, opt)
	if err != nil && len(some) > 1 && !isTransient(err) && ctx.Err() == nil && !isCredential(err) {
		for _, r := range some {
			out[r] = v.parameters(ctx, t, []axle.Read{r})[r]
		}
		return out
	}
	account := v.cloud.account(t.Account)
	for _, r := range some {
		if err != nil {
			out[r] = axle.Found{Err: readFailure(err, r, account)}
			continue
		}
		i := slices.IndexFunc(answer.Parameters, func(p types.Parameter) bool {
			return aws.ToString(p.Name)+aws.ToString(p.Selector) == r.Name || aws.ToString(p.ARN)+aws.ToString(p.Selector) == r.Name
		})
		if i < 0 {
			out[r] = axle.Found{Err: readMissing(r, account, nil)}
			continue
		}
		p := answer.Parameters[i]
		out[r] = axle.Found{Value: aws.ToString(p.Value), Secret: p.Type == types.ParameterTypeSecureString}
	}
	return out
}

func (v *Values) secret(ctx context.Context, r axle.Read) axle.Found {
	client, opt := v.cloud.SecretsManager(r.Target())
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &r.Name}, opt)
	account := v.cloud.account(r.Account)
	switch {
	case code(err) == "ResourceNotFoundException":
		return axle.Found{Err: readMissing(r, account, err)}
	case err != nil:
		return axle.Found{Err: readFailure(err, r, account)}
	case out.SecretString == nil:
		return axle.Found{Err: badSecret(r, account, "it is binary", "a parameter takes text only")}
	}
	return axle.Found{Value: *out.SecretString, Secret: true}
}

func (v *Values) exports(ctx context.Context, r axle.Read) (map[string]string, error) {
	client, opt := v.cloud.CloudFormation(r.Target())
	all := map[string]string{}
	pages := cloudformation.NewListExportsPaginator(client, &cloudformation.ListExportsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, opt)
		if err != nil {
			return nil, readFailure(err, r, v.cloud.account(r.Account))
		}
		for _, e := range page.Exports {
			all[aws.ToString(e.Name)] = aws.ToString(e.Value)
		}
	}
	return all, nil
}

// readMissing says that there is nothing of a name. err is AWS's answer, or nil.
func readMissing(r axle.Read, account axle.Account, err error) error {
	hint := fmt.Sprintf("make it there, or correct the name: aws ssm describe-parameters --region %s lists what there is", r.Region)
	code := "ParameterNotFound"
	if r.Kind == axle.ReadSecret {
		code = "SecretNotFound"
		hint = fmt.Sprintf("make it there, or correct the name: aws secretsmanager list-secrets --region %s lists what there is", r.Region)
	}
	r.Key = ""
	return &axle.Failure{Code: code, Resource: r.Name, Blocked: true, Hint: hint, Err: errors.Join(axle.ErrNotFound, err),
		Message: fmt.Sprintf("there is no %s%s", r, place(account, r.Region))}
}

func noExport(r axle.Read, account axle.Account, exports map[string]string) error {
	names := make([]string, 0, len(exports))
	for name := range exports {
		names = append(names, name)
	}
	slices.Sort(names)
	hint := "no stack exports anything there"
	if len(names) > 0 {
		more := ""
		if len(names) > 8 {
			names, more = names[:8], ", ..."
		}
		hint = "there are " + strings.Join(names, ", ") + more
	}
	return &axle.Failure{Code: "ExportNotFound", Resource: r.Name, Blocked: true, Hint: hint, Err: axle.ErrNotFound,
		Message: fmt.Sprintf("there is no %s%s", r, place(account, r.Region))}
}

// badSecret says why a secret can't be used, without a word of what is in it.
func badSecret(r axle.Read, account axle.Account, why, hint string) error {
	return &axle.Failure{Code: "BadSecret", Resource: r.Name, Blocked: true, Hint: hint,
		Message: fmt.Sprintf("%s%s can't be read: %s", r, place(account, r.Region), why)}
}
