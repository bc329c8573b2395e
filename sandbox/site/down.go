package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// Down ends every process of the site and removes what it left: cgroups, the
// machine's interface, the .sandbox directory. It works after a crash, and when
// there is nothing to remove.
func (s Site) Down(ctx context.Context, w io.Writer) error {
	var all []hosts.Host
	for _, i := range s.Hosts() {
		all = append(all, i.host)
	}
	// Processes first: namespaces, their interfaces and mounts go with them.
	ended := hosts.Anchors(all)
	if err := hosts.KillCgroup(hosts.CgroupRoot); err != nil {
		return err
	}
	if err := ended(ctx); err != nil {
		return err
	}
	if err := hosts.UnplugMachine(ctx, machineLink); err != nil {
		return err
	}
	if err := os.RemoveAll(s.Dir); err != nil {
		return fmt.Errorf("removing %s: %w", s.Dir, err)
	}
	fmt.Fprintln(w, "the sandbox is down")
	return nil
}

// ErrUnknownHost is returned for a name that no host has.
var ErrUnknownHost = errors.New("no such host")

func unknownHost(name string) error {
	return fmt.Errorf("%w: %q; .sandbox/site.json lists them", ErrUnknownHost, name)
}
