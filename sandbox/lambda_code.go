package sandbox

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// The sizes of packages that Lambda takes.
const (
	maxZipped     = 50 << 20  // in a request
	maxUnzipped   = 250 << 20 // with all layers
	maxZipEntries = 100_000
)

// codeDigest is what Lambda shows of a package.
func codeDigest(code []byte) string {
	sum := sha256.Sum256(code)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// readCode gives the package that an input holds, or names in a bucket that
// the caller can read: where is the structure, kind says of what it is.
func (c *call) readCode(where params) ([]byte, error) {
	if where.has("ZipFile") {
		code, err := base64.StdEncoding.DecodeString(where.str("ZipFile"))
		if err != nil {
			return nil, &apiError{Code: "InvalidRequestContentException", Message: "Could not parse request body into json: ZipFile is not base64"}
		}
		if len(code) > maxZipped {
			return nil, &apiError{Status: 413, Code: "RequestTooLargeException", Message: "Request must be smaller than 70167211 bytes for the CreateFunction operation"}
		}
		return code, checkZip(code)
	}
	if where.str("S3Bucket") == "" || where.str("S3Key") == "" {
		return nil, invalidLambda("Please provide a source for function code.")
	}
	code, err := c.codeInBucket(where.str("S3Bucket"), where.str("S3Key"), where.str("S3ObjectVersion"))
	if err != nil {
		return nil, err
	}
	return code, checkZip(code)
}

// codeInBucket reads an object as the caller: bucket policy and key included.
func (c *call) codeInBucket(name, key, version string) ([]byte, error) {
	trouble := func(code, message string) error {
		return invalidLambda("Error occurred while GetObject. S3 Error Code: %s. S3 Error Message: %s", code, message)
	}
	if b := c.anyBucket(name); b != nil && b.Region != c.Region {
		return nil, trouble("PermanentRedirect", "The bucket is in this region: "+b.Region+". Please use this region to retry the request")
	}
	query := map[string]any{}
	if version != "" {
		query["versionId"] = version
	}
	out, err := c.invoke("s3", "GetObject", c.Region, params{"Bucket": name, "Key": key, "Query": query, "Header": map[string]any{}})
	var refused *apiError
	switch {
	case errors.As(err, &refused) && refused.Code == "AccessDenied":
		return nil, refuse(services["lambda"], accessDenied, "Your access has been denied by S3, please make sure your request credentials have permission to GetObject for "+
			name+"/"+key+". S3 Error Code: AccessDenied. S3 Error Message: "+refused.Message)
	case errors.As(err, &refused):
		return nil, trouble(refused.Code, refused.Message)
	case err != nil:
		return nil, err
	}
	r, _ := out[""].(s3Reply)
	return r.body, nil
}

// checkZip refuses what can't be unpacked, or is too large then.
func checkZip(code []byte) error {
	z, err := zip.NewReader(bytes.NewReader(code), int64(len(code)))
	if err != nil {
		return invalidLambda("Could not unzip uploaded file. Please check your file, then try to upload again.")
	}
	if len(z.File) == 0 {
		return invalidLambda("Uploaded file must be a non-empty zip")
	}
	_, err = unzippedSize(z)
	return err
}

// unzippedSize is what the package says of itself.
func unzippedSize(z *zip.Reader) (int64, error) {
	total := int64(0)
	for _, f := range z.File {
		if f.UncompressedSize64 > maxUnzipped {
			total = maxUnzipped
		}
		if total += int64(min(f.UncompressedSize64, maxUnzipped)); total > maxUnzipped || len(z.File) > maxZipEntries {
			return 0, invalidLambda("Unzipped size must be smaller than %d bytes", maxUnzipped)
		}
	}
	return total, nil
}

// unpack writes a package into a folder. Nothing is written outside of it,
// whatever the names and links in the package say, nor more than it announces.
func unpack(code []byte, into string) error {
	z, err := zip.NewReader(bytes.NewReader(code), int64(len(code)))
	if err != nil {
		return fmt.Errorf("unpack function: %w", err)
	}
	if _, err := unzippedSize(z); err != nil {
		return err
	}
	root, err := os.OpenRoot(into)
	if err != nil {
		return fmt.Errorf("unpack function: %w", err)
	}
	defer root.Close() //nolint:errcheck // a folder that was read
	for _, f := range z.File {
		if err := unpackFile(root, f); err != nil {
			return fmt.Errorf("unpack function: %s: %w", f.Name, err)
		}
	}
	return nil
}

// unpackFile writes one entry. The root refuses paths that lead out of it.
func unpackFile(root *os.Root, f *zip.File) error {
	name := path.Clean(strings.ReplaceAll(f.Name, `\`, "/"))
	if f.FileInfo().IsDir() {
		return root.MkdirAll(name, 0o755)
	}
	if dir := path.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	from, err := f.Open()
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // read to its end
	body := io.LimitReader(from, int64(f.UncompressedSize64)+1)
	switch {
	case f.Mode()&fs.ModeSymlink != 0:
		target, err := io.ReadAll(io.LimitReader(body, 4096))
		if err != nil {
			return err
		}
		return root.Symlink(string(target), name)
	case !f.Mode().IsRegular():
		return errors.New("it is neither a file nor a link")
	}
	to, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, f.Mode().Perm()|0o444)
	if err != nil {
		return err
	}
	n, err := io.Copy(to, body)
	if n > int64(f.UncompressedSize64) {
		err = errors.New("it is larger than the package says")
	}
	return errors.Join(err, to.Close())
}
