package cfn

import (
	"context"
	"errors"
	"fmt"

	"axle"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

const codeInvalidTemplate = "InvalidTemplate"

// IsInvalidTemplate says whether CloudFormation refused a template, rather than
// whoever asked.
func IsInvalidTemplate(err error) bool {
	var f *axle.Failure
	return errors.As(err, &f) && f.Code == codeInvalidTemplate
}

// validation is one ValidateTemplate, awaited by all who need it.
type validation struct {
	done chan struct{}
	err  error
	kept bool // the answer holds for everybody
}

// Validate has CloudFormation check a template, once for a region whatever the
// number of targets. Where the credentials may not ask, the change set tells.
func (d *Driver) Validate(ctx context.Context, t axle.Target, digest string) error {
	key := digest + " " + t.Region
	for {
		d.mu.Lock()
		v, running := d.validated[key]
		if !running {
			v = &validation{done: make(chan struct{})}
			d.validated[key] = v
		}
		d.mu.Unlock()
		if running {
			select {
			case <-v.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if !v.kept {
				continue // whoever asked was refused or cancelled: ask again
			}
			return v.err
		}
		v.err, v.kept = d.validate(ctx, t, digest)
		if !v.kept {
			d.mu.Lock()
			delete(d.validated, key)
			d.mu.Unlock()
		}
		close(v.done)
		return v.err
	}
}

func (d *Driver) validate(ctx context.Context, t axle.Target, digest string) (err error, kept bool) {
	body, url, err := d.template(ctx, t, digest)
	if err != nil {
		return err, false
	}
	client, opt := d.clients.CloudFormation(t)
	_, err = client.ValidateTemplate(ctx, &cloudformation.ValidateTemplateInput{TemplateBody: body, TemplateURL: url}, opt)
	switch {
	case err == nil:
		return nil, true
	case codeOf(err) == "ValidationError":
		return &axle.Failure{Code: codeInvalidTemplate, Message: fmt.Sprintf("CloudFormation refuses the template: %s", messageOf(err)),
			Hint: hintFor(messageOf(err)), Blocked: true, Err: err}, true
	case codeOf(err) == "AccessDenied", codeOf(err) == "AccessDeniedException":
		return nil, false
	}
	return called("validate template", err), false
}
