package preflight

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// loopback: EdgeCore's parts speak to one another over it.
func (f Facts) loopback(context.Context) Outcome {
	raw, err := f.System.read("/sys/class/net/lo/flags")
	flags, perr := strconv.ParseUint(strings.TrimPrefix(raw, "0x"), 16, 32)
	if err != nil || perr != nil {
		return unknown("the state of lo is not known", "see with: ip link show lo")
	}
	const up = 1
	if flags&up == 0 {
		return fail("the interface lo is down", "set it up: ip link set lo up")
	}
	return pass("")
}

// nodeIP: EdgeCore registers an address that no interface has, and logs and metrics
// arrive all the same, for the cloud reaches the node through the tunnel.
func (f Facts) nodeIP(context.Context) Outcome {
	want, err := netip.ParseAddr(f.NodeIP)
	if err != nil {
		return unknown(fmt.Sprintf("%q is no address", f.NodeIP), "enroll the node with an IP address")
	}
	addrs, err := f.System.Addresses()
	if err != nil {
		return unknown(err.Error(), "see with: ip addr")
	}
	if slices.Contains(addrs, want.Unmap()) {
		return pass(f.NodeIP + ", of this device")
	}
	return pass(f.NodeIP + ", which no interface has; the cloud reaches the node through the tunnel, so that does not matter")
}

// smallestMTU that IPv6, and with it most of the internet, asks for.
const smallestMTU = 1280

// mtu looks at the interface of the default route; cloudcore.mtu at the path.
func (f Facts) mtu(context.Context) Outcome {
	name, err := f.defaultInterface()
	if err != nil {
		return unknown(err.Error(), "see with: ip route; ip link")
	}
	if name == "" {
		return pass("no default route")
	}
	raw, err := f.System.read("/sys/class/net/" + name + "/mtu")
	mtu, perr := strconv.Atoi(raw)
	if err != nil || perr != nil {
		return unknown("the MTU of "+name+" is not known", "see with: ip link show "+name)
	}
	if mtu < smallestMTU {
		return warn(fmt.Sprintf("%d on %s", mtu, name), fmt.Sprintf("set at least %d: ip link set %s mtu %d; smaller ones break tunnels and IPv6", smallestMTU, name, smallestMTU))
	}
	return pass(fmt.Sprintf("%d on %s", mtu, name))
}

// defaultInterface reads /proc/net/route (IPv4), then /proc/net/ipv6_route.
func (f Facts) defaultInterface() (string, error) {
	raw, err := f.System.read("/proc/net/route")
	if err != nil {
		return "", fmt.Errorf("reading the routes: %w", err)
	}
	for line := range strings.Lines(raw) {
		if x := strings.Fields(line); len(x) > 7 && x[1] == "00000000" && x[7] == "00000000" {
			return x[0], nil
		}
	}
	raw, err = f.System.read("/proc/net/ipv6_route")
	if err != nil {
		return "", nil // no IPv6
	}
	for line := range strings.Lines(raw) {
		x := strings.Fields(line)
		if len(x) == 10 && strings.Trim(x[0], "0") == "" && x[1] == "00" && x[9] != "lo" {
			return x[9], nil
		}
	}
	return "", nil
}

// runtimes by the names of their processes.
var runtimes = []string{"containerd", "crio", "cri-dockerd"}

// proxy: edgectl reaches the console through it. EdgeCore uses none, and the runtime
// pulls images through its own.
func (f Facts) proxy(context.Context) Outcome {
	proxy := f.System.env("https_proxy", "HTTPS_PROXY")
	if proxy == "" {
		return pass("none")
	}
	running, err := f.System.processes()
	if err != nil {
		return unknown(err.Error(), psRemedy)
	}
	for _, name := range runtimes {
		for _, pid := range running[name] {
			raw, err := os.ReadFile(f.System.at(filepath.Join("/proc", strconv.Itoa(pid), "environ")))
			if err != nil {
				return unknown(fmt.Sprintf("whether %s pulls images through the proxy cannot be read", name), "see with: systemctl show "+name+" -p Environment")
			}
			own := System{Environ: strings.Split(string(raw), "\x00")}
			if own.env("https_proxy", "HTTPS_PROXY") == "" {
				return warn(fmt.Sprintf("this shell has one, %s (process %d) has none", name, pid),
					fmt.Sprintf("where images come through the proxy, give it to %s as well: Environment=HTTPS_PROXY=… in /etc/systemd/system/%s.service.d/proxy.conf, then systemctl daemon-reload; systemctl restart %s", name, name, name))
			}
			return pass("this shell and " + name + " have one; EdgeCore connects without it")
		}
	}
	return unknown("whether the container runtime pulls images through the proxy is not known", "see how the runtime is started, and give it HTTPS_PROXY where images come through the proxy")
}
