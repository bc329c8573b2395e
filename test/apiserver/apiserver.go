// Package apiserver runs a real etcd and kube-apiserver for tests and measurements:
// the programs that `make build-sandbox` leaves in bin/kube, on a loopback address,
// with the chart's CRDs installed. There are no controllers unless StartControllers is
// called, no scheduler and no kubelets, so objects stay as they are written.
package apiserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/test/program"
)

// startTimeout bounds the wait for a busy machine.
const startTimeout = 3 * time.Minute

// Options of a server. The zero value is a server for tests.
type Options struct {
	// BinDir holds etcd and kube-apiserver; bin/kube of this module when empty.
	BinDir string
	// Dir takes data, certificates and logs; a new directory that Stop removes when
	// empty.
	Dir string
	// Address to listen on; 127.0.0.1 when empty.
	Address string
	// Enter is put before every command line, such as "ip netns exec NAME"; the caller
	// must then be able to reach Address.
	Enter []string
	// EtcdArgs and ServerArgs are added to the command lines.
	EtcdArgs, ServerArgs []string
	// NoCRDs leaves the chart's CRDs out.
	NoCRDs bool
}

// Server is a running kube-apiserver with its etcd.
type Server struct {
	// Config is for a client with all rights. Copy it before changing it.
	Config *rest.Config
	// Dir holds etcd.log, kube-apiserver.log and Kubeconfig's file.
	Dir string

	options         Options
	etcd, peer, api endpoint
	ownDir          bool
	etcdProc        *program.Program
	apiProc         *program.Program
	managerProc     *program.Program
}

// Start starts both programs and returns once the API is ready. Both end with Stop,
// and with this process, whatever ends it.
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// ForTest starts a server that ends with the test. Programs that are missing fail
// the test: nothing is skipped.
func ForTest(t testing.TB, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("stop the API server: %v", err)
		}
	})
	return s
}

// Kubeconfig is the path of a file with all rights, for other programs.
func (s *Server) Kubeconfig() string { return filepath.Join(s.Dir, "admin.kubeconfig") }

// URL of the API server.
func (s *Server) URL() string { return "https://" + s.api.String() }

// As is a client configuration of a user with the given groups and nothing else,
// for what the API server permits or admits. The user "system:serviceaccount:…"
// stands for a ServiceAccount.
func (s *Server) As(user string, extra map[string][]string, groups ...string) *rest.Config {
	config := rest.CopyConfig(s.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups, Extra: extra}
	return config
}

// StopAPI kills kube-apiserver and leaves etcd: an outage.
func (s *Server) StopAPI() error { return s.apiProc.Kill() }

// StartAPI starts kube-apiserver again after StopAPI.
func (s *Server) StartAPI(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	proc, err := s.run("kube-apiserver", s.serverArgs())
	if err != nil {
		return err
	}
	s.apiProc = proc
	return s.waitReady(ctx)
}

// Stop ends both programs and removes their data.
func (s *Server) Stop() error {
	err := errors.Join(s.managerProc.Kill(), s.apiProc.Kill(), s.etcdProc.Kill())
	if s.ownDir {
		err = errors.Join(err, os.RemoveAll(s.Dir))
	}
	return err
}

func (s *Server) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var err error
	if s.etcdProc, err = s.run("etcd", s.etcdArgs()); err != nil {
		return err
	}
	if s.apiProc, err = s.run("kube-apiserver", s.serverArgs()); err != nil {
		return err
	}
	if err := s.waitReady(ctx); err != nil {
		return err
	}
	if s.options.NoCRDs {
		return nil
	}
	return installCRDs(ctx, s.Config)
}

// prepare finds the programs, and makes certificates and ports.
func prepare(o Options) (*Server, error) {
	if o.Address == "" {
		o.Address = "127.0.0.1"
	}
	if o.BinDir == "" {
		root, err := moduleRoot()
		if err != nil {
			return nil, err
		}
		o.BinDir = filepath.Join(root, "bin", "kube")
	}
	for _, program := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(o.BinDir, program)); err != nil {
			return nil, fmt.Errorf("program %s is missing; run `make build-sandbox`: %w", program, err)
		}
	}
	s := &Server{options: o, Dir: o.Dir}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "apiserver-")
		if err != nil {
			return nil, fmt.Errorf("make a directory: %w", err)
		}
		s.Dir, s.ownDir = dir, true
	}
	ports, err := freePorts(o.Address, 3)
	if err != nil {
		return nil, err
	}
	s.etcd, s.peer, s.api = endpoint{o.Address, ports[0]}, endpoint{o.Address, ports[1]}, endpoint{o.Address, ports[2]}
	return s, s.credentials()
}

// moduleRoot is the nearest directory upwards with a go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("no go.mod above %s; set Options.BinDir", dir)
		}
	}
}
