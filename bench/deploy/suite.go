package main

import (
	"fmt"
	"time"
)

// goal is a bound, on ratios of medians or on counts.
type goal struct {
	text  string
	bound float64
	unit  string
	of    func(s *setting, r results) float64
}

// suite is the setting of that name with what is expected of it.
func (b *bench) suite(name string) (*setting, error) {
	one := []string{region}
	axle, axle16, loop, boto3 := b.axleTool("axle"), b.axleTool("axle, 16 at once", "--max-concurrent", "16"), b.loopTool(16, one), b.boto3Tool(16)
	calls := []goal{
		{"calls for a created target", 6, "", perTarget(axle.name, first)},
		{"calls for an unchanged target, with the record", 1, "", perTarget(axle.name, again)},
		{"calls for an unchanged target, without it", 2, "", perTarget(axle.name, anew)},
	}
	switch name {
	case "moto":
		return &setting{title: "moto, no latency", onMoto: true, accounts: 100, regions: one,
			tools: []tool{axle, axle16, loop, boto3}, turns: []tool{axle, loop},
			goals: append(calls,
				ratio("first deploy, of boto3's", 1.2, axle.name, first, boto3.name, first),
				ratio("first deploy at 16, of boto3's", 1.2, axle16.name, first, boto3.name, first),
				goal{"again in turns, of the Go loop's", 1, "x", func(_ *setting, r results) float64 { return r.pairwise(axle.name, loop.name) }})}, nil
	case "sandbox":
		return &setting{title: "sandbox, no latency", accounts: 100, regions: one, tools: []tool{axle, loop, boto3}, goals: calls}, nil
	case "latency":
		alone := b.axleTool("axle, one account", "--where", `account.name == "tools"`)
		alone.targets, alone.phases = 1, alone.phases[:1]
		return &setting{title: "sandbox, 60 ms a call", accounts: 50, regions: one, latency: 60 * time.Millisecond, stackTime: 5 * time.Second,
			tools: []tool{axle, axle16, loop, boto3, alone},
			goals: append(calls,
				ratio("first deploy at 16, of the Go loop's", 1.1, axle16.name, first, loop.name, first),
				goal{"first deploy at default settings, of one stack's time", 2, "x", func(s *setting, r results) float64 {
					return r.wall(axle.name, first).Seconds() / s.stackTime.Seconds()
				}},
				ratio("the same, of axle deploy for one account", 2, axle.name, first, alone.name, first),
				ratio("again at 16, of the Go loop's", 1, axle16.name, again, loop.name, again),
				ratio("again at default settings, of the Go loop's", 1, axle.name, again, loop.name, again))}, nil
	case "regions":
		four := []string{"eu-west-1", "eu-central-1", "us-east-1", "us-west-2"}
		axle.phases, loop = axle.phases[:3], b.loopTool(16, four)
		return &setting{title: "sandbox, 4 regions, no latency", accounts: 500, regions: four, tools: []tool{axle, loop},
			goals: append(calls,
				goal{"again", 20, " s", func(_ *setting, r results) float64 { return r.wall(axle.name, again).Seconds() }},
				goal{"again, memory", 500, " MiB", func(_ *setting, r results) float64 { return float64(r.peak(axle.name, again) >> 20) }})}, nil
	case "peers":
		return b.besidePeers("moto, no latency", 100, 0, 0), nil
	case "peers-latency":
		return b.besidePeers("moto, 60 ms a call", 50, 60*time.Millisecond, 0), nil
	case "peers-stacks":
		return b.besidePeers("sandbox, 60 ms a call", 50, 60*time.Millisecond, 5*time.Second), nil
	case "fleet":
		return b.fleet("sandbox with AWS's rates", "aws", 1000, 30*time.Second), nil
	case "fleet-small":
		return b.fleet("sandbox with AWS's rates", "aws", 100, 10*time.Second), nil
	case "storm":
		return b.storm(), nil
	}
	return nil, fmt.Errorf("no suite is called %q", name)
}

func ratio(text string, bound float64, tool, phase, peer, peerPhase string) goal {
	return goal{text, bound, "x", func(_ *setting, r results) float64 {
		return r.wall(tool, phase).Seconds() / r.wall(peer, peerPhase).Seconds()
	}}
}

func perTarget(tool, phase string) func(*setting, results) float64 {
	return func(s *setting, r results) float64 {
		target, _, _ := r.calls(tool, phase)
		return float64(target) / float64(s.targets(tool))
	}
}
