package sandbox

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"axle/internal/late"
)

// s3State is what S3 keeps of one account: its buckets by name. Which account
// has a name is in state.Buckets, as names are the world's.
type s3State struct {
	Buckets map[string]*bucket `json:"buckets,omitempty"`
}

// bucket is a bucket with all that is in it. Documents are the configurations
// that S3 takes as XML and gives back, by the name of their root element.
type bucket struct {
	Name      string               `json:"name"`
	Owner     string               `json:"owner"`
	Region    string               `json:"region"`
	Created   time.Time            `json:"created"`
	Policy    string               `json:"policy,omitempty"`
	Bound     map[string]string    `json:"bound,omitempty"` // unique ids of the policy's principals
	Tags      map[string]string    `json:"tags,omitempty"`
	Versions  string               `json:"versions,omitempty"` // "", Enabled or Suspended
	Documents map[string]string    `json:"documents,omitempty"`
	Objects   map[string][]*object `json:"objects,omitempty"` // versions by key, the latest last
	Uploads   map[string]*upload   `json:"uploads,omitempty"`
}

func (b *bucket) arn() string { return "arn:aws:s3:::" + b.Name }

// s3Request is where a REST request goes: what its method, path, query and
// headers say, as the operation's input.
//
//	Bucket, Key     from the host or the path
//	Query           its query parameters
//	Header          its headers, by canonical name
//	Body            []byte
func s3Request(r *http.Request, body []byte) (op string, in params) {
	bucketName, key := s3Path(r)
	q := r.URL.Query()
	query, header := map[string]any{}, map[string]any{}
	for k := range q {
		query[k] = q.Get(k)
	}
	for k := range r.Header {
		header[k] = r.Header.Get(k)
	}
	in = params{"Bucket": bucketName, "Key": key, "Query": query, "Header": header, "Body": body}
	return s3Operation(r.Method, q, r.Header, bucketName, key), in
}

var (
	s3Host     = late.MustCompile(`^(.+)\.s3(?:[.-][a-z0-9-]+)*\.amazonaws\.com$`)
	bucketName = naming{late.MustCompile(`^[a-z0-9][a-z0-9.-]+[a-z0-9]$`), 3, 63}
	looksLikIP = late.MustCompile(`^[0-9]+(\.[0-9]+){3}$`)
)

