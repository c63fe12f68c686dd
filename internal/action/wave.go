package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"axle"
	"axle/internal/cloud"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"golang.org/x/sync/errgroup"
)

// CloudWatchClients is like EC2Clients, for CloudWatch.
type CloudWatchClients interface {
	CloudWatch(axle.Target) (*cloudwatch.Client, func(*cloudwatch.Options))
}

// Wave is the gate after a wave of a rollout: it ends well when the pause is
// over, the wave's alarms are in OK, the command has exited 0, and a person has
// approved, each where it is asked for. What it waits for is in its token.
type Wave struct {
	Clients CloudWatchClients
	// Run is the run's id, and Dir where commands are run.
	Run, Dir string
	// Accounts are those of the run, by id.
	Accounts map[string]axle.Account
	// Approved says whether a person has approved of what follows a wave.
	Approved func(stack string, wave int) bool
}

// The phases of a gate, which begin its token.
const (
	wavePause    = "pause"
	waveHealth   = "health"
	waveApproval = "approval"
	waveDone     = "done"
)

// alarmLook is how long it takes until alarms without data are looked at again.
const alarmLook = 10 * time.Second

// waveState is the token of a gate: what it needs to go on without its inputs.
type waveState struct {
	phase    string
	Until    time.Time   `json:"until,omitzero"` // of the pause, or of the health check
	Alarms   []waveAlarm `json:"alarms,omitempty"`
	Accounts string      `json:"accounts,omitempty"`
}

type waveAlarm struct {
	Account string `json:"account"`
	Region  string `json:"region"`
	Name    string `json:"name"`
}

func (s waveState) token() string {
	body, err := json.Marshal(s)
	if err != nil { // of strings and a time: it can't be
		return s.phase
	}
	return s.phase + " " + string(body)
}

func parseWaveState(token string) (waveState, error) {
	phase, body, _ := strings.Cut(token, " ")
	s := waveState{phase: phase}
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return s, fmt.Errorf("gate of a wave has the unknown token %q: %w", token, err)
	}
	return s, nil
}

// Start begins the pause.
func (a *Wave) Start(_ context.Context, step *axle.Step, in axle.Inputs) (axle.Progress, error) {
	s := waveState{phase: wavePause, Accounts: in.Values["accounts"], Until: time.Now().Add(step.Spec.Wave.Pause)}
	for name, value := range in.Values {
		parts := strings.Split(name, "/")
		if len(parts) != 4 || parts[0] != "alarm" {
			continue
		}
		alarm := waveAlarm{Account: parts[2], Region: parts[3], Name: value}
		if strings.HasPrefix(value, "arn:") {
			arn := strings.SplitN(value, ":", 7)
			if len(arn) < 7 || arn[2] != "cloudwatch" || arn[5] != "alarm" || arn[4] != alarm.Account {
				return axle.Progress{}, &axle.Failure{Code: axle.CodeUnhealthy, Resource: value,
					Message: fmt.Sprintf("%s is not an alarm of account %s", value, alarm.Account), Hint: "write the name of an alarm in each target, or its ARN"}
			}
			alarm.Region, alarm.Name = arn[3], arn[6]
		}
		s.Alarms = append(s.Alarms, alarm)
	}
	slices.SortFunc(s.Alarms, func(x, y waveAlarm) int {
		return strings.Compare(x.Account+x.Region+x.Name, y.Account+y.Region+y.Name)
	})
	return a.enter(step, s)
}

// enter begins a phase, or the next one where nothing is asked for.
func (a *Wave) enter(step *axle.Step, s waveState) (axle.Progress, error) {
	spec := step.Spec.Wave
	if s.phase == wavePause {
		if spec.Pause > 0 {
			return axle.Progress{Token: s.token(), Again: time.Until(s.Until),
				Result: axle.Result{Note: "waiting " + spec.Pause.String() + " after " + waveName(spec)}}, nil
		}
		s.phase = waveHealth
	}
	if s.phase == waveHealth {
		if spec.Alarms || len(spec.Command) > 0 {
			s.Until = time.Now().Add(spec.Timeout)
			return axle.Progress{Token: s.token(), Result: axle.Result{Note: "checking the health of " + waveName(spec)}}, nil
		}
		s.phase = waveApproval
	}
	if s.phase == waveApproval && spec.Approval && !a.Approved(spec.Stack, spec.Wave) {
		return axle.Progress{Token: s.token()}, nil
	}
	return axle.Progress{Done: true, Result: axle.Result{Change: axle.None}}, nil
}

func waveName(spec *axle.WaveSpec) string { return axle.WaveName(spec.Wave, spec.Of, spec.Canary) }

// Check looks whether the phase of the token is over.
func (a *Wave) Check(ctx context.Context, step *axle.Step, token string) (axle.Progress, error) {
	s, err := parseWaveState(token)
	if err != nil {
		return axle.Progress{}, err
	}
	spec := step.Spec.Wave
	switch s.phase {
	case wavePause:
		if left := time.Until(s.Until); left > 0 {
			return axle.Progress{Token: token, Again: left}, nil
		}
		s.phase = waveHealth
	case waveHealth:
		well, err := a.alarms(ctx, step, s)
		if err != nil {
			return axle.Progress{}, err
		}
		if !well {
			return axle.Progress{Token: token, Again: min(alarmLook, max(time.Until(s.Until), time.Millisecond))}, nil
		}
		if err := a.command(ctx, step, s); err != nil {
			return axle.Progress{}, err
		}
		s.phase = waveApproval
	case waveApproval:
		if !a.Approved(spec.Stack, spec.Wave) {
			return axle.Progress{}, axle.ErrWaiting
		}
		s.phase = waveDone
	}
	return a.enter(step, s)
}

