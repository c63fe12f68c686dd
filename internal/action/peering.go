package action

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"axle"
	"axle/internal/cloud"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// EC2Clients gives the EC2 client of a region and the option that makes a call
// act in the target's account.
type EC2Clients interface {
	EC2(axle.Target) (*ec2.Client, func(*ec2.Options))
}

// Tags by which the parts of a peering are found, on the connection and in both
// accounts: a tag belongs to the account that set it.
const (
	tagProject   = "axle:project"
	tagPeering   = "axle:peering"
	tagRequester = "axle:requester" // "<account>/<region>" of the requester
)

// Peering does the steps of a VPC peering: request, accept, routes and DNS
// options. Every step looks first and changes only what isn't as it should be.
type Peering struct {
	clients EC2Clients
	preview bool
	now     func() time.Time
}

// NewPeering returns the action that makes peerings.
func NewPeering(c EC2Clients) *Peering { return &Peering{clients: c, now: time.Now} }

// NewPeeringPreview returns the action that looks at the same things and tells
// what NewPeering's would do, and changes nothing.
func NewPeeringPreview(c EC2Clients) *Peering {
	return &Peering{clients: c, preview: true, now: time.Now}
}

// Start begins the step, or adopts what an earlier Start has left behind.
func (p *Peering) Start(ctx context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error) {
	s, err := p.open(step, in)
	if err != nil {
		return axle.Progress{}, err
	}
	switch step.Kind {
	case axle.KindPeeringRequest:
		if step.Delete {
			return s.startDelete(ctx, in)
		}
		return s.startRequest(ctx, in)
	case axle.KindPeeringAccept:
		if step.Delete {
			return done(axle.None), nil // the connection goes with its request
		}
		return s.startAccept(ctx, in)
	case axle.KindPeeringRoutes:
		if step.Delete {
			return s.deleteRoutes(ctx, in)
		}
		return s.startRoutes(ctx, in)
	case axle.KindPeeringDNS:
		if step.Delete {
			return done(axle.None), nil
		}
		return s.startDNS(ctx, in)
	}
	return axle.Progress{}, fmt.Errorf("peering action doesn't know steps of kind %q", step.Kind)
}

// Check looks how the step is getting on. What it needs to know is in the token.
func (p *Peering) Check(ctx context.Context, step *axle.Step, token string) (axle.Progress, error) {
	s, err := p.open(step, axle.Inputs{})
	if err != nil {
		return axle.Progress{}, err
	}
	var w peeringWork
	if err := json.Unmarshal([]byte(token), &w); err != nil {
		return axle.Progress{}, fmt.Errorf("read token of step %s: %w", step.ID, err)
	}
	switch step.Kind {
	case axle.KindPeeringRequest:
		if step.Delete {
			return s.checkDelete(ctx, w)
		}
		return s.checkRequest(ctx, w)
	case axle.KindPeeringAccept:
		return s.accept(ctx, w)
	case axle.KindPeeringRoutes:
		return s.route(ctx, w)
	case axle.KindPeeringDNS:
		return s.dns(ctx, w)
	}
	return axle.Progress{}, fmt.Errorf("peering action doesn't know steps of kind %q", step.Kind)
}

// peeringStep is a step of a peering at work in its account and region.
type peeringStep struct {
	*Peering
	step      *axle.Step
	client    *ec2.Client
	as        func(*ec2.Options)
	requester string // "<account>/<region>"
}

func (p *Peering) open(step *axle.Step, in axle.Inputs) (*peeringStep, error) {
	if step.Spec == nil || step.Spec.Peering == nil {
		return nil, fmt.Errorf("step %s has no peering", step.ID)
	}
	s := &peeringStep{Peering: p, step: step, requester: in.Values["requester"]}
	if s.requester == "" {
		// peering/<name>/<account>/<region>/<part>
		parts := strings.Split(step.ID, "/")
		if len(parts) < 5 {
			return nil, fmt.Errorf("step %s doesn't name its requester", step.ID)
		}
		s.requester = strings.Join(parts[len(parts)-3:len(parts)-1], "/")
	}
	s.client, s.as = p.clients.EC2(step.Target())
	return s, nil
}

// peeringWork is what a token remembers between the checks of a step.
type peeringWork struct {
	Peering string      `json:"peering,omitempty"`
	Since   time.Time   `json:"since"`
	Change  axle.Change `json:"change,omitempty"`
	Retired []string    `json:"retired,omitempty"` // connections that are being deleted
	CIDRs   []string    `json:"cidrs,omitempty"`
	Tables  []string    `json:"tables,omitempty"`
	Side    string      `json:"side,omitempty"`
}

// How long AWS may take. Another region sees a request some seconds late;
// states other than pending-acceptance pass within a minute.
const (
	visibleWithin = 3 * time.Minute
	settledWithin = 10 * time.Minute
)

// wait asks for another check: soon at first, then more rarely, as more time
// has passed. what says, after too long, what was waited for.
func (s *peeringStep) wait(w peeringWork, atMost time.Duration, what, hint string) (axle.Progress, error) {
	waited := s.now().Sub(w.Since)
	if waited > atMost {
		return axle.Progress{}, s.failure("Timeout", hint, "%s in %s: still not after %s", what, s.step.Where(), waited.Round(time.Second))
	}
	token, err := json.Marshal(w)
	if err != nil {
		return axle.Progress{}, fmt.Errorf("write token of step %s: %w", s.step.ID, err)
	}
	return axle.Progress{Token: string(token), Again: min(max(waited/2, 100*time.Millisecond), 5*time.Second)}, nil
}

