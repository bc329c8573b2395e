package preflight

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/edgeway-io/edgeway/internal/edge/sockets"
)

// port of the loopback address on which EdgeCore will listen.
func (f Facts) freePort(port uint16, used bool) func(context.Context) Outcome {
	return func(context.Context) Outcome {
		listening, err := sockets.Listening(f.System.Root)
		if err != nil {
			return unknown(err.Error(), fmt.Sprintf("see with: ss -ltn 'sport = :%d'", port))
		}
		for _, at := range listening {
			if at.Port() != port || !atLoopback(at.Addr()) {
				continue
			}
			remedy := fmt.Sprintf("find it with: ss -ltnp 'sport = :%d', and stop it", port)
			if used {
				return fail("something listens on it", remedy)
			}
			return warn("something listens on it", remedy+", before a part of EdgeCore that needs the port is switched on for this node")
		}
		return pass("")
	}
}

// atLoopback tells whether a listener keeps 127.0.0.1 from others.
func atLoopback(a netip.Addr) bool {
	return a.IsUnspecified() || a == netip.AddrFrom4([4]byte{127, 0, 0, 1})
}
