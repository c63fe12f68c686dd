package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const initialize = "init" // of an organization file, once in a project's life

// orgFormation is npm's aws-organization-formation: its init writes the
// organization to a file, then one stack goes to all accounts but the management
// one. It keeps a state file in S3, and trusts it.
func (b *bench) orgFormation(concurrent int) tool {
	run := func(args ...string) []string {
		return append([]string{"node", filepath.Join(b.peers, "node_modules/.bin/org-formation")}, args...)
	}
	update := run("update-stacks", "bench.yml", "--stack-name", "bench", "--max-concurrent-stacks", strconv.Itoa(concurrent), "--no-color")
	return tool{name: fmt.Sprintf("org-formation, %d at once", concurrent), phases: []phase{
		{name: initialize, args: run("init", "organization.yml", "--region", region, "--no-color")},
		{name: first, args: update, prepare: func(_ context.Context, dir string, _ *emulator) error {
			_, body, _ := strings.Cut(stackTemplate, "\n")
			text := `AWSTemplateFormatVersion: "2010-09-09-OC"
Organization: !Include ./organization.yml
DefaultOrganizationBinding: {Account: "*", Region: ` + region + `}
` + body
			return os.WriteFile(filepath.Join(dir, "bench.yml"), []byte(text), 0o600)
		}},
		{name: again, args: update},
	}}
}

// takomo is npm's: a file for each stack, all independent, so that it deploys
// all of them at once.
func (b *bench) takomo() tool {
	deploy := []string{"node", filepath.Join(b.peers, "node_modules/.bin/tkm"), "stacks", "deploy", "--yes", "--log", "error"}
	env := []string{"NODE_OPTIONS=--require " + filepath.Join(b.peers, "endpoint.js")}
	return tool{name: "takomo", phases: []phase{
		{name: first, args: deploy, env: env, prepare: func(ctx context.Context, dir string, e *emulator) error {
			members, err := e.members(ctx)
			if err != nil {
				return err
			}
			files := map[string]string{"templates/bench.yml": stackTemplate}
			for _, id := range members {
				files["stacks/a"+id+".yml"] = `name: bench
template: bench.yml
regions: ` + region + `
commandRole: arn:aws:iam::` + id + `:role/OrganizationAccountAccessRole
`
			}
			for name, text := range files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					return err
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: again, args: deploy, env: env},
	}}
}

// besidePeers is Axle beside other deployers, on moto, or with a stack time on
// the sandbox, which has what takomo needs but not what org-formation does. Each
// runs as wide as is best for it.
func (b *bench) besidePeers(title string, accounts int, latency, stackTime time.Duration) *setting {
	axle, loop, boto3 := b.axleTool("axle"), b.loopTool(16, []string{region}), b.boto3Tool(16)
	axle.phases = axle.phases[:3]
	s := &setting{title: title, onMoto: stackTime == 0, accounts: accounts, latency: latency, stackTime: stackTime, regions: []string{region}, proxied: true, tools: []tool{axle, loop, boto3}}
	if b.peers == "" {
		return s
	}
	peers := []tool{b.takomo()}
	if s.onMoto {
		peers = append(peers, b.orgFormation(16), b.orgFormation(accounts))
	}
	for _, peer := range peers {
		s.tools = append(s.tools, peer)
		s.goals = append(s.goals, ratio("first deploy, of that of "+peer.name, 1, axle.name, first, peer.name, first),
			ratio("again, of that of "+peer.name, 1, axle.name, again, peer.name, again))
	}
	return s
}