// alarms says whether all of the wave's alarms are in OK. One in ALARM, or that
// isn't there, is a failure at once; one without data when the time is over.
func (a *Wave) alarms(ctx context.Context, step *axle.Step, s waveState) (well bool, err error) {
	byTarget := map[axle.Target][]string{}
	for _, alarm := range s.Alarms {
		t := axle.Target{Account: alarm.Account, Region: alarm.Region}
		byTarget[t] = append(byTarget[t], alarm.Name)
	}
	targets := make([]axle.Target, 0, len(byTarget))
	for t := range byTarget {
		targets = append(targets, t)
	}
	slices.SortFunc(targets, axle.Target.Compare)
	without := make([]string, len(targets))
	failures := make([]error, len(targets))
	var g errgroup.Group
	g.SetLimit(32)
	for i, t := range targets {
		g.Go(func() error {
			without[i], failures[i] = a.look(ctx, step, t, byTarget[t])
			return nil
		})
	}
	_ = g.Wait() // the failures are told apart
	bad := 0
	for _, err := range failures {
		if err != nil {
			bad++
		}
	}
	for _, err := range failures {
		var f *axle.Failure
		if errors.As(err, &f) && f.Code == axle.CodeUnhealthy && bad > 1 {
			f.Message += fmt.Sprintf(" (and %d more targets)", bad-1)
		}
		if err != nil {
			return false, err
		}
	}
	if i := slices.IndexFunc(without, func(name string) bool { return name != "" }); i >= 0 {
		if time.Now().Before(s.Until) {
			return false, nil
		}
		return false, &axle.Failure{Code: axle.CodeUnhealthy, Resource: without[i],
			Message: fmt.Sprintf("alarm %s in %s has no data yet after %s", without[i], a.where(targets[i]), step.Spec.Wave.Timeout),
			Hint:    "let missing data count as not breaching (TreatMissingData: notBreaching), or raise health.timeout"}
	}
	return true, nil
}

// look reads the alarms of one target; it names one that has no data.
func (a *Wave) look(ctx context.Context, step *axle.Step, t axle.Target, names []string) (without string, err error) {
	client, opt := a.Clients.CloudWatch(t)
	states := map[string]types.StateValue{}
	why := map[string]string{}
	for chunk := range slices.Chunk(names, 100) {
		out, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: chunk, MaxRecords: aws.Int32(100),
			AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm}}, opt)
		if err != nil {
			return "", cloud.Translate(err, "look at the alarms of "+step.Name, a.account(t), t.Region)
		}
		for _, m := range out.MetricAlarms {
			states[aws.ToString(m.AlarmName)], why[aws.ToString(m.AlarmName)] = m.StateValue, aws.ToString(m.StateReason)
		}
		for _, m := range out.CompositeAlarms {
			states[aws.ToString(m.AlarmName)], why[aws.ToString(m.AlarmName)] = m.StateValue, aws.ToString(m.StateReason)
		}
	}
	for _, name := range names {
		f := &axle.Failure{Code: axle.CodeUnhealthy, Resource: name}
		switch state, ok := states[name]; {
		case !ok:
			f.Message = fmt.Sprintf("alarm %s doesn't exist in %s", name, a.where(t))
			f.Hint = "rollout.health.alarms names alarms that every target has"
			return "", f
		case state == types.StateValueAlarm:
			f.Message = fmt.Sprintf("alarm %s in %s is in ALARM: %s", name, a.where(t), why[name])
			return "", f
		case state != types.StateValueOk:
			without = name
		}
	}
	return without, nil
}

func (a *Wave) account(t axle.Target) axle.Account {
	if known, ok := a.Accounts[t.Account]; ok {
		return known
	}
	return axle.Account{ID: t.Account}
}

func (a *Wave) where(t axle.Target) string { return a.account(t).Label() + " " + t.Region }

// command runs the health command; what it says last is the failure's message.
func (a *Wave) command(ctx context.Context, step *axle.Step, s waveState) error {
	spec := step.Spec.Wave
	if len(spec.Command) == 0 {
		return nil
	}
	inner, cancel := context.WithTimeout(ctx, spec.Timeout)
	defer cancel()
	cmd := exec.CommandContext(inner, spec.Command[0], spec.Command[1:]...)
	apart(cmd)
	cmd.Dir, cmd.WaitDelay = a.Dir, 2*time.Second
	cmd.Env = append(os.Environ(), "AXLE_RUN="+a.Run, "AXLE_STACK="+spec.Stack, fmt.Sprintf("AXLE_WAVE=%d", spec.Wave), "AXLE_ACCOUNTS="+s.Accounts)
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	f := &axle.Failure{Code: axle.CodeUnhealthy, Resource: spec.Command[0], Message: fmt.Sprintf("%s: %v", spec.Command[0], err)}
	if inner.Err() != nil {
		f.Message = fmt.Sprintf("%s didn't exit within %s", spec.Command[0], spec.Timeout)
	}
	if said := lastLines(string(out), 3); said != "" {
		f.Message += ": " + said
	}
	return f
}

// lastLines are the last n lines of a text on one line, at most 500 characters.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	said := strings.Join(lines[max(len(lines)-n, 0):], " / ")
	return said[max(len(said)-500, 0):]
}
