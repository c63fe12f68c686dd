package access

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cacheVersion is raised when the files' shape changes.
const cacheVersion = 1

// Cache keeps what was read in files, one for each account, for a while. They
// have policies and names only, and belong to their owner alone. A nil Cache
// keeps nothing. What can't be written is read again the next time.
type Cache struct {
	Dir string
	// Key tells whose facts they are, as snapshots of the organization have it.
	Key string
	Age time.Duration
	// Since is when something may have changed: what was kept before isn't used.
	Since time.Time
	// Refresh ignores what was kept.
	Refresh bool
	Now     time.Time
}

type cacheHead struct {
	Version int       `json:"version"`
	Key     string    `json:"key"`
	Taken   time.Time `json:"taken"`
}

// cachedAccount has each text once: managed policies are attached to many.
type cachedAccount struct {
	cacheHead
	Account    string            `json:"account"`
	Texts      []string          `json:"texts"`
	Principals []cachedPrincipal `json:"principals"`
}

type cachedPrincipal struct {
	ARN      string            `json:"arn"`
	ID       string            `json:"id,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Policies []cachedDocument  `json:"policies,omitempty"`
	Boundary *cachedDocument   `json:"boundary,omitempty"`
	Trust    *cachedDocument   `json:"trust,omitempty"`
}

type cachedDocument struct {
	Name   string `json:"name"`
	Text   int    `json:"text"`
	Unread string `json:"unread,omitempty"`
}

func (c *Cache) load(name string, into any, head *cacheHead) bool {
	if c == nil || c.Refresh {
		return false
	}
	body, err := os.ReadFile(filepath.Join(c.Dir, name))
	if err != nil || json.Unmarshal(body, into) != nil {
		return false
	}
	age := c.Now.Sub(head.Taken)
	return head.Version == cacheVersion && head.Key == c.Key && age <= c.Age && age >= -time.Minute && !head.Taken.Before(c.Since)
}

// save replaces a file at once.
func (c *Cache) save(name string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(c.Dir, name+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(body)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), filepath.Join(c.Dir, name))
}

func (c *Cache) head() cacheHead { return cacheHead{cacheVersion, c.Key, c.Now} }

func (c *Cache) account(id string) *Account {
	var in cachedAccount
	if !c.load(id+".json", &in, &in.cacheHead) || in.Account != id {
		return nil
	}
	damaged := false
	document := func(d *cachedDocument) *Document {
		if d == nil {
			return nil
		}
		if d.Text < -1 || d.Text >= len(in.Texts) {
			damaged = true
			return nil
		}
		out := &Document{Name: d.Name, Unread: d.Unread}
		if d.Text >= 0 {
			out.Text = in.Texts[d.Text]
		}
		return out
	}
	a := &Account{ID: id}
	for _, p := range in.Principals {
		out := &Principal{ARN: p.ARN, ID: p.ID, Tags: p.Tags, Boundary: document(p.Boundary), Trust: document(p.Trust)}
		for i := range p.Policies {
			if d := document(&p.Policies[i]); d != nil {
				out.Policies = append(out.Policies, *d)
			}
		}
		a.Principals = append(a.Principals, out)
	}
	if damaged {
		return nil
	}
	return a
}

func (c *Cache) keepAccount(a *Account) {
	if c == nil {
		return
	}
	out := cachedAccount{cacheHead: c.head(), Account: a.ID, Texts: []string{}, Principals: []cachedPrincipal{}}
	index := map[string]int{}
	document := func(d *Document) *cachedDocument {
		if d == nil {
			return nil
		}
		if d.Unread != "" {
			return &cachedDocument{Name: d.Name, Text: -1, Unread: d.Unread}
		}
		i, ok := index[d.Text]
		if !ok {
			i = len(out.Texts)
			index[d.Text] = i
			out.Texts = append(out.Texts, d.Text)
		}
		return &cachedDocument{Name: d.Name, Text: i}
	}
	for _, p := range a.Principals {
		kept := cachedPrincipal{ARN: p.ARN, ID: p.ID, Tags: p.Tags, Boundary: document(p.Boundary), Trust: document(p.Trust)}
		for i := range p.Policies {
			kept.Policies = append(kept.Policies, *document(&p.Policies[i]))
		}
		out.Principals = append(out.Principals, kept)
	}
	_ = c.save(a.ID+".json", out) // read again the next time
}

// cachedRails are the policies of one root, OU or account.
type cachedRails struct {
	cacheHead
	Names []string `json:"names"`
	Texts []string `json:"texts"`
}

func railsFile(key string) string {
	return strings.ToLower(strings.ReplaceAll(key, " ", "-")) + ".json"
}

func (c *Cache) rails(key string) ([]Document, bool) {
	var in cachedRails
	if !c.load(railsFile(key), &in, &in.cacheHead) || len(in.Names) != len(in.Texts) {
		return nil, false
	}
	docs := make([]Document, len(in.Names))
	for i := range docs {
		docs[i] = Document{Name: in.Names[i], Text: in.Texts[i]}
	}
	return docs, true
}

func (c *Cache) keepRails(key string, docs []Document) {
	if c == nil {
		return
	}
	out := cachedRails{cacheHead: c.head(), Names: []string{}, Texts: []string{}}
	for _, d := range docs {
		out.Names, out.Texts = append(out.Names, d.Name), append(out.Texts, d.Text)
	}
	_ = c.save(railsFile(key), out) // read again the next time
}
