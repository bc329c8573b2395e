package stream

import (
	"net/http"
	"strings"
)

// passed are the headers that a request keeps on its way to an edge node: what a
// kubelet's server reads. All others stay in the cloud, so no credential reaches a
// device under whatever name. Connection and Upgrade are httputil's concern.
var passed = []string{
	"Accept", "Accept-Encoding", "Content-Type", "User-Agent", "X-Stream-Protocol-Version",
	"Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Extensions",
}

// protocols is the header that may carry a bearer token beside the protocols.
const protocols = "Sec-Websocket-Protocol"

// bearerProtocol begins a WebSocket protocol that is a token and no protocol.
const bearerProtocol = "base64url.bearer.authorization.k8s.io."

// toDevice returns the headers of a request that an edge node may see.
func toDevice(from http.Header) http.Header {
	to := http.Header{}
	for _, name := range passed {
		if values := from.Values(name); len(values) > 0 {
			to[name] = values
		}
	}
	var offered []string
	for _, value := range from.Values(protocols) {
		for protocol := range strings.SplitSeq(value, ",") {
			if protocol = strings.TrimSpace(protocol); protocol != "" && !strings.HasPrefix(protocol, bearerProtocol) {
				offered = append(offered, protocol)
			}
		}
	}
	if len(offered) > 0 {
		to.Set(protocols, strings.Join(offered, ","))
	}
	return to
}
