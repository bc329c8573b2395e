package site

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Exec turns the calling process into a program on a host.
func (s Site) Exec(host string, args []string) error {
	h, ok := s.Host(host)
	if !ok {
		return unknownHost(host)
	}
	enter, err := h.EnterArgs()
	if err != nil {
		return fmt.Errorf("%w; run make up first", err)
	}
	if err := h.EnterCgroups(); err != nil {
		return err
	}
	program, err := exec.LookPath(enter[0])
	if err != nil {
		return err
	}
	return syscall.Exec(program, append(enter, args...), os.Environ())
}
