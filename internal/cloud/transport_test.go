package cloud

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// selfWriting is a body as the SDK's are: it writes itself, and isn't known to be
// in memory.
type selfWriting struct{ *bytes.Reader }

func (selfWriting) Close() error { return nil }

// counted counts the writes to its connection.
type counted struct {
	net.Conn
	writes *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestWholeBodies: a request is one write, and a body that net/http could ask to
// write itself never reaches it.
func TestWholeBodies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer server.Close()
	var writes atomic.Int64
	var plain http.Transport
	defer plain.CloseIdleConnections()
	plain.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return counted{conn, &writes}, err
	}
	client := freeze(&watched{HTTPClient: &http.Client{Transport: &plain}, t: t})
	for _, test := range []struct {
		name   string
		size   int
		length int64
	}{
		{"small", 100, 100},
		{"of unknown length", 100, -1},
		{"large", largestWhole + 1, largestWhole + 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			writes.Store(0)
			text := strings.Repeat("x", test.size)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Body, r.ContentLength = selfWriting{bytes.NewReader([]byte(text))}, test.length
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || string(got) != text {
				t.Errorf("%d bytes came back of %d: %v", len(got), len(text), err)
			}
			if n := writes.Load(); test.name == "small" && n != 1 {
				t.Errorf("%d writes", n)
			}
		})
	}
}

// watched sees to it that no body writes itself.
type watched struct {
	aws.HTTPClient
	t *testing.T
}

func (c *watched) Do(r *http.Request) (*http.Response, error) {
	if _, ok := r.Body.(selfWriting); ok {
		c.t.Error("net/http gets a body that writes itself")
	}
	return c.HTTPClient.Do(r)
}

// TestBodyShorterThanItSays: nothing is sent of a body that can't be read whole.
func TestBodyShorterThanItSays(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Body, r.ContentLength = selfWriting{bytes.NewReader([]byte("hello"))}, 6
	if resp, err := freeze(http.DefaultClient).Do(r); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("got %v", err)
		resp.Body.Close()
	}
}
