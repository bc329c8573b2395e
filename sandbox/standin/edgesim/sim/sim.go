// Package sim is the hollow edge nodes of edgesim.
package sim

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/enroll"
	"github.com/edgeway-io/edgeway/sandbox/standin/edgecore/stream"
	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
)

// Config says how many nodes there are and where CloudCore is.
type Config struct {
	Count                         int
	Prefix                        string
	FirstIP                       netip.Addr
	Host                          string
	HubPort, CertPort, TunnelPort int
	Token                         string
	// Enrollments, when there are any, take the place of Count, Prefix, FirstIP and Token:
	// each node redeems a join code at Console.
	Enrollments []Enrollment
	Console     enroll.Console
	// Beat is the time between two renewals of a node's lease.
	Beat time.Duration
}

// Enrollment is a node that the console knows.
type Enrollment struct {
	NodeName string `json:"nodeName"`
	NodeIP   string `json:"nodeIP"`
	Code     string `json:"code"`
}

// enrolling is how many nodes get their certificate at a time.
const enrolling = 16

// Run brings up all nodes and keeps them until ctx ends; their Nodes stay behind.
func Run(ctx context.Context, c Config) error {
	all, ctx := errgroup.WithContext(ctx)
	gate := make(chan struct{}, enrolling)
	for i, e := range c.enrollments() {
		node := &node{conf: c, name: e.NodeName, ip: e.NodeIP, code: e.Code, figures: newFigures(i)}
		all.Go(func() error { return node.run(ctx, gate) })
	}
	return all.Wait()
}

// enrollments are the nodes; without a code they join by the token.
func (c Config) enrollments() []Enrollment {
	if len(c.Enrollments) > 0 {
		return c.Enrollments
	}
	all, ip := make([]Enrollment, c.Count), c.FirstIP
	for i := range all {
		all[i] = Enrollment{NodeName: fmt.Sprintf("%s%d", c.Prefix, i+1), NodeIP: ip.String()}
		ip = ip.Next()
	}
	return all
}

// node is one hollow edge node.
type node struct {
	conf     Config
	name, ip string
	code     string
	redeem   *enroll.Redemption // of code, once it was tried
	figures  figures
	lease    *coordinationv1.Lease // as last seen
}

func (n *node) run(ctx context.Context, gate chan struct{}) error {
	ca, pair, err := n.enrollNode(ctx, gate)
	if err != nil || ctx.Err() != nil {
		return err
	}
	cert, err := pair.TLS()
	if err != nil {
		return err
	}
	roots, err := pki.Pair{Cert: ca}.Pool()
	if err != nil {
		return err
	}
	api, err := newClients(n.apiConfig(ca, pair))
	if err != nil {
		return fmt.Errorf("clients of %s: %w", n.name, err)
	}
	backend := newBackend(n.figures.handler(n.name))
	tunnel := &stream.Client{
		Server: n.address(n.conf.TunnelPort), Node: n.name, IP: n.ip, Backend: backend.dial,
		TLS: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
	}
	group, ctx := errgroup.WithContext(ctx)
	registered := make(chan struct{})
	group.Go(func() error { return n.live(ctx, api, sync.OnceFunc(func() { close(registered) })) })
	group.Go(func() error {
		// A tunnel that comes before its Node waits 20 s in CloudCore.
		select {
		case <-registered:
			return tunnel.Run(ctx)
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error { return backend.run(ctx) })
	return group.Wait()
}

// enroll waits for the server as long as it takes, but not after a refusal.
func (n *node) enrollNode(ctx context.Context, gate chan struct{}) ([]byte, pki.Pair, error) {
	for {
		gate <- struct{}{}
		ca, pair, err := n.certificate(ctx)
		<-gate
		if err == nil || ctx.Err() != nil {
			return ca, pair, nil
		}
		if errors.Is(err, enroll.ErrRefused) {
			return nil, pki.Pair{}, err
		}
		slog.Warn("no certificate yet", "node", n.name, "err", err)
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
			return nil, pki.Pair{}, nil
		}
	}
}

// certificate of the node, by its code or by KubeEdge's token.
func (n *node) certificate(ctx context.Context) ([]byte, pki.Pair, error) {
	if n.code != "" {
		return n.redeemed(ctx)
	}
	return enroll.Fetch(ctx, enroll.Request{Node: n.name, Server: "https://" + n.address(n.conf.CertPort), Token: n.conf.Token})
}

func (n *node) redeemed(ctx context.Context) ([]byte, pki.Pair, error) {
	if n.redeem == nil {
		r, err := enroll.NewRedemption(n.name, n.code)
		if err != nil {
			return nil, pki.Pair{}, err
		}
		n.redeem = r
	}
	return n.redeem.At(ctx, n.conf.Console)
}

func (n *node) apiConfig(ca []byte, pair pki.Pair) *rest.Config {
	encode := func(block string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der})
	}
	return &rest.Config{
		Host:    "https://" + n.address(n.conf.HubPort),
		QPS:     -1, // a node asks little, and all of them together are the point
		Timeout: 30 * time.Second,
		TLSClientConfig: rest.TLSClientConfig{
			CAData:   encode(pki.BlockCertificate, ca),
			CertData: encode(pki.BlockCertificate, pair.Cert),
			KeyData:  encode(pki.BlockKey, pair.Key),
		},
	}
}

func (n *node) address(port int) string { return net.JoinHostPort(n.conf.Host, fmt.Sprint(port)) }
