package cli

import (
	"io"

	"axle/internal/control"
	"axle/internal/report"

	"github.com/spf13/cobra"
)

// readers prints who reads which output.
func (a *App) readers(cmd *cobra.Command) error {
	ctx, release := interruptible(cmd.Context())
	defer release()
	w, err := control.Open(ctx, a.options())
	if err != nil {
		return err
	}
	found, err := w.Readers(ctx)
	a.warnings(w)
	if err != nil {
		return err
	}
	out := &report.Readers{Project: w.Project(), Outputs: []report.ReadOutput{}}
	for _, o := range found {
		x := report.ReadOutput{Stack: o.Stack, StackName: o.StackName, Account: o.Account.ID, AccountName: o.Account.Name, Region: o.Region,
			Output: o.Output, Value: o.Value, Export: o.Export, Readers: []report.Reader{}, Error: o.Failure}
		for i := range o.Readers {
			x.Readers = append(x.Readers, reader(&o.Readers[i]))
		}
		out.Outputs = append(out.Outputs, x)
	}
	if err := a.print(out, func(w io.Writer, st report.Style) { out.Text(w, st) }); err != nil {
		return err
	}
	switch failed := out.Failures(); {
	case failed > 0 && failed == len(out.Outputs):
		return codeError(exitError)
	case failed > 0:
		return codeError(exitPartial)
	}
	return nil
}

// forceReferences adds the flag that goes on where outputs are still read.
func forceReferences(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "force-references", false, "also where stacks that stay read what is taken away")
}

func staleStacks(list []control.Stale) []report.Stale {
	var out []report.Stale
	for _, s := range list {
		out = append(out, report.Stale{Stack: s.Stack, StackName: s.StackName, Account: s.Account.ID, AccountName: s.Account.Name,
			Region: s.Region, StaleInput: s.StaleInput})
	}
	return out
}

func reader(r *control.Reader) report.Reader {
	return report.Reader{Stack: r.Stack, StackName: r.StackName, Account: r.Account.ID, AccountName: r.Account.Name, Region: r.Region,
		Peering: r.Peering, By: r.By, Parameter: r.Input, Deployed: r.Deployed, Error: r.Failure}
}

func stillReaders(list []control.Reader) []report.StillReader {
	out := make([]report.StillReader, len(list))
	for i := range list {
		r := &list[i]
		out[i] = report.StillReader{Of: r.Producer, OfAccount: r.ProducerAccount.ID, OfRegion: r.ProducerRegion, Output: r.Output, Reader: reader(r)}
	}
	return out
}
