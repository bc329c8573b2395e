package apiserver

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/test/program"
)

// endpoint is a host and a TCP port.
type endpoint struct {
	host string
	port int
}

func (e endpoint) String() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

// freePorts asks the kernel for ports that nobody uses now.
func freePorts(host string, n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			// An address of another network namespace: nobody else uses that one.
			return []int{2379, 2380, 6443}[:n], nil //nolint:nilerr // see above
		}
		defer func() { _ = l.Close() }() // all are held until all are chosen
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func (s *Server) file(name string) string { return filepath.Join(s.Dir, name) }

func (s *Server) etcdArgs() []string {
	client, peer := "http://"+s.etcd.String(), "http://"+s.peer.String()
	return append([]string{
		"--name=test", "--data-dir=" + s.file("etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=test=" + peer,
		"--unsafe-no-fsync", "--log-level=warn",
	}, s.options.EtcdArgs...)
}

func (s *Server) serverArgs() []string {
	return append([]string{
		"--etcd-servers=http://" + s.etcd.String(),
		"--bind-address=" + s.api.host, "--secure-port=" + strconv.Itoa(s.api.port),
		"--tls-cert-file=" + s.file("tls.crt"), "--tls-private-key-file=" + s.file("tls.key"),
		"--token-auth-file=" + s.file("tokens.csv"),
		"--authorization-mode=RBAC", "--allow-privileged=true",
		"--service-cluster-ip-range=10.96.0.0/16",
		// Nobody makes default ServiceAccounts here, and pods are only data.
		"--disable-admission-plugins=ServiceAccount",
		"--service-account-issuer=" + s.URL(), "--service-account-key-file=" + s.file("sa.pub"),
		"--service-account-signing-key-file=" + s.file("sa.key"),
		"--endpoint-reconciler-type=none", "--shutdown-delay-duration=0s",
	}, s.options.ServerArgs...)
}

// run starts a program that dies with this one.
func (s *Server) run(name string, args []string) (*program.Program, error) {
	line := append(append(append([]string{}, s.options.Enter...), filepath.Join(s.options.BinDir, name)), args...)
	return program.Start(s.file(name+".log"), nil, line...)
}

func (s *Server) waitReady(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(s.Config)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	for {
		_, last := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-s.etcdProc.Done():
			return fmt.Errorf("etcd ended: %s", s.etcdProc.Tail())
		case <-s.apiProc.Done():
			return fmt.Errorf("kube-apiserver ended: %s", s.apiProc.Tail())
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver is not ready: %w: %s", last, s.apiProc.Tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
