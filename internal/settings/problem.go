package settings

import (
	"fmt"
	"strings"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// Problem is one thing wrong with settings: which field, what value, why, and
// what to do about it. A warning does not keep the settings from being applied.
type Problem struct {
	Field   string `json:"field" doc:"Path of the field, such as cloudHub.quic.port."`
	Value   any    `json:"value,omitempty" doc:"The value that was given."`
	Code    string `json:"code" doc:"Stable reason."`
	Message string `json:"message" doc:"What is wrong."`
	Remedy  string `json:"remedy" doc:"What to do."`
	Warning bool   `json:"warning,omitempty" doc:"The settings can be applied all the same."`
}

func refuse(field string, value any, code, message, remedy string) Problem {
	return Problem{Field: field, Value: value, Code: code, Message: message, Remedy: remedy}
}

func warning(field string, value any, code, message, remedy string) Problem {
	p := refuse(field, value, code, message, remedy)
	p.Warning = true
	return p
}

// String is the problem on one line.
func (p Problem) String() string {
	kind := "error"
	if p.Warning {
		kind = "warning"
	}
	value := ""
	if p.Value != nil {
		value = fmt.Sprintf(" (%v)", p.Value)
	}
	return fmt.Sprintf("%s: %s%s: %s; %s", kind, p.Field, value, p.Message, p.Remedy)
}

// ErrInvalid is wrapped by every *InvalidError.
var ErrInvalid = errcat.New("Invalid", "invalid settings")

// InvalidError carries the problems that keep settings from being applied.
type InvalidError struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *InvalidError) Error() string {
	lines := []string{ErrInvalid.Error() + ":"}
	for _, p := range e.Problems {
		lines = append(lines, "  "+p.String())
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.Is(err, ErrInvalid) true.
func (e *InvalidError) Unwrap() error { return ErrInvalid }

// AsError is nil when there are only warnings, else an *InvalidError with the rest.
func AsError(problems []Problem) error {
	var bad []Problem
	for _, p := range problems {
		if !p.Warning {
			bad = append(bad, p)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &InvalidError{Problems: bad}
}
