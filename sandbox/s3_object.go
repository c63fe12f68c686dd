package sandbox

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// object is one version of an object, or a delete marker.
type object struct {
	Key      string            `json:"key"`
	Version  string            `json:"version"` // "null" where there is no versioning
	Marker   bool              `json:"marker,omitempty"`
	Body     []byte            `json:"body,omitempty"`
	ETag     string            `json:"etag,omitempty"`
	Modified time.Time         `json:"modified"`
	Header   map[string]string `json:"header,omitempty"` // what is given back with it: Content-Type, X-Amz-Meta-...
	Sum      checksum          `json:"sum,omitzero"`
	Tags     map[string]string `json:"tags,omitempty"`
	Parts    int               `json:"parts,omitempty"`
}

func objectOps() map[string]s3Op {
	return map[string]s3Op{
		"PutObject":           {run: putObject, action: "PutObject", object: true},
		"CopyObject":          {run: copyObject, action: "PutObject", object: true},
		"GetObject":           {run: getObject, action: "GetObject", object: true},
		"HeadObject":          {run: getObject, action: "GetObject", object: true},
		"DeleteObject":        {run: deleteObject, action: "DeleteObject", object: true},
		"DeleteObjects":       {run: deleteObjects},
		"GetObjectTagging":    {run: getObjectTagging, action: "GetObjectTagging", object: true},
		"PutObjectTagging":    {run: putObjectTagging, action: "PutObjectTagging", object: true},
		"DeleteObjectTagging": {run: deleteObjectTagging, action: "DeleteObjectTagging", object: true},
		"ListObjects":         {run: listObjects, action: "ListBucket"},
		"ListObjectsV2":       {run: listObjects, action: "ListBucket"},
		"ListObjectVersions":  {run: listVersions, action: "ListBucketVersions"},
	}
}

// keptHeaders are given back with an object as they were put, beside x-amz-meta-*.
var keptHeaders = []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition", "Cache-Control", "Expires",
	"X-Amz-Storage-Class", "X-Amz-Website-Redirect-Location", "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"}

// keep picks the headers of a request that belong to the object.
func (c *call) kept() map[string]string {
	out := map[string]string{}
	for k, v := range c.In.obj("Header") {
		if strings.HasPrefix(k, "X-Amz-Meta-") {
			out[k] = text(v)
		}
	}
	for _, k := range keptHeaders {
		if v := c.header(k); v != "" {
			out[k] = v
		}
	}
	var codings []string // aws-chunked was only for the way here
	for _, e := range strings.Split(out["Content-Encoding"], ",") {
		if e = strings.TrimSpace(e); e != "" && e != "aws-chunked" {
			codings = append(codings, e)
		}
	}
	delete(out, "Content-Encoding")
	if len(codings) > 0 {
		out["Content-Encoding"] = strings.Join(codings, ",")
	}
	if out["Content-Type"] == "" {
		out["Content-Type"] = "binary/octet-stream"
	}
	if out["X-Amz-Storage-Class"] == "STANDARD" {
		delete(out, "X-Amz-Storage-Class")
	}
	if out["X-Amz-Server-Side-Encryption"] == "" {
		out["X-Amz-Server-Side-Encryption"] = "AES256"
	}
	return out
}

// latest is the current version of a key, nil if there is none or it is deleted.
func (b *bucket) latest(key string) *object {
	versions := b.Objects[key]
	if len(versions) == 0 || versions[len(versions)-1].Marker {
		return nil
	}
	return versions[len(versions)-1]
}

// store adds a version: in place of the last one, or of the one called null,
// unless the bucket keeps versions.
func (c *call) store(b *bucket, o *object) {
	o.Version = "null"
	if b.Versions == "Enabled" {
		o.Version = c.id(32)
	}
	var kept []*object
	for _, v := range b.Objects[o.Key] {
		if v.Version != "null" || o.Version != "null" {
			kept = append(kept, v)
		}
	}
	put(&b.Objects, o.Key, append(kept, o))
}

// shownVersion is the version id as responses have it: none without versioning.
func (b *bucket) shownVersion(o *object) string {
	if b.Versions == "" {
		return ""
	}
	return o.Version
}

