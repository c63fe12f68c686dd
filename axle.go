// Package axle holds the nouns that all of Axle shares: accounts and their
// organization, targets, steps and what becomes of them. It has types and pure
// functions on them, and imports nothing of ours; drivers live in internal/.
package axle

import (
	"regexp"
	"strings"
	"time"
)

// Account is one AWS account of an organization.
type Account struct {
	ID    string `json:"id"` // 12 digits
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
	// OU is the path of the organizational unit by names, such as
	// "/Workloads/Prod"; "/" for an account directly under the root.
	OU string `json:"ou"`
	// OUIDs leads from the root (r-...) to the account's own OU (ou-...).
	OUIDs []string `json:"ou_ids,omitempty"`
	// Tags are the account's own; OUTags those inherited, the nearest OU first.
	Tags   map[string]string `json:"tags,omitempty"`
	OUTags map[string]string `json:"ou_tags,omitempty"`
	// Status is the State of the Organizations API: PENDING_ACTIVATION, ACTIVE,
	// SUSPENDED, PENDING_CLOSURE or CLOSED.
	Status     string    `json:"status"`
	Management bool      `json:"management,omitempty"`
	Joined     time.Time `json:"joined,omitzero"`
	// JoinedMethod is CREATED or INVITED.
	JoinedMethod string `json:"joined_method,omitempty"`
}

// Active says whether the account can be worked in: states other than ACTIVE
// are selected only when an expression asks for them by status.
func (a Account) Active() bool { return a.Status == "" || a.Status == "ACTIVE" }

// Label names the account for people: its name and number.
func (a Account) Label() string {
	if a.Name == "" {
		return a.ID
	}
	return a.Name + " (" + a.ID + ")"
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)

// ValidAccountID says whether s has the form of an account id.
func ValidAccountID(s string) bool { return accountID.MatchString(s) }

// Target is one place that work is done in.
type Target struct {
	Account string `json:"account"`
	Region  string `json:"region"`
}

func (t Target) String() string { return t.Account + "/" + t.Region }

// Compare orders targets by account, then region.
func (t Target) Compare(o Target) int {
	if c := strings.Compare(t.Account, o.Account); c != 0 {
		return c
	}
	return strings.Compare(t.Region, o.Region)
}
