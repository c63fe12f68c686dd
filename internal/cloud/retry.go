package cloud

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	maxAttempts = 20 // of a throttled call
	maxFaults   = 4  // of a call that meets a broken connection or a 5xx
	backoffBase = 50 * time.Millisecond
	throttled0  = 250 * time.Millisecond
	backoffCap  = 5 * time.Second // the lane paces the calls of all besides
)

// throttleCodes are the codes that mean "slower". The SDK's table counts
// LimitExceededException among them, which in CloudFormation, IAM and
// Organizations says that a quota is used up: waiting doesn't help.
var throttleCodes = func() map[string]struct{} {
	codes := map[string]struct{}{"ThrottlingError": {}, "Throttled": {}}
	for code := range retry.DefaultThrottleErrorCodes {
		if code != "LimitExceededException" {
			codes[code] = struct{}{}
		}
	}
	return codes
}()

// isThrottle says whether AWS asked for fewer calls.
func isThrottle(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	if _, ok := throttleCodes[api.ErrorCode()]; ok {
		return true
	}
	// S3's answer to a HEAD has no body to say SlowDown in: 503 is all of it.
	var answer *smithyhttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusServiceUnavailable &&
		answer.Response.Request != nil && answer.Response.Request.Method == http.MethodHead
}

// newRetryer makes a retryer without a token bucket: throttling is answered by
// the lane of its own account, region and API, and mustn't use up the patience
// of anything else. So it holds no state, and all calls can share it.
func newRetryer() aws.Retryer {
	return patience{retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.RateLimiter = ratelimit.None
		o.Retryables = []retry.IsErrorRetryable{
			retry.NoRetryCanceledError{},
			retry.RetryableError{},
			retry.RetryableConnectionError{},
			retry.RetryableHTTPStatusCode{Codes: retry.DefaultRetryableHTTPStatusCodes},
			retry.RetryableErrorCode{Codes: retry.DefaultRetryableErrorCodes},
			retry.RetryableErrorCode{Codes: throttleCodes},
		}
	})}
}

// patience gives throttled calls many attempts and broken ones a few: the
// engine repeats the step of a broken one later.
type patience struct{ *retry.Standard }

func (patience) RetryDelay(attempt int, err error) (time.Duration, error) {
	base := throttled0
	var renewed *renewedError
	switch {
	case errors.As(err, &renewed):
		// However often the call was throttled before: the watcher counts these.
		return backoffBase, nil
	case !isThrottle(err):
		if attempt >= maxFaults {
			return 0, err
		}
		base = backoffBase
	}
	// AWS_NEW_RETRIES_2026 makes the SDK count from 0.
	most := min(base<<min(max(attempt-1, 0), 10), backoffCap)
	return most/2 + rand.N(most/2+1), nil
}
