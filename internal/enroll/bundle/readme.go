package bundle

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func readme(join Offline, sealed bool, sources []Source) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `Offline bundle for edge node %s (%s, %s)

On the device, as root, in this directory:

    ./edgectl join --bundle .

It checks the device, installs EdgeCore, starts it and waits until it is connected.
Leave again with:

    edgectl leave

The device must reach CloudCore at %s: TCP %s.
`, join.NodeName, join.NodeIP, join.Arch, join.CloudCore.Host, ports(join))
	if !slices.ContainsFunc(sources, func(s Source) bool { return s.Name == FileEdgeCore }) {
		b.WriteString("\nEdgeCore is not in this bundle. Give it with --edgecore FILE.\n")
	}
	fmt.Fprintf(&b, "\nUse this bundle by %s. After that, get a new one from the console.\n", join.Expires.UTC().Format(time.RFC3339))
	if sealed {
		b.WriteString(`
The key of this node is sealed with a passphrase. edgectl asks for it, or reads it from
--passphrase-file or the environment's EDGEWAY_PASSPHRASE.
Delete this directory after the join.
`)
	} else {
		b.WriteString(`
join.json holds the key of this node. Whoever has it can join as this node, and as no
other. Keep this directory to yourself and delete it after the join. If it was lost,
retire the enrollment in the console.
`)
	}
	return []byte(b.String())
}

func ports(join Offline) string {
	c := join.CloudCore
	list := []string{fmt.Sprintf("%d (CloudHub)", c.WebSocketPort), fmt.Sprintf("%d (certificates)", c.CertPort)}
	if c.TunnelPort > 0 {
		list = append(list, fmt.Sprintf("%d (logs and metrics)", c.TunnelPort))
	}
	return strings.Join(list, ", ")
}
