package sandbox

import (
	"encoding/base64"
	"sort"
)

// paginate cuts one page out of items, which are sorted by key: those after
// the token, at most size of them. An unkind sandbox gives two at a time, as
// AWS may give fewer than asked for. ok is false for a token that isn't ours.
func paginate[T any](s *Sandbox, items []T, key func(T) string, token string, size int) (page []T, next string, ok bool) {
	if token != "" {
		after, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil {
			return nil, "", false
		}
		from := sort.Search(len(items), func(i int) bool { return key(items[i]) > string(after) })
		items = items[from:]
	}
	if s.opts.Unkind {
		size = min(size, 2)
	}
	if size < 1 || len(items) <= size {
		return items, "", true
	}
	page = items[:size]
	return page, base64.RawURLEncoding.EncodeToString([]byte(key(page[size-1]))), true
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
