package config

import (
	"time"

	"axle/internal/expr"
)

// healthTime is how long a health check may take where nothing else is said.
const healthTime = 10 * time.Minute

func (p *parser) rollout(n *node) *Rollout {
	if n == nil || n.kind != mapping {
		return nil
	}
	r := &Rollout{Pos: n.pos, Canary: p.amount(n.get("canary")), Wave: p.amount(n.get("wave")),
		MaxConcurrent: p.amount(n.get("max_concurrent")), Rollback: n.get("on_failure").Text().Value == "rollback"}
	for name, given := range map[string]Amount{"wave": r.Wave, "max_concurrent": r.MaxConcurrent} {
		if at := n.get(name); at != nil && given.N == 0 {
			p.problems.Add(at.pos, "leave it out, if there is to be no limit", "rollout.%s is 0: nothing would ever be deployed", name)
		}
	}
	tolerance := n.get("failure_tolerance")
	if tolerance != nil && tolerance.kind == mapping {
		r.WaveTolerance = p.amount(tolerance.get("wave"))
		r.OverallTolerance = p.amount(tolerance.get("overall"))
		if !tolerance.has("overall") {
			r.OverallTolerance = Amount{100, true}
		}
		if !tolerance.has("wave") {
			r.WaveTolerance = Amount{100, true}
		}
	} else {
		r.WaveTolerance = p.amount(tolerance)
		r.OverallTolerance = r.WaveTolerance
	}
	r.Pause, _ = p.duration(n.get("pause"))
	if by := n.get("order_by"); by != nil {
		order, problems := by.expression().Expression(p.known)
		p.problems = append(p.problems, problems...)
		r.OrderBy = order
	}
	if a := n.get("approval"); a != nil {
		r.Approval = ApprovalWaves
		if a.kind == mapping {
			r.Approval = Approval(a.get("after").Text().Value)
		}
		if r.Approval == ApprovalCanary && r.Canary.N == 0 {
			p.problems.Add(a.pos, "add canary: 1", "an approval after the canary, and there is no canary")
		}
	}
	r.Health = p.health(n.get("health"))
	return r
}

func (p *parser) health(n *node) *Health {
	if n == nil || n.bad {
		return nil
	}
	h := &Health{Pos: n.pos, Command: n.get("command").texts(), Timeout: healthTime}
	if d, ok := p.duration(n.get("timeout")); ok {
		h.Timeout = d
	}
	if alarms := n.get("alarms"); alarms != nil && alarms.kind == list {
		for _, item := range alarms.items {
			if item.bad || item.kind != scalar {
				continue
			}
			a := Parameter{Name: "alarm", Pos: item.pos, ValuePos: item.content}
			value, problems := item.expression().Value(p.known)
			p.problems = append(p.problems, problems...)
			if a.Value = value; value == nil {
				a.Value = expr.Broken(item.text)
			}
			h.Alarms = append(h.Alarms, a)
		}
	}
	if len(h.Alarms) == 0 && len(h.Command) == 0 {
		p.problems.Add(n.pos, "name alarms, or a command", "rollout.health checks nothing")
	}
	return h
}
