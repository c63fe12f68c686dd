package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"axle"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// snapshotVersion is raised when the file's shape changes; files of another
// version are ignored.
const snapshotVersion = 1

// snapshot is the file: the organization with whose it is. Accounts name their
// OU by its index, which keeps 10,000 of them small and quick to read.
type snapshot struct {
	Version    int               `json:"version"`
	Key        string            `json:"key"`
	ID         string            `json:"id,omitempty"`
	Management string            `json:"management"`
	Source     string            `json:"source"`
	Tagged     bool              `json:"tagged"`
	Taken      time.Time         `json:"taken"`
	OUs        []axle.OU         `json:"ous"`
	Accounts   []snapshotAccount `json:"accounts"`
}

type snapshotAccount struct {
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Email  string            `json:"email,omitempty"`
	OU     int               `json:"ou"`
	Tags   map[string]string `json:"tags,omitempty"`
	Status string            `json:"status"`
	Joined int64             `json:"joined,omitempty"` // unix milliseconds
	Method string            `json:"method,omitempty"`
}

// SnapshotKey tells whose organization a snapshot is: the caller's partition
// and account, and the endpoint. Another organization's is never used.
func (c *Cloud) SnapshotKey(id Identity) string {
	client, _ := c.organizationsAs(c.base, id.Account)
	return id.Partition + "/" + id.Account + "/" + aws.ToString(client.Options().BaseEndpoint)
}

// LoadSnapshot reads an organization that was saved under the same key no
// longer than maxAge ago, and with tags if these are wanted. ok is false when
// there is none that may be used; a damaged file counts as none.
func LoadSnapshot(path, key string, maxAge time.Duration, tags bool) (org *axle.Organization, ok bool) {
	body, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	var s snapshot
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, false
	}
	age := time.Since(s.Taken)
	if s.Version != snapshotVersion || s.Key != key || age > maxAge || age < -time.Minute || tags && !s.Tagged {
		return nil, false
	}
	return s.organization()
}

func (s *snapshot) organization() (*axle.Organization, bool) {
	org := &axle.Organization{ID: s.ID, Management: s.Management, Source: s.Source, Tagged: s.Tagged, Taken: s.Taken,
		OUs: s.OUs, Accounts: make([]axle.Account, len(s.Accounts))}
	above := make([][]string, len(s.OUs))
	index := make(map[string]int, len(s.OUs))
	for i, ou := range s.OUs { // sorted by path: parents come first
		if parent, ok := index[ou.Parent]; ok {
			above[i] = append(above[i], above[parent]...)
		}
		above[i] = append(above[i], ou.ID)
		index[ou.ID] = i
	}
	for i, a := range s.Accounts {
		if a.OU < 0 || a.OU >= len(s.OUs) {
			return nil, false
		}
		org.Accounts[i] = axle.Account{ID: a.ID, Name: a.Name, Email: a.Email, OU: s.OUs[a.OU].Path, OUIDs: above[a.OU],
			Tags: a.Tags, Status: a.Status, Management: a.ID == s.Management, JoinedMethod: a.Method}
		if a.Joined != 0 {
			org.Accounts[i].Joined = time.UnixMilli(a.Joined).UTC()
		}
	}
	org.Sort()
	return org, true
}

// SaveSnapshot writes the organization for LoadSnapshot, whole or not at all.
func SaveSnapshot(path, key string, org *axle.Organization) error {
	s := snapshot{Version: snapshotVersion, Key: key, ID: org.ID, Management: org.Management, Source: org.Source,
		Tagged: org.Tagged, Taken: org.Taken, OUs: org.OUs, Accounts: make([]snapshotAccount, len(org.Accounts))}
	index := make(map[string]int, len(org.OUs))
	for i, ou := range org.OUs {
		index[ou.ID] = i
	}
	for i, a := range org.Accounts {
		if len(a.OUIDs) == 0 {
			return fmt.Errorf("save the organization's snapshot: account %s is in no OU", a.ID)
		}
		ou, ok := index[a.OUIDs[len(a.OUIDs)-1]]
		if !ok {
			return fmt.Errorf("save the organization's snapshot: account %s is in an unknown OU", a.ID)
		}
		s.Accounts[i] = snapshotAccount{ID: a.ID, Name: a.Name, Email: a.Email, OU: ou, Tags: a.Tags, Status: a.Status, Method: a.JoinedMethod}
		if !a.Joined.IsZero() {
			s.Accounts[i].Joined = a.Joined.UnixMilli()
		}
	}
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("save the organization's snapshot: %w", err)
	}
	return writeWhole(path, body)
}

// writeWhole replaces a file at once; e-mail addresses are nobody else's business.
func writeWhole(path string, body []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("save the organization's snapshot: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // 0600
	if err != nil {
		return fmt.Errorf("save the organization's snapshot: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(body)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("save the organization's snapshot: %w", err)
	}
	return nil
}
