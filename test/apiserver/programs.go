package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
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

// process is a program whose output goes to a log file.
type process struct {
	cmd  *exec.Cmd
	log  string
	done chan struct{} // closed once it ended
}

// run starts a program that dies with this one.
func (s *Server) run(name string, args []string) (*process, error) {
	p := &process{log: s.file(name + ".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", name, err)
	}
	defer func() { _ = log.Close() }() // the program has a descriptor of its own
	line := append(append(append([]string{}, s.options.Enter...), filepath.Join(s.options.BinDir, name)), args...)
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// The signal comes when the thread that started the program ends. A goroutine that
	// locked its thread may end it; this one is locked by nobody.
	started := make(chan error)
	go func() { started <- p.cmd.Start() }()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.done)
	}()
	return p, nil
}

// kill ends a program with its children and waits for it; nil is none.
func (p *process) kill() error {
	if p == nil {
		return nil
	}
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.cmd.Path, err)
	}
	<-p.done
	return nil
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
		case <-s.etcdProc.done:
			return fmt.Errorf("etcd ended: %s", tail(s.etcdProc.log))
		case <-s.apiProc.done:
			return fmt.Errorf("kube-apiserver ended: %s", tail(s.apiProc.log))
		case <-ctx.Done():
			return fmt.Errorf("kube-apiserver is not ready: %w: %s", last, tail(s.apiProc.log))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// tail is the end of a log.
func tail(file string) string {
	const most = 2000
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}
