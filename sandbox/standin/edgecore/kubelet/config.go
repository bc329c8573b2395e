// Package kubelet configures and runs the real kubelet in the place where EdgeCore
// has one built in.
package kubelet

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/config"
	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
)

// Address is where the kubelet serves: HTTPS, on the loopback only. EdgeCore
// itself serves what the tunnel asks for.
const Address = "127.0.0.1:10250"

// Setup is a kubelet that is ready to start.
type Setup struct {
	// Args are the kubelet's command line.
	Args []string
	// Client is how to talk to the kubelet at Address.
	Client *tls.Config
}

// Prepare writes the kubelet's configuration, kubeconfig and a local CA below the
// state folder. The kubelet reaches CloudHub through the gate at the given address. The CA is new at every start and never leaves the host.
func Prepare(c config.Config, gate string) (Setup, error) {
	dir := c.StateDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Setup{}, fmt.Errorf("make EdgeCore's state folder: %w", err)
	}
	files, client, err := localCA(dir)
	if err != nil {
		return Setup{}, err
	}
	configFile, kubeconfig := filepath.Join(dir, "kubelet.yaml"), filepath.Join(dir, "kubelet.kubeconfig")
	if err := writeYAML(configFile, Configuration(c.Modules.Edged.TailoredKubeletConfig, files)); err != nil {
		return Setup{}, err
	}
	if err := writeYAML(kubeconfig, kubeconfigOf(c.Modules.EdgeHub, gate)); err != nil {
		return Setup{}, err
	}
	edged := c.Modules.Edged
	args := []string{
		"--config=" + configFile, "--kubeconfig=" + kubeconfig,
		"--root-dir=" + edged.RootDirectory, "--cert-dir=" + dir,
		"--hostname-override=" + edged.HostnameOverride,
	}
	if edged.NodeIP != "" {
		args = append(args, "--node-ip="+edged.NodeIP)
	}
	if labels := acceptable(edged.NodeLabels); labels != "" {
		args = append(args, "--node-labels="+labels)
	}
	return Setup{Args: args, Client: client}, nil
}

// Files are the kubelet's own certificate and the CA of its clients.
type Files struct{ CA, Cert, Key string }

// localCA makes the certificates between EdgeCore and its kubelet.
func localCA(dir string) (Files, *tls.Config, error) {
	files := Files{CA: filepath.Join(dir, "local-ca.crt"), Cert: filepath.Join(dir, "kubelet.crt"), Key: filepath.Join(dir, "kubelet.key")}
	ca, err := pki.NewCA("edgecore-local")
	if err != nil {
		return files, nil, err
	}
	host, _, err := net.SplitHostPort(Address)
	if err != nil {
		return files, nil, fmt.Errorf("the kubelet's address: %w", err)
	}
	server, err := ca.Issue(pki.Request{
		CommonName: "kubelet", IPs: []net.IP{net.ParseIP(host)}, Life: pki.Century,
		Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return files, nil, err
	}
	client, err := ca.Issue(pki.Request{
		CommonName: "edgecore", Life: pki.Century,
		Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return files, nil, err
	}
	for path, der := range map[string][]byte{files.CA: ca.Cert, files.Cert: server.Cert} {
		if err := pki.WritePEM(path, pki.BlockCertificate, der); err != nil {
			return files, nil, err
		}
	}
	if err := pki.WritePEM(files.Key, pki.BlockKey, server.Key); err != nil {
		return files, nil, err
	}
	roots, err := ca.Pool()
	if err != nil {
		return files, nil, err
	}
	cert, err := client.TLS()
	return files, &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, err
}

// Configuration gives the KubeletConfiguration: defaults fit for a shared small
// machine, over them what EdgeCore's configuration says, over that what the
// stand-in depends on.
func Configuration(tailored map[string]any, files Files) map[string]any {
	conf := map[string]any{
		"cgroupDriver": "cgroupfs",
		// The disks of a sandbox are often fuller than the usual thresholds, and an
		// image that was imported by hand cannot be pulled again.
		"evictionHard":                map[string]any{"memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%"},
		"imageGCHighThresholdPercent": 100,
		"failSwapOn":                  false,
		"failCgroupV1":                false,
		"resolvConf":                  resolvConf(),
	}
	maps.Copy(conf, tailored)
	host, _, _ := net.SplitHostPort(Address)
	maps.Copy(conf, map[string]any{
		"apiVersion":         "kubelet.config.k8s.io/v1beta1",
		"kind":               "KubeletConfiguration",
		"address":            host,
		"port":               10250,
		"readOnlyPort":       0,
		"contentType":        "application/json", // CloudCore's door reads what a kubelet writes
		"tlsCertFile":        files.Cert,
		"tlsPrivateKeyFile":  files.Key,
		"rotateCertificates": false,
		"serverTLSBootstrap": false,
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": false},
			"x509":      map[string]any{"clientCAFile": files.CA},
		},
		"authorization": map[string]any{"mode": "AlwaysAllow"},
	})
	return conf
}

// resolvConf gives pods the host's name servers, if it has any.
func resolvConf() string {
	const path = "/etc/resolv.conf"
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func kubeconfigOf(hub config.EdgeHub, gate string) map[string]any {
	host, _, _ := net.SplitHostPort(hub.WebSocket.Server) // the configuration was checked
	return map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "edge",
		"clusters": []any{map[string]any{"name": "edge", "cluster": map[string]any{
			"server": "https://" + gate, "tls-server-name": host, "certificate-authority": hub.TLSCAFile}}},
		"users": []any{map[string]any{"name": "edge", "user": map[string]any{
			"client-certificate": hub.TLSCertFile, "client-key": hub.TLSPrivateKeyFile}}},
		"contexts": []any{map[string]any{"name": "edge", "context": map[string]any{"cluster": "edge", "user": "edge"}}},
	}
}

// acceptable gives the labels as a flag, without those that a kubelet refuses to
// give itself and would not start for. KubeEdge's own two come from CloudCore.
func acceptable(labels map[string]string) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if reserved(key) {
			slog.Warn("label left out: a kubelet may not set it; label the Node from the cloud", "label", key)
			continue
		}
		pairs = append(pairs, key+"="+labels[key])
	}
	return strings.Join(pairs, ",")
}

func reserved(key string) bool {
	domain, _, ok := strings.Cut(key, "/")
	if !ok {
		return false
	}
	within := func(parent string) bool { return domain == parent || strings.HasSuffix(domain, "."+parent) }
	if within("node.kubernetes.io") || within("kubelet.kubernetes.io") {
		return false
	}
	allowed := []string{
		"kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch",
		"topology.kubernetes.io/zone", "topology.kubernetes.io/region",
	}
	return (within("kubernetes.io") || within("k8s.io")) && !slices.Contains(allowed, key)
}

func writeYAML(path string, content map[string]any) error {
	data, err := yaml.Marshal(content)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
