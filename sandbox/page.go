package sandbox

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"sort"
)

// paginate cuts one page out of items, which are sorted by key: those after
// the token, at most size of them. An unkind sandbox gives two at a time, as
// AWS may give fewer than asked for. ok is false for a token that isn't ours.
func paginate[T any](s *Sandbox, items []T, key func(T) string, token string, size int) (page []T, next string, ok bool) {
	if token != "" {
		after, ours := pageAfter(token)
		if !ours {
			return nil, "", false
		}
		from := sort.Search(len(items), func(i int) bool { return key(items[i]) > after })
		items = items[from:]
	}
	if s.opts.Unkind {
		size = min(size, 2)
	}
	if size < 1 || len(items) <= size {
		return items, "", true
	}
	page = items[:size]
	return page, pageToken(key(page[size-1])), true
}

// pageToken is the token of the page after a key. A checksum tells it from text
// that somebody made up.
func pageToken(after string) string {
	raw := binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(after)))
	return base64.RawURLEncoding.EncodeToString(append(raw, after...))
}

func pageAfter(token string) (after string, ours bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < 4 {
		return "", false
	}
	after = string(raw[4:])
	return after, token == pageToken(after)
}

// same is the key of a list of plain names.
func same(s string) string { return s }

// optional leaves an empty string out of an output.
func optional(v string) any {
	if v == "" {
		return nil
	}
	return v
}

// tagList is how most services show tags, sorted by key.
func tagList(tags map[string]string) []obj {
	out := make([]obj, 0, len(tags))
	for _, k := range sortedKeys(tags) {
		out = append(out, obj{"Key": k, "Value": tags[k]})
	}
	return out
}
