package sandbox

import "encoding/xml"

// document is a configuration of a bucket that S3 takes and gives as XML. The
// sandbox keeps it; of what it says, Block Public Access, encryption and ownership
// have an effect.
type document struct {
	words        string // of the operations: Get<words>, Put<words>
	root         string // element
	action       string // IAM: Get<action>, Put<action>
	code, text   string // error when there is none
	initial      string // what a new bucket has
	remove       string // operation that removes it; "" for none
	alwaysAnswer bool   // none is an empty document, not an error
}

var documents = []document{
	{words: "PublicAccessBlock", root: "PublicAccessBlockConfiguration", action: "BucketPublicAccessBlock", remove: "DeletePublicAccessBlock",
		code: "NoSuchPublicAccessBlockConfiguration", text: "The public access block configuration was not found",
		initial: "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets>"},
	{words: "BucketEncryption", root: "ServerSideEncryptionConfiguration", action: "EncryptionConfiguration", remove: "DeleteBucketEncryption",
		code: "ServerSideEncryptionConfigurationNotFoundError", text: "The server side encryption configuration was not found",
		initial: "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule>"},
	{words: "BucketOwnershipControls", root: "OwnershipControls", action: "BucketOwnershipControls", remove: "DeleteBucketOwnershipControls",
		code: "OwnershipControlsNotFoundError", text: "The bucket ownership controls were not found",
		initial: "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"},
	{words: "BucketLifecycleConfiguration", root: "LifecycleConfiguration", action: "LifecycleConfiguration", remove: "DeleteBucketLifecycle",
		code: "NoSuchLifecycleConfiguration", text: "The lifecycle configuration does not exist"},
	{words: "BucketCors", root: "CORSConfiguration", action: "BucketCORS", remove: "DeleteBucketCors",
		code: "NoSuchCORSConfiguration", text: "The CORS configuration does not exist"},
	{words: "BucketLogging", root: "BucketLoggingStatus", action: "BucketLogging", alwaysAnswer: true},
}

func documentOps() map[string]s3Op {
	ops := map[string]s3Op{}
	for _, d := range documents {
		ops["Get"+d.words] = s3Op{run: d.get, action: "Get" + d.action}
		ops["Put"+d.words] = s3Op{run: d.put, action: "Put" + d.action}
		if d.remove != "" {
			ops[d.remove] = s3Op{run: d.delete, action: "Put" + d.action}
		}
	}
	return ops
}

func (d document) get(_ *call, b *bucket) (obj, error) {
	content, changed := b.Documents[d.root]
	if !changed {
		content = d.initial
	}
	if content == "" && !d.alwaysAnswer {
		return nil, &apiError{Status: 404, Code: d.code, Message: d.text, Extra: obj{"BucketName": b.Name}}
	}
	return s3Reply{doc: &element{name: d.root, raw: content}}.answer()
}

func (d document) put(c *call, b *bucket) (obj, error) {
	var doc struct {
		XMLName xml.Name
		Inner   string `xml:",innerxml"`
	}
	if err := c.readXML(&doc); err != nil {
		return nil, err
	}
	if doc.XMLName.Local != d.root {
		return nil, malformedXML()
	}
	if d.words == "BucketEncryption" {
		if err := checkBucketEncryption(doc.Inner); err != nil {
			return nil, err
		}
	}
	put(&b.Documents, d.root, doc.Inner)
	return s3Reply{}.answer()
}

// delete leaves none, or the initial one where S3 always has one.
func (d document) delete(_ *call, b *bucket) (obj, error) {
	put(&b.Documents, d.root, "")
	if d.words == "BucketEncryption" {
		delete(b.Documents, d.root)
	}
	return empty()
}
