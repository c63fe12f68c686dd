package pattern

import (
	"fmt"
	"slices"
	"strings"
)

// sources are where a profile's own credentials come from, by what runs the code.
var sources = map[string]string{"": "source_profile = default", "lambda": "credential_source = Environment", "ecs": "credential_source = EcsContainer",
	"fargate": "credential_source = EcsContainer", "ec2": "credential_source = Ec2InstanceMetadata"}

func (b *builder) profileName(r madeRole, all []madeRole) string {
	name := b.name()
	if len(all) > 1 {
		name += "-" + r.account
	}
	return name
}

// profile is an AWS config file with which SDKs assume the role by themselves.
func (b *builder) profile(roles []madeRole) {
	source, ok := sources[b.ask.SessionSource]
	if !ok {
		source = sources[""]
	}
	var t strings.Builder
	t.WriteString("# Every AWS SDK and tool assumes the role by itself, and anew before it ends:\n# AWS_CONFIG_FILE=aws-config AWS_PROFILE=" + b.profileName(roles[0], roles) + "\n")
	if source == sources[""] {
		t.WriteString("# source_profile is where the caller's own credentials are. On Lambda write\n# credential_source = Environment in its place, on ECS EcsContainer, on EC2\n# Ec2InstanceMetadata.\n")
	}
	if source == sources[""] || b.ask.SessionSource == "lambda" {
		t.WriteString("# Credentials in the environment, as Lambda has them, win over AWS_PROFILE: there\n# name the profile where the client is made.\n")
	}
	for _, r := range roles {
		fmt.Fprintf(&t, "\n[profile %s]\nrole_arn = %s\n%s\nrole_session_name = %s\n", b.profileName(r, roles), r.arn, source, shorten(b.caller.name, 64))
		if b.ask.ExternalID != "" {
			fmt.Fprintf(&t, "external_id = %s\n", b.ask.ExternalID)
		}
		fmt.Fprintf(&t, "region = %s\nsts_regional_endpoints = regional\n", b.regionIn(r.list))
	}
	b.file("aws-config", "AWS profiles: no code changes", t.String())
}

func (b *builder) regionIn(list []*resource) string {
	if len(list) > 0 {
		return list[0].region
	}
	return b.ask.Region
}

// credentials are a configuration of Axle that enters the accounts by the role:
// axle credentials is then a credential_process.
func (b *builder) credentials(roles []madeRole) {
	var accounts []string
	for _, r := range roles {
		accounts = append(accounts, r.account)
	}
	access := Map{{"role", roles[0].name}}
	if b.ask.ExternalID != "" {
		access = append(access, Pair{"external_id", b.ask.ExternalID})
	}
	var t strings.Builder
	t.WriteString("# Enters the accounts by the role, as the caller. In an AWS config file:\n")
	for _, r := range roles {
		fmt.Fprintf(&t, "#   [profile %s]\n#   credential_process = axle -f /PATH/TO/credentials.yaml credentials %s\n", b.profileName(r, roles), r.account)
	}
	t.WriteString(Map{{"name", b.projectName()}, {"organization", Map{{"source", "file:credentials.json"}}}, {"access", access}, {"regions", []any{b.ask.Region}}}.yaml())
	b.file("credentials.yaml", "axle credentials as a credential_process", t.String())
	b.file("credentials.json", "the accounts of credentials.yaml", `["`+strings.Join(accounts, `","`)+"\"]\n")
}

func (b *builder) roleNotes() {
	b.note("Calls count against the limits of the account that owns the resource.")
	if b.ask.TrustAccount {
		b.note("--trust-account: whoever may call sts:AssumeRole in account %s gets the role.", b.caller.arn.account)
	}
	if b.ask.ExternalID == "" {
		b.note("No external id: right within one's own organization. A caller of somebody else's should need one (--external-id), against the confused deputy.")
	}
	b.note("A session lasts an hour. A caller that is a role itself chains: AWS never gives such a session more than an hour, so the credentials must be renewed, which the profile does.")
	if !slices.ContainsFunc(b.resources, func(r *resource) bool { return r.account != b.caller.arn.account }) {
		b.note("All resources are in the caller's own account: its own policy would be enough.")
	}
}

func (b *builder) policyNotes() {
	b.note("Calls count against the limits of the caller's account.")
	b.note("The application names each resource by its full ARN (a queue by its URL): a bare name means the caller's own account.")
	if b.ask.Create && slices.ContainsFunc(b.resources, func(r *resource) bool { return r.service.prefix == "dynamodb" }) {
		b.note("The table's key is a string named id: edit the template before the first deployment if it is to be another.")
	}
	for _, r := range b.resources {
		if r.service.prefix == "secretsmanager" && !r.created && len(b.keysOf(r)) == 0 && len(r.kms) > 0 {
			b.note("%s must be encrypted with a customer managed key whose policy lets the caller decrypt: say which with --kms-key. With aws/secretsmanager other accounts can't read it.", r.arn.text)
		}
	}
}
