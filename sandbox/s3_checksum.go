package sandbox

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"
)

// checksum is an object's checksum in one of S3's algorithms.
type checksum struct {
	Algorithm string `json:"algorithm"` // CRC32, CRC32C, CRC64NVME, SHA1 or SHA256
	Value     string `json:"value"`     // base64
	Parts     bool   `json:"parts,omitempty"`
}

var crc64NVME = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// newHash makes the hash of an algorithm, nil for one that S3 doesn't have.
func newHash(algorithm string) hash.Hash {
	switch algorithm {
	case "CRC32":
		return crc32.NewIEEE()
	case "CRC32C":
		return crc32.New(crc32.MakeTable(crc32.Castagnoli))
	case "CRC64NVME":
		return crc64.New(crc64NVME)
	case "SHA1":
		return sha1.New()
	case "SHA256":
		return sha256.New()
	}
	return nil
}

// algorithm is what a request asks for: by a checksum, a trailer that announces
// one, or by name; CRC64NVME otherwise.
func (c *call) algorithm() (name, value string) {
	for _, a := range []string{"Crc32", "Crc32c", "Crc64nvme", "Sha1", "Sha256"} {
		if v := c.header("X-Amz-Checksum-" + a); v != "" {
			return strings.ToUpper(a), v
		}
	}
	if t, ok := strings.CutPrefix(strings.ToLower(c.header("X-Amz-Trailer")), "x-amz-checksum-"); ok {
		return strings.ToUpper(t), ""
	}
	for _, h := range []string{"X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Checksum-Algorithm"} {
		if v := c.header(h); v != "" {
			return strings.ToUpper(v), ""
		}
	}
	return "CRC64NVME", ""
}

// checksum computes a body's checksum and compares it with the one that came
// with the request.
func (c *call) checksum(body []byte) (checksum, error) {
	name, value := c.algorithm()
	h := newHash(name)
	if h == nil {
		return checksum{}, fail("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
	}
	_, _ = h.Write(body)
	sum := base64.StdEncoding.EncodeToString(h.Sum(nil))
	if value != "" && value != sum {
		return checksum{}, fail("BadDigest", "The %s you specified did not match the calculated checksum.", name)
	}
	return checksum{Algorithm: name, Value: sum}, nil
}

// headers adds the checksum to a response.
func (s checksum) headers(h map[string]string) {
	if s.Algorithm == "" {
		return
	}
	h["X-Amz-Checksum-"+s.Algorithm] = s.Value
	h["X-Amz-Checksum-Type"] = s.kind()
}

func (s checksum) kind() string {
	if s.Parts {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}
