package lab

import (
	"testing"

	"golang.org/x/sys/unix"
)

// At opens a network namespace that somebody else made, given a file that stands
// for it, such as /proc/PID/ns/net. It has no name that ip(8) knows, so that IP and
// Exec do not work on it. Nothing is removed at the test's end.
func At(t testing.TB, path string) *NS {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open network namespace %s: %v", path, err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return &NS{Name: path, FD: fd, t: t}
}
