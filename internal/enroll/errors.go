package enroll

import (
	"fmt"
	"strings"

	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// Refusals of a redemption. Each is a *wire.Error and can be sent as it is;
// errors.Is compares them by code.
var (
	ErrCodeUnknown = &wire.Error{Code: wire.CodeUnknown, Message: "this join code is not known",
		Remedy: "check it for typing errors, or create a new one in the console"}
	ErrCodeExpired = &wire.Error{Code: wire.CodeExpired, Message: "this join code has expired",
		Remedy: "create a new one in the console"}
	ErrCodeUsed = &wire.Error{Code: wire.CodeUsed, Message: "this join code has been used already",
		Remedy: "create a new one in the console; if nobody of yours used it, retire the node"}
	ErrCodeRevoked = &wire.Error{Code: wire.CodeRevoked, Message: "this join code has been revoked",
		Remedy: "ask whoever gave it to you for a new one"}
	ErrCSRInvalid = &wire.Error{Code: wire.CSRInvalid, Message: "the certificate request is not acceptable",
		Remedy: "join with the edgectl that this console serves"}
	ErrSigningTimeout = &wire.Error{Code: wire.SigningTimeout, Message: "edge-watcher has not signed the certificate in time",
		Remedy: "run the same command again; if it repeats, see whether edge-watcher runs in namespace kubeedge"}
	ErrStatusToken = &wire.Error{Code: wire.StatusUnknown, Message: "this status token belongs to no enrollment",
		Remedy: "look at the node in the console"}
)

// ErrInvalid is wrapped by Problems.
var ErrInvalid = errcat.New("Invalid", "invalid enrollment")

// Problem is one thing wrong with a Request.
type Problem struct {
	// Line of the list that the request comes from; 0 when there is none.
	Line int `json:"line,omitempty"`
	// Field in JSON words, like "nodeName" or "labels[a/b]".
	Field string `json:"field"`
	// Value that is refused.
	Value string `json:"value"`
	// Code is stable: Required, Invalid, Reserved, TooMany, Duplicate, NameTaken or IPTaken.
	Code string `json:"code"`
	// Message says why.
	Message string `json:"message"`
	// Remedy says what to enter instead.
	Remedy string `json:"remedy"`
}

// At is the line with a colon, or nothing.
func (p Problem) At() string {
	if p.Line == 0 {
		return ""
	}
	return fmt.Sprintf("line %d: ", p.Line)
}

// Problems is every Problem of one Request. errors.Is(p, ErrInvalid) holds.
type Problems []Problem

// Error lists the problems.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, x := range p {
		lines[i] = fmt.Sprintf("%s%s %q: %s; %s", x.At(), x.Field, x.Value, x.Message, x.Remedy)
	}
	return strings.Join(lines, "\n")
}

// Unwrap makes errors.Is find ErrInvalid.
func (p Problems) Unwrap() error { return ErrInvalid }
