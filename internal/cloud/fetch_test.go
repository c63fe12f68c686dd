package cloud

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"axle"
	"axle/sandbox"
)

func TestFetch(t *testing.T) {
	h := newHouse(t, sandbox.Options{})
	c := h.cloud(t, Access{For: members})
	ctx := context.Background()
	hub := axle.Target{Account: "222222222222", Region: "eu-west-1"}
	a := c.Artifacts(hub, Readers{Accounts: []string{"333333333333"}})
	const key = "templates/x.yaml"
	if err := a.Put(ctx, key, func() (io.ReadSeekCloser, error) { return noClose{strings.NewReader("Resources: {}")}, nil }); err != nil {
		t.Fatal(err)
	}
	address, err := a.URL(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	object := "s3://" + strings.TrimPrefix(address, h.URL+"/")
	if body, err := c.Fetch(ctx, object, axle.Target{Account: "333333333333", Region: "eu-west-1"}, 100); err != nil || string(body) != "Resources: {}" {
		t.Errorf("got %q, %v", body, err)
	}
	if _, err := c.Fetch(ctx, object, hub, 5); err == nil || !strings.Contains(err.Error(), "more than 5 bytes") {
		t.Errorf("past the limit: %v", err)
	}
	var f *axle.Failure
	if _, err := c.Fetch(ctx, object+".no", hub, 100); !errors.As(err, &f) || f.Code != "NoSuchKey" {
		t.Errorf("no such object: %v", err)
	}
	for _, bad := range []string{"s3://bucket", "http://example.com/x", "https://127.0.0.1:1/x?X-Amz-Signature=secret"} {
		if _, err := c.Fetch(ctx, bad, hub, 100); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

type noClose struct{ io.ReadSeeker }

func (noClose) Close() error { return nil }

func TestArtifactAddresses(t *testing.T) {
	newWire(t)
	t.Setenv("AWS_ENDPOINT_URL", "")
	c, err := New(context.Background(), Options{Region: "eu-west-1"})
	if err != nil {
		t.Fatal(err)
	}
	for region, want := range map[string]string{
		"us-east-1":     "https://axle-artifacts-222222222222-us-east-1.s3.us-east-1.amazonaws.com/templates/x.yaml",
		"cn-north-1":    "https://axle-artifacts-222222222222-cn-north-1.s3.cn-north-1.amazonaws.com.cn/templates/x.yaml",
		"us-gov-west-1": "https://axle-artifacts-222222222222-us-gov-west-1.s3.us-gov-west-1.amazonaws.com/templates/x.yaml",
	} {
		got, err := c.Artifacts(axle.Target{Account: "222222222222", Region: region}, Readers{}).URL(context.Background(), "templates/x.yaml")
		if err != nil || got != want {
			t.Errorf("%s: %s, %v", region, got, err)
		}
	}
}
