package sandbox

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Fault is something that goes wrong on schedule: which requests (or, for kind
// fail, which resources of stacks) it hits, when, and what happens to them.
// Empty conditions match everything; service, operation, stack, resource and
// type may hold * and ?.
type Fault struct {
	// Kind is throttle, deny, drop (the connection), expire (the session that
	// calls), delay, error (Code, Message and Status) or fail (a resource).
	Kind      string `yaml:"kind"`
	Service   string `yaml:"service"`
	Operation string `yaml:"operation"`
	Account   string `yaml:"account"`
	Region    string `yaml:"region"`

	Stack    string `yaml:"stack"`    // of kind fail: the stack's name
	Resource string `yaml:"resource"` // its logical id
	Type     string `yaml:"type"`     // its type
	On       string `yaml:"on"`       // create, update, delete, rollback (of an update or import) or import; "" is create or update

	Nth         int     `yaml:"nth"`         // only the n-th that matches
	After       int     `yaml:"after"`       // not the first n that match
	Count       int     `yaml:"count"`       // at most n times; 0 has no limit
	Probability float64 `yaml:"probability"` // of those left; 0 is always

	Delay   time.Duration `yaml:"delay"`   // of kind delay
	Code    string        `yaml:"code"`    // of kind error
	Message string        `yaml:"message"` // of kinds error, deny and fail
	Status  int           `yaml:"status"`  // of kind error, 400 when 0
}

// ParseFaults reads a list of faults under the key "faults", strictly. name is
// for messages.
func ParseFaults(name string, src []byte) ([]Fault, error) {
	var file struct {
		Faults []Fault `yaml:"faults"`
	}
	d := yaml.NewDecoder(bytes.NewReader(src))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var errs []error
	for i, f := range file.Faults {
		if err := f.check(); err != nil {
			errs = append(errs, fmt.Errorf("%s: fault %d: %w", name, i+1, err))
		}
	}
	return file.Faults, errors.Join(errs...)
}

func (f *Fault) check() error {
	kinds := []string{"throttle", "deny", "drop", "expire", "delay", "error", "fail"}
	switch {
	case !slices.Contains(kinds, f.Kind):
		return fmt.Errorf("kind %q isn't one of %s", f.Kind, strings.Join(kinds, ", "))
	case f.Kind == "delay" && f.Delay <= 0:
		return errors.New("kind delay needs a delay")
	case f.Kind == "error" && f.Code == "":
		return errors.New("kind error needs a code")
	case f.Kind != "fail" && (f.Stack != "" || f.Resource != "" || f.Type != "" || f.On != ""):
		return errors.New("stack, resource, type and on belong to kind fail")
	case f.Kind == "fail" && (f.Service != "" || f.Operation != ""):
		return errors.New("kind fail has no service and operation")
	case !slices.Contains([]string{"", "create", "update", "delete", "rollback", "import"}, f.On):
		return fmt.Errorf("on %q isn't create, update, delete, rollback or import", f.On)
	case f.Probability < 0 || f.Probability > 1:
		return errors.New("probability is between 0 and 1")
	}
	for _, pattern := range []string{f.Service, f.Operation, f.Stack, f.Resource, f.Type, f.Region} {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", pattern, err)
		}
	}
	return nil
}

// SetFaults replaces what goes wrong on schedule; what was counted of the
// faults before is forgotten.
func (s *Sandbox) SetFaults(faults []Fault) error {
	var states []*faultState
	for i := range faults {
		if err := faults[i].check(); err != nil {
			return fmt.Errorf("fault %d: %w", i+1, err)
		}
		states = append(states, &faultState{Fault: faults[i]})
	}
	s.lock()
	defer s.unlock()
	s.faults = states
	return nil
}

// faultState is a fault with what has come of it.
type faultState struct {
	Fault
	seen, hit int
}

