package leftovers

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"

	"github.com/edgeway-io/edgeway/internal/netrules/ipt"
)

// readNFT finds rules of iptables-nft over netlink: they are in table nat of
// family ip or ip6.
func readNFT(v6 bool, netNS int) ([]Finding, error) {
	family := nftables.TableFamilyIPv4
	if v6 {
		family = nftables.TableFamilyIPv6
	}
	conn, err := nftables.New(nftables.WithNetNSFd(netNS))
	if err != nil {
		return nil, fmt.Errorf("open netlink to nf_tables: %w", err)
	}
	chains, err := conn.ListChainsOfTableFamily(family)
	if err != nil {
		return nil, fmt.Errorf("read nf_tables: %w", err)
	}
	kubeEdge := Finding{Tool: KubeEdge, Where: name(ipt.NFT, v6), variant: ipt.NFT, v6: v6}
	kubeSphere := Finding{Tool: KubeSphere, Where: name(ipt.NFT, v6), variant: ipt.NFT, v6: v6}
	there := false
	for _, c := range chains {
		if c.Table.Name != "nat" {
			continue
		}
		rules, err := conn.GetRules(c.Table, c)
		if err != nil {
			return nil, fmt.Errorf("read nf_tables chain %s: %w", c.Name, err)
		}
		there = there || c.Name == tunnelPort
		for _, r := range rules {
			switch {
			case c.Name == tunnelPort || entersTunnelPort(r.Exprs):
				kubeEdge.Rules++
			case c.Name == "OUTPUT" && redirectsKubelet(r.Exprs):
				kubeSphere.Rules++
			}
		}
	}
	var out []Finding
	if there {
		out = append(out, kubeEdge)
	}
	if kubeSphere.Rules > 0 {
		out = append(out, kubeSphere)
	}
	return out, nil
}

func entersTunnelPort(exprs []expr.Any) bool {
	return slices.ContainsFunc(exprs, func(e expr.Any) bool {
		v, ok := e.(*expr.Verdict)
		return ok && v.Chain == tunnelPort
	})
}

// redirectsKubelet tells whether a rule redirects one port of ports of a single
// address. iptables writes the port as a comparison or, in older versions, as its
// tcp match.
func redirectsKubelet(exprs []expr.Any) bool {
	var dnat, address, port bool
	for i, e := range exprs {
		switch e := e.(type) {
		case *expr.Target:
			dnat = dnat || e.Name == "DNAT"
		case *expr.NAT:
			dnat = dnat || e.Type == expr.NATTypeDestNAT
		case *expr.Match:
			tcp, ok := e.Info.(*xt.Tcp)
			port = port || ok && tcp.DstPorts[0] == tcp.DstPorts[1] && slices.Contains(ports, tcp.DstPorts[0])
		case *expr.Payload:
			value, ok := comparedAfter(exprs, i)
			switch {
			case !ok:
			case e.Base == expr.PayloadBaseNetworkHeader && (e.Offset == 16 && e.Len == 4 || e.Offset == 24 && e.Len == 16):
				address = true
			case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && len(value) == 2:
				port = port || slices.Contains(ports, binary.BigEndian.Uint16(value))
			}
		}
	}
	return dnat && address && port
}

// comparedAfter is what the expression after the ith wants to be equal.
func comparedAfter(exprs []expr.Any, i int) ([]byte, bool) {
	if i+1 >= len(exprs) {
		return nil, false
	}
	c, ok := exprs[i+1].(*expr.Cmp)
	if !ok || c.Op != expr.CmpOpEq {
		return nil, false
	}
	return c.Data, true
}
