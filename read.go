package axle

import "fmt"

// Kinds of reads.
const (
	ReadParameter = "ssm"
	ReadSecret    = "secret"
	ReadExport    = "export"
)

// A Read is what an ssm(), secret() or export() asks AWS for. Two that are equal
// have one answer.
type Read struct {
	Kind    string `json:"kind"`
	Account string `json:"account"`
	Region  string `json:"region"`
	Name    string `json:"name"`
	// Key chooses a part of a secret that is a JSON object; "": all of it.
	Key string `json:"key,omitempty"`
}

// Target is where the read looks.
func (r Read) Target() Target { return Target{r.Account, r.Region} }

// String names what is read for people: "parameter /x".
func (r Read) String() string {
	what := map[string]string{ReadParameter: "parameter", ReadSecret: "secret", ReadExport: "export"}[r.Kind] + " " + r.Name
	if r.Key != "" {
		what = fmt.Sprintf("key %q of %s", r.Key, what)
	}
	return what
}

// Found is the answer to a Read. Err has ErrNotFound in its chain when there is
// nothing of that name.
type Found struct {
	Value string
	// Secret values are never shown: those of secrets and of SecureStrings.
	Secret bool
	Err    error
}
