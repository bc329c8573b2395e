package server

import (
	"fmt"
	"strings"

	"github.com/edgeway-io/edgeway/internal/settings"
)

// FirewallCommand opens a port with one tool.
type FirewallCommand struct {
	Tool    string `json:"tool"`
	Command string `json:"command"`
}

// FirewallEntry is one line of the prompt that follows enabling.
type FirewallEntry struct {
	settings.Port
	// Open: edge nodes must reach it. Otherwise it has to stay closed.
	Open     bool              `json:"open"`
	Commands []FirewallCommand `json:"commands"`
}

// firewall lists the enabled ports. The stream port is among them without
// commands: only the cluster has business there, so it is never opened.
func firewall(ports []settings.Port) []FirewallEntry {
	out := []FirewallEntry{}
	for _, p := range ports {
		if !p.Enabled {
			continue
		}
		e := FirewallEntry{Port: p, Open: p.FromEdge, Commands: []FirewallCommand{}}
		if p.FromEdge {
			e.Commands = openCommands(p)
		}
		out = append(out, e)
	}
	return out
}

// openCommands hold nothing but numbers of ours and names to fill in.
func openCommands(p settings.Port) []FirewallCommand {
	proto, port := strings.ToLower(p.Protocol), p.Port
	name := strings.ToLower("edgeway-" + p.Name)
	return []FirewallCommand{
		{"firewalld", fmt.Sprintf("firewall-cmd --permanent --add-port=%d/%s && firewall-cmd --reload", port, proto)},
		{"ufw", fmt.Sprintf("ufw allow %d/%s", port, proto)},
		{"nftables", fmt.Sprintf("nft add rule inet filter input %s dport %d accept", proto, port)},
		{"iptables", fmt.Sprintf("iptables -I INPUT -p %s --dport %d -j ACCEPT", proto, port)},
		{"AWS", fmt.Sprintf("aws ec2 authorize-security-group-ingress --group-id SECURITY_GROUP --protocol %s --port %d --cidr 0.0.0.0/0", proto, port)},
		{"GCP", fmt.Sprintf("gcloud compute firewall-rules create %s --allow=%s:%d --source-ranges=0.0.0.0/0", name, proto, port)},
		{"Azure", fmt.Sprintf("az network nsg rule create --resource-group GROUP --nsg-name NSG --name %s --priority %d --protocol %s --destination-port-ranges %d --access Allow", name, 300+p.Container%100, p.Protocol[:1]+strings.ToLower(p.Protocol[1:]), port)},
	}
}
