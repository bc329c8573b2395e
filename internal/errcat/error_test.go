package errcat_test

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
	"testing"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// TestErrorsOfTheSystemHaveCodes: what nobody of ours made is named by what it is.
func TestErrorsOfTheSystemHaveCodes(t *testing.T) {
	_, missing := os.Open("/no such file")
	_, program := exec.LookPath("no-such-program")
	tests := map[string]struct {
		err  error
		want string
	}{
		"missing file":   {missing, "FileFailed"},
		"missing tool":   {program, "ProgramFailed"},
		"failed tool":    {exec.Command("false").Run(), "ProgramFailed"},
		"permission":     {&fs.PathError{Op: "open", Path: "/x", Err: syscall.EACCES}, "LocalPermission"},
		"link":           {&os.LinkError{Op: "rename", Old: "a", New: "b", Err: syscall.EXDEV}, "FileFailed"},
		"full":           {&fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, "DiskFull"},
		"read-only":      {&fs.PathError{Op: "open", Path: "/x", Err: syscall.EROFS}, "ReadOnlyFilesystem"},
		"refused":        {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "NetworkFailed"},
		"no such host":   {&net.DNSError{Err: "no such host", Name: "x"}, "NetworkFailed"},
		"slow host":      {&net.DNSError{IsTimeout: true}, "Timeout"},
		"deadline":       {context.DeadlineExceeded, "Timeout"},
		"interrupted":    {context.Canceled, "Interrupted"},
		"authority":      {x509.UnknownAuthorityError{}, "CertificateRejected"},
		"unlike any":     {errors.New("x"), "Failed"},
		"own, outermost": {errcat.Wrap("Usage", errcat.New("Failed", "x")), "Usage"},
		"own over file":  {fmt.Errorf("%w: %w", errcat.New("NotJoined", "x"), missing), "NotJoined"},
	}
	for name, test := range tests {
		if got := errcat.Code(fmt.Errorf("do it: %w", test.err)); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
		if entry, ok := errcat.Find(test.want); !ok || (errcat.Remedy(test.err) == "") != entry.InMessage {
			t.Errorf("%s: remedy %q, entry %+v", name, errcat.Remedy(test.err), entry)
		}
	}
	if errcat.Wrap("Usage", nil) != nil {
		t.Error("no error became one")
	}
}

// TestRemedyIsTheNearestOne: an error's own before the catalog's.
func TestRemedyIsTheNearestOne(t *testing.T) {
	err := errcat.New("Invalid", "is a cloud node").At("node").Fix("choose an edge node")
	if got := errcat.Remedy(fmt.Errorf("node x: %w", err)); got != "choose an edge node" {
		t.Errorf("got %q", got)
	}
	if !errors.Is(fmt.Errorf("node x: %w", err), err) || err.Error() != "is a cloud node" {
		t.Errorf("got %v", err)
	}
}