func (s *peeringStep) begin(peering string) peeringWork {
	return peeringWork{Peering: peering, Since: s.now().UTC().Truncate(time.Millisecond), Change: axle.None}
}

func done(change axle.Change) axle.Progress {
	return axle.Progress{Done: true, Result: axle.Result{Change: change}}
}

// change is a line of the result about one resource.
func (s *peeringStep) change(action, id, kind string) axle.ResourceChange {
	c := axle.ResourceChange{Action: action, LogicalID: id, Type: kind}
	if action == "Replace" {
		c.Action, c.Replacement = "Modify", "True"
	}
	return c
}

const (
	typeConnection = "AWS::EC2::VPCPeeringConnection"
	typeRoute      = "AWS::EC2::Route"
)

// input returns a value that the step can't do without.
func (s *peeringStep) input(in axle.Inputs, name string) (string, error) {
	if v := strings.TrimSpace(in.Values[name]); v != "" {
		return v, nil
	}
	return "", s.failure("InvalidInput", "look at the outputs of the peering's stacks: axle outputs",
		"peering %q in %s: %s is empty", s.step.Name, s.step.Where(), strings.ReplaceAll(name, "_", " "))
}

// unknown returns the stacks whose outputs are missing; only a preview has any.
func unknown(in axle.Inputs) []string {
	var after []string
	for _, stacks := range in.Unknown {
		after = append(after, stacks...)
	}
	slices.Sort(after)
	return slices.Compact(after)
}

func (s *peeringStep) tags() []types.Tag {
	spec := s.step.Spec.Peering
	return []types.Tag{
		{Key: aws.String(tagProject), Value: aws.String(spec.Project)},
		{Key: aws.String(tagPeering), Value: aws.String(spec.Peering)},
		{Key: aws.String(tagRequester), Value: aws.String(s.requester)},
	}
}

// ours says whether a connection has the tags of this peering.
func (s *peeringStep) ours(c *types.VpcPeeringConnection) bool {
	has := tagsOf(c)
	return !slices.ContainsFunc(s.tags(), func(want types.Tag) bool { return has[*want.Key] != *want.Value })
}

// find returns the connections that pass the filters, by id.
func (s *peeringStep) find(ctx context.Context, filters ...types.Filter) ([]types.VpcPeeringConnection, error) {
	var found []types.VpcPeeringConnection
	pages := ec2.NewDescribeVpcPeeringConnectionsPaginator(s.client, &ec2.DescribeVpcPeeringConnectionsInput{Filters: filters})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx, s.as)
		if err != nil {
			return nil, s.translate(err, "look for peering connections")
		}
		found = append(found, page.VpcPeeringConnections...)
	}
	slices.SortFunc(found, func(a, b types.VpcPeeringConnection) int {
		return strings.Compare(aws.ToString(a.VpcPeeringConnectionId), aws.ToString(b.VpcPeeringConnectionId))
	})
	return found, nil
}

// findOurs returns the connections with our tags, of all states.
func (s *peeringStep) findOurs(ctx context.Context) ([]types.VpcPeeringConnection, error) {
	var filters []types.Filter
	for _, t := range s.tags() {
		filters = append(filters, filter("tag:"+*t.Key, *t.Value))
	}
	found, err := s.find(ctx, filters...)
	// A filter that isn't obeyed must not make somebody else's connection ours.
	return slices.DeleteFunc(found, func(c types.VpcPeeringConnection) bool { return !s.ours(&c) }), err
}

// get returns one connection, or nil when it isn't there (yet).
func (s *peeringStep) get(ctx context.Context, id string) (*types.VpcPeeringConnection, error) {
	out, err := s.client.DescribeVpcPeeringConnections(ctx, &ec2.DescribeVpcPeeringConnectionsInput{VpcPeeringConnectionIds: []string{id}}, s.as)
	switch {
	case hasCode(err, noPeering):
		return nil, nil
	case err != nil:
		return nil, s.translate(err, "look at peering connection "+id)
	case len(out.VpcPeeringConnections) == 0:
		return nil, nil
	}
	return &out.VpcPeeringConnections[0], nil
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

func id(c *types.VpcPeeringConnection) string { return aws.ToString(c.VpcPeeringConnectionId) }

func status(c *types.VpcPeeringConnection) types.VpcPeeringConnectionStateReasonCode {
	if c.Status == nil {
		return ""
	}
	return c.Status.Code
}

// live says whether a connection works or may come to work.
func live(c *types.VpcPeeringConnection) bool {
	switch status(c) {
	case types.VpcPeeringConnectionStateReasonCodeInitiatingRequest, types.VpcPeeringConnectionStateReasonCodePendingAcceptance,
		types.VpcPeeringConnectionStateReasonCodeProvisioning, types.VpcPeeringConnectionStateReasonCodeActive:
		return true
	}
	return false
}

func (s *peeringStep) account() axle.Account {
	return axle.Account{ID: s.step.Account, Name: s.step.AccountName}
}

// translate makes a failure of an error of EC2, with what was being done.
func (s *peeringStep) translate(err error, what string) error {
	f, ok := cloud.Translate(err, what, s.account(), s.step.Region).(*axle.Failure)
	if ok && f.Hint == "" {
		f.Hint = peeringHints[f.Code]
	}
	return narrow(f, s.step.Delete)
}

func (s *peeringStep) failure(code, hint, format string, args ...any) *axle.Failure {
	return &axle.Failure{Code: code, Message: fmt.Sprintf(format, args...), Resource: s.step.Name, Hint: hint}
}
