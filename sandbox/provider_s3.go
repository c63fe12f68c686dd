package sandbox

import (
	"bytes"
	"reflect"
	"strings"
)

// s3Providers are S3's resource types.
func s3Providers() map[string]provider {
	return map[string]provider{
		"AWS::S3::Bucket":       bucketProvider(),
		"AWS::S3::BucketPolicy": bucketPolicyProvider(),
	}
}

// unservedBucketProperties are those that the sandbox refuses to pretend.
var unservedBucketProperties = []string{"AccelerateConfiguration", "AccessControl", "AnalyticsConfigurations", "IntelligentTieringConfigurations",
	"InventoryConfigurations", "LoggingConfiguration", "MetadataConfiguration", "MetadataTableConfiguration", "MetricsConfigurations",
	"NotificationConfiguration", "ObjectLockConfiguration", "ReplicationConfiguration", "WebsiteConfiguration"}

func bucketProvider() provider {
	p := provider{
		properties: map[string]property{"BucketName": replaces, "BucketEncryption": mutable, "CorsConfiguration": mutable,
			"LifecycleConfiguration": mutable, "ObjectLockEnabled": mutable, "OwnershipControls": mutable,
			"PublicAccessBlockConfiguration": mutable, "VersioningConfiguration": mutable, "Tags": mutable},
		attributes: []string{"Arn", "DomainName", "DualStackDomainName", "RegionalDomainName", "WebsiteURL"},
		name:       "BucketName",
		tags:       "Tags",
	}
	for _, name := range unservedBucketProperties {
		p.properties[name] = mutable
	}
	p.create = func(rc *resourceCall) (string, map[string]any, error) {
		if err := rc.refuseBucketProperties(); err != nil {
			return "", nil, err
		}
		name := rc.Props.str("BucketName")
		if name == "" {
			name = strings.ToLower(rc.generatedName(63))
		}
		var body []byte
		if rc.Region != "us-east-1" {
			body = xmlBody("CreateBucketConfiguration", el("LocationConstraint", rc.Region))
		}
		if _, err := rc.do("s3", "CreateBucket", params{"Bucket": name, "Body": body}); err != nil {
			return "", nil, err
		}
		attrs, err := rc.configureBucket(name)
		return name, attrs, err
	}
	p.update = func(rc *resourceCall) (map[string]any, error) {
		if err := rc.refuseBucketProperties(); err != nil {
			return nil, err
		}
		return rc.configureBucket(rc.PhysicalID)
	}
	p.remove = func(rc *resourceCall) error {
		_, err := rc.do("s3", "DeleteBucket", params{"Bucket": rc.PhysicalID})
		return tolerate(err, "NoSuchBucket")
	}
	return p
}

func (rc *resourceCall) refuseBucketProperties() error {
	if rc.Props.bool("ObjectLockEnabled") {
		return rc.refuse("ObjectLockEnabled")
	}
	if rc.Props.str("AccessControl") == "Private" {
		return nil
	}
	return rc.refuse(unservedBucketProperties...)
}

// xmlBody is a document as a request carries it.
func xmlBody(root string, content ...any) []byte {
	var b bytes.Buffer
	el(root, content...).write(&b)
	return b.Bytes()
}

// configureBucket sets what changed of a bucket's configuration, and gives what
// GetAtt reads.
func (rc *resourceCall) configureBucket(name string) (map[string]any, error) {
	set := func(op string, body []byte) error {
		_, err := rc.do("s3", op, params{"Bucket": name, "Body": body})
		return err
	}
	for _, part := range bucketParts {
		if reflect.DeepEqual(rc.Props[part.property], rc.OldProps[part.property]) {
			continue
		}
		op, body := "Put"+part.words, []byte(nil)
		if rc.Props.has(part.property) {
			body = part.body(rc.Props.obj(part.property))
		} else if op = part.remove; op == "" {
			continue
		}
		if err := set(op, body); err != nil {
			return nil, err
		}
	}
	attrs := map[string]any{"Arn": "arn:aws:s3:::" + name, "DomainName": name + ".s3.amazonaws.com",
		"DualStackDomainName": name + ".s3.dualstack." + rc.Region + ".amazonaws.com",
		"RegionalDomainName":  name + ".s3." + rc.Region + ".amazonaws.com",
		"WebsiteURL":          "http://" + name + ".s3-website-" + rc.Region + ".amazonaws.com"}
	rc.noteTags(attrs)
	return attrs, set("PutBucketTagging", xmlBody("Tagging", tagging(rc.tags(rc.Props["Tags"])).kids))
}

// bucketPart is a property of a bucket that S3 takes as a document.
type bucketPart struct {
	property, words, remove string
	body                    func(params) []byte
}

