package cloud

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"axle"

	"github.com/google/go-cmp/cmp"
)

// large is an organization of n accounts in n/20 OUs.
func large(n int) *axle.Organization {
	org := &axle.Organization{ID: "o-a1b2c3d4e5", Management: "000000000000", Source: "aws", Tagged: true, Taken: time.Now().UTC().Truncate(time.Second),
		OUs: []axle.OU{{ID: "r-ab12", Name: "Root", Path: "/"}}}
	for i := range n / 20 {
		name := fmt.Sprintf("Unit%d", i)
		org.OUs = append(org.OUs, axle.OU{ID: fmt.Sprintf("ou-ab12-%08d", i), Name: name, Path: "/" + name, Parent: "r-ab12", Tags: map[string]string{"cost": name}})
	}
	for i := range n {
		ou := org.OUs[i%len(org.OUs)]
		ids := []string{"r-ab12"}
		if ou.Parent != "" {
			ids = append(ids, ou.ID)
		}
		org.Accounts = append(org.Accounts, axle.Account{ID: fmt.Sprintf("%012d", i), Name: fmt.Sprintf("account-%d", i), Email: fmt.Sprintf("aws+%d@example.com", i),
			OU: ou.Path, OUIDs: ids, Status: "ACTIVE", Management: i == 0, JoinedMethod: "CREATED", Joined: time.Unix(1_700_000_000, 0).UTC(),
			Tags: map[string]string{"env": "dev", "team": "network", "cost-center": "4711", "owner": "jane@example.com", "net": fmt.Sprint(i % 250)}})
	}
	org.Sort()
	return org
}

func TestSnapshot(t *testing.T) {
	path := filepath.Join(t.TempDir(), ".axle", "organization.json")
	if _, ok := LoadSnapshot(path, "k", time.Hour, false); ok {
		t.Error("a snapshot from nothing")
	}
	org := large(60)
	if err := SaveSnapshot(path, "k", org); err != nil {
		t.Fatal(err)
	}
	got, ok := LoadSnapshot(path, "k", time.Hour, true)
	if !ok {
		t.Fatal("not loaded")
	}
	if diff := cmp.Diff(org, got); diff != "" {
		t.Error(diff)
	}
	if _, ok := LoadSnapshot(path, "another organization", time.Hour, true); ok {
		t.Error("another organization's snapshot is used")
	}
	if _, ok := LoadSnapshot(path, "k", 0, true); ok {
		t.Error("an old snapshot is used")
	}
	org.Tagged = false
	if err := SaveSnapshot(path, "k", org); err != nil {
		t.Fatal(err)
	}
	if _, ok := LoadSnapshot(path, "k", time.Hour, true); ok {
		t.Error("tags are wanted and the snapshot has none")
	}
	if _, ok := LoadSnapshot(path, "k", time.Hour, false); !ok {
		t.Error("not loaded without tags")
	}
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{"", "{", string(body[:len(body)/2]), strings.Replace(string(body), `"ou":3`, `"ou":999`, 1)} {
		if err := os.WriteFile(path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, ok := LoadSnapshot(path, "k", time.Hour, false); ok {
			t.Errorf("a damaged snapshot is used: %.20q", damaged)
		}
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func BenchmarkLoadSnapshot(b *testing.B) {
	path := filepath.Join(b.TempDir(), "organization.json")
	if err := SaveSnapshot(path, "k", large(10000)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, ok := LoadSnapshot(path, "k", time.Hour, true); !ok {
			b.Fatal("not loaded")
		}
	}
}
