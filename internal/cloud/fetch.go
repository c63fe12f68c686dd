package cloud

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Fetch reads a document of at most limit bytes from s3://bucket/key, with the
// credentials of an account, or from an https:// URL.
func (c *Cloud) Fetch(ctx context.Context, location string, as axle.Target, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var body io.ReadCloser
	var err error
	if strings.HasPrefix(location, "s3://") {
		body, err = c.fetchObject(ctx, location, as)
	} else {
		body, err = fetchURL(ctx, location)
	}
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", location, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: it has more than %d bytes", location, limit)
	}
	return data, nil
}

func (c *Cloud) fetchObject(ctx context.Context, location string, as axle.Target) (io.ReadCloser, error) {
	bucket, key, ok := strings.Cut(strings.TrimPrefix(location, "s3://"), "/")
	if !ok || bucket == "" || key == "" {
		return nil, fmt.Errorf("read %s: it isn't of the form s3://bucket/key", location)
	}
	client, opt := c.S3(as)
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(key)}, opt)
	if err != nil {
		return nil, Translate(err, "read "+location, c.account(as.Account), as.Region)
	}
	return out.Body, nil
}

// fetchURL keeps queries, which may be signed, out of its errors.
func fetchURL(ctx context.Context, location string) (io.ReadCloser, error) {
	shown, _, _ := strings.Cut(location, "?")
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("read %s: it isn't an https:// URL", shown)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", shown, err)
	}
	out, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read %s: %s", shown, cause(err))
	}
	if out.StatusCode != http.StatusOK {
		out.Body.Close()
		return nil, fmt.Errorf("read %s: the server answers %s", shown, out.Status)
	}
	return out.Body, nil
}