func etag(body []byte) string {
	sum := md5.Sum(body)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

// precondition is S3's If-Match and If-None-Match on writes.
func (c *call) precondition(b *bucket, key string) error {
	o := b.latest(key)
	failed := &apiError{Status: 412, Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold"}
	if c.header("If-None-Match") == "*" && o != nil {
		failed.Extra = obj{"Condition": "If-None-Match"}
		return failed
	}
	if m := c.header("If-Match"); m != "" {
		if o == nil {
			return noSuchKey(key)
		}
		if strings.Trim(m, `"`) != strings.Trim(o.ETag, `"`) {
			failed.Extra = obj{"Condition": "If-Match"}
			return failed
		}
	}
	return nil
}

func noSuchKey(key string) error {
	return &apiError{Status: 404, Code: "NoSuchKey", Message: "The specified key does not exist.", Extra: obj{"Key": key}}
}

func putObject(c *call, b *bucket) (obj, error) {
	key, body := c.In.str("Key"), c.body()
	if len(key) > 1024 {
		return nil, &apiError{Code: "KeyTooLongError", Message: "Your key is too long", Extra: obj{"Size": len(key), "MaxSizeAllowed": 1024}}
	}
	if err := c.precondition(b, key); err != nil {
		return nil, err
	}
	if m := c.header("Content-Md5"); m != "" {
		sum := md5.Sum(body)
		if raw, err := base64.StdEncoding.DecodeString(m); err != nil || len(raw) != len(sum) {
			return nil, fail("InvalidDigest", "The Content-MD5 you specified was invalid.")
		}
		if m != base64.StdEncoding.EncodeToString(sum[:]) {
			return nil, fail("BadDigest", "The Content-MD5 you specified did not match what we received.")
		}
	}
	sum, err := c.checksum(body)
	if err != nil {
		return nil, err
	}
	if err := c.checkACL(b); err != nil {
		return nil, err
	}
	sse, err := c.encryption(b, key)
	if err != nil {
		return nil, err
	}
	o := &object{Key: key, Body: body, ETag: etag(body), Modified: c.now().Truncate(time.Second), Header: encrypted(c.kept(), sse), Sum: sum}
	if t := c.header("X-Amz-Tagging"); t != "" {
		if o.Tags, err = headerTags(t); err != nil {
			return nil, err
		}
		if err := c.check(c.bucketAccess("PutObjectTagging", true)); err != nil {
			return nil, err
		}
	}
	c.store(b, o)
	header := map[string]string{"Etag": o.ETag, "X-Amz-Version-Id": b.shownVersion(o)}
	sayEncryption(header, o.Header)
	sum.headers(header)
	return s3Reply{header: header}.answer()
}

func headerTags(s string) (map[string]string, error) {
	q, err := url.ParseQuery(s)
	if err != nil {
		return nil, fail("InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	tags := map[string]string{}
	for k := range q {
		tags[k] = q.Get(k)
	}
	return tags, nil
}

// find gives the version that a call asks for. Who may not list the bucket
// doesn't learn that a key isn't there.
func (c *call) find(b *bucket) (*object, error) {
	key, version := c.In.str("Key"), c.In.obj("Query").str("versionId")
	if version != "" {
		for _, o := range b.Objects[key] {
			if o.Version != version {
				continue
			}
			if o.Marker {
				return nil, &apiError{Status: 405, Code: "MethodNotAllowed", Message: "The specified method is not allowed against this resource."}
			}
			return o, nil
		}
		return nil, &apiError{Status: 404, Code: "NoSuchVersion", Message: "The specified version does not exist.", Extra: obj{"Key": key, "VersionId": version}}
	}
	if o := b.latest(key); o != nil {
		return o, nil
	}
	if err := c.check(c.bucketAccess("ListBucket", false)); err != nil {
		return nil, err
	}
	return nil, noSuchKey(key)
}

func getObject(c *call, b *bucket) (obj, error) {
	o, err := c.find(b)
	if err != nil {
		return nil, err
	}
	if c.Op != "HeadObject" || c.header("X-Amz-Checksum-Mode") != "" { // the head alone isn't encrypted
		if err := c.mayDecrypt(b, o.Key, o.Header); err != nil {
			return nil, err
		}
	}
	header := map[string]string{"Etag": o.ETag, "Last-Modified": o.Modified.UTC().Format(http.TimeFormat), "Accept-Ranges": "bytes",
		"X-Amz-Version-Id": b.shownVersion(o)}
	for k, v := range o.Header {
		header[k] = v
	}
	for k, v := range c.In.obj("Query") { // a presigned URL may ask for other headers
		if name, ok := strings.CutPrefix(k, "response-"); ok {
			header[http.CanonicalHeaderKey(name)] = text(v)
		}
	}
	if len(o.Tags) > 0 {
		header["X-Amz-Tagging-Count"] = strconv.Itoa(len(o.Tags))
	}
	if status := c.conditional(o); status != 0 {
		if status == http.StatusPreconditionFailed {
			return nil, &apiError{Status: status, Code: "PreconditionFailed", Message: "At least one of the pre-conditions you specified did not hold"}
		}
		return s3Reply{status: status, header: map[string]string{"Etag": o.ETag, "Last-Modified": header["Last-Modified"]}}.answer()
	}
	r := s3Reply{header: header, body: o.Body}
	if spec := c.header("Range"); spec != "" {
		from, to, ok := byteRange(spec, len(o.Body))
		if !ok {
			return nil, &apiError{Status: 416, Code: "InvalidRange", Message: "The requested range is not satisfiable",
				Extra: obj{"RangeRequested": spec, "ActualObjectSize": len(o.Body)}}
		}
		r.status, r.body = http.StatusPartialContent, o.Body[from:to+1]
		header["Content-Range"] = "bytes " + strconv.Itoa(from) + "-" + strconv.Itoa(to) + "/" + strconv.Itoa(len(o.Body))
	} else if strings.EqualFold(c.header("X-Amz-Checksum-Mode"), "ENABLED") {
		o.Sum.headers(header)
	}
	return r.answer()
}

// conditional is the status that a read's conditions lead to, 0 to go on.
func (c *call) conditional(o *object) int {
	if m := c.header("If-Match"); m != "" && m != "*" && strings.Trim(m, `"`) != strings.Trim(o.ETag, `"`) {
		return http.StatusPreconditionFailed
	}
	if m := c.header("If-None-Match"); m != "" && (m == "*" || strings.Trim(m, `"`) == strings.Trim(o.ETag, `"`)) {
		return http.StatusNotModified
	}
	if t, err := http.ParseTime(c.header("If-Modified-Since")); err == nil && !o.Modified.After(t) && c.header("If-None-Match") == "" {
		return http.StatusNotModified
	}
	if t, err := http.ParseTime(c.header("If-Unmodified-Since")); err == nil && o.Modified.After(t) && c.header("If-Match") == "" {
		return http.StatusPreconditionFailed
	}
	return 0
}

// byteRange reads "bytes=a-b", "bytes=a-" or "bytes=-n".
func byteRange(spec string, size int) (from, to int, ok bool) {
	a, z, found := strings.Cut(strings.TrimPrefix(spec, "bytes="), "-")
	if !found || size == 0 {
		return 0, 0, false
	}
	if a == "" {
		n, err := strconv.Atoi(z)
		return max(0, size-n), size - 1, err == nil && n > 0
	}
	from, err := strconv.Atoi(a)
	if err != nil || from >= size {
		return 0, 0, false
	}
	to = size - 1
	if z != "" {
		n, err := strconv.Atoi(z)
		if err != nil || n < from {
			return 0, 0, false
		}
		to = min(to, n)
	}
	return from, to, true
}

// remove deletes a version for good, or hides the key under a delete marker
// where versions are kept. It gives the headers that tell which.
func (c *call) remove(b *bucket, key, version string) (marker bool, id string) {
	if version == "" && b.Versions == "" {
		version = "null"
	}
	if version == "" {
		o := &object{Key: key, Marker: true, Modified: c.now().Truncate(time.Second)}
		c.store(b, o)
		return true, o.Version
	}
	var kept []*object
	for _, o := range b.Objects[key] {
		if o.Version != version {
			kept = append(kept, o)
		} else {
			marker = o.Marker
		}
	}
	if put(&b.Objects, key, kept); len(kept) == 0 {
		delete(b.Objects, key)
	}
	if b.Versions == "" {
		version = ""
	}
	return marker, version
}

func deleteObject(c *call, b *bucket) (obj, error) {
	if err := c.precondition(b, c.In.str("Key")); err != nil {
		return nil, err
	}
	marker, id := c.remove(b, c.In.str("Key"), c.In.obj("Query").str("versionId"))
	header := map[string]string{"X-Amz-Version-Id": id}
	if marker {
		header["X-Amz-Delete-Marker"] = "true"
	}
	return s3Reply{status: http.StatusNoContent, header: header}.answer()
}

// deleteObjects deletes up to a thousand keys, each with its own permission.
func deleteObjects(c *call, b *bucket) (obj, error) {
	var doc struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Object  []struct{ Key, VersionId string }
	}
	if err := c.readXML(&doc); err != nil {
		return nil, err
	}
	if len(doc.Object) == 0 || len(doc.Object) > 1000 {
		return nil, malformedXML()
	}
	out := el("DeleteResult")
	for _, o := range doc.Object {
		one := *c
		one.In = params{"Bucket": b.Name, "Key": o.Key, "Header": c.In["Header"]}
		if o.VersionId != "" {
			one.In["Query"] = map[string]any{"versionId": o.VersionId}
		}
		if err := c.check(one.bucketAccess("DeleteObject", true)); err != nil {
			e := asAPIError(services["s3"], err)
			out.kids = append(out.kids, el("Error", el("Key", o.Key), given("VersionId", o.VersionId), el("Code", e.Code), el("Message", e.Message)))
			continue
		}
		marker, id := c.remove(b, o.Key, o.VersionId)
		if doc.Quiet {
			continue
		}
		done := el("Deleted", el("Key", o.Key), given("VersionId", o.VersionId))
		if marker {
			done.kids = append(done.kids, el("DeleteMarker", true), el("DeleteMarkerVersionId", id))
		}
		out.kids = append(out.kids, done)
	}
	return s3Reply{doc: out}.answer()
}

func getObjectTagging(c *call, b *bucket) (obj, error) {
	o, err := c.find(b)
	if err != nil {
		return nil, err
	}
	return s3Reply{doc: tagging(o.Tags), header: map[string]string{"X-Amz-Version-Id": b.shownVersion(o)}}.answer()
}

func putObjectTagging(c *call, b *bucket) (obj, error) {
	o, err := c.find(b)
	if err != nil {
		return nil, err
	}
	if o.Tags, err = c.readTags(); err != nil {
		return nil, err
	}
	return s3Reply{header: map[string]string{"X-Amz-Version-Id": b.shownVersion(o)}}.answer()
}

func deleteObjectTagging(c *call, b *bucket) (obj, error) {
	o, err := c.find(b)
	if err != nil {
		return nil, err
	}
	o.Tags = nil
	return empty()
}
