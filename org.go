package axle

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// OU is an organizational unit, or the root (Path "/").
type OU struct {
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Path   string            `json:"path"`
	Parent string            `json:"parent,omitempty"` // id; empty for the root
	Tags   map[string]string `json:"tags,omitempty"`
}

// Organization is what discovery found: a snapshot, with the time it was taken.
type Organization struct {
	ID         string    `json:"id,omitempty"` // o-...; empty for a static list
	Management string    `json:"management"`   // account id
	OUs        []OU      `json:"ous"`          // sorted by path, the root first
	Accounts   []Account `json:"accounts"`     // sorted by id
	// Tagged says whether tags were fetched; without them every Tags is nil.
	Tagged bool      `json:"tagged"`
	Source string    `json:"source"` // aws | file:... | ssm:...
	Taken  time.Time `json:"taken"`
	// Calls counts the API calls that discovery made, by operation.
	Calls map[string]int `json:"-"`
	// Warnings are what a user should know of how this was found.
	Warnings []string `json:"-"`
}

// Account finds an account by id.
func (o *Organization) Account(id string) (Account, bool) {
	i := sort.Search(len(o.Accounts), func(i int) bool { return o.Accounts[i].ID >= id })
	if i < len(o.Accounts) && o.Accounts[i].ID == id {
		return o.Accounts[i], true
	}
	return Account{}, false
}

// Find finds accounts by id or by name; names need not be unique.
func (o *Organization) Find(idOrName string) []Account {
	if a, ok := o.Account(idOrName); ok {
		return []Account{a}
	}
	var found []Account
	for _, a := range o.Accounts {
		if a.Name == idOrName {
			found = append(found, a)
		}
	}
	return found
}

// One finds the one account of that id or name. The error is a *Failure.
func (o *Organization) One(idOrName string) (Account, error) {
	found := o.Find(idOrName)
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Account{}, &Failure{Code: "UnknownAccount", Blocked: true,
			Message: fmt.Sprintf("account %q is not in the organization", idOrName), Hint: "axle org accounts lists what there is"}
	}
	return Account{}, &Failure{Code: "AmbiguousAccount", Blocked: true,
		Message: fmt.Sprintf("%d accounts are named %q", len(found), idOrName), Hint: "say which by its 12 digits"}
}

// Sort puts accounts and OUs in their order and derives what accounts inherit:
// OUTags, from the OUs named by OUIDs.
func (o *Organization) Sort() {
	sort.Slice(o.Accounts, func(i, j int) bool { return o.Accounts[i].ID < o.Accounts[j].ID })
	sort.Slice(o.OUs, func(i, j int) bool { return o.OUs[i].Path < o.OUs[j].Path })
	tags := make(map[string]map[string]string, len(o.OUs))
	for _, ou := range o.OUs {
		if len(ou.Tags) > 0 {
			tags[ou.ID] = ou.Tags
		}
	}
	for i := range o.Accounts {
		a := &o.Accounts[i]
		a.OUTags = nil
		for _, id := range a.OUIDs { // root first: the nearer OU overwrites
			for k, v := range tags[id] {
				if a.OUTags == nil {
					a.OUTags = map[string]string{}
				}
				a.OUTags[k] = v
			}
		}
	}
}

// JoinOU appends a name to an OU path.
func JoinOU(path, name string) string { return strings.TrimSuffix(path, "/") + "/" + name }
