package sandbox

import (
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"axle/internal/late"
)

var amazonS3 = late.MustCompile(`^(.+\.)?s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com(\.cn)?$`)

// templateObject reads a template from the sandbox's own S3, which must let
// the caller. Both of S3's URL styles do, at Amazon's names or at ours.
func (c *call) templateObject(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !c.ownS3(u) {
		return "", invalid("TemplateURL must be a supported URL.")
	}
	bucket, key := s3Path(&http.Request{Host: u.Host, URL: u})
	if bucket == "" || key == "" {
		return "", invalid("TemplateURL must reference a valid S3 object to which you have access.")
	}
	in := params{"Bucket": bucket, "Key": key}
	if v := u.Query().Get("versionId"); v != "" {
		in["Query"] = map[string]any{"versionId": v}
	}
	out, err := c.invoke("s3", "GetObject", c.Region, in)
	if err != nil {
		return "", invalid("S3 error: %s\nFor more information check http://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html", s3Words(err))
	}
	reply, _ := out[""].(s3Reply)
	if len(reply.body) > maxTemplateObject {
		return "", invalid("Template may not exceed %d bytes in size.", maxTemplateObject)
	}
	return string(reply.body), nil
}

// ownS3 says whether a URL leads to the sandbox: by Amazon's name for S3, or
// by the host that the caller reached us at.
func (c *call) ownS3(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return true
	}
	return amazonS3.MatchString(host) || c.HTTP != nil && strings.EqualFold(u.Host, c.HTTP.Host) ||
		host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// s3Words is what CloudFormation passes on of an error of S3.
func s3Words(err error) string {
	var api *apiError
	if errors.As(err, &api) {
		if api.Code == "AccessDenied" {
			return "Access Denied"
		}
		return api.Message
	}
	return err.Error()
}
