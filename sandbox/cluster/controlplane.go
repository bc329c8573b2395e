package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/edgeway-io/edgeway/sandbox/hosts"
)

// StartControlPlane starts etcd, kube-apiserver, kube-controller-manager and
// kube-scheduler and waits until the API server is ready.
func (c Cluster) StartControlPlane(ctx context.Context) error {
	if err := c.credentials(); err != nil {
		return err
	}
	h := c.ControlPlane.Host
	if err := c.start(ctx, h, c.etcd()); err != nil {
		return err
	}
	if err := c.start(ctx, h, c.apiserver()); err != nil {
		return err
	}
	if err := c.waitReady(ctx); err != nil {
		return err
	}
	for _, component := range []string{"kube-controller-manager", "kube-scheduler"} {
		if err := c.start(ctx, h, c.component(component)); err != nil {
			return err
		}
	}
	return nil
}

// credentials makes every certificate and kubeconfig of the control plane.
func (c Cluster) credentials() error {
	p := c.pki()
	for _, ca := range []string{clusterCA, frontProxyCA} {
		if err := p.ensureCA(ca); err != nil {
			return err
		}
	}
	if err := p.ensureKey("sa"); err != nil {
		return err
	}
	certs := []struct {
		ca, name string
		subject
	}{
		{clusterCA, "apiserver", subject{user: "kube-apiserver", names: []string{c.ControlPlane.IP, serviceIP, "127.0.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"}}},
		{clusterCA, "apiserver-kubelet-client", subject{user: "kube-apiserver-kubelet-client", groups: []string{"system:masters"}}},
		{frontProxyCA, "front-proxy-client", subject{user: "front-proxy-client"}},
		{clusterCA, "admin", subject{user: "admin", groups: []string{"system:masters"}}},
		{clusterCA, "kube-controller-manager", subject{user: "system:kube-controller-manager"}},
		{clusterCA, "kube-scheduler", subject{user: "system:kube-scheduler"}},
		{clusterCA, "kube-proxy", subject{user: "system:kube-proxy"}},
	}
	for _, cert := range certs {
		if err := p.ensureCert(cert.ca, cert.name, cert.subject); err != nil {
			return err
		}
	}
	for _, name := range []string{"admin", "kube-controller-manager", "kube-scheduler", "kube-proxy"} {
		if err := c.writeKubeconfig(c.kubeconfig(name), name); err != nil {
			return err
		}
	}
	return nil
}

func (c Cluster) kubeconfig(name string) string {
	return filepath.Join(c.Dir, name+".kubeconfig")
}

const etcdURL = "http://127.0.0.1:2379" // inside the control plane's own network namespace

func (c Cluster) etcd() hosts.Service {
	return c.program("etcd",
		"--name=sandbox", "--data-dir="+filepath.Join(c.Dir, "etcd"),
		"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=sandbox=http://127.0.0.1:2380",
		// A sandbox is thrown away; it need not survive a power cut.
		"--unsafe-no-fsync", "--log-level=warn")
}

func (c Cluster) apiserver() hosts.Service {
	p := c.pki()
	args := []string{
		"--etcd-servers=" + etcdURL, "--advertise-address=" + c.ControlPlane.IP, "--secure-port=6443",
		"--service-cluster-ip-range=" + ServiceCIDR, "--allow-privileged=true",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + p.File("ca.crt"),
		"--tls-cert-file=" + p.File("apiserver.crt"), "--tls-private-key-file=" + p.File("apiserver.key"),
		"--kubelet-client-certificate=" + p.File("apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + p.File("apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP,Hostname",
		"--service-account-issuer=" + c.Server(), "--service-account-key-file=" + p.File("sa.pub"),
		"--service-account-signing-key-file=" + p.File("sa.key"),
		"--requestheader-client-ca-file=" + p.File(frontProxyCA+".crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + p.File("front-proxy-client.crt"),
		"--proxy-client-key-file=" + p.File("front-proxy-client.key"),
		"--enable-aggregator-routing=true",
		"--shutdown-delay-duration=0s",
	}
	if c.TokenFile != "" {
		args = append(args, "--token-auth-file="+c.TokenFile)
	}
	s := c.program("kube-apiserver", args...)
	// Collecting its garbage takes a quarter of its processor time otherwise, and all
	// hosts share the machine's processors: every request waits for it.
	s.Env = []string{"GOGC=300", "GOMEMLIMIT=1GiB"}
	return s
}

func (c Cluster) component(name string) hosts.Service {
	kc := c.kubeconfig(name)
	args := []string{"--kubeconfig=" + kc, "--authentication-kubeconfig=" + kc, "--authorization-kubeconfig=" + kc, "--leader-elect=false"}
	if name == "kube-controller-manager" {
		p := c.pki()
		args = append(args, "--use-service-account-credentials=true",
			"--service-account-private-key-file="+p.File("sa.key"), "--root-ca-file="+p.File("ca.crt"),
			"--cluster-signing-cert-file="+p.File("ca.crt"), "--cluster-signing-key-file="+p.File("ca.key"),
			"--allocate-node-cidrs=false", "--cluster-cidr="+PodCIDR)
	}
	return c.program(name, args...)
}

func (c Cluster) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	k := c.Kubectl()
	var last error
	for {
		if _, last = k.Run(ctx, "get", "--raw", "/readyz"); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver is not ready (its log: %s): %w", c.ControlPlane.Host.LogFile("kube-apiserver"), last)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// SharedKubeconfig copies the cluster-admin's kubeconfig to a path of its own.
func (c Cluster) SharedKubeconfig(to string) error {
	b, err := os.ReadFile(c.Kubeconfig())
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
