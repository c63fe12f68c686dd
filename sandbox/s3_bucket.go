package sandbox

import (
	"encoding/xml"
	"strings"
)

func bucketOps() map[string]s3Op {
	return map[string]s3Op{
		"DeleteBucket":            {run: deleteBucket, action: "DeleteBucket"},
		"HeadBucket":              {run: headBucket, action: "ListBucket"},
		"GetBucketLocation":       {run: getBucketLocation, action: "GetBucketLocation"},
		"GetBucketAcl":            {run: getBucketACL, action: "GetBucketAcl"},
		"GetBucketVersioning":     {run: getBucketVersioning, action: "GetBucketVersioning"},
		"PutBucketVersioning":     {run: putBucketVersioning, action: "PutBucketVersioning"},
		"GetBucketTagging":        {run: getBucketTagging, action: "GetBucketTagging"},
		"PutBucketTagging":        {run: putBucketTagging, action: "PutBucketTagging"},
		"DeleteBucketTagging":     {run: deleteBucketTagging, action: "PutBucketTagging"},
		"GetBucketPolicy":         {run: getBucketPolicy, action: "GetBucketPolicy"},
		"GetBucketPolicyStatus":   {run: getBucketPolicyStatus, action: "GetBucketPolicyStatus"},
		"PutBucketPolicy":         {run: putBucketPolicy, action: "PutBucketPolicy"},
		"DeleteBucketPolicy":      {run: deleteBucketPolicy, action: "DeleteBucketPolicy"},
		"GetBucketRequestPayment": {run: getBucketRequestPayment, action: "GetBucketRequestPayment"},
	}
}

// ownerID is an account's canonical user id: here its number, stretched.
func ownerID(account string) string { return strings.Repeat("0", 64-len(account)) + account }

func listBuckets(c *call) (obj, error) {
	buckets := c.Account.S3.Buckets
	names := sortedKeys(buckets)
	q := c.In.obj("Query")
	var chosen []string
	for _, n := range names {
		if strings.HasPrefix(n, q.str("prefix")) && (q.str("bucket-region") == "" || buckets[n].Region == q.str("bucket-region")) {
			chosen = append(chosen, n)
		}
	}
	page, next, ok := paginate(c.Sandbox, chosen, same, q.str("continuation-token"), q.int("max-buckets", 10000))
	if !ok {
		return nil, fail("InvalidArgument", "The continuation token provided is incorrect")
	}
	list := el("Buckets")
	for _, n := range page {
		b := buckets[n]
		list.kids = append(list.kids, el("Bucket", el("Name", n), el("CreationDate", b.Created), el("BucketRegion", b.Region), el("BucketArn", b.arn())))
	}
	return s3Reply{doc: el("ListAllMyBucketsResult", el("Owner", el("ID", ownerID(c.Account.ID))), list,
		given("ContinuationToken", next), given("Prefix", q.str("prefix")))}.answer()
}

// createBucket takes a name in the world's namespace. The region is where the
// request goes to; only us-east-1 makes buckets elsewhere.
func createBucket(c *call) (obj, error) {
	name := c.In.str("Bucket")
	if !bucketName.MatchString(name) || strings.Contains(name, "..") || looksLikIP.MatchString(name) ||
		strings.HasPrefix(name, "xn--") || strings.HasSuffix(name, "-s3alias") {
		return nil, &apiError{Code: "InvalidBucketName", Message: "The specified bucket is not valid.", Extra: obj{"BucketName": name}}
	}
	region, tags, err := c.bucketConfiguration()
	if err != nil {
		return nil, err
	}
	if b := c.anyBucket(name); b != nil {
		if b.Owner != c.Account.ID {
			return nil, &apiError{Status: 409, Code: "BucketAlreadyExists", Extra: obj{"BucketName": name},
				Message: "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."}
		}
		if c.Region == "us-east-1" && b.Region == "us-east-1" && c.Via == "" { // the oldest region still says yes
			return s3Reply{header: map[string]string{"Location": "/" + name}}.answer()
		}
		return nil, &apiError{Status: 409, Code: "BucketAlreadyOwnedByYou", Extra: obj{"BucketName": name},
			Message: "Your previous request to create the named bucket succeeded and you already own it."}
	}
	b := &bucket{Name: name, Owner: c.Account.ID, Region: region, Created: c.now(), Tags: tags}
	put(&c.Account.S3.Buckets, name, b)
	put(&c.st.Buckets, name, c.Account.ID)
	return s3Reply{header: map[string]string{"Location": "/" + name, "X-Amz-Bucket-Arn": b.arn()}}.answer()
}

