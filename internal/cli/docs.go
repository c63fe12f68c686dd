package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// docsCommand writes docs/commands; hidden, as it is for those who change Axle.
func (a *App) docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "docs DIR",
		Short:   "Write the description of every command as Markdown",
		Long:    "Writes one file for each command into the folder, as docs/commands of the repository has them.",
		Example: "  axle docs docs/commands",
		Args:    exactArg("the folder to write to"),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the folder of the descriptions: %w", err)
			}
			for name, page := range commandPages(cmd.Root()) {
				if err := os.WriteFile(filepath.Join(args[0], name), page, 0o644); err != nil {
					return fmt.Errorf("write the description of a command: %w", err)
				}
			}
			return nil
		},
	}
}

// commandPages describes root and every command under it, by file name.
func commandPages(root *cobra.Command) map[string][]byte {
	pages := map[string][]byte{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		pages[pageName(c)] = commandPage(c)
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	walk(root)
	return pages
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") + ".md" }

func commandPage(c *cobra.Command) []byte {
	c.InitDefaultHelpFlag()
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n", c.CommandPath(), strings.TrimSuffix(c.Short, "."))
	if c.Runnable() {
		fmt.Fprintf(&b, "    %s\n\n", c.UseLine())
	}
	if c.Long != "" {
		// What is indented in a terminal is a block of code here.
		fmt.Fprintf(&b, "%s\n\n", strings.ReplaceAll(strings.TrimSpace(c.Long), "\n  ", "\n    "))
	}
	if c.Example != "" {
		fmt.Fprintf(&b, "## Examples\n\n```sh\n%s\n```\n\n", unindent(c.Example))
	}
	fmt.Fprintf(&b, "## Flags\n\n```\n%s\n```\n\n", unindent(c.NonInheritedFlags().FlagUsages()))
	if c.HasAvailableInheritedFlags() {
		fmt.Fprintf(&b, "It also takes the [flags of every command](%s#flags).\n\n", pageName(c.Root()))
	}
	commandList(&b, c)
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

func commandList(b *bytes.Buffer, c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	b.WriteString("## Commands\n\n| command | does |\n|---|---|\n")
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(b, "| [%s](%s) | %s |\n", sub.CommandPath(), pageName(sub), sub.Short)
		}
	}
	b.WriteByte('\n')
}

// unindent takes the two columns away that examples have in a terminal.
func unindent(s string) string {
	lines := strings.Split(strings.Trim(s, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(l, "  ")
	}
	return strings.Join(lines, "\n")
}
