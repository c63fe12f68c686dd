package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// contention repeats, beside what the SDK does, transactions that met another on
// the same item (a heartbeat, for one), or that are throttled: their reasons are
// within an error of another name.
type contention struct{ aws.Retryer }

func (c contention) IsErrorRetryable(err error) bool {
	return contended(err) || c.Retryer.IsErrorRetryable(err)
}

func (c contention) RetryDelay(attempt int, err error) (time.Duration, error) {
	if !contended(err) {
		return c.Retryer.RetryDelay(attempt, err)
	}
	most := min(20*time.Millisecond<<min(attempt, 10), 5*time.Second)
	return most/2 + rand.N(most/2+1), nil
}

// contended says that a transaction can be tried again. A condition that doesn't
// hold is an answer.
func contended(err error) bool {
	var conflict *types.TransactionConflictException
	if errors.As(err, &conflict) {
		return true
	}
	again := false
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		for _, reason := range cancelled.CancellationReasons {
			switch aws.ToString(reason.Code) {
			case "ConditionalCheckFailed":
				return false
			case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded":
				again = true
			}
		}
	}
	return again
}

// The next steps for a store that isn't there, or that may not be used.
const (
	missing    = "axle bootstrap --only-store --yes makes the table and its bucket; axle bootstrap --yes also the roles"
	unentitled = "axle bootstrap --yes lets the hub role use the table and its bucket"
)

// throttled are the codes of calls that came too fast, also after all retries.
var throttled = []string{"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "SlowDown"}

var denied = []string{"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "KMSAccessDeniedException", "KMS.AccessDeniedException"}

// explain turns errors that a user can do something about into an *Error. What
// the door to AWS has explained already stays.
func (s *DynamoDB) explain(doing string, err error) error {
	var known *Error
	var entered *axle.Failure
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.As(err, &entered):
		return fmt.Errorf("%s: %s: %w", s.place, doing, entered)
	case errors.Is(err, errClosed), errors.Is(err, axle.ErrNotFound), errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", doing, err)
	}
	out := &Error{Path: s.place, Summary: doing, Err: said(err)}
	var api smithy.APIError
	if !errors.As(err, &api) {
		out.Summary, out.Hint = "can't be reached", "check the network and AWS_ENDPOINT_URL; when it is back, axle resume goes on"
		return out
	}
	switch code := api.ErrorCode(); {
	case code == "ResourceNotFoundException":
		out.Summary, out.Err, out.Hint = "there is no such table", nil, missing
	case slices.Contains(denied, code):
		out.Summary, out.Hint = doing+": these credentials may not", unentitled+"; without access.via whoever runs axle needs dynamodb:DescribeTable, GetItem, PutItem, UpdateItem, Query and ConditionCheckItem on it"
	case slices.Contains(throttled, code) || contended(err):
		out.Summary, out.Hint = doing+": the table is throttled", "a table that is paid by request adapts by itself, one with provisioned capacity needs more; axle resume goes on"
	case code == "ExpiredTokenException":
		out.Hint = "sign in again, then axle resume goes on"
	case api.ErrorFault() == smithy.FaultServer:
		out.Summary, out.Hint = doing+": DynamoDB doesn't serve now", "when it is back, axle resume goes on"
	}
	return out
}

// explainBucket is explain for calls of S3. HEAD has no body that would have a
// code.
func (s *DynamoDB) explainBucket(doing string, err error) error {
	var answer *smithyhttp.ResponseError
	out := s.explain(doing, err)
	var known *Error
	if !errors.As(out, &known) || !errors.As(err, &answer) {
		return out
	}
	known.Path = fmt.Sprintf("s3://%s (of %s)", s.at.Bucket, s.place)
	switch answer.HTTPStatusCode() {
	case http.StatusNotFound:
		known.Summary, known.Err, known.Hint = "there is no such bucket", nil, missing
		if code := codeOf(err); code == "NoSuchKey" {
			known.Summary, known.Hint = doing+": the object isn't there any more", "objects of the bucket aren't to be deleted; earlier versions of it may be there"
		}
	case http.StatusForbidden:
		known.Summary, known.Hint = doing+": these credentials may not use the bucket, or it is another account's", unentitled+"; without access.via whoever runs axle needs s3:ListBucket on it, s3:GetObject and s3:PutObject on its objects"
	case http.StatusMovedPermanently:
		known.Summary, known.Err, known.Hint = "is in another region than the table", nil, "name a bucket of "+s.at.Region+" in the store's address"
	}
	return known
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// said is what AWS says, without the SDK's wrapping, which has ids of requests.
func said(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		if api.ErrorMessage() == "" {
			return errors.New(api.ErrorCode())
		}
		return fmt.Errorf("%s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	var spent *retry.MaxAttemptsError
	if errors.As(err, &spent) {
		err = spent.Err
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		err = op.Err
	}
	return err
}
