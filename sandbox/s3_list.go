package sandbox

import (
	"encoding/base64"
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// encodedKey writes a key as encoding-type asks for.
func encodedKey(encoding, s string) string {
	if encoding != "url" {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%2F", "/")
}

// pageOfKeys is one page of a listing: keys and, with a delimiter, the prefixes
// that stand for several, in one order, as S3 counts them.
type pageOfKeys struct {
	keys, prefixes []string
	last           string
	truncated      bool
}

// listKeys walks sorted keys after a marker.
func listKeys(keys []string, prefix, delimiter, after string, limit int) pageOfKeys {
	var p pageOfKeys
	from := sort.SearchStrings(keys, max(prefix, after))
	for ; from < len(keys); from++ {
		key := keys[from]
		if !strings.HasPrefix(key, prefix) {
			break
		}
		if key <= after {
			continue
		}
		common := ""
		if delimiter != "" {
			if i := strings.Index(key[len(prefix):], delimiter); i >= 0 {
				common = key[:len(prefix)+i+len(delimiter)]
			}
		}
		if common != "" && (common <= after && strings.HasPrefix(after, common) || len(p.prefixes) > 0 && p.prefixes[len(p.prefixes)-1] == common) {
			continue
		}
		if len(p.keys)+len(p.prefixes) == limit {
			p.truncated = limit > 0
			return p
		}
		if common != "" {
			p.prefixes, p.last = append(p.prefixes, common), common
		} else {
			p.keys, p.last = append(p.keys, key), key
		}
	}
	return p
}

// pageSize is how many keys the caller wants in a page, and how many it gets: an
// unkind sandbox gives two at most.
func (c *call) pageSize() (wanted, given int, err error) {
	wanted, text := 1000, c.In.obj("Query").str("max-keys")
	if text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		switch {
		case err != nil:
			return 0, 0, fail("InvalidArgument", "Provided max-keys not an integer or within integer range")
		case n < 0:
			return 0, 0, fail("InvalidArgument", "Argument maxKeys must be an integer between 0 and 2147483647")
		}
		wanted = min(int(n), 1000)
	}
	if c.opts.Unkind {
		return wanted, min(wanted, 2), nil
	}
	return wanted, wanted, nil
}

// listObjects answers both versions of the listing.
func listObjects(c *call, b *bucket) (obj, error) {
	q := c.In.obj("Query")
	second := c.Op == "ListObjectsV2"
	after := q.str("marker")
	if second {
		after = q.str("start-after")
		if t := q.str("continuation-token"); t != "" {
			raw, err := base64.RawURLEncoding.DecodeString(t)
			if err != nil {
				return nil, fail("InvalidArgument", "The continuation token provided is incorrect")
			}
			after = string(raw)
		}
	}
	wanted, limit, err := c.pageSize()
	if err != nil {
		return nil, err
	}
	var current []string
	for key := range b.Objects {
		if b.latest(key) != nil {
			current = append(current, key)
		}
	}
	sort.Strings(current)
	page := listKeys(current, q.str("prefix"), q.str("delimiter"), after, limit)
	enc := q.str("encoding-type")
	out := el("ListBucketResult", el("Name", b.Name), el("Prefix", encodedKey(enc, q.str("prefix"))), el("MaxKeys", wanted),
		el("IsTruncated", page.truncated), given("Delimiter", encodedKey(enc, q.str("delimiter"))), given("EncodingType", enc))
	if second {
		out.kids = append(out.kids, el("KeyCount", len(page.keys)+len(page.prefixes)))
		for _, k := range []*element{given("ContinuationToken", q.str("continuation-token")), given("StartAfter", encodedKey(enc, q.str("start-after")))} {
			if k != nil {
				out.kids = append(out.kids, k)
			}
		}
		if page.truncated {
			out.kids = append(out.kids, el("NextContinuationToken", base64.RawURLEncoding.EncodeToString([]byte(page.last))))
		}
	} else {
		out.kids = append(out.kids, el("Marker", encodedKey(enc, after)))
		if page.truncated && q.str("delimiter") != "" {
			out.kids = append(out.kids, el("NextMarker", encodedKey(enc, page.last)))
		}
	}
	for _, key := range page.keys {
		o := b.latest(key)
		e := el("Contents", el("Key", encodedKey(enc, key)), el("LastModified", o.Modified), el("ETag", o.ETag), el("Size", len(o.Body)),
			el("StorageClass", storageClass(o)))
		if o.Sum.Algorithm != "" {
			e.kids = append(e.kids, el("ChecksumAlgorithm", o.Sum.Algorithm), el("ChecksumType", o.Sum.kind()))
		}
		if !second || q.str("fetch-owner") == "true" {
			e.kids = append(e.kids, el("Owner", el("ID", ownerID(b.Owner))))
		}
		out.kids = append(out.kids, e)
	}
	for _, p := range page.prefixes {
		out.kids = append(out.kids, el("CommonPrefixes", el("Prefix", encodedKey(enc, p))))
	}
	return s3Reply{doc: out}.answer()
}

func storageClass(o *object) string {
	if s := o.Header["X-Amz-Storage-Class"]; s != "" {
		return s
	}
	return "STANDARD"
}

// listVersions lists all versions and delete markers, the newest of a key
// first. A page ends between keys, so that the key alone marks the place.
func listVersions(c *call, b *bucket) (obj, error) {
	q := c.In.obj("Query")
	enc := q.str("encoding-type")
	wanted, limit, err := c.pageSize()
	if err != nil {
		return nil, err
	}
	page := listKeys(sortedKeys(b.Objects), q.str("prefix"), q.str("delimiter"), q.str("key-marker"), limit)
	out := el("ListVersionsResult", el("Name", b.Name), el("Prefix", encodedKey(enc, q.str("prefix"))), el("KeyMarker", encodedKey(enc, q.str("key-marker"))),
		el("VersionIdMarker", q.str("version-id-marker")), el("MaxKeys", wanted), el("IsTruncated", page.truncated),
		given("Delimiter", encodedKey(enc, q.str("delimiter"))), given("EncodingType", enc))
	if page.truncated {
		out.kids = append(out.kids, el("NextKeyMarker", encodedKey(enc, page.last)))
	}
	for _, key := range page.keys {
		versions := b.Objects[key]
		for i := len(versions) - 1; i >= 0; i-- {
			o := versions[i]
			e := el("Version", el("Key", encodedKey(enc, key)), el("VersionId", o.Version), el("IsLatest", i == len(versions)-1),
				el("LastModified", o.Modified), el("Owner", el("ID", ownerID(b.Owner))))
			if o.Marker {
				e.name = "DeleteMarker"
			} else {
				e.kids = append(e.kids, el("ETag", o.ETag), el("Size", len(o.Body)), el("StorageClass", storageClass(o)))
			}
			out.kids = append(out.kids, e)
		}
	}
	for _, p := range page.prefixes {
		out.kids = append(out.kids, el("CommonPrefixes", el("Prefix", encodedKey(enc, p))))
	}
	return s3Reply{doc: out}.answer()
}
