package sandbox

import (
	"encoding/xml"
	"maps"
	"strings"
)

// The headers of server-side encryption, which an object keeps.
const (
	sseHeader       = "X-Amz-Server-Side-Encryption"
	sseKeyHeader    = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	sseBucketHeader = "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
)

// bucketEncryption is the configuration of a bucket's encryption.
type bucketEncryption struct {
	Rule []struct {
		Default struct {
			SSEAlgorithm, KMSMasterKeyID string
		} `xml:"ApplyServerSideEncryptionByDefault"`
		BucketKeyEnabled string
	}
}

// checkBucketEncryption refuses a configuration that names no known algorithm,
// or a key where none is used.
func checkBucketEncryption(text string) error {
	var doc bucketEncryption
	if xml.Unmarshal([]byte("<X>"+text+"</X>"), &doc) != nil || len(doc.Rule) != 1 {
		return malformedXML()
	}
	switch d := doc.Rule[0].Default; {
	case d.SSEAlgorithm == "aws:kms" || d.SSEAlgorithm == "aws:kms:dsse":
	case d.SSEAlgorithm != "AES256":
		return malformedXML()
	case d.KMSMasterKeyID != "":
		return fail("InvalidArgument", "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse")
	}
	return nil
}

// defaultEncryption is what a bucket does with objects whose writer doesn't
// say: the headers as if they had.
func (b *bucket) defaultEncryption() map[string]string {
	var doc bucketEncryption
	out := map[string]string{sseHeader: "AES256"}
	text := b.Documents["ServerSideEncryptionConfiguration"]
	if text == "" || xml.Unmarshal([]byte("<X>"+text+"</X>"), &doc) != nil {
		return out
	}
	for _, r := range doc.Rule {
		out[sseHeader], out[sseKeyHeader], out[sseBucketHeader] = r.Default.SSEAlgorithm, r.Default.KMSMasterKeyID, r.BucketKeyEnabled
	}
	return out
}

// encryption decides how an object that is written is encrypted, and that the
// writer may use the key. A key that isn't an ARN is one of the writer's
// account, which need not be the bucket's.
func (c *call) encryption(b *bucket, key string) (map[string]string, error) {
	if c.header("X-Amz-Server-Side-Encryption-Customer-Algorithm") != "" {
		return nil, &apiError{Status: 501, Code: "NotImplemented", Message: "The sandbox doesn't serve encryption with keys that customers provide (SSE-C)."}
	}
	if c.header("X-Amz-Server-Side-Encryption-Context") != "" {
		return nil, &apiError{Status: 501, Code: "NotImplemented", Message: "The sandbox doesn't serve x-amz-server-side-encryption-context."}
	}
	out := b.defaultEncryption()
	if m := c.header(sseHeader); m != "" {
		bucketKey := out[sseBucketHeader]
		out = map[string]string{sseHeader: m, sseKeyHeader: c.header(sseKeyHeader), sseBucketHeader: bucketKey}
		if c.header(sseBucketHeader) != "" {
			out[sseBucketHeader] = c.header(sseBucketHeader)
		}
	} else if c.header(sseKeyHeader) != "" {
		return nil, fail("InvalidArgument", "Requests specifying Server Side Encryption with AWS KMS managed keys must provide the appropriate %s.", strings.ToLower(sseHeader))
	}
	switch out[sseHeader] {
	case "AES256":
		if out[sseKeyHeader] != "" {
			return nil, fail("InvalidArgument", "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms")
		}
		return map[string]string{sseHeader: "AES256"}, nil
	case "aws:kms", "aws:kms:dsse":
	default:
		return nil, fail("InvalidArgument", "The encryption method specified is not supported")
	}
	if !strings.EqualFold(out[sseBucketHeader], "true") {
		delete(out, sseBucketHeader)
	}
	arn, err := c.useKeys(c.Account.ID, out[sseKeyHeader], "s3", b.sseContext(key, out), "kms:GenerateDataKey")
	if err != nil {
		return nil, err
	}
	out[sseKeyHeader] = arn
	return out, nil
}

// sseContext is the encryption context: the object, or the bucket where it has
// a key of its own.
func (b *bucket) sseContext(key string, header map[string]string) map[string]string {
	if header[sseBucketHeader] != "" {
		return map[string]string{"aws:s3:arn": b.arn()}
	}
	return map[string]string{"aws:s3:arn": b.arn() + "/" + key}
}

// mayDecrypt refuses unless the caller may use the key that something is under.
func (c *call) mayDecrypt(b *bucket, key string, header map[string]string) error {
	if header[sseKeyHeader] == "" {
		return nil
	}
	_, err := c.useKeys(b.Owner, header[sseKeyHeader], "s3", b.sseContext(key, header), "kms:Decrypt")
	return err
}

// encrypted are an object's headers with those of its encryption.
func encrypted(header, sse map[string]string) map[string]string {
	out := maps.Clone(header)
	if out == nil {
		out = map[string]string{}
	}
	for _, k := range []string{sseHeader, sseKeyHeader, sseBucketHeader} {
		delete(out, k)
	}
	maps.Copy(out, sse)
	return out
}

// sayEncryption adds to an answer how the object is encrypted.
func sayEncryption(answer, header map[string]string) {
	for _, k := range []string{sseHeader, sseKeyHeader, sseBucketHeader} {
		if header[k] != "" {
			answer[k] = header[k]
		}
	}
}

// checkACL refuses what a bucket without ACLs refuses: any but the one that
// gives all to the bucket's owner, who has it anyway.
func (c *call) checkACL(b *bucket) error {
	acl := c.header("X-Amz-Acl")
	granted := false
	for k := range c.In.obj("Header") {
		granted = granted || strings.HasPrefix(k, "X-Amz-Grant-")
	}
	if acl == "" && !granted || acl == "bucket-owner-full-control" && !granted {
		return nil
	}
	if doc, set := b.Documents["OwnershipControls"]; !set || strings.Contains(doc, "BucketOwnerEnforced") {
		return fail("AccessControlListNotSupported", "The bucket does not allow ACLs")
	}
	return nil
}
