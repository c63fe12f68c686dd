package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func (a *App) accessEvaluateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "evaluate FILE.jsonl",
		Short: "Decide requests that are given with their policies, one a line",
		Long: `Reads one case a line: a request with all the policies that have a say in it.
Writes one JSON line for each: its id, the decision and the explanation. "-" reads
from stdin.`,
		Example: `  axle access evaluate cases.jsonl
  axle access evaluate - < cases.jsonl`,
		Args: exactArg("a file of cases, or - for stdin"),
		RunE: func(*cobra.Command, []string) error { return errors.New("not there yet") },
	}
}
