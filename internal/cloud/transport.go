package cloud

import (
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
	return plainBodies{client}
}

// plainBodies hides that the SDK's request bodies can write themselves. Once it
// is closed, which the SDK does when the response's header is there, such a body
// says io.EOF for an error (smithy-go 1.28, safeWriteToReadCloser). When the
// answer comes before net/http has looked whether there is more to send, it takes
// that for a failed write and breaks the connection under the response's body.
type plainBodies struct{ aws.HTTPClient }

// Do implements aws.HTTPClient.
func (c plainBodies) Do(r *http.Request) (*http.Response, error) {
	if _, ok := r.Body.(io.WriterTo); ok && r.Body != http.NoBody {
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return c.HTTPClient.Do(r)
}
