package errcat

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"syscall"
)

// Error is an error with a code of the catalog. A package makes its errors with New,
// Errorf or Wrap, so status, exit code and remedy come with the error and nobody else
// has to know the package. Of several codes in a chain, the outermost counts.
type Error struct {
	// Code is in the catalog.
	Code string
	// Field is the path of the field that was refused; empty where none is meant.
	Field string
	// Remedy is nearer to the case than the catalog's; empty for the catalog's.
	Remedy string
	err    error
}

// New makes an error to compare with errors.Is.
func New(code, text string) *Error { return &Error{Code: code, err: errors.New(text)} }

// Errorf is fmt.Errorf with a code.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, err: fmt.Errorf(format, args...)}
}

// Wrap gives err a code; nil stays nil.
func Wrap(code string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: code, err: err}
}

// At is e for a field of a request.
func (e *Error) At(field string) *Error {
	e.Field = field
	return e
}

// Fix is e with a remedy of its own.
func (e *Error) Fix(remedy string) *Error {
	e.Remedy = remedy
	return e
}

// Error is the message alone.
func (e *Error) Error() string { return e.err.Error() }

// Unwrap gives what was wrapped.
func (e *Error) Unwrap() error { return e.err }

// Code is the code of err: its own, else that of a known error of the system.
// It is Failed for an error that nobody gave a code.
func Code(err error) string {
	var own *Error
	if errors.As(err, &own) {
		return own.Code
	}
	return system(err)
}

// Remedy is what to do about err. It is empty where the message of err says so itself.
func Remedy(err error) string {
	var own *Error
	if errors.As(err, &own) && own.Remedy != "" {
		return own.Remedy
	}
	entry, ok := Find(Code(err))
	if !ok || entry.InMessage {
		return ""
	}
	return entry.Remedy
}

// system names what the operating system and the network answer.
func system(err error) string {
	var (
		path      *fs.PathError
		link      *os.LinkError
		ended     *exec.ExitError
		notFound  *exec.Error
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		network   net.Error
	)
	switch {
	case errors.Is(err, context.Canceled):
		return "Interrupted"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "DiskFull"
	case errors.Is(err, syscall.EROFS):
		return "ReadOnlyFilesystem"
	case errors.As(err, &path), errors.As(err, &link):
		if errors.Is(err, fs.ErrPermission) {
			return "LocalPermission"
		}
		return "FileFailed"
	case errors.As(err, &ended), errors.As(err, &notFound):
		return "ProgramFailed"
	case errors.As(err, &authority), errors.As(err, &name), errors.As(err, &invalid):
		return "CertificateRejected"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "Timeout"
	case errors.As(err, &network):
		return "NetworkFailed"
	}
	return "Failed"
}
