package site

import (
	"context"
	"net"

	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// routerRules make an edge router: everything from inside leaves under the
// router's own address, nothing from outside gets in.
const routerRules = `table ip router
delete table ip router
table ip router {
	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		oifname "wan" masquerade
	}
	chain forward {
		type filter hook forward priority 0; policy drop;
		iifname "lan0" accept
		ct state established,related accept
	}
}
`

// startHosts makes every host and the cables between them.
func (s Site) startHosts(ctx context.Context) error {
	for _, i := range s.Hosts() {
		if err := i.host.Start(ctx, s.self()); err != nil {
			return err
		}
	}
	if err := s.wireCloud(ctx); err != nil {
		return err
	}
	for _, e := range s.Edges {
		if err := s.wireEdge(ctx, e); err != nil {
			return err
		}
	}
	if err := s.startNameServer(ctx); err != nil {
		return err
	}
	return hosts.PlugMachine(ctx, hosts.Interface{Name: machineLink, Address: machineIP + "/24"}, s.Internet, internetBridge)
}

// startNameServer lets hosts look up each other's public addresses, and tells them at
// once what does not exist.
func (s Site) startNameServer(ctx context.Context) error {
	args := []string{s.self(), "dns", "--listen", net.JoinHostPort(internetIP, "53")}
	for _, i := range s.Hosts() {
		if i.Role != RoleEdge {
			args = append(args, "--host", i.Name+"="+i.Addresses[0])
		}
	}
	return s.Internet.StartService(ctx, s.self(), hosts.Service{Name: "dns", Args: args})
}

func (s Site) wireCloud(ctx context.Context) error {
	if err := s.Internet.Bridge(ctx, hosts.Interface{Name: internetBridge, Address: internetIP + "/24"}); err != nil {
		return err
	}
	// The internet knows no private address.
	for _, private := range []string{"192.168.0.0/16", "10.0.0.0/8", "172.16.0.0/12"} {
		if err := s.Internet.Route(ctx, "unreachable "+private); err != nil {
			return err
		}
	}
	cloud := map[string]hosts.Host{controlPlaneIP: s.ControlPlane, workerIP: s.Worker, consoleIP: s.Console}
	if s.Branch != nil {
		cloud[branchIP] = *s.Branch
	}
	for ip, h := range cloud {
		if err := s.plugPublic(ctx, h, "eth0", ip); err != nil {
			return err
		}
	}
	if err := s.ControlPlane.Route(ctx, workerPodCIDR+" via "+workerIP); err != nil {
		return err
	}
	return s.Worker.Route(ctx, controlPodCIDR+" via "+controlPlaneIP)
}

func (s Site) wireEdge(ctx context.Context, e Edge) error {
	if err := s.plugPublic(ctx, e.Router, "wan", e.RouterIP); err != nil {
		return err
	}
	if err := e.Router.Bridge(ctx, hosts.Interface{Name: edgeBridge, Address: edgeGateway + "/24"}); err != nil {
		return err
	}
	if err := e.Router.Nft(ctx, routerRules); err != nil {
		return err
	}
	if err := e.Host.Plug(ctx, hosts.Interface{Name: "eth0", Address: e.IP + "/24"}, e.Router, edgeBridge); err != nil {
		return err
	}
	return e.Host.Route(ctx, "default via "+edgeGateway)
}

func (s Site) plugPublic(ctx context.Context, h hosts.Host, link, ip string) error {
	if err := h.Plug(ctx, hosts.Interface{Name: link, Address: ip + "/24"}, s.Internet, internetBridge); err != nil {
		return err
	}
	return h.Route(ctx, "default via "+internetIP)
}
