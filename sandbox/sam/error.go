package sam

import (
	"fmt"
	"slices"
	"strings"
)

// Error is a document that the transform refuses, with every cause.
type Error struct{ Causes []string }

func (e *Error) Error() string {
	return fmt.Sprintf("Invalid Serverless Application Specification document. Number of errors found: %d. %s",
		len(e.Causes), strings.Join(e.Causes, " "))
}

// problem is one cause in the transform's words.
type problem struct {
	text  string
	event bool // of an event, to be told with the function's name
}

func (p *problem) Error() string { return p.text }

func badResource(id, format string, args ...any) error {
	return &problem{text: fmt.Sprintf("Resource with id [%s] is invalid. ", id) + fmt.Sprintf(format, args...)}
}

func badEvent(id, format string, args ...any) error {
	return &problem{text: fmt.Sprintf("Event with id [%s] is invalid. ", id) + fmt.Sprintf(format, args...), event: true}
}

func badTemplate(format string, args ...any) error {
	return &problem{text: "Structure of the SAM template is invalid. " + fmt.Sprintf(format, args...)}
}

// inFunction tells an event's problem with its function's name.
func inFunction(id string, err error) error {
	if p, ok := err.(*problem); ok && p.event {
		return badResource(id, "%s", p.text)
	}
	return err
}

func (t *transform) note(err error) {
	if err == nil {
		return
	}
	if text := err.Error(); !slices.Contains(t.problems, text) {
		t.problems = append(t.problems, text)
	}
}
