package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// bridgeFilters say whether bridges show netfilter the IPv4 and IPv6 packets that they
// forward. They are missing while the kernel's br_netfilter is not loaded: no bridge
// does then.
var bridgeFilters = []string{"/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"}

// UnfilteredBridges names the bridges with two ports or more, in order, when packets
// between their ports pass no rule.
func UnfilteredBridges() ([]string, error) {
	filtered, err := bridgesFiltered()
	if err != nil || filtered {
		return nil, err
	}
	links, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	ports := map[int]int{}
	for _, l := range links {
		ports[l.Attrs().MasterIndex]++
	}
	var names []string
	for _, l := range links {
		if l.Type() == "bridge" && ports[l.Attrs().Index] > 1 {
			names = append(names, l.Attrs().Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func bridgesFiltered() (bool, error) {
	for _, path := range bridgeFilters {
		value, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("see whether bridges are filtered: %w", err)
		}
		if strings.TrimSpace(string(value)) != "1" {
			return false, nil
		}
	}
	return true, nil
}
