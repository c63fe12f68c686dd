package main

import (
	"fmt"
	"time"

	"axle/sandbox"
)

const (
	pageOfAccounts = 20 // that ListAccounts gives at once
	// fleetBound is how much longer than it must a deployment may take.
	fleetBound = 1.25
)

// fleet is one stack in every account, with AWS's rates or a part of them.
func (b *bench) fleet(title, limits string, accounts int, stackTime time.Duration) *setting {
	axle := b.axleTool("axle")
	axle.phases = axle.phases[:3]
	s := &setting{title: title, accounts: accounts, stackTime: stackTime, limits: limits, regions: []string{region}, tools: []tool{axle}}
	for _, phase := range []string{first, again, anew} {
		if least, _ := s.least(phase); least > 0 {
			s.goals = append(s.goals, s.ofBound(phase))
		}
	}
	return s
}

// storm is a fleet with a tenth of AWS's rates, where three calls of ten are
// throttled besides.
func (b *bench) storm() *setting {
	s := b.fleet("throttle storm: a tenth of AWS's rates, 30 % of the calls throttled besides", "aws/10", 200, 10*time.Second)
	s.faults = []sandbox.Fault{{Kind: "throttle", Probability: 0.3}}
	for i := range s.goals {
		s.goals[i].bound = 0 // that it ends well is the goal
	}
	return s
}

// ofBound compares a phase with what can't be beaten.
func (s *setting) ofBound(phase string) goal {
	g := goal{text: phase + ", of the bound", bound: fleetBound, unit: "x", of: func(s *setting, r results) float64 {
		least, _ := s.least(phase)
		return r.wall("axle", phase).Seconds() / least.Seconds()
	}}
	if phase != first { // less than a second, which the machine decides
		g.bound = 0
	}
	return g
}

// least is the time in which a phase can be done at best under the limits, and
// why. The last account is known once its page of ListAccounts is; it can be
// entered by then as far as STS lets; then its stack takes its time. Every other
// limit is an account's own, and the few calls for one stack are within what it
// lets through at once.
func (s *setting) least(phase string) (time.Duration, string) {
	calls := map[string]int{"sts:AssumeRole": s.accounts}
	if phase != again { // which has the list of the run before
		calls["organizations:ListAccounts"] = (s.accounts + pageOfAccounts) / pageOfAccounts // with the management account
	}
	var begin time.Duration
	why := ""
	for _, api := range []string{"organizations:ListAccounts", "sts:AssumeRole"} {
		rate, atOnce, ok := sandbox.Rate(s.limits, api)
		if !ok || calls[api] == 0 {
			continue
		}
		wait := time.Duration(max(0, float64(calls[api])-atOnce) / rate * float64(time.Second))
		why += fmt.Sprintf("%d %s (%g at once, then %g/s) %.1f s; ", calls[api], api, atOnce, rate, wait.Seconds())
		begin = max(begin, wait)
	}
	why += "the longer of them"
	if phase == first {
		begin += s.stackTime
		why += fmt.Sprintf(", and a stack %s", s.stackTime)
	}
	return begin, why
}
