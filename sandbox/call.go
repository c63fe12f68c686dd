package sandbox

import (
	"errors"
	"net/http"
)

// run authorizes and runs an operation.
func (c *call) run(op operation) (obj, error) {
	if err := c.permit(op); err != nil {
		return nil, err
	}
	return op.run(c)
}

// invoke calls another service as the same principal, which needs the
// permission; Via says on whose behalf the call came. An empty region is the
// caller's own. S3, whose operations aren't named, isn't reached this way.
func (c *call) invoke(service, op, region string, in params) (obj, error) {
	o, ok := c.ops[service][op]
	if !ok {
		return nil, fail("InvalidAction", "The sandbox has no operation %s of %s.", op, service)
	}
	inner := *c
	if inner.Via == "" {
		inner.Via = c.Service
	}
	inner.Service, inner.Op, inner.In = service, op, in
	inner.HTTP, inner.Body = nil, nil
	if region != "" {
		inner.Region = region
	}
	if inner.In == nil {
		inner.In = params{}
	}
	return inner.run(o)
}

// as is the call made by somebody else: a service role, or a copy of the
// caller that outlives the request. Without an account it is the identity's.
func (c *call) as(id *identity, a *account) *call {
	other := *c
	other.HTTP, other.Body = nil, nil
	if id != nil {
		who := *id
		other.Who = &who
	}
	if a == nil && id != nil {
		a = c.account(id.Account)
	}
	if a != nil {
		other.Account = a
	}
	return &other
}

// callAs makes a call without a request, for work that goes on after a saved
// state was loaded.
func (s *Sandbox) callAs(id identity, service, region string) *call {
	return &call{Sandbox: s, Service: service, Region: region, Who: &id, Account: s.account(id.Account), In: params{}, ID: s.uuid()}
}

// here is the part of the caller's account in the call's region.
func (c *call) here() *region { return c.Account.region(c.Region) }

// arn makes an ARN of the calling service in the caller's account and region.
func (c *call) arn(resource string) string {
	return "arn:aws:" + c.Service + ":" + c.Region + ":" + c.Account.ID + ":" + resource
}

// asAPIError keeps a service's own error and turns any other into its
// internal failure.
func asAPIError(svc service, err error) *apiError {
	var aerr *apiError
	if errors.As(err, &aerr) {
		return aerr
	}
	e := refuse(svc, internalFailure, err.Error())
	e.Status = http.StatusInternalServerError
	return e
}
