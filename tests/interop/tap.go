// Package tap writes the Test Anything Protocol, as the validation programs of the OCI's
// runtime-tools ask for it. They import github.com/mndrix/tap-go, which Debian does not package;
// where no such package is found, this one of ours stands in its place. Only what they call.
package tap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// T counts the tests of one program.
type T struct {
	Writer io.Writer
	last   *int
	todo   string
}

// New begins at test 1.
func New() *T { return &T{Writer: os.Stdout, last: new(int)} }

// Header says the version, and the plan where it is known.
func (t *T) Header(count int) {
	fmt.Fprintln(t.Writer, "TAP version 13")
	if count > 0 {
		fmt.Fprintf(t.Writer, "1..%d\n", count)
	}
}

// Ok is one test.
func (t *T) Ok(passed bool, description string) {
	*t.last++
	word := "ok"
	if !passed {
		word = "not ok"
	}
	fmt.Fprintf(t.Writer, "%s %d - %s%s\n", word, *t.last, description, t.todo)
}

// Pass is one that passed.
func (t *T) Pass(description string) { t.Ok(true, description) }

// Fail is one that did not.
func (t *T) Fail(description string) { t.Ok(false, description) }

// Skip counts tests that were not tried.
func (t *T) Skip(count int, description string) {
	for ; count > 0; count-- {
		*t.last++
		fmt.Fprintf(t.Writer, "ok %d # SKIP %s\n", *t.last, description)
	}
}

// Todo is for tests that are not expected to pass.
func (t *T) Todo() *T {
	other := *t
	other.todo = " # TODO"
	return &other
}

// AutoPlan says in the end how many there were.
func (t *T) AutoPlan() { fmt.Fprintf(t.Writer, "1..%d\n", *t.last) }

// Diagnostic is a remark.
func (t *T) Diagnostic(message string) { fmt.Fprintln(t.Writer, "# "+message) }

// Diagnosticf is one with a format.
func (t *T) Diagnosticf(format string, values ...interface{}) {
	t.Diagnostic(fmt.Sprintf(format, values...))
}

// YAML is a block of facts. JSON is YAML, too.
func (t *T) YAML(facts interface{}) error {
	text, err := json.Marshal(facts)
	if err == nil {
		fmt.Fprintf(t.Writer, "  ---\n  %s\n  ...\n", text)
	}
	return err
}