var bucketParts = []bucketPart{
	{"VersioningConfiguration", "BucketVersioning", "", func(p params) []byte {
		return xmlBody("VersioningConfiguration", el("Status", p.str("Status")))
	}},
	{"PublicAccessBlockConfiguration", "PublicAccessBlock", "DeletePublicAccessBlock", func(p params) []byte {
		root := el("PublicAccessBlockConfiguration")
		for _, k := range []string{"BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"} {
			root.kids = append(root.kids, el(k, p.bool(k)))
		}
		return xmlBody(root.name, root.kids)
	}},
	{"BucketEncryption", "BucketEncryption", "DeleteBucketEncryption", func(p params) []byte {
		root := el("ServerSideEncryptionConfiguration")
		for _, r := range p.list("ServerSideEncryptionConfiguration") {
			d := r.obj("ServerSideEncryptionByDefault")
			root.kids = append(root.kids, el("Rule", el("ApplyServerSideEncryptionByDefault", el("SSEAlgorithm", d.str("SSEAlgorithm")),
				given("KMSMasterKeyID", d.str("KMSMasterKeyID"))), el("BucketKeyEnabled", r.bool("BucketKeyEnabled"))))
		}
		return xmlBody(root.name, root.kids)
	}},
	{"OwnershipControls", "BucketOwnershipControls", "DeleteBucketOwnershipControls", func(p params) []byte {
		root := el("OwnershipControls")
		for _, r := range p.list("Rules") {
			root.kids = append(root.kids, el("Rule", el("ObjectOwnership", r.str("ObjectOwnership"))))
		}
		return xmlBody(root.name, root.kids)
	}},
	{"LifecycleConfiguration", "BucketLifecycleConfiguration", "DeleteBucketLifecycle", func(p params) []byte {
		root := el("LifecycleConfiguration")
		for _, r := range p.list("Rules") {
			root.kids = append(root.kids, lifecycleRule(r))
		}
		return xmlBody(root.name, root.kids)
	}},
	{"CorsConfiguration", "BucketCors", "DeleteBucketCors", func(p params) []byte {
		root := el("CORSConfiguration")
		for _, r := range p.list("CorsRules") {
			rule := el("CORSRule", given("ID", r.str("Id")), given("MaxAgeSeconds", r.str("MaxAge")))
			for _, list := range [][2]string{{"AllowedHeaders", "AllowedHeader"}, {"AllowedMethods", "AllowedMethod"},
				{"AllowedOrigins", "AllowedOrigin"}, {"ExposedHeaders", "ExposeHeader"}} {
				for _, v := range r.strs(list[0]) {
					rule.kids = append(rule.kids, el(list[1], v))
				}
			}
			root.kids = append(root.kids, rule)
		}
		return xmlBody(root.name, root.kids)
	}},
}

// lifecycleRule translates the parts of a rule that delete or move objects.
func lifecycleRule(r params) *element {
	rule := el("Rule", given("ID", r.str("Id")), el("Status", r.str("Status")), el("Filter", el("Prefix", r.str("Prefix"))))
	if d := r.str("ExpirationInDays"); d != "" {
		rule.kids = append(rule.kids, el("Expiration", el("Days", d)))
	}
	noncurrent := r.obj("NoncurrentVersionExpiration").or("NoncurrentDays", r.str("NoncurrentVersionExpirationInDays"))
	if noncurrent != "" {
		rule.kids = append(rule.kids, el("NoncurrentVersionExpiration", el("NoncurrentDays", noncurrent)))
	}
	if d := r.obj("AbortIncompleteMultipartUpload").str("DaysAfterInitiation"); d != "" {
		rule.kids = append(rule.kids, el("AbortIncompleteMultipartUpload", el("DaysAfterInitiation", d)))
	}
	for _, t := range r.list("Transitions") {
		rule.kids = append(rule.kids, el("Transition", given("Days", t.str("TransitionInDays")), given("Date", t.str("TransitionDate")), el("StorageClass", t.str("StorageClass"))))
	}
	return rule
}

// bucketPolicyProvider puts a bucket's policy; its id is the bucket's name.
func bucketPolicyProvider() provider {
	set := func(rc *resourceCall) error {
		_, err := rc.do("s3", "PutBucketPolicy", params{"Bucket": rc.Props.str("Bucket"), "Body": []byte(documentText(rc.Props["PolicyDocument"]))})
		return err
	}
	return provider{
		properties: map[string]property{"Bucket": required | replaces, "PolicyDocument": required},
		create: func(rc *resourceCall) (string, map[string]any, error) {
			if b := rc.anyBucket(rc.Props.str("Bucket")); b != nil && b.Policy != "" {
				return "", nil, &resourceError{Service: "s3", Err: fail("AlreadyExists", "The bucket policy already exists on bucket %s.", b.Name)}
			}
			if err := set(rc); err != nil {
				return "", nil, err
			}
			return rc.Props.str("Bucket"), nil, nil
		},
		update: func(rc *resourceCall) (map[string]any, error) { return nil, set(rc) },
		remove: func(rc *resourceCall) error {
			_, err := rc.do("s3", "DeleteBucketPolicy", params{"Bucket": rc.PhysicalID})
			return tolerate(err, "NoSuchBucket")
		},
	}
}
