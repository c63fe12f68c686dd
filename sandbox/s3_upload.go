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

// upload is a multipart upload that isn't complete.
type upload struct {
	ID        string            `json:"id"`
	Key       string            `json:"key"`
	Initiated time.Time         `json:"initiated"`
	Header    map[string]string `json:"header"`
	Algorithm string            `json:"algorithm"`
	Parts     map[int]*part     `json:"parts"`
}

// part is one part of an upload.
type part struct {
	Body     []byte    `json:"body"`
	ETag     string    `json:"etag"`
	Modified time.Time `json:"modified"`
	Sum      checksum  `json:"sum"`
}

func uploadOps() map[string]s3Op {
	return map[string]s3Op{
		"CreateMultipartUpload":   {run: createUpload, action: "PutObject", object: true},
		"UploadPart":              {run: uploadPart, action: "PutObject", object: true},
		"CompleteMultipartUpload": {run: completeUpload, action: "PutObject", object: true},
		"AbortMultipartUpload":    {run: abortUpload, action: "AbortMultipartUpload", object: true},
		"ListParts":               {run: listParts, action: "ListMultipartUploadParts", object: true},
		"ListMultipartUploads":    {run: listUploads, action: "ListBucketMultipartUploads"},
	}
}

func createUpload(c *call, b *bucket) (obj, error) {
	if err := c.checkACL(b); err != nil {
		return nil, err
	}
	sse, err := c.encryption(b, c.In.str("Key"))
	if err != nil {
		return nil, err
	}
	u := &upload{ID: c.id(48), Key: c.In.str("Key"), Initiated: c.now(), Header: encrypted(c.kept(), sse), Parts: map[int]*part{},
		Algorithm: strings.ToUpper(c.header("X-Amz-Checksum-Algorithm"))}
	put(&b.Uploads, u.ID, u)
	header := map[string]string{"X-Amz-Checksum-Algorithm": u.Algorithm}
	sayEncryption(header, u.Header)
	return s3Reply{header: header,
		doc: el("InitiateMultipartUploadResult", el("Bucket", b.Name), el("Key", u.Key), el("UploadId", u.ID))}.answer()
}

func (c *call) upload(b *bucket) (*upload, error) {
	u := b.Uploads[c.In.obj("Query").str("uploadId")]
	if u == nil || u.Key != c.In.str("Key") {
		return nil, &apiError{Status: 404, Code: "NoSuchUpload", Message: "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
			Extra: obj{"UploadId": c.In.obj("Query").str("uploadId")}}
	}
	return u, nil
}

