package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"axle/internal/report"
	"axle/sandbox"

	"github.com/spf13/cobra"
)

func (a *App) sandboxTokenCommand() *cobra.Command {
	var cluster string
	var lasts time.Duration
	var req sandbox.TokenRequest
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Mint a service account's token of a fake Kubernetes cluster",
		Long: `Asks the sandbox at AWS_ENDPOINT_URL for the web identity token that a pod of a
cluster would have, and prints it. The sandbox is the issuer of its fake
clusters: a role that trusts an IAM OIDC provider of the issuer's URL can be
assumed with the token, as EKS does it (IAM roles for service accounts). A real
cluster writes such a token into the pod by a projected volume and keeps it
fresh; here it is a file that you write.

EKS Pod Identity and SAML aren't in the sandbox.`,
		Example: `  axle sandbox token --cluster prod --namespace shop --service-account cart > token
  AWS_WEB_IDENTITY_TOKEN_FILE=token AWS_ROLE_ARN=arn:aws:iam::222222222222:role/cart aws sts get-caller-identity`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cluster == "" || req.Namespace == "" || req.ServiceAccount == "" {
				return &usageError{errors.New("--cluster, --namespace and --service-account are needed"), ""}
			}
			if lasts < time.Minute {
				return &usageError{errors.New("--duration is at least a minute"), ""}
			}
			req.Seconds, req.Region = int(lasts.Seconds()), a.Getenv("AWS_REGION")
			if len(a.flags.regions) > 0 {
				req.Region = a.flags.regions[0]
			}
			t, err := a.mint(cmd.Context(), cluster, req)
			if err != nil {
				return err
			}
			return a.print(t, func(out io.Writer, _ report.Style) {
				fmt.Fprint(out, t.Token)
				if a.OutTTY { // a file has the token alone, as the kubelet writes it
					fmt.Fprintln(out)
				}
			})
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&cluster, "cluster", "", "the cluster, which comes into being with its first token")
	fl.StringVar(&req.Namespace, "namespace", "", "the service account's namespace")
	fl.StringVar(&req.ServiceAccount, "service-account", "", "the service account")
	fl.StringVar(&req.Audience, "audience", "sts.amazonaws.com", "whom the token is for")
	fl.StringVar(&req.Issuer, "issuer", "", "the cluster's issuer (default https://oidc.eks.REGION.amazonaws.com/id/CLUSTER)")
	fl.DurationVar(&lasts, "duration", 24*time.Hour, "how long it is valid")
	return cmd
}

// mint asks the running sandbox, which has the cluster's key.
func (a *App) mint(ctx context.Context, cluster string, req sandbox.TokenRequest) (*sandbox.Token, error) {
	endpoint := a.Getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		return nil, &usageError{errors.New("AWS_ENDPOINT_URL isn't set"), "start axle sandbox and set the variables that it prints"}
	}
	body, err := json.Marshal(req)
	if err != nil {
		return nil, fmt.Errorf("encode the request for a token: %w", err)
	}
	at := strings.TrimRight(endpoint, "/") + "/oidc/id/" + url.PathEscape(cluster) + "/token"
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask the sandbox at AWS_ENDPOINT_URL for a token: %w", err)
	}
	post.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{Timeout: 30 * time.Second}).Do(post)
	if err != nil {
		return nil, fmt.Errorf("ask the sandbox at AWS_ENDPOINT_URL for a token: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the sandbox's token: %w", err)
	}
	var out struct {
		sandbox.Token
		Message string `json:"message"`
	}
	if err := json.Unmarshal(text, &out); err != nil || res.StatusCode != http.StatusOK && out.Message == "" {
		return nil, fmt.Errorf("what answers at %s isn't a sandbox of this version (HTTP %s)", endpoint, res.Status)
	}
	if out.Message != "" {
		return nil, &usageError{errors.New(out.Message), ""}
	}
	return &out.Token, nil
}
