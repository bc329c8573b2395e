package hosts

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// Interface is one network interface of a host.
type Interface struct {
	// Name inside the host, such as eth0.
	Name string
	// Address with prefix length, such as 198.18.0.2/24; empty for none.
	Address string
}

// Bridge makes a bridge inside the host, which other hosts can be plugged into.
func (h Host) Bridge(ctx context.Context, i Interface) error {
	if _, err := h.Run(ctx, "ip", "link", "show", i.Name); err == nil {
		return nil
	}
	// With an address of its own it does not take another one when its ports change.
	if _, err := h.Run(ctx, "ip", "link", "add", i.Name, "address", "02:00:00:00:00:01", "type", "bridge"); err != nil {
		return err
	}
	return h.configure(ctx, i)
}

// Plug connects an interface of h to a bridge of another host by a veth pair
// whose other end is called after h.
func (h Host) Plug(ctx context.Context, i Interface, to Host, bridge string) error {
	if _, err := h.Run(ctx, "ip", "link", "show", i.Name); err == nil {
		return nil
	}
	mine, err := h.Pid()
	if err != nil {
		return err
	}
	// Made inside the bridge's host, so that no interface ever shows on the machine.
	peer := portName(h.Name)
	// The process id is the machine's, so ip stays in the machine's PID namespace.
	enter, err := to.enterArgs()
	if err != nil {
		return err
	}
	if err := machine(ctx, append(enter, "ip", "link", "add", peer, "type", "veth", "peer", "name", i.Name, "netns", strconv.Itoa(mine))...); err != nil {
		return err
	}
	if _, err := to.Run(ctx, "ip", "link", "set", peer, "master", bridge, "up"); err != nil {
		return err
	}
	return h.configure(ctx, i)
}

// SetLink cuts (up false) or restores the cable of a plugged host at the
// bridge's side: the host itself sees its carrier go, as with a real cable.
func (h Host) SetLink(ctx context.Context, at Host, up bool) error {
	state := "down"
	if up {
		state = "up"
	}
	_, err := at.Run(ctx, "ip", "link", "set", portName(h.Name), state)
	return err
}

// Port is the name of the bridge's end of a plugged host's cable.
func (h Host) Port() string { return portName(h.Name) }

// portName is a bridge port's name: IFNAMSIZ leaves 15 characters.
func portName(host string) string {
	if len(host) > 12 {
		host = host[:12]
	}
	return "p-" + host
}

func (h Host) configure(ctx context.Context, i Interface) error {
	if i.Address != "" {
		if _, err := h.Run(ctx, "ip", "addr", "add", i.Address, "dev", i.Name); err != nil {
			return err
		}
	}
	for _, link := range []string{"lo", i.Name} {
		if _, err := h.Run(ctx, "ip", "link", "set", link, "up"); err != nil {
			return err
		}
	}
	return nil
}

// Route replaces a route inside the host: the arguments of "ip route replace".
func (h Host) Route(ctx context.Context, route string) error {
	_, err := h.Run(ctx, append([]string{"ip", "route", "replace"}, strings.Fields(route)...)...)
	return err
}

// Nft loads a ruleset into the host. It should flush what it defines, so that
// loading it twice is harmless.
func (h Host) Nft(ctx context.Context, ruleset string) error {
	cmd, err := h.Command(ctx, "nft", "-f", "-")
	if err != nil {
		return err
	}
	cmd.Stdin = strings.NewReader(ruleset)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("on %s: loading rules: %w: %s", h.Name, err, out)
	}
	return nil
}

// PlugMachine connects the machine itself to a bridge, which gives it one
// interface and the route that comes with the interface's address.
func PlugMachine(ctx context.Context, i Interface, to Host, bridge string) error {
	if exec.CommandContext(ctx, "ip", "link", "show", i.Name).Run() == nil {
		return nil
	}
	pid, err := to.Pid()
	if err != nil {
		return err
	}
	if err := machine(ctx, "ip", "link", "add", i.Name, "type", "veth", "peer", "name", "p-machine", "netns", strconv.Itoa(pid)); err != nil {
		return err
	}
	if _, err := to.Run(ctx, "ip", "link", "set", "p-machine", "master", bridge, "up"); err != nil {
		return err
	}
	if err := machine(ctx, "ip", "addr", "add", i.Address, "dev", i.Name); err != nil {
		return err
	}
	return machine(ctx, "ip", "link", "set", i.Name, "up")
}

// UnplugMachine removes the machine's interface, if a crash left it.
func UnplugMachine(ctx context.Context, name string) error {
	gone := func() bool { return exec.CommandContext(ctx, "ip", "link", "show", name).Run() != nil }
	if gone() {
		return nil
	}
	// The kernel takes the link away too, a moment after the namespace of its other end.
	if err := machine(ctx, "ip", "link", "delete", name); err != nil && !gone() {
		return err
	}
	return nil
}

func machine(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
