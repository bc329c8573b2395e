package preflight

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"
)

// imageNames are host names that device images come with, so that many devices
// have them.
var imageNames = []string{"raspberrypi", "raspberry", "debian", "ubuntu", "alpine", "fedora", "armbian", "jetson", "nvidia", "tegra-ubuntu",
	"orangepi", "rock", "rock64", "odroid", "beaglebone", "localhost.localdomain", "buildroot", "yocto", "openwrt", "dietpi", "ubuntu-server"}

func (f Facts) hostname(context.Context) Outcome {
	name, err := f.System.read("/proc/sys/kernel/hostname")
	switch {
	case err != nil:
		return unknown(err.Error(), "see with: hostname")
	case name == "" || name == "localhost" || name == "(none)":
		return warn(fmt.Sprintf("%q", name), "give the device a host name of its own: hostnamectl set-hostname NAME")
	case slices.Contains(imageNames, strings.ToLower(name)):
		return warn(fmt.Sprintf("%q, which images come with", name), "give the device a host name of its own (hostnamectl set-hostname NAME): DHCP and mDNS mix up devices of one name")
	}
	return pass(name)
}

// slowLookup is when a look-up counts as slow. EdgeCore waits for one at its start.
const slowLookup = 3 * time.Second

// ownName: EdgeCore looks its own host name up when it starts. Where no server
// answers, that takes 30 seconds.
func (f Facts) ownName(ctx context.Context) Outcome {
	name, err := f.System.read("/proc/sys/kernel/hostname")
	if err != nil || name == "" {
		return unknown("the host name is not known", "see with: hostname")
	}
	if hosts, err := f.System.read("/etc/hosts"); err == nil && inHosts(hosts, name) {
		return pass("/etc/hosts has it")
	}
	ctx, cancel := context.WithTimeout(ctx, slowLookup)
	defer cancel()
	_, err = f.System.Resolve(ctx, name)
	var dns *net.DNSError
	if err == nil || errors.As(err, &dns) && dns.IsNotFound && ctx.Err() == nil {
		return pass("DNS answers")
	}
	return warn(fmt.Sprintf("no answer for %q: %v", name, err),
		fmt.Sprintf("add the line \"127.0.1.1 %s\" to /etc/hosts: EdgeCore looks its own name up when it starts and waits 30 s without an answer", name))
}

// inHosts tells whether hosts(5) text names a host.
func inHosts(text, name string) bool {
	for line := range strings.Lines(text) {
		entry, _, _ := strings.Cut(line, "#")
		if x := strings.Fields(entry); len(x) > 1 && slices.ContainsFunc(x[1:], func(n string) bool { return strings.EqualFold(n, name) }) {
			return true
		}
	}
	return false
}

var (
	machineIDPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)
	// filled are ids that nobody drew: one digit throughout, or counted up.
	filled = []string{"0123456789abcdef0123456789abcdef", "deadbeefdeadbeefdeadbeefdeadbeef"}
	// boardIDs are what makers of boards leave in the firmware.
	boardIDs = []string{"03000200-0400-0500-0006-000700080009", "12345678-1234-5678-90ab-cddeefaabbcc", "00020003-0004-0005-0006-000700080009",
		"fefefefe-fefe-fefe-fefe-fefefefefefe"}
)

// machineID: devices made from one image share it, and with it their DHCP identity.
func (f Facts) machineID(context.Context) Outcome {
	const remedy = "draw a new one: rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup (or dbus-uuidgen --ensure=/etc/machine-id); then reboot"
	id, err := f.System.read("/etc/machine-id")
	if err != nil {
		id, err = f.System.read("/var/lib/dbus/machine-id")
	}
	switch {
	case err != nil:
		return warn("there is no /etc/machine-id", remedy)
	case id == "" || id == "uninitialized":
		return warn(fmt.Sprintf("/etc/machine-id is %q, as in an image that was not started yet", id), remedy)
	case !machineIDPattern.MatchString(id):
		return warn(fmt.Sprintf("/etc/machine-id is %.40q, not 32 hexadecimal digits", id), remedy)
	case drawnByNobody(id) || slices.Contains(filled, id):
		return warn("/etc/machine-id is "+id+", a placeholder that other devices have, too", remedy)
	}
	return pass(id)
}

func (f Facts) systemUUID(context.Context) Outcome {
	const file = "/sys/class/dmi/id/product_uuid"
	raw, err := f.System.read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return pass("this board has none")
	}
	if err != nil {
		return unknown(err.Error(), "see with: cat "+file)
	}
	id := strings.ToLower(raw)
	if slices.Contains(boardIDs, id) || drawnByNobody(strings.ReplaceAll(id, "-", "")) {
		return warn(id+", which the maker gave to many boards", "set the board's UUID in its firmware where you tell devices apart by it; Kubernetes itself does not")
	}
	return pass(id)
}

func drawnByNobody(id string) bool { return id != "" && strings.Count(id, id[:1]) == len(id) }
