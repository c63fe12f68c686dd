package cfn

import (
	"os"
	"strings"
	"testing"
)

// TestStatesDocumented holds docs/recovery.md against the table.
func TestStatesDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/recovery.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), StatesMarkdown()) {
		t.Errorf("docs/recovery.md doesn't have this table:\n%s", StatesMarkdown())
	}
}

// TestUnknownStatus: a status of tomorrow is waited for, or a person's.
func TestUnknownStatus(t *testing.T) {
	if got := RuleOf("TELEPORT_IN_PROGRESS").State; got != Busy {
		t.Errorf("in progress: %v", got)
	}
	if got := RuleOf("TELEPORT_FAILED").State; got != Stuck {
		t.Errorf("failed: %v", got)
	}
}
