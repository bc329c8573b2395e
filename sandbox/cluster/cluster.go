package cluster

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// Cluster is a Kubernetes cluster on hosts of the sandbox.
type Cluster struct {
	// Name is the kubeconfig context's.
	Name string
	// Dir keeps certificates, kubeconfigs and etcd's data.
	Dir string
	// BinDir holds the Kubernetes programs (links to one binary).
	BinDir string
	// Self is the path of this program, which supervises services.
	Self string
	// ControlPlane runs the control plane; it is a node too.
	ControlPlane Node
	// PauseImage of the pods' sandboxes, by reference.
	PauseImage string
	// TokenFile names people and their bearer tokens, as kube-apiserver's
	// --token-auth-file; empty for none.
	TokenFile string
}

// Node is a host that runs a kubelet of the cluster.
type Node struct {
	Host hosts.Host
	// IP that the node reports.
	IP string
	// PodCIDR of the node's pods.
	PodCIDR string
	// Labels and Taints that the kubelet registers with.
	Labels map[string]string
	Taints []Taint
}

// Taint of a node, as a kubelet's configuration file spells it.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Address ranges that all clusters of the sandbox use.
const (
	PodCIDR     = "10.244.0.0/16"
	ServiceCIDR = "10.96.0.0/16"
	serviceIP   = "10.96.0.1"
)

func (c Cluster) pki() PKI { return PKI{Dir: filepath.Join(c.Dir, "pki")} }

// Server is kube-apiserver's URL.
func (c Cluster) Server() string { return "https://" + c.ControlPlane.IP + ":6443" }

// Kubeconfig is the path of the cluster-admin's kubeconfig.
func (c Cluster) Kubeconfig() string { return filepath.Join(c.Dir, "admin.kubeconfig") }

type m = map[string]any

// writeKubeconfig makes a kubeconfig with the certificates embedded, so that it
// is one file that can be copied.
func (c Cluster) writeKubeconfig(file, cert string) error {
	user, err := c.certUser(cert)
	if err != nil {
		return err
	}
	return c.writeKubeconfigFor(file, cert, user)
}

// WriteAnonymousKubeconfig makes a kubeconfig without credentials: it tells where
// the cluster is.
func (c Cluster) WriteAnonymousKubeconfig(file string) error {
	return c.writeKubeconfigFor(file, "anonymous", m{})
}

// WriteImpersonatingKubeconfig makes a kubeconfig whose user is somebody else,
// with that one's rights only.
func (c Cluster) WriteImpersonatingKubeconfig(file, as string) error {
	user, err := c.certUser("admin")
	if err != nil {
		return err
	}
	user["as"] = as
	return c.writeKubeconfigFor(file, "impersonator", user)
}

// KubeconfigOf makes a client certificate for a user and gives the kubeconfig with
// it, as one file that can be sent.
func (c Cluster) KubeconfigOf(user string) ([]byte, error) {
	if err := c.pki().ensureCert(clusterCA, user, subject{user: user}); err != nil {
		return nil, err
	}
	if err := c.writeKubeconfig(c.kubeconfig(user), user); err != nil {
		return nil, err
	}
	return os.ReadFile(c.kubeconfig(user))
}

func (c Cluster) certUser(cert string) (m, error) {
	crt, err := c.encoded(cert + ".crt")
	if err != nil {
		return nil, err
	}
	key, err := c.encoded(cert + ".key")
	if err != nil {
		return nil, err
	}
	return m{"client-certificate-data": crt, "client-key-data": key}, nil
}

func (c Cluster) encoded(name string) (string, error) {
	b, err := os.ReadFile(c.pki().File(name))
	return base64.StdEncoding.EncodeToString(b), err
}

func (c Cluster) writeKubeconfigFor(file, name string, user m) error {
	ca, err := c.encoded(clusterCA + ".crt")
	if err != nil {
		return err
	}
	b, err := yaml.Marshal(m{
		"apiVersion": "v1", "kind": "Config", "current-context": c.Name,
		"clusters": []m{{"name": c.Name, "cluster": m{"server": c.Server(), "certificate-authority-data": ca}}},
		"users":    []m{{"name": name, "user": user}},
		"contexts": []m{{"name": c.Name, "context": m{"cluster": c.Name, "user": name}}},
	})
	if err != nil {
		return fmt.Errorf("kubeconfig %s: %w", file, err)
	}
	return os.WriteFile(file, b, 0o600)
}

func (c Cluster) program(name string, args ...string) hosts.Service {
	return hosts.Service{Name: name, Args: append([]string{filepath.Join(c.BinDir, name)}, args...)}
}

func (c Cluster) start(ctx context.Context, h hosts.Host, s hosts.Service) error {
	return h.StartService(ctx, c.Self, s)
}
