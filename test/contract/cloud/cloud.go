// Package cloud starts a CloudCore program on free ports of the loopback, with a
// configuration that the real program and the stand-in read alike.
package cloud

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/test/program"
)

// startTimeout covers the 0 to 9 s that the real program sleeps first, on a busy machine.
const startTimeout = 3 * time.Minute

// KeepaliveSeconds is the configured keepaliveInterval: shorter than the default, so that a
// silent node is noticed within a test.
const KeepaliveSeconds = 20

// Options of a CloudCore.
type Options struct {
	// Program is the path of cloudcore.
	Program string
	// Kubeconfig is a file with CloudCore's credentials.
	Kubeconfig string
	// Dir holds configuration, certificates and log; it must exist.
	Dir string
	// Advertise are the addresses in CloudCore's certificate; 127.0.0.1 when empty.
	Advertise []string
	// NodeLimit is 100 when zero.
	NodeLimit int
	// Authorization switches modules.cloudHub.authorization on, mode node, debug off.
	Authorization bool
	// TokenHours is 12 when zero, CertDays 365.
	TokenHours, CertDays int
}

// Core is a running CloudCore.
type Core struct {
	// Addresses (host:port) of its servers.
	Hub, HTTPS, Stream, Tunnel, Monitor string
	// StreamCert is what CloudStream should present, in DER.
	StreamCert []byte

	ports   []int
	options Options
	proc    *program.Program
}

// Start starts CloudCore and returns once all its servers listen.
func Start(ctx context.Context, o Options) (*Core, error) {
	c := &Core{options: o.withDefaults()}
	ports, err := freePorts(5)
	if err != nil {
		return nil, err
	}
	c.ports = ports
	for i, to := range []*string{&c.Hub, &c.HTTPS, &c.Stream, &c.Tunnel, &c.Monitor} {
		*to = net.JoinHostPort("127.0.0.1", fmt.Sprint(ports[i]))
	}
	if c.StreamCert, err = streamFiles(o.Dir); err != nil {
		return nil, err
	}
	if err := c.writeConfig(); err != nil {
		return nil, err
	}
	return c, c.Launch(ctx)
}

func (c *Core) writeConfig() error {
	config, err := yaml.Marshal(c.options.config(c.ports))
	if err != nil {
		return fmt.Errorf("encode the configuration: %w", err)
	}
	if err := os.WriteFile(c.configFile(), config, 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if len(o.Advertise) == 0 {
		o.Advertise = []string{"127.0.0.1"}
	}
	for to, value := range map[*int]int{&o.NodeLimit: 100, &o.TokenHours: 12, &o.CertDays: 365} {
		if *to == 0 {
			*to = value
		}
	}
	return o
}

func (c *Core) configFile() string { return filepath.Join(c.options.Dir, "cloudcore.yaml") }

// Log is the path of the program's log.
func (c *Core) Log() string { return filepath.Join(c.options.Dir, "cloudcore.log") }

// Launch starts the program, again after Kill or Stop, with the same configuration.
func (c *Core) Launch(ctx context.Context) error {
	proc, err := program.Start(c.Log(), nil, c.options.Program, "--config="+c.configFile())
	if err != nil {
		return err
	}
	c.proc = proc
	if err := c.waitReady(ctx); err != nil {
		return errors.Join(err, c.Kill())
	}
	return nil
}

// Advertise changes the advertised addresses for the next Launch.
func (c *Core) Advertise(addresses ...string) error {
	c.options.Advertise = addresses
	return c.writeConfig()
}

// Kill ends the program at once.
func (c *Core) Kill() error { return c.proc.Kill() }

func (c *Core) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, address := range []string{c.Hub, c.HTTPS, c.Stream, c.Tunnel, c.Monitor} {
		if err := c.waitFor(ctx, address); err != nil {
			return fmt.Errorf("%w; its log ends with:\n%s", err, c.proc.Tail())
		}
	}
	return nil
}

func (c *Core) waitFor(ctx context.Context, address string) error {
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w", c.options.Program, address, err)
		case <-c.proc.Done():
			return fmt.Errorf("%s ended before it listened on %s", c.options.Program, address)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

type object = map[string]any

// config is cloudcore.yaml. Whatever is not needed is off or points into the directory.
func (o Options) config(ports []int) object {
	file := func(name string) string { return filepath.Join(o.Dir, name) }
	listener := func(port int) object { return object{"enable": true, "address": "127.0.0.1", "port": port} }
	hub := object{
		"advertiseAddress": o.Advertise, "nodeLimit": o.NodeLimit, "keepaliveInterval": KeepaliveSeconds,
		"websocket": listener(ports[0]), "https": listener(ports[1]), "quic": object{"enable": false},
		"unixsocket": object{"enable": false, "address": "unix://" + file("kubeedge.sock")},
		"tlsCAFile":  file("none/rootCA.crt"), "tlsCAKeyFile": file("none/rootCA.key"),
		"tlsCertFile": file("none/server.crt"), "tlsPrivateKeyFile": file("none/server.key"),
		"tokenRefreshDuration": o.TokenHours, "edgeCertSigningDuration": o.CertDays,
	}
	if o.Authorization {
		hub["authorization"] = object{"enable": true, "debug": false, "modes": []object{{"node": object{"enable": true}}}}
	}
	return object{
		"apiVersion": "cloudcore.config.kubeedge.io/v1alpha2", "kind": "CloudCore",
		"commonConfig":  object{"monitorServer": object{"bindAddress": fmt.Sprintf("127.0.0.1:%d", ports[4])}},
		"kubeAPIConfig": object{"kubeConfig": o.Kubeconfig, "master": ""},
		"modules": object{
			"cloudHub": hub,
			"cloudStream": object{"enable": true, "streamPort": ports[2], "tunnelPort": ports[3],
				"tlsStreamCAFile": file("streamCA.crt"), "tlsStreamCertFile": file("stream.crt"), "tlsStreamPrivateKeyFile": file("stream.key"),
				"tlsTunnelCAFile": file("none/rootCA.crt"), "tlsTunnelCertFile": file("none/server.crt"), "tlsTunnelPrivateKeyFile": file("none/server.key")},
			"iptablesManager":   object{"enable": false, "mode": "internal"},
			"dynamicController": object{"enable": false},
		},
	}
}

// streamFiles makes CloudStream's CA and certificate, and gives the latter.
func streamFiles(dir string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "stream"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make the stream certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode the stream key: %w", err)
	}
	for name, block := range map[string]*pem.Block{
		"streamCA.crt": {Type: "CERTIFICATE", Bytes: der}, "stream.crt": {Type: "CERTIFICATE", Bytes: der}, "stream.key": {Type: "EC PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return nil, fmt.Errorf("store %s: %w", name, err)
		}
	}
	return der, nil
}

// ClientTLS is what an edge node dials CloudCore with.
func ClientTLS(ca []byte, cert *tls.Certificate) (*tls.Config, error) {
	root, err := x509.ParseCertificate(ca)
	if err != nil {
		return nil, fmt.Errorf("parse CloudCore's CA: %w", err)
	}
	conf := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	conf.RootCAs.AddCert(root)
	if cert != nil {
		conf.Certificates = []tls.Certificate{*cert}
	}
	return conf, nil
}

func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // all are held until all are chosen
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
