package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"axle/policy"

	"github.com/spf13/cobra"
)

func (a *App) accessEvaluateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "evaluate FILE.jsonl",
		Short: "Decide requests that are given with their policies, one a line",
		Long: `Reads one case a line: a request with all the policies that have a say in it.
Writes one line of JSON for each as soon as it is decided: id, decision (Allowed,
ImplicitlyDenied, ExplicitlyDenied, Unknown when AWS's documentation leaves it
open, Error when a policy is malformed) and explanation. "-" reads from stdin.

A case has: id, request (principal, action, resource, resourceAccount, context),
identityPolicies, resourcePolicy (a trust or key policy, too), permissionBoundary,
sessionPolicy, endpointPolicy, and scps and rcps: lists of levels, the root first.
No AWS account is asked.`,
		Example: `  axle access evaluate cases.jsonl
  axle access evaluate - < cases.jsonl`,
		Args: exactArg("a file of cases, or - for stdin"),
		RunE: func(_ *cobra.Command, args []string) error {
			in := a.In
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return &usageError{fmt.Errorf("read the cases: %w", err), "a file of one JSON case a line, or - for stdin"}
				}
				defer f.Close()
				in = f
			}
			a.answer = true
			unread, err := evaluateCases(in, a.Out)
			if err != nil {
				return err
			}
			if unread > 0 {
				a.note("axle: %d lines aren't cases; their decision is Error", unread)
				return codeError(exitUsage)
			}
			return nil
		},
	}
}

// maxCase is how long a line may be.
const maxCase = 16 << 20

// decided is a line of the output.
type decided struct {
	ID          string `json:"id"`
	Decision    string `json:"decision"`
	Explanation string `json:"explanation"`
	Error       string `json:"error,omitempty"`
}

// evaluateCases answers each line of in with one of out, and counts those that
// aren't cases. It keeps one line in memory.
func evaluateCases(in io.Reader, out io.Writer) (unread int, err error) {
	lines := &caseLines{r: bufio.NewReaderSize(in, 64<<10)}
	buffered := bufio.NewWriterSize(out, 64<<10)
	e := json.NewEncoder(buffered)
	e.SetEscapeHTML(false)
	var cases policy.CaseReader
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, errLongCase) {
			return unread, errors.Join(fmt.Errorf("read the cases: line %d: %w", lines.n, err), buffered.Flush())
		}
		if err == nil && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		answer := decided{ID: fmt.Sprintf("line %d", lines.n), Decision: policy.WordError}
		var c *policy.Case
		if err == nil {
			c, err = cases.Decode(line)
			answer.name(c)
		}
		if err != nil {
			unread++
			answer.Error = fmt.Sprintf("line %d: %v", lines.n, err)
			answer.Explanation = answer.Error
		} else {
			answer.decide(c)
		}
		if err := e.Encode(answer); err != nil {
			return unread, fmt.Errorf("write the decisions: %w", err)
		}
		// Somebody may be waiting for the answers to what was written so far.
		if lines.r.Buffered() == 0 {
			if err := buffered.Flush(); err != nil {
				return unread, fmt.Errorf("write the decisions: %w", err)
			}
		}
	}
	if err := buffered.Flush(); err != nil {
		return unread, fmt.Errorf("write the decisions: %w", err)
	}
	return unread, nil
}

func (d *decided) name(c *policy.Case) {
	if c.ID != "" {
		d.ID = c.ID
	}
}

func (d *decided) decide(c *policy.Case) {
	if c.Err != nil {
		d.Error = c.Err.Error()
		d.Explanation = d.Error
		return
	}
	x := policy.Explain(c.Request, c.Policies)
	d.Decision, d.Explanation = x.Outcome(), strings.Join(x.Tree(), "\n")
}

var errLongCase = fmt.Errorf("not a case: it is longer than %d MB", maxCase>>20)

// caseLines cuts its input into lines.
type caseLines struct {
	r    *bufio.Reader
	n    int // of the line that was returned last, from 1
	line []byte
}

// next gives a line, or errLongCase for one that is too long and has been
// passed over. What it returns is valid until it is called again.
func (l *caseLines) next() ([]byte, error) {
	l.n++
	if cap(l.line) > 1<<20 {
		l.line = nil // a rare long one isn't kept
	}
	l.line = l.line[:0]
	long := false
	for {
		part, err := l.r.ReadSlice('\n')
		if long = long || len(l.line)+len(part) > maxCase; !long {
			l.line = append(l.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (long || len(l.line) > 0):
		case err != nil:
			return nil, err
		}
		if long {
			return nil, errLongCase
		}
		return l.line, nil
	}
}
