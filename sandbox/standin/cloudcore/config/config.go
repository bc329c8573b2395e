// Package config reads CloudCore's own configuration file, of which the stand-in
// uses a part and ignores the rest.
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"sigs.k8s.io/yaml"
)

// DefaultPath is where CloudCore looks for its configuration.
const DefaultPath = "/etc/kubeedge/config/cloudcore.yaml"

// Config is the part of cloudcore.yaml that the stand-in reads.
type Config struct {
	Kind          string        `json:"kind"`
	CommonConfig  CommonConfig  `json:"commonConfig"`
	KubeAPIConfig KubeAPIConfig `json:"kubeAPIConfig"`
	Modules       Modules       `json:"modules"`
}

// CommonConfig holds the address of the metrics server, empty for none.
type CommonConfig struct {
	MonitorServer struct {
		BindAddress string `json:"bindAddress"`
	} `json:"monitorServer"`
}

// KubeAPIConfig says how to reach kube-apiserver; with both fields empty it is the
// pod's own ServiceAccount.
type KubeAPIConfig struct {
	Master     string `json:"master"`
	KubeConfig string `json:"kubeConfig"`
}

// Modules are the two modules that the stand-in has.
type Modules struct {
	CloudHub    CloudHub    `json:"cloudHub"`
	CloudStream CloudStream `json:"cloudStream"`
}

// CloudHub is what edge nodes talk to.
type CloudHub struct {
	AdvertiseAddress []string `json:"advertiseAddress"`
	DNSNames         []string `json:"dnsNames"`
	// NodeLimit is the largest number of edge nodes connected at a time.
	NodeLimit int32 `json:"nodeLimit"`
	// TLSCAFile and TLSCAKeyFile win over the Secret casecret when both exist.
	TLSCAFile    string   `json:"tlsCAFile"`
	TLSCAKeyFile string   `json:"tlsCAKeyFile"`
	WebSocket    Listener `json:"websocket"`
	HTTPS        Listener `json:"https"`
	// KeepaliveInterval is how long an edge node may be silent, in seconds.
	KeepaliveInterval int `json:"keepaliveInterval"`
	// Authorization is off unless it is enabled and does not only log.
	Authorization struct {
		Enable bool `json:"enable"`
		Debug  bool `json:"debug"`
	} `json:"authorization"`
	// EdgeCertSigningDuration is in days, TokenRefreshDuration in hours.
	EdgeCertSigningDuration int64 `json:"edgeCertSigningDuration"`
	TokenRefreshDuration    int64 `json:"tokenRefreshDuration"`
}

// Listener is one server's switch and address.
type Listener struct {
	Enable  bool   `json:"enable"`
	Address string `json:"address"`
	Port    uint16 `json:"port"`
}

// HostPort gives the address to listen on.
func (l Listener) HostPort() string { return net.JoinHostPort(l.Address, fmt.Sprint(l.Port)) }

// CloudStream is the way to logs, exec and metrics of edge nodes.
type CloudStream struct {
	Enable                  bool   `json:"enable"`
	StreamPort              uint16 `json:"streamPort"`
	TunnelPort              uint16 `json:"tunnelPort"`
	TLSStreamCAFile         string `json:"tlsStreamCAFile"`
	TLSStreamCertFile       string `json:"tlsStreamCertFile"`
	TLSStreamPrivateKeyFile string `json:"tlsStreamPrivateKeyFile"`
	// TLSTunnelCAFile, TLSTunnelCertFile and TLSTunnelPrivateKeyFile win over CloudHub's
	// CA and certificate where they exist.
	TLSTunnelCAFile         string `json:"tlsTunnelCAFile"`
	TLSTunnelCertFile       string `json:"tlsTunnelCertFile"`
	TLSTunnelPrivateKeyFile string `json:"tlsTunnelPrivateKeyFile"`
}

// EdgeCertLife is how long an edge node's certificate is good for.
func (h CloudHub) EdgeCertLife() time.Duration {
	return time.Duration(h.EdgeCertSigningDuration) * 24 * time.Hour
}