// s3Path finds bucket and key in both of S3's styles: /bucket/key, and /key at
// the host bucket.s3.region.amazonaws.com or bucket.localhost.
func s3Path(r *http.Request) (bucket, key string) {
	host := strings.ToLower(r.Host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = host[:i]
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	if m := s3Host.FindStringSubmatch(host); m != nil {
		return m[1], path
	}
	if name, ok := strings.CutSuffix(host, ".localhost"); ok && name != "s3" {
		return strings.TrimSuffix(name, ".s3"), path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// s3Subresources are the query parameters that name a part of a bucket or
// object, with the words for it in the operations' names.
var s3Subresources = map[string]string{
	"location": "BucketLocation", "policy": "BucketPolicy", "policyStatus": "BucketPolicyStatus", "publicAccessBlock": "PublicAccessBlock",
	"versioning": "BucketVersioning", "encryption": "BucketEncryption", "ownershipControls": "BucketOwnershipControls",
	"lifecycle": "BucketLifecycleConfiguration", "cors": "BucketCors", "acl": "BucketAcl", "logging": "BucketLogging",
	"notification": "BucketNotificationConfiguration", "requestPayment": "BucketRequestPayment", "website": "BucketWebsite",
	"accelerate": "BucketAccelerateConfiguration", "replication": "BucketReplication", "object-lock": "ObjectLockConfiguration",
	"inventory": "BucketInventoryConfiguration", "metrics": "BucketMetricsConfiguration", "analytics": "BucketAnalyticsConfiguration",
	"intelligent-tiering": "BucketIntelligentTieringConfiguration",
}

// s3Operation names the operation of a request, as the SDKs do; "" for none.
func s3Operation(method string, q url.Values, h http.Header, bucket, key string) string {
	verb := map[string]string{"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}[method]
	switch {
	case bucket == "":
		return map[string]string{"Get": "ListBuckets"}[verb]
	case key == "":
		for name, words := range s3Subresources {
			if q.Has(name) {
				if verb == "Delete" && name == "lifecycle" {
					return "DeleteBucketLifecycle"
				}
				return verb + words
			}
		}
		switch {
		case q.Has("tagging"):
			return verb + "BucketTagging"
		case q.Has("versions"):
			return "ListObjectVersions"
		case q.Has("uploads"):
			return "ListMultipartUploads"
		case q.Has("delete") && verb == "Post":
			return "DeleteObjects"
		case q.Get("list-type") == "2":
			return "ListObjectsV2"
		}
		return map[string]string{"Get": "ListObjects", "Put": "CreateBucket", "Delete": "DeleteBucket", "Head": "HeadBucket"}[verb]
	}
	switch {
	case q.Has("tagging"):
		return verb + "ObjectTagging"
	case q.Has("acl"), q.Has("attributes"), q.Has("retention"), q.Has("legal-hold"), q.Has("restore"), q.Has("select"), q.Has("torrent"):
		return ""
	case q.Has("uploads") && verb == "Post":
		return "CreateMultipartUpload"
	case q.Has("uploadId"):
		return map[string]string{"Get": "ListParts", "Put": "UploadPart", "Post": "CompleteMultipartUpload", "Delete": "AbortMultipartUpload"}[verb]
	case verb == "Put" && h.Get("X-Amz-Copy-Source") != "":
		return "CopyObject"
	}
	return map[string]string{"Get": "GetObject", "Put": "PutObject", "Delete": "DeleteObject", "Head": "HeadObject"}[verb]
}

// s3Ops is what the sandbox serves of S3. Outputs are s3Reply values under "".
func (s *Sandbox) s3Ops() map[string]operation {
	ops := map[string]operation{
		"ListBuckets":  {run: listBuckets, action: "s3:ListAllMyBuckets"},
		"CreateBucket": {run: createBucket, resources: func(c *call) []string { return []string{"arn:aws:s3:::" + c.In.str("Bucket")} }},
	}
	for _, some := range []map[string]s3Op{bucketOps(), documentOps(), objectOps(), uploadOps()} {
		for name, op := range some {
			ops[name] = op.operation()
		}
	}
	return ops
}

// s3Op is an operation on a bucket or on an object in it.
type s3Op struct {
	run    func(*call, *bucket) (obj, error)
	action string // of IAM, without "s3:"
	object bool   // the action is on the object, not on the bucket
}

// operation asks for the permission under the bucket's policy, then looks
// whether the bucket is there and in the right region.
func (o s3Op) operation() operation {
	return operation{
		access: func(c *call) ([]access, error) {
			if o.action == "" {
				return nil, nil
			}
			return []access{c.bucketAccess(o.action, o.object)}, nil
		},
		run: func(c *call) (obj, error) {
			b, err := c.bucket()
			if err != nil {
				return nil, err
			}
			return o.run(c, b)
		},
	}
}

// bucketAccess is a permission on the bucket, or on the object, of the call.
func (c *call) bucketAccess(action string, onObject bool) access {
	name := c.In.str("Bucket")
	a := access{Action: "s3:" + action, Resource: "arn:aws:s3:::" + name, Context: map[string][]string{}}
	if onObject {
		a.Resource += "/" + c.In.str("Key")
		if c.In.obj("Query").has("versionId") && slices.Contains([]string{"GetObject", "DeleteObject", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"}, action) {
			a.Action = "s3:" + strings.Replace(action, "Object", "ObjectVersion", 1)
		}
	}
	for query, key := range map[string]string{"prefix": "s3:prefix", "delimiter": "s3:delimiter", "versionId": "s3:VersionId"} {
		if c.In.obj("Query").has(query) {
			a.Context[key] = []string{c.In.obj("Query").str(query)}
		}
	}
	for name, key := range map[string]string{sseHeader: "s3:x-amz-server-side-encryption", "X-Amz-Acl": "s3:x-amz-acl",
		sseKeyHeader: "s3:x-amz-server-side-encryption-aws-kms-key-id"} {
		if v := c.header(name); v != "" {
			a.Context[key] = []string{v}
		}
	}
	if b := c.anyBucket(name); b != nil {
		a.Owner, a.Policy = b.Owner, c.bound(b.Policy, b.Bound)
		if b.Owner != c.Account.ID && b.blocks("RestrictPublicBuckets") && publicPolicy(b.Policy) {
			a.Policy = ""
		}
	}
	return a
}

// header is a header of the request.
func (c *call) header(name string) string { return c.In.obj("Header").str(name) }

// body is the request's body, decoded.
func (c *call) body() []byte {
	b, _ := c.In["Body"].([]byte)
	return b
}

// anyBucket finds a bucket by its name, whoever has it.
func (s *Sandbox) anyBucket(name string) *bucket {
	owner := s.st.Buckets[name]
	if owner == "" {
		return nil
	}
	if a := s.account(owner); a != nil {
		return a.S3.Buckets[name]
	}
	return nil
}

// bucket finds the call's bucket; from another region it is redirected.
func (c *call) bucket() (*bucket, error) {
	name := c.In.str("Bucket")
	b := c.anyBucket(name)
	switch {
	case b == nil:
		return nil, &apiError{Status: 404, Code: "NoSuchBucket", Message: "The specified bucket does not exist", Extra: obj{"BucketName": name}}
	case c.header("X-Amz-Expected-Bucket-Owner") != "" && c.header("X-Amz-Expected-Bucket-Owner") != b.Owner:
		return nil, &apiError{Status: 403, Code: "AccessDenied", Message: "Access Denied"}
	case b.Region != c.Region && c.Op != "GetBucketLocation" && c.Via == "":
		return nil, &apiError{Status: 301, Code: "PermanentRedirect", Message: "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.",
			Extra: obj{"Bucket": name, "Endpoint": name + ".s3." + b.Region + ".amazonaws.com"}}
	}
	return b, nil
}

// serveS3 answers a request to S3.
func (s *Sandbox) serveS3(c *call, w http.ResponseWriter) {
	svc := services["s3"]
	op, ok := s.ops["s3"][c.Op]
	if !ok {
		s.log.Warn("operation isn't implemented", "service", "s3", "operation", c.Op, "method", c.HTTP.Method, "query", c.HTTP.URL.RawQuery)
		writeError(w, svc, refuse(svc, unknownOperation, "A header or query you provided implies functionality that is not implemented."), c.ID)
		return
	}
	if b := s.anyBucket(c.In.str("Bucket")); b != nil {
		w.Header().Set("X-Amz-Bucket-Region", b.Region)
	}
	out, err := c.survive(op)
	if err != nil {
		writeError(w, svc, asAPIError(svc, err), c.ID)
		return
	}
	r, _ := out[""].(s3Reply)
	r.write(w)
}