// bucketConfiguration reads where a new bucket goes, and its tags.
func (c *call) bucketConfiguration() (region string, tags map[string]string, err error) {
	var conf struct {
		LocationConstraint string
		Tags               struct{ Tag []s3Tag }
	}
	if len(c.body()) > 0 {
		if err := c.readXML(&conf); err != nil {
			return "", nil, err
		}
	}
	want := conf.LocationConstraint
	switch {
	case want == "" && c.Region == "us-east-1", want == c.Region && want != "us-east-1":
		region = c.Region
	case want == "us-east-1" || want != "" && c.Account.regionStatus(want) == "":
		return "", nil, &apiError{Code: "InvalidLocationConstraint", Message: "The specified location-constraint is not valid", Extra: obj{"LocationConstraint": want}}
	case c.Region == "us-east-1":
		region = want
	case want == "":
		return "", nil, fail("IllegalLocationConstraintException", "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.")
	default:
		return "", nil, fail("IllegalLocationConstraintException", "The %s location constraint is incompatible for the region specific endpoint this request was sent to.", want)
	}
	return region, tagMap(conf.Tags.Tag), nil
}

func deleteBucket(c *call, b *bucket) (obj, error) {
	if len(b.Objects) > 0 {
		message := "The bucket you tried to delete is not empty"
		if b.Versions != "" {
			message += ". You must delete all versions in the bucket."
		}
		return nil, &apiError{Status: 409, Code: "BucketNotEmpty", Message: message, Extra: obj{"BucketName": b.Name}}
	}
	delete(c.account(b.Owner).S3.Buckets, b.Name)
	delete(c.st.Buckets, b.Name)
	return empty()
}

func headBucket(_ *call, b *bucket) (obj, error) {
	return s3Reply{header: map[string]string{"X-Amz-Access-Point-Alias": "false", "X-Amz-Bucket-Arn": b.arn()}}.answer()
}

func getBucketLocation(_ *call, b *bucket) (obj, error) {
	region := b.Region
	if region == "us-east-1" {
		region = ""
	}
	return s3Reply{doc: el("LocationConstraint", region)}.answer()
}

// getBucketACL is what every bucket has whose owner enforces ownership: full
// control for the owner alone.
func getBucketACL(_ *call, b *bucket) (obj, error) {
	grantee := el("Grantee", el("ID", ownerID(b.Owner)))
	grantee.attrs = ` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"`
	return s3Reply{doc: el("AccessControlPolicy", el("Owner", el("ID", ownerID(b.Owner))),
		el("AccessControlList", el("Grant", grantee, el("Permission", "FULL_CONTROL"))))}.answer()
}

func getBucketRequestPayment(*call, *bucket) (obj, error) {
	return s3Reply{doc: el("RequestPaymentConfiguration", el("Payer", "BucketOwner"))}.answer()
}

func getBucketVersioning(_ *call, b *bucket) (obj, error) {
	return s3Reply{doc: el("VersioningConfiguration", given("Status", b.Versions))}.answer()
}

func putBucketVersioning(c *call, b *bucket) (obj, error) {
	var conf struct{ Status, MfaDelete string }
	if err := c.readXML(&conf); err != nil {
		return nil, err
	}
	if conf.Status != "Enabled" && conf.Status != "Suspended" {
		return nil, malformedXML()
	}
	if conf.MfaDelete == "Enabled" {
		return nil, &apiError{Status: 501, Code: "NotImplemented", Message: "The sandbox has no MFA delete."}
	}
	b.Versions = conf.Status
	return s3Reply{}.answer()
}

// s3Tag is a tag as S3 writes it.
type s3Tag struct{ Key, Value string }

func tagMap(tags []s3Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}

// readTags reads a Tagging document.
func (c *call) readTags() (map[string]string, error) {
	var doc struct {
		XMLName xml.Name `xml:"Tagging"`
		TagSet  struct{ Tag []s3Tag }
	}
	if err := c.readXML(&doc); err != nil {
		return nil, err
	}
	tags := tagMap(doc.TagSet.Tag)
	if len(tags) != len(doc.TagSet.Tag) {
		return nil, fail("InvalidTag", "Cannot provide multiple Tags with the same key")
	}
	for k := range tags {
		if strings.HasPrefix(strings.ToLower(k), "aws:") && c.Via == "" {
			return nil, fail("InvalidTag", "System tags cannot be added/updated by requester")
		}
	}
	return tags, nil
}

func tagging(tags map[string]string) *element {
	set := el("TagSet")
	for _, k := range sortedKeys(tags) {
		set.kids = append(set.kids, el("Tag", el("Key", k), el("Value", tags[k])))
	}
	return el("Tagging", set)
}

func getBucketTagging(_ *call, b *bucket) (obj, error) {
	if len(b.Tags) == 0 {
		return nil, &apiError{Status: 404, Code: "NoSuchTagSet", Message: "The TagSet does not exist", Extra: obj{"BucketName": b.Name}}
	}
	return s3Reply{doc: tagging(b.Tags)}.answer()
}

func putBucketTagging(c *call, b *bucket) (obj, error) {
	tags, err := c.readTags()
	if err != nil {
		return nil, err
	}
	b.Tags = tags
	return empty()
}

func deleteBucketTagging(_ *call, b *bucket) (obj, error) {
	b.Tags = nil
	return empty()
}

func taggedBuckets(c *call) []taggedResource {
	var list []taggedResource
	for _, b := range c.Account.S3.Buckets {
		if b.Region == c.Region {
			list = append(list, taggedResource{b.arn(), b.Tags})
		}
	}
	return list
}
