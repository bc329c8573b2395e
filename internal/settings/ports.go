package settings

// Port is one of CloudCore's services as the firewall prompt, the join command
// and the diagnosis see it.
type Port struct {
	Name string `json:"name" doc:"webSocket, quic, https, stream or tunnel."`
	// Field of the settings that holds the number.
	Field     string `json:"field" doc:"Field of the settings."`
	Protocol  string `json:"protocol" doc:"TCP or UDP."`
	Port      int    `json:"port" doc:"Port on the nodes (NodePort) or on the load balancer."`
	External  int    `json:"external" doc:"Port that edge nodes dial, after port mapping; 0 for ports that must not be reachable."`
	Container int    `json:"container" doc:"Port in the pod."`
	// FromEdge tells services for edge nodes from the stream port.
	FromEdge bool `json:"fromEdge" doc:"Edge nodes connect to it from outside."`
	Enabled  bool `json:"enabled" doc:"Whether the service runs."`
}

// portField ties a port of the settings to the container port behind it.
type portField struct {
	name, field, protocol string
	container             int
	port, external        *int
	enabled               bool
}

// portFields lists the five ports in the order of the proposal's table. The
// pointers lead into s, so the receiver has to be addressable.
func (s *Settings) portFields() []portField {
	return []portField{
		{"webSocket", "cloudHub.webSocket.port", "TCP", ContainerWebSocket, &s.CloudHub.WebSocket.Port, &s.CloudHub.WebSocket.ExternalPort, s.CloudHub.WebSocket.Enable},
		{"quic", "cloudHub.quic.port", "UDP", ContainerQUIC, &s.CloudHub.QUIC.Port, &s.CloudHub.QUIC.ExternalPort, s.CloudHub.QUIC.Enable},
		{"https", "cloudHub.https.port", "TCP", ContainerHTTPS, &s.CloudHub.HTTPS.Port, &s.CloudHub.HTTPS.ExternalPort, s.CloudHub.HTTPS.Enable},
		{"stream", "cloudStream.port", "TCP", ContainerStream, &s.CloudStream.Port, nil, s.CloudStream.Enable},
		{"tunnel", "cloudStream.tunnelPort", "TCP", ContainerTunnel, &s.CloudStream.TunnelPort, &s.CloudStream.TunnelExternalPort, s.CloudStream.Enable},
	}
}

// Ports lists all five services, enabled or not.
func (s Settings) Ports() []Port {
	s = s.Complete()
	var out []Port
	for _, f := range s.portFields() {
		p := Port{
			Name: f.name, Field: f.field, Protocol: f.protocol, Port: *f.port,
			Container: f.container, FromEdge: f.external != nil, Enabled: f.enabled,
		}
		if f.external != nil {
			p.External = *f.external
			if p.External == 0 {
				p.External = p.Port
			}
		}
		out = append(out, p)
	}
	return out
}

// PortNamed finds one of Ports by name; the zero Port when there is none.
func (s Settings) PortNamed(name string) Port {
	for _, p := range s.Ports() {
		if p.Name == name {
			return p
		}
	}
	return Port{}
}

// NodePorts are the ports that the enabled services occupy on every node: none
// in LoadBalancer mode, where Kubernetes chooses them itself.
func (s Settings) NodePorts() []Port {
	if s.ServiceType != NodePort {
		return nil
	}
	var out []Port
	for _, p := range s.Ports() {
		if p.Enabled {
			out = append(out, p)
		}
	}
	return out
}