// like matches a pattern; the empty one matches everything.
func like(pattern, value string) bool {
	if pattern == "" {
		return true
	}
	ok, _ := path.Match(strings.ToLower(pattern), strings.ToLower(value))
	return ok
}

// strikes counts one that matches and says whether it is hit.
func (f *faultState) strikes(random func() float64) bool {
	f.seen++
	switch {
	case f.Nth > 0 && f.seen != f.Nth, f.seen <= f.After, f.Count > 0 && f.hit >= f.Count:
		return false
	case f.Probability > 0 && random() >= f.Probability:
		return false
	}
	f.hit++
	return true
}

// mishap is what happens to a request instead of being served, or before.
type mishap struct {
	err   *apiError
	drop  bool
	delay time.Duration
}

// occasional is how often an unkind sandbox throttles.
const occasional = 0.02

// trouble is what goes wrong with a request: scheduled faults first, then the
// limits, then an unkind sandbox's whims.
func (s *Sandbox) trouble(c *call, svc service) mishap {
	var m mishap
	for _, f := range s.faults {
		if f.Kind == "fail" || !like(f.Service, c.Service) || !like(f.Operation, c.Op) ||
			f.Account != "" && f.Account != c.Account.ID || !like(f.Region, c.Region) {
			continue
		}
		if f.Kind == "expire" && c.Who.Expires.IsZero() || !f.strikes(s.random) {
			continue
		}
		switch f.Kind {
		case "delay":
			m.delay += f.Delay
			continue
		case "drop":
			m.drop = true
		case "throttle":
			m.err = refuse(svc, throttled, "Rate exceeded")
		case "expire":
			c.Who.Expires = s.now().Add(-time.Second)
			m.err = refuse(svc, expiredToken, "")
		case "deny":
			message := f.Message
			if message == "" {
				message = "User: " + c.Who.ARN + " is not authorized to perform: " + iamPrefix(c.Service) + ":" + c.Op + " with an explicit deny in a service control policy"
			}
			m.err = refuse(svc, accessDenied, message)
		case "error":
			m.err = &apiError{Status: f.Status, Code: f.Code, Message: f.Message}
		}
		return m
	}
	if !s.limits.take(c, s.now()) {
		m.err = refuse(svc, throttled, "Rate exceeded")
	} else if s.opts.Unkind && s.random() < occasional {
		m.err = refuse(svc, throttled, "Rate exceeded")
		s.calls[c.Service+":"+c.Op]-- // it comes again, and is counted then
	}
	return m
}

// faultFor is the reason why a resource of a stack is made to fail, "" when it
// isn't. verb is create, update, delete or rollback.
func (s *Sandbox) faultFor(account, region, stack, logicalID, resourceType, verb string) string {
	for _, f := range s.faults {
		if f.Kind != "fail" || f.Account != "" && f.Account != account || !like(f.Region, region) ||
			!like(f.Stack, stack) || !like(f.Resource, logicalID) || !like(f.Type, resourceType) {
			continue
		}
		if f.On != verb && (f.On != "" || verb == "delete" || verb == "rollback" || verb == "import") || !f.strikes(s.random) {
			continue
		}
		if f.Message != "" {
			return f.Message
		}
		return "Resource handler returned message: \"Internal failure (scheduled by the sandbox)\" (HandlerErrorCode: InternalFailure)"
	}
	return ""
}

// stale says whether an unkind sandbox still shows what was before a change at
// the time given: for 0.2 to 1 second, which is the same for all who ask, so
// that a change that was seen stays seen.
func (s *Sandbox) stale(changed time.Time) bool {
	age := s.now().Sub(changed)
	if !s.opts.Unkind || age >= time.Second {
		return false
	}
	h := fnv.New64a()
	_ = binary.Write(h, binary.BigEndian, []int64{s.opts.Seed, changed.UnixNano()})
	const least = time.Second / 5
	return age < least+time.Duration(h.Sum64()%uint64(time.Second-least))
}