// uploadPart takes a part's bytes, or copies them from an object.
func uploadPart(c *call, b *bucket) (obj, error) {
	u, err := c.upload(b)
	if err != nil {
		return nil, err
	}
	n := c.In.obj("Query").int("partNumber", 0)
	if n < 1 || n > 10000 {
		return nil, fail("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
	}
	body := c.body()
	if c.header("X-Amz-Copy-Source") != "" {
		o, err := c.copySource()
		if err != nil {
			return nil, err
		}
		body = o.Body
		if spec := c.header("X-Amz-Copy-Source-Range"); spec != "" {
			from, to, ok := byteRange(spec, len(body))
			if !ok {
				return nil, fail("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
			}
			body = body[from : to+1]
		}
	}
	sum, err := c.checksum(body)
	if err != nil {
		return nil, err
	}
	if err := c.mayDecrypt(b, u.Key, u.Header); err != nil {
		return nil, err
	}
	p := &part{Body: body, ETag: etag(body), Modified: c.now(), Sum: sum}
	u.Parts[n] = p
	if c.header("X-Amz-Copy-Source") != "" {
		return s3Reply{doc: el("CopyPartResult", el("ETag", p.ETag), el("LastModified", p.Modified))}.answer()
	}
	header := map[string]string{"Etag": p.ETag}
	sayEncryption(header, u.Header)
	header["X-Amz-Checksum-"+sum.Algorithm] = sum.Value
	return s3Reply{header: header}.answer()
}

// completeUpload joins the parts that the document lists, in order. All but the
// last have at least 5 MiB.
func completeUpload(c *call, b *bucket) (obj, error) {
	u, err := c.upload(b)
	if err != nil {
		return nil, err
	}
	var doc struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Part    []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := c.readXML(&doc); err != nil {
		return nil, err
	}
	if len(doc.Part) == 0 {
		return nil, malformedXML()
	}
	if err := c.precondition(b, u.Key); err != nil {
		return nil, err
	}
	if err := c.mayDecrypt(b, u.Key, u.Header); err != nil {
		return nil, err
	}
	var body, digests, sums []byte
	for i, want := range doc.Part {
		p := u.Parts[want.PartNumber]
		switch {
		case p == nil || strings.Trim(want.ETag, `"`) != strings.Trim(p.ETag, `"`):
			return nil, fail("InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
		case i < len(doc.Part)-1 && want.PartNumber >= doc.Part[i+1].PartNumber:
			return nil, fail("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		case i < len(doc.Part)-1 && len(p.Body) < 5<<20:
			return nil, fail("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		digest, _ := hex.DecodeString(strings.Trim(p.ETag, `"`))
		digests, body = append(digests, digest...), append(body, p.Body...)
		sum, _ := base64.StdEncoding.DecodeString(p.Sum.Value)
		sums = append(sums, sum...)
	}
	total := md5.Sum(digests)
	o := &object{Key: u.Key, Body: body, Modified: c.now().Truncate(time.Second), Header: u.Header, Parts: len(doc.Part),
		ETag: `"` + hex.EncodeToString(total[:]) + "-" + strconv.Itoa(len(doc.Part)) + `"`, Sum: joined(u, body, sums, len(doc.Part))}
	c.store(b, o)
	delete(b.Uploads, u.ID)
	out := el("CompleteMultipartUploadResult", el("Location", "/"+b.Name+"/"+u.Key), el("Bucket", b.Name), el("Key", u.Key), el("ETag", o.ETag))
	if o.Sum.Algorithm != "" {
		out.kids = append(out.kids, el("Checksum"+o.Sum.Algorithm, o.Sum.Value), el("ChecksumType", o.Sum.kind()))
	}
	header := map[string]string{"X-Amz-Version-Id": b.shownVersion(o)}
	sayEncryption(header, u.Header)
	return s3Reply{doc: out, header: header}.answer()
}

// joined is the checksum of a complete upload: of the object for CRCs of 64
// bits, else of the parts' checksums.
func joined(u *upload, body, sums []byte, parts int) checksum {
	name, over, composite := u.Algorithm, sums, true
	if name == "" || name == "CRC64NVME" {
		name, over, composite = "CRC64NVME", body, false
	}
	h := newHash(name)
	if h == nil {
		return checksum{}
	}
	_, _ = h.Write(over)
	s := checksum{Algorithm: name, Value: base64.StdEncoding.EncodeToString(h.Sum(nil)), Parts: composite}
	if composite {
		s.Value += "-" + strconv.Itoa(parts)
	}
	return s
}

func abortUpload(c *call, b *bucket) (obj, error) {
	u, err := c.upload(b)
	if err != nil {
		return nil, err
	}
	delete(b.Uploads, u.ID)
	return empty()
}

func listParts(c *call, b *bucket) (obj, error) {
	u, err := c.upload(b)
	if err != nil {
		return nil, err
	}
	q := c.In.obj("Query")
	after, limit := q.int("part-number-marker", 0), min(q.int("max-parts", 1000), 1000)
	out := el("ListPartsResult", el("Bucket", b.Name), el("Key", u.Key), el("UploadId", u.ID), el("PartNumberMarker", after), el("MaxParts", limit),
		el("StorageClass", "STANDARD"))
	shown, last := 0, 0
	for n := after + 1; n <= 10000 && shown <= limit; n++ {
		p := u.Parts[n]
		if p == nil {
			continue
		}
		if shown++; shown > limit {
			break
		}
		last = n
		out.kids = append(out.kids, el("Part", el("PartNumber", n), el("LastModified", p.Modified), el("ETag", p.ETag), el("Size", len(p.Body))))
	}
	out.kids = append(out.kids, el("IsTruncated", shown > limit))
	if shown > limit {
		out.kids = append(out.kids, el("NextPartNumberMarker", last))
	}
	return s3Reply{doc: out}.answer()
}

func listUploads(c *call, b *bucket) (obj, error) {
	q := c.In.obj("Query")
	out := el("ListMultipartUploadsResult", el("Bucket", b.Name), el("KeyMarker", q.str("key-marker")), el("UploadIdMarker", q.str("upload-id-marker")),
		el("MaxUploads", 1000), el("IsTruncated", false), given("Prefix", q.str("prefix")))
	for _, id := range sortedKeys(b.Uploads) {
		u := b.Uploads[id]
		if strings.HasPrefix(u.Key, q.str("prefix")) {
			out.kids = append(out.kids, el("Upload", el("UploadId", id), el("Key", u.Key), el("Initiated", u.Initiated), el("StorageClass", "STANDARD")))
		}
	}
	return s3Reply{doc: out}.answer()
}

// copySource is the object that a copy reads, if the caller may read it.
func (c *call) copySource() (*object, error) {
	path, version, _ := strings.Cut(c.header("X-Amz-Copy-Source"), "?versionId=")
	source, err := url.PathUnescape(path)
	if err != nil {
		return nil, fail("InvalidArgument", "Invalid copy source encoding.")
	}
	name, key, ok := strings.Cut(strings.TrimPrefix(source, "/"), "/")
	if !ok || key == "" {
		return nil, fail("InvalidArgument", "Invalid copy source object key")
	}
	from := *c
	from.In = params{"Bucket": name, "Key": key}
	if version != "" {
		from.In["Query"] = map[string]any{"versionId": version}
	}
	if err := c.check(from.bucketAccess("GetObject", true)); err != nil {
		return nil, err
	}
	b := c.anyBucket(name)
	if b == nil {
		return nil, &apiError{Status: 404, Code: "NoSuchBucket", Message: "The specified bucket does not exist", Extra: obj{"BucketName": name}}
	}
	o, err := from.find(b)
	if err != nil {
		return nil, err
	}
	return o, c.mayDecrypt(b, o.Key, o.Header)
}

func copyObject(c *call, b *bucket) (obj, error) {
	from, err := c.copySource()
	if err != nil {
		return nil, err
	}
	if err := c.checkACL(b); err != nil {
		return nil, err
	}
	sse, err := c.encryption(b, c.In.str("Key"))
	if err != nil {
		return nil, err
	}
	o := &object{Key: c.In.str("Key"), Body: from.Body, ETag: etag(from.Body), Modified: c.now().Truncate(time.Second), Header: from.Header, Sum: from.Sum, Tags: from.Tags}
	if c.header("X-Amz-Metadata-Directive") == "REPLACE" {
		o.Header = c.kept()
	} else if c.header("X-Amz-Copy-Source") == b.Name+"/"+o.Key && c.header("X-Amz-Storage-Class") == "" && c.header(sseHeader) == "" {
		return nil, fail("InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if c.header("X-Amz-Tagging-Directive") == "REPLACE" {
		if o.Tags, err = headerTags(c.header("X-Amz-Tagging")); err != nil {
			return nil, err
		}
	}
	o.Header = encrypted(o.Header, sse)
	c.store(b, o)
	header := map[string]string{"X-Amz-Version-Id": b.shownVersion(o)}
	sayEncryption(header, o.Header)
	return s3Reply{status: http.StatusOK, header: header,
		doc: el("CopyObjectResult", el("LastModified", o.Modified), el("ETag", o.ETag), el("Checksum"+o.Sum.Algorithm, o.Sum.Value))}.answer()
}
