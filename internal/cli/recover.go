package cli

import (
	"errors"

	"axle/internal/action"
	"axle/internal/control"

	"github.com/spf13/cobra"
)

var (
	errSkipAlone    = errors.New("--skip leaves resources out of a rollback that is continued")
	errNegativeWait = errors.New("--wait-others can't be negative")
)

// recoveryFlags are what is allowed with stacks that can't go on by themselves.
type recoveryFlags struct {
	action.Recovery
	imports string
}

func (f *recoveryFlags) waiting(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.OtherTime, "wait-others", action.OtherTime, "how long to wait for somebody else's operation on a stack")
}

func (f *recoveryFlags) rollback(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.Continue, "continue-rollback", false, "continue the rollback of stacks in UPDATE_ROLLBACK_FAILED, then deploy them")
	cmd.Flags().StringSliceVar(&f.Skip, "skip", nil, "with --continue-rollback: resources to leave as they are, by logical id")
}

func (f *recoveryFlags) retain(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.Retain, "retain", nil, "of stacks in DELETE_FAILED: resources to leave alone, by logical id")
	cmd.Flags().BoolVar(&f.RetainFailed, "retain-failed", false, "of stacks in DELETE_FAILED: leave alone whatever couldn't be deleted")
}

func (f *recoveryFlags) importing(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.imports, "import", "", "file of existing resources to take into their stacks: stack, logical id, identifiers")
}

// set puts the flags into the options of a use case.
func (f *recoveryFlags) set(o *control.Options) error {
	if len(f.Skip) > 0 && !f.Continue {
		return &usageError{errSkipAlone, "add --continue-rollback"}
	}
	if f.OtherTime < 0 {
		return &usageError{errNegativeWait, "such as 10m"}
	}
	o.Recovery, o.Import = f.Recovery, f.imports
	return nil
}
