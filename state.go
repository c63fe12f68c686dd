package axle

import (
	"fmt"
	"time"
)

// StackState is what a plan has seen of a stack, or of a peering connection: as
// long as it is the same, that is what was reviewed. The zero value is one that
// isn't there; a stack that has nothing but change sets counts as that.
type StackState struct {
	ID      string    `json:"id,omitempty"`
	Status  string    `json:"status,omitempty"`
	Updated time.Time `json:"updated,omitzero"` // or created
	// Template is the digest of its template; empty when it wasn't read.
	Template   string `json:"template,omitempty"`
	Parameters string `json:"parameters,omitempty"` // digest of its parameters
	Outputs    string `json:"outputs,omitempty"`    // digest of its outputs
	Drift      string `json:"drift,omitempty"`      // status of the last detection
	Routes     string `json:"routes,omitempty"`     // digest of the routes over a peering connection
	Options    string `json:"options,omitempty"`    // DNS options of a peering connection
}

// Moved says in words how a stack that was seen as s differs now; "" when it
// doesn't.
func (s StackState) Moved(now StackState) string {
	switch {
	case s.ID == "" && now.ID == "":
		return ""
	case s.ID == "":
		return "appeared, in " + now.Status
	case now.ID == "":
		return "was deleted"
	case s.ID != now.ID:
		return "was deleted and made anew"
	case !s.Updated.Equal(now.Updated):
		return fmt.Sprintf("was updated at %s, and is in %s", now.Updated.UTC().Format(time.RFC3339), now.Status)
	case s.Status != now.Status:
		return fmt.Sprintf("went from %s to %s", s.Status, now.Status)
	case s.Template != "" && now.Template != "" && s.Template != now.Template:
		return "has another template"
	case s.Parameters != now.Parameters:
		return "has other parameters"
	case s.Outputs != now.Outputs:
		return "has other outputs"
	case s.Routes != now.Routes:
		return "has other routes"
	case s.Options != now.Options:
		return "has other DNS options"
	case s.Drift != now.Drift && now.Drift == "DRIFTED":
		return "has drifted, as drift detection found since"
	}
	return ""
}
