// Package config reads EdgeCore's own configuration file (v1alpha2), of which the
// stand-in uses a part and ignores the rest.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

const (
	// DefaultPath is where EdgeCore looks for its configuration.
	DefaultPath = "/etc/kubeedge/config/edgecore.yaml"
	// BootstrapPath, when it exists, holds the join token and wins over the
	// configuration's.
	BootstrapPath = "/etc/kubeedge/bootstrap-edgecore.conf"
)

// Config is the part of edgecore.yaml that the stand-in reads.
type Config struct {
	Kind     string `json:"kind"`
	Database struct {
		DataSource string `json:"dataSource"`
	} `json:"database"`
	Modules Modules `json:"modules"`
}

// Modules are the modules that the stand-in has.
type Modules struct {
	Edged      Edged      `json:"edged"`
	EdgeHub    EdgeHub    `json:"edgeHub"`
	EdgeStream EdgeStream `json:"edgeStream"`
}

// Edged is the node's name and its kubelet.
type Edged struct {
	Enable           bool              `json:"enable"`
	HostnameOverride string            `json:"hostnameOverride"`
	NodeIP           string            `json:"nodeIP"`
	RootDirectory    string            `json:"rootDirectory"`
	NodeLabels       map[string]string `json:"nodeLabels"`
	// TailoredKubeletConfig is a KubeletConfiguration without its header; the
	// taints to register with are in it as registerWithTaints.
	TailoredKubeletConfig map[string]any `json:"tailoredKubeletConfig"`
}

// EdgeHub is the way to CloudHub.
type EdgeHub struct {
	ProjectID string `json:"projectID"`
	// Heartbeat is the time between two keepalives, in seconds.
	Heartbeat         int    `json:"heartbeat"`
	HTTPServer        string `json:"httpServer"`
	Token             string `json:"token"`
	TLSCAFile         string `json:"tlsCaFile"`
	TLSCertFile       string `json:"tlsCertFile"`
	TLSPrivateKeyFile string `json:"tlsPrivateKeyFile"`
	WebSocket         struct {
		Server string `json:"server"`
	} `json:"websocket"`
}

// EdgeStream is the tunnel; like in KubeEdge it is off unless enabled.
type EdgeStream struct {
	Enable                  bool   `json:"enable"`
	Server                  string `json:"server"`
	TLSTunnelCAFile         string `json:"tlsTunnelCAFile"`
	TLSTunnelCertFile       string `json:"tlsTunnelCertFile"`
	TLSTunnelPrivateKeyFile string `json:"tlsTunnelPrivateKeyFile"`
}

// StateDir is where EdgeCore keeps what it generates.
func (c Config) StateDir() string {
	return filepath.Join(filepath.Dir(c.Database.DataSource), "edgecore")
}

func defaults() (Config, error) {
	const ca, cert, key = "/etc/kubeedge/ca/rootCA.crt", "/etc/kubeedge/certs/server.crt", "/etc/kubeedge/certs/server.key"
	hostname, err := os.Hostname()
	if err != nil {
		return Config{}, fmt.Errorf("find this host's name: %w; set modules.edged.hostnameOverride", err)
	}
	var c Config
	c.Database.DataSource = "/var/lib/kubeedge/edgecore.db"
	c.Modules.Edged = Edged{Enable: true, HostnameOverride: strings.ToLower(hostname), RootDirectory: "/var/lib/kubelet"}
	c.Modules.EdgeHub = EdgeHub{ProjectID: "e632aba927ea4ac2b575ec1603d56f10", Heartbeat: 15, TLSCAFile: ca, TLSCertFile: cert, TLSPrivateKeyFile: key}
	c.Modules.EdgeStream = EdgeStream{TLSTunnelCAFile: ca, TLSTunnelCertFile: cert, TLSTunnelPrivateKeyFile: key}
	return c, nil
}

// Load reads and checks a configuration file. bootstrap names a file with the join
// token, which need not exist.
func Load(path, bootstrap string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w; name another file with --config", err)
	}
	c, err := defaults()
	if err != nil {
		return Config{}, err
	}
	if err := yaml.Unmarshal(data, &c); err != nil {
		return Config{}, fmt.Errorf("parse %s: %w", path, err)
	}
	if text, err := os.ReadFile(bootstrap); err == nil {
		c.Modules.EdgeHub.Token = strings.TrimSpace(string(text))
	} else if !errors.Is(err, os.ErrNotExist) {
		return Config{}, fmt.Errorf("read the join token: %w", err)
	}
	if err := c.validate(); err != nil {
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func (c Config) validate() error {
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Kind != "EdgeCore" {
		refuse("kind is %q, want EdgeCore", c.Kind)
	}
	if u, err := url.Parse(c.Modules.EdgeHub.HTTPServer); err != nil || u.Scheme != "https" || u.Host == "" {
		refuse("modules.edgeHub.httpServer is %q, want https://HOST:PORT of CloudHub", c.Modules.EdgeHub.HTTPServer)
	}
	if c.Modules.EdgeHub.Heartbeat < 1 {
		refuse("modules.edgeHub.heartbeat is %d, want at least 1 second", c.Modules.EdgeHub.Heartbeat)
	}
	if _, _, err := net.SplitHostPort(c.Modules.EdgeHub.WebSocket.Server); err != nil {
		refuse("modules.edgeHub.websocket.server is %q, want HOST:PORT of CloudHub", c.Modules.EdgeHub.WebSocket.Server)
	}
	if _, _, err := net.SplitHostPort(c.Modules.EdgeStream.Server); c.Modules.EdgeStream.Enable && err != nil {
		refuse("modules.edgeStream.server is %q, want HOST:PORT of CloudCore's tunnel", c.Modules.EdgeStream.Server)
	}
	if ip := c.Modules.Edged.NodeIP; ip != "" && net.ParseIP(ip) == nil {
		refuse("modules.edged.nodeIP is %q, want an IP address or nothing", ip)
	}
	return errors.Join(errs...)
}
