package cloud

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	defaultConcurrent = 64
	// mostConnections is how many calls to one host may be in flight, however
	// many steps there are. More gain nothing: at 60 ms a call these make 2,000
	// calls a second.
	mostConnections = 128
)

// newTransport makes a client whose pool keeps as many connections to a host
// as there may be calls in flight: with the default of 10, most calls of a wide
// run would open a connection of their own. Over HTTP/2 all calls to a region
// would share one connection and stall together, so it stays off.
func newTransport(concurrent int) *awshttp.BuildableClient {
	if concurrent <= 0 {
		concurrent = defaultConcurrent
	}
	concurrent = min(concurrent, mostConnections)
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = 10 * time.Second }).
		WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns = 0 // no limit over all hosts
			t.MaxIdleConnsPerHost = concurrent
			t.MaxConnsPerHost = mostConnections
			t.ForceAttemptHTTP2 = false
			t.ResponseHeaderTimeout = 60 * time.Second
		})
}

// freeze makes all SDK clients share the one pool of connections: left as it
// is, each would copy the transport, and a pool with it.
func freeze(client aws.HTTPClient) aws.HTTPClient {
	if b, ok := client.(*awshttp.BuildableClient); ok {
		client = b.Freeze()
	}
	return WholeBodies(client)
}

// WholeBodies is a client that sends each request's body from memory, and so in
// one write with its header. The SDK hides from net/http that its bodies are in
// memory. That costs a second write and packet for each call; and as such a
// body, once it is closed, says io.EOF for an error (smithy-go 1.28,
// safeWriteToReadCloser), an answer that comes before net/http has looked whether
// there is more to send is taken for a failed write: the connection is broken
// under the response's body, and the call repeated.
func WholeBodies(client aws.HTTPClient) aws.HTTPClient { return wholeBodies{client} }

// largestWhole is up to how many bytes a body is copied: uploads of artifacts are
// streamed.
const largestWhole = 1 << 20

type wholeBodies struct{ aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c wholeBodies) Do(r *http.Request) (*http.Response, error) {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
	case 0 < r.ContentLength && r.ContentLength <= largestWhole:
		body := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body)) // which net/http knows to be in memory
	default:
		r.Body = struct{ io.ReadCloser }{r.Body} // which hides its WriteTo
	}
	return c.HTTPClient.Do(r)
}
