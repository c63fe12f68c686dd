package cloud

import (
	"context"
	"errors"
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
	location = Unsigned(location)
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", location, err)
	}
	if int64(len(data)) > limit {
		return nil, &axle.Failure{Code: "TooLarge", Message: fmt.Sprintf("read %s: it has more than %d bytes", location, limit),
			Hint: "CloudFormation takes no more: take parts of it out into nested stacks"}
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
		err = Translate(err, "read "+location, c.account(as.Account), as.Region)
		if f, ok := errors.AsType[*axle.Failure](err); ok && f.Hint == "" {
			f.Hint = "bucket and key must be there, and the credentials of the hub account need s3:GetObject on it"
		}
		return nil, err
	}
	return out.Body, nil
}

// Unsigned is a location for people: without the query of a URL, whose signature
// lets everybody in who has it.
func Unsigned(location string) string {
	if !strings.HasPrefix(location, "https://") {
		return location
	}
	shown, _, _ := strings.Cut(location, "?")
	return shown
}

func fetchURL(ctx context.Context, location string) (io.ReadCloser, error) {
	shown := Unsigned(location)
	failed := func(why any) error {
		return &axle.Failure{Code: "TemplateURL", Message: fmt.Sprintf("read %s: %v", shown, why),
			Hint: "it is read without credentials, and must answer with the template itself; s3://bucket/key is read with those of the hub account"}
	}
	u, err := url.Parse(location)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, failed("it isn't an https:// URL")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, failed("it isn't an https:// URL")
	}
	client := http.Client{CheckRedirect: func(next *http.Request, before []*http.Request) error {
		if next.URL.Scheme != "https" {
			return errors.New("it leads to an address without https")
		}
		if len(before) > 5 {
			return errors.New("it leads from one address to the next")
		}
		return nil
	}}
	out, err := client.Do(req)
	if err != nil {
		return nil, failed(cause(err))
	}
	if out.StatusCode != http.StatusOK {
		out.Body.Close()
		return nil, failed("the server answers " + out.Status)
	}
	return out.Body, nil
}
