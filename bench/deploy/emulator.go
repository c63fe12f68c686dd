package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"axle/internal/cloud"
	"axle/sandbox"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

const region = "eu-west-1" // home, and of most stacks

// emulator is a fresh organization for one tool, with its calls counted: those
// that arrive at url.
type emulator struct {
	url, key, secret string
	calls            func() map[string]int
	close            func() error
}

// env are the variables that point an AWS tool at it.
func (e *emulator) env() []string {
	return []string{"AWS_ENDPOINT_URL=" + e.url, "AWS_ACCESS_KEY_ID=" + e.key, "AWS_SECRET_ACCESS_KEY=" + e.secret,
		"AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"}
}

// config is for calls of our own.
func (e *emulator) config(ctx context.Context) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithBaseEndpoint(e.url),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(e.key, e.secret, "")))
	cfg.HTTPClient = cloud.WholeBodies(cfg.HTTPClient)
	return cfg, err
}

// startSandbox serves a sandbox from this process.
func startSandbox(s *setting) (*emulator, error) {
	box, err := sandbox.New(sandbox.Options{Accounts: s.accounts, Latency: s.latency, StackTime: s.stackTime,
		Limits: s.limits, Faults: s.faults, Seed: 1, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("serve the sandbox: %w", err), box.Close())
	}
	server := &http.Server{Handler: box}
	go func() { _ = server.Serve(l) }() // ends with close
	key, secret := box.Credentials()
	return &emulator{
		url: "http://" + l.Addr().String(), key: key, secret: secret,
		calls: box.Calls,
		close: func() error { return errors.Join(server.Close(), box.Close()) },
	}, nil
}

// members are the accounts but the management one.
func (e *emulator) members(ctx context.Context) ([]string, error) {
	cfg, err := e.config(ctx)
	if err != nil {
		return nil, err
	}
	client := organizations.NewFromConfig(cfg)
	org, err := client.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	if err != nil {
		return nil, err
	}
	var out []string
	pages := organizations.NewListAccountsPaginator(client, &organizations.ListAccountsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, a := range page.Accounts {
			if aws.ToString(a.Id) != aws.ToString(org.Organization.MasterAccountId) {
				out = append(out, aws.ToString(a.Id))
			}
		}
	}
	return out, nil
}

// startMoto starts moto, and makes an organization in it. Calls are counted on the
// way to it, by a proxy which takes its part of the machine: what is timed goes
// straight to moto, unless a latency is asked for.
func startMoto(ctx context.Context, python, script string, s *setting, counted bool) (*emulator, error) {
	cmd := exec.CommandContext(ctx, python, script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start moto: %w", err)
	}
	stop := func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()                          // by the signal
		return nil
	}
	told, err := readExports(bufio.NewScanner(out))
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	e := &emulator{url: told["AWS_ENDPOINT_URL"], key: told["AWS_ACCESS_KEY_ID"], secret: told["AWS_SECRET_ACCESS_KEY"],
		calls: func() map[string]int { return nil }, close: stop}
	if counted || s.latency > 0 {
		count, err := newProxy(e.url, s.latency)
		if err != nil {
			return nil, errors.Join(err, stop())
		}
		e.url, e.calls = count.url, count.Calls
		e.close = func() error { return errors.Join(count.close(), stop()) }
	}
	if err := e.found(ctx, s.accounts); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// readExports reads the variables that the start script prints once it serves.
func readExports(lines *bufio.Scanner) (map[string]string, error) {
	told := map[string]string{}
	for told["AWS_REGION"] == "" && lines.Scan() {
		if name, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "="); ok {
			told[name] = value
		}
	}
	if told["AWS_REGION"] == "" {
		return nil, fmt.Errorf("moto didn't start: %w", errors.Join(lines.Err(), errors.New("its script ended")))
	}
	return told, nil
}

// found makes an organization of that many members.
func (e *emulator) found(ctx context.Context, accounts int) error {
	cfg, err := e.config(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := organizations.NewFromConfig(cfg)
	if _, err := client.CreateOrganization(ctx, &organizations.CreateOrganizationInput{FeatureSet: types.OrganizationFeatureSetAll}); err != nil {
		return err
	}
	for i := range accounts {
		_, err := client.CreateAccount(ctx, &organizations.CreateAccountInput{
			AccountName: aws.String(fmt.Sprintf("bench-%d", i+1)), Email: aws.String(fmt.Sprintf("bench-%d@example.com", i+1))})
		if err != nil {
			return err
		}
	}
	return warm(ctx, cfg)
}

// warm makes a stack and deletes it: moto loads the code of a service with its
// first call, which no tool shall pay for.
func warm(ctx context.Context, cfg aws.Config) error {
	client := cloudformation.NewFromConfig(cfg)
	name := aws.String("warm")
	if _, err := client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: aws.String(stackTemplate)}); err != nil {
		return err
	}
	_, err := client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name})
	return err
}
