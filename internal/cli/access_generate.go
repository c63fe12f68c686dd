package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"axle/internal/report"
	"axle/policy/pattern"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// generateFlags are those of all patterns.
type generateFlags struct {
	ask   pattern.Ask
	out   string
	force bool
}

func (a *App) accessGenerateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "generate PATTERN",
		Short: "Write both sides of access to another account's resources",
		Long: `Writes the templates, policies and configuration with which a caller of one account
reaches resources of another, as a project that axle deploy takes as it is:

  role             a role in the resources' account that the caller assumes
  resource-policy  a policy on each resource that names the caller
  kubernetes       a role that a Kubernetes service account gets by itself
  stack-output     the roles by which templates read other accounts' outputs

Each statement has this caller, these ARNs and these actions, and both sides are
written. "axle access advise" says which pattern fits.`,
		Example: `  axle access generate role --caller arn:aws:iam::111111111111:role/app \
    --resource arn:aws:dynamodb:eu-west-1:222222222222:table/orders --need read --out access \
    --access-role OrganizationAccountAccessRole
  axle deploy -f access/axle.yaml`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.generateRoleCommand(), a.generateResourcePolicyCommand(), a.generateKubernetesCommand(), a.generateStackOutputCommand())
	return cmd
}

// needFlags are what every pattern asks for.
func needFlags(f *pflag.FlagSet, ask *pattern.Ask) {
	f.StringArrayVar(&ask.Resources, "resource", nil, "full ARN of what is to be reached; may be given again")
	f.StringSliceVar(&ask.Needs, "need", nil, "read, write, send, receive, invoke, decrypt, ... or actions")
	f.StringArrayVar(&ask.KMSKeys, "kms-key", nil, "ARN of the key that the resources are encrypted with; may be given again")
	f.StringVar(&ask.ResourceAccount, "resource-account", "", "owner of resources whose ARN has no account, as buckets")
}

func (g *generateFlags) common(cmd *cobra.Command) {
	f := cmd.Flags()
	needFlags(f, &g.ask)
	f.StringVar(&g.out, "out", "", "folder to write to (default: everything to stdout)")
	f.BoolVar(&g.force, "force", false, "overwrite files that exist")
	f.StringVar(&g.ask.Name, "name", "", "the role's name, and the project's before -role, -policy or -pods (default: access-CALLER-RESOURCE)")
	f.BoolVar(&g.ask.Fragment, "fragment", false, "only the stacks, for an axle.yaml that exists")
	f.StringVar(&g.ask.AccessRole, "access-role", "axle-spoke", "access.role of the axle.yaml: the role that deploys, which must be allowed to make roles and policies")
	f.StringVar(&g.ask.AccessVia, "access-via", "", "access.via of the axle.yaml: ARN of the first hop")
}

func (g *generateFlags) caller(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&g.ask.Caller, "caller", "", "ARN of the role that calls")
	f.BoolVar(&g.ask.CallerExists, "caller-exists", false, "the caller exists already: name it itself")
	f.BoolVar(&g.ask.CreateCaller, "create-caller", false, "make the caller's role too")
	f.StringVar(&g.ask.CallerTrust, "caller-trust", "", "who may assume the made caller: lambda.amazonaws.com, or an ARN")
	f.StringVar(&g.ask.Organization, "org", "", "only while the caller is in this organization (o-...)")
}

func (a *App) generateRoleCommand() *cobra.Command {
	var g generateFlags
	cmd := &cobra.Command{
		Use:   "role",
		Short: "A role in the resources' account that the caller assumes",
		Long: `Writes a role in the account of the resources, which trusts the caller alone and may
do what is needed on the resources alone; the caller's permission to assume it; and
an AWS profile with which SDKs do so by themselves, so that no code changes.

Without --caller-exists the trust names the caller's account narrowed to the caller
by aws:PrincipalArn, as IAM refuses to trust a role that doesn't exist yet.`,
		Example: `  axle access generate role --caller arn:aws:iam::111111111111:role/app --caller-exists \
    --resource arn:aws:dynamodb:eu-west-1:222222222222:table/orders --need read --external-id 5f2c-orders`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.generate(&g, pattern.Role) },
	}
	g.common(cmd)
	g.caller(cmd)
	cmd.Flags().StringVar(&g.ask.ExternalID, "external-id", "", "what the caller must say when it assumes the role")
	cmd.Flags().BoolVar(&g.ask.TrustAccount, "trust-account", false, "trust the caller's whole account")
	cmd.Flags().StringVar(&g.ask.SessionSource, "from", "", "where the code runs: lambda, ecs, ec2 (for the profile)")
	return cmd
}

