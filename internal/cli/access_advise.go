package cli

import (
	"io"

	"axle/internal/report"
	"axle/policy/pattern"

	"github.com/spf13/cobra"
)

func (a *App) accessAdviseCommand() *cobra.Command {
	var ask pattern.Ask
	var where pattern.Situation
	cmd := &cobra.Command{
		Use:   "advise",
		Short: "Which access pattern fits which resource, and why",
		Long: `Recommends for each resource a role to assume, a policy on the resource or, for pods,
a Kubernetes service account's own role, and says why: whose limits the calls count
against, whether the service takes a resource policy and these actions from other
accounts, which VPC endpoints the traffic needs, what is deployed first, and when
sessions end. It ends with the axle access generate commands. AWS isn't asked.`,
		Example: `  axle access advise --caller arn:aws:iam::111111111111:role/app --from lambda \
    --resource arn:aws:dynamodb:eu-west-1:222222222222:table/orders \
    --resource arn:aws:ssm:eu-west-1:222222222222:parameter/orders/db --need read`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := a.oneRegion(&ask); err != nil {
				return err
			}
			advice, err := pattern.Advise(ask, where)
			if err != nil {
				return patternError(err)
			}
			return a.print(advice, func(out io.Writer, st report.Style) { report.Advice(out, st, advice) })
		},
	}
	f := cmd.Flags()
	needFlags(f, &ask)
	f.StringVar(&ask.Caller, "caller", "", "ARN of the role that calls (with --from eks it may be left out)")
	f.BoolVar(&ask.CallerExists, "caller-exists", false, "the caller exists already")
	f.StringVar(&ask.ExternalID, "external-id", "", "what the caller must say when it assumes a role")
	f.StringVar(&ask.Organization, "org", "", "only while the caller is in this organization (o-...)")
	f.StringVar(&where.From, "from", "", "where the code runs: lambda, ec2, ecs, fargate, eks, kubernetes or onpremises")
	f.BoolVar(&where.VPCOnly, "vpc-only", false, "traffic may not leave the VPC")
	f.IntVar(&where.CallsPerSecond, "calls-per-second", 0, "how often each resource is called")
	f.StringVar(&ask.Issuer, "issuer", "", "the cluster's OIDC issuer")
	f.StringVar(&ask.ServiceAccount, "service-account", "", "NAMESPACE/NAME")
	f.StringVar(&ask.Cluster, "cluster", "", "the EKS cluster's name, for Pod Identity")
	f.StringVar(&ask.ClusterAccount, "cluster-account", "", "the EKS cluster's account")
	return cmd
}