// TokenRefresh is how often the join token is renewed; it lives twice as long.
func (h CloudHub) TokenRefresh() time.Duration {
	return time.Duration(h.TokenRefreshDuration) * time.Hour
}

// Keepalive is how long an edge node may be silent.
func (h CloudHub) Keepalive() time.Duration {
	return time.Duration(h.KeepaliveInterval) * time.Second
}

// Authorizes tells whether requests of edge nodes are decided on.
func (h CloudHub) Authorizes() bool { return h.Authorization.Enable && !h.Authorization.Debug }

// IPs gives the advertised addresses.
func (h CloudHub) IPs() []net.IP {
	ips := make([]net.IP, 0, len(h.AdvertiseAddress))
	for _, address := range h.AdvertiseAddress {
		ips = append(ips, net.ParseIP(address))
	}
	return ips
}

// defaults are CloudCore's own.
func defaults() Config {
	var c Config
	c.CommonConfig.MonitorServer.BindAddress = "127.0.0.1:9091"
	c.Modules.CloudHub = CloudHub{
		NodeLimit:               500,
		TLSCAFile:               "/etc/kubeedge/ca/rootCA.crt",
		TLSCAKeyFile:            "/etc/kubeedge/ca/rootCA.key",
		WebSocket:               Listener{Enable: true, Address: "0.0.0.0", Port: 10000},
		HTTPS:                   Listener{Enable: true, Address: "0.0.0.0", Port: 10002},
		KeepaliveInterval:       30,
		EdgeCertSigningDuration: 365,
		TokenRefreshDuration:    12,
	}
	c.Modules.CloudStream = CloudStream{
		Enable:                  true,
		StreamPort:              10003,
		TunnelPort:              10004,
		TLSStreamCAFile:         "/etc/kubeedge/ca/streamCA.crt",
		TLSStreamCertFile:       "/etc/kubeedge/certs/stream.crt",
		TLSStreamPrivateKeyFile: "/etc/kubeedge/certs/stream.key",
		TLSTunnelCAFile:         "/etc/kubeedge/ca/rootCA.crt",
		TLSTunnelCertFile:       "/etc/kubeedge/certs/server.crt",
		TLSTunnelPrivateKeyFile: "/etc/kubeedge/certs/server.key",
	}
	return c
}

// Load reads and checks a configuration file.
func Load(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w; name another file with --config", err)
	}
	c := defaults()
	if err := yaml.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("parse %s: %w", path, err)
	}
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c Config) validate() error {
	hub, stream := c.Modules.CloudHub, c.Modules.CloudStream
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Kind != "CloudCore" {
		refuse("kind is %q, want CloudCore", c.Kind)
	}
	if len(hub.AdvertiseAddress) == 0 {
		refuse("modules.cloudHub.advertiseAddress is empty; give the addresses by which edge nodes reach CloudCore")
	}
	for _, address := range hub.AdvertiseAddress {
		if net.ParseIP(address) == nil {
			refuse("modules.cloudHub.advertiseAddress: %q is not an IP address; put names under dnsNames", address)
		}
	}
	if hub.NodeLimit < 1 {
		refuse("modules.cloudHub.nodeLimit is %d, want at least 1", hub.NodeLimit)
	}
	if hub.KeepaliveInterval < 1 {
		refuse("modules.cloudHub.keepaliveInterval is %d, want at least 1 second", hub.KeepaliveInterval)
	}
	if hub.TokenRefreshDuration < 1 || hub.EdgeCertSigningDuration < 1 {
		refuse("modules.cloudHub: tokenRefreshDuration (hours) and edgeCertSigningDuration (days) are %d and %d, want at least 1",
			hub.TokenRefreshDuration, hub.EdgeCertSigningDuration)
	}
	ports := map[string]uint16{
		"modules.cloudHub.websocket.port": hub.WebSocket.Port, "modules.cloudHub.https.port": hub.HTTPS.Port,
		"modules.cloudStream.streamPort": stream.StreamPort, "modules.cloudStream.tunnelPort": stream.TunnelPort,
	}
	for field, port := range ports {
		if port == 0 {
			refuse("%s is 0, want a port from 1 to 65535", field)
		}
	}
	return errors.Join(errs...)
}