func (a *App) generateResourcePolicyCommand() *cobra.Command {
	var g generateFlags
	cmd := &cobra.Command{
		Use:   "resource-policy",
		Short: "A policy on each resource that names the caller",
		Long: `Writes a policy for each resource in the form that CloudFormation has for its
service, the statement for its key, and the caller's own side. Where CloudFormation
carries a policy only as a property of the resource itself, it is a fragment for the
resource's own template, unless --create makes the resource here.`,
		Example: `  axle access generate resource-policy --caller arn:aws:iam::111111111111:role/app --caller-exists \
    --resource arn:aws:s3:::orders --resource-account 222222222222 --region eu-west-1 --need read
  axle access generate resource-policy --create --caller arn:aws:iam::111111111111:role/app \
    --resource arn:aws:secretsmanager:eu-west-1:222222222222:secret:db --need read --out access`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.generate(&g, pattern.ResourcePolicy) },
	}
	g.common(cmd)
	g.caller(cmd)
	cmd.Flags().BoolVar(&g.ask.Create, "create", false, "make the resources too; secrets with a key")
	cmd.Flags().BoolVar(&g.ask.Encrypt, "encrypt", false, "with --create: encrypt all of them with a made key")
	return cmd
}

func (a *App) generateKubernetesCommand() *cobra.Command {
	var g generateFlags
	cmd := &cobra.Command{
		Use:   "kubernetes",
		Short: "A role that a Kubernetes service account gets by itself",
		Long: `Writes what gives pods of a service account a role in the account of the resources:
the cluster's OIDC provider in each such account, roles that trust this service
account's tokens alone, and the ServiceAccount with its annotation. Any cluster
whose issuer AWS can reach will do.

With --pod-identity it is EKS Pod Identity: a role in the cluster's account and an
association, from which EKS goes on to a role in the resources' account.`,
		Example: `  axle access generate kubernetes --issuer https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE \
    --service-account shop/checkout --resource arn:aws:dynamodb:eu-west-1:222222222222:table/orders --need read
  axle access generate kubernetes --pod-identity --cluster shop --cluster-account 111111111111 \
    --service-account shop/checkout --resource arn:aws:dynamodb:eu-west-1:222222222222:table/orders --need read`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.generate(&g, pattern.Kubernetes) },
	}
	g.common(cmd)
	f := cmd.Flags()
	f.StringVar(&g.ask.Issuer, "issuer", "", "the cluster's OIDC issuer, with https://")
	f.StringVar(&g.ask.ServiceAccount, "service-account", "", "NAMESPACE/NAME")
	f.StringVar(&g.ask.Audience, "audience", "", "whom the tokens are for (default sts.amazonaws.com)")
	f.BoolVar(&g.ask.ProviderExists, "provider-exists", false, "the accounts have the OIDC provider already")
	f.BoolVar(&g.ask.PodIdentity, "pod-identity", false, "by EKS Pod Identity; --region is the cluster's")
	f.StringVar(&g.ask.Cluster, "cluster", "", "with --pod-identity: the EKS cluster's name")
	f.StringVar(&g.ask.ClusterAccount, "cluster-account", "", "with --pod-identity: the cluster's account")
	return cmd
}

func (a *App) generate(g *generateFlags, kind string) error {
	g.ask.Pattern = kind
	if err := a.oneRegion(&g.ask); err != nil {
		return err
	}
	bundle, err := pattern.Generate(g.ask)
	if err != nil {
		return patternError(err)
	}
	shown := &report.Pattern{Bundle: bundle, Folder: g.out}
	if g.out != "" {
		if err := writeFiles(g.out, bundle.Files, g.force); err != nil {
			return err
		}
	}
	return a.print(shown, func(out io.Writer, st report.Style) {
		shown.Text(out, st)
		if g.out != "" && !g.ask.Fragment {
			fmt.Fprintf(out, "\nNext: axle plan -f %s, axle deploy -f %[1]s\n", report.Word(filepath.Join(g.out, "axle.yaml")))
		}
	})
}

// oneRegion takes --region, which patterns need one of.
func (a *App) oneRegion(ask *pattern.Ask) error {
	if len(a.flags.regions) > 1 {
		return &usageError{errors.New("--region is given twice"), "the resources' ARNs say where they are; --region is for what has none"}
	}
	if len(a.flags.regions) == 1 {
		ask.Region = a.flags.regions[0]
	}
	return nil
}

func patternError(err error) error {
	var m *pattern.Mistake
	if errors.As(err, &m) {
		return &usageError{m, m.Hint}
	}
	return err
}

// writeFiles writes all files or, when one of them exists, none.
func writeFiles(dir string, files []pattern.File, force bool) error {
	for _, f := range files {
		if path := filepath.Join(dir, f.Path); !force && fileExists(path) {
			return &usageError{fmt.Errorf("%s exists already", path), "--force overwrites it; --out names another folder"}
		}
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the folder of %s: %w", path, err)
		}
		if err := os.WriteFile(path, []byte(f.Text), 0o644); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}
