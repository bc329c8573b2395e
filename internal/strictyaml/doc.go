// Package strictyaml reads YAML and JSON that people write, and changes nothing of what
// they wrote: a number is never turned into text, an octal number never into a decimal
// one, and nothing of the input is left out. It finds all faults at once, each with its
// line. Tools that read YAML 1.1 (kubectl, Helm) and tools that read YAML 1.2 understand
// what it accepts in the same way.
//
// It knows the types of Go that settings and lists consist of: structs with json tags,
// slices, maps of strings, strings, booleans and integers.
package strictyaml

import (
	"fmt"
	"strings"
)

// Codes of faults.
const (
	CodeSyntax       = "NotYAML"
	CodeEncoding     = "NotText"
	CodeDocuments    = "MoreThanOneDocument"
	CodeDuplicate    = "DuplicateKey"
	CodeUnknown      = "UnknownField"
	CodeType         = "WrongType"
	CodeUnquoted     = "NotQuoted"
	CodeDecimal      = "NotDecimal"
	CodeMissingValue = "NoValue"
	CodeTooLarge     = "TooLarge"
)

// Fault is one thing wrong with a document.
type Fault struct {
	// Line counts from 1; 0 when the fault is nowhere in particular.
	Line int
	// Field is the path of the value, such as pods.cloudcore.tolerations[0].key.
	Field string
	// Value as it is written; empty for lists and objects.
	Value                 string
	Code, Message, Remedy string
}

// String is the fault on one line.
func (f Fault) String() string {
	var b strings.Builder
	if f.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", f.Line)
	}
	if f.Field != "" {
		fmt.Fprintf(&b, "%s: ", f.Field)
	}
	fmt.Fprintf(&b, "%s: %s", f.Message, f.Remedy)
	return b.String()
}

// Faults is every fault of a document, in order of lines.
type Faults []Fault

// Error lists the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, one := range f {
		lines[i] = one.String()
	}
	return strings.Join(lines, "\n")
}
