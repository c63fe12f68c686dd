package store

import (
	"fmt"
	"net/url"
	"strings"

	"axle/internal/late"
)

// TableAddress says where a store in DynamoDB and S3 is.
type TableAddress struct {
	Table  string
	Region string // "": the hub's
	Bucket string // "": <table>-<account>-<region>
}

// Lengths are apart: a pattern that counts to 255 is slow to compile.
var (
	tableNames = late.MustCompile(`^[a-zA-Z0-9_.-]+$`)
	// bucketStart is what a table's name must be like to begin a bucket's.
	bucketStart = late.MustCompile(`^[a-z0-9][a-z0-9-]+$`)
	bucketNames = late.MustCompile(`^[a-z0-9][a-z0-9.-]+[a-z0-9]$`)
	regionNames = late.MustCompile(`^[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}$`)
)

// IsDynamoDB says whether a store's address is one of DynamoDB.
func IsDynamoDB(address string) bool { return strings.HasPrefix(address, "dynamodb://") }

// ParseTableAddress reads dynamodb://TABLE?region=REGION&bucket=BUCKET, of which
// the table is enough. The error is an *Error.
func ParseTableAddress(address string) (TableAddress, error) {
	bad := func(format string, args ...any) (TableAddress, error) {
		return TableAddress{}, &Error{Path: address, Summary: fmt.Sprintf(format, args...),
			Hint: "write dynamodb://axle-journal, or dynamodb://axle-journal?region=eu-west-1&bucket=my-bucket"}
	}
	rest, _ := strings.CutPrefix(address, "dynamodb://")
	table, options, _ := strings.Cut(rest, "?")
	if len(table) < 3 || len(table) > 255 || !tableNames.MatchString(table) {
		return bad("%q isn't the name of a table: 3 to 255 letters, digits, dashes, dots and underscores", table)
	}
	a := TableAddress{Table: table}
	values, err := url.ParseQuery(options)
	if err != nil {
		return bad("what follows ? can't be read")
	}
	for name, value := range values {
		switch last := value[len(value)-1]; {
		case name == "region" && regionNames.MatchString(last):
			a.Region = last
		case name == "bucket" && len(last) <= 63 && bucketNames.MatchString(last):
			a.Bucket = last
		case name == "region", name == "bucket":
			return bad("%q isn't a %s", last, name)
		default:
			return bad("it takes region and bucket, and %q is neither", name)
		}
	}
	if a.Bucket == "" && (len(table) > 32 || !bucketStart.MatchString(table)) {
		return bad("a bucket can't be named after table %q: name one with ?bucket=", table)
	}
	return a, nil
}

// In is the address with all that it left to the hub's account and region.
func (a TableAddress) In(account, region string) TableAddress {
	if a.Region == "" {
		a.Region = region
	}
	if a.Bucket == "" {
		a.Bucket = a.Table + "-" + account + "-" + a.Region
	}
	return a
}
