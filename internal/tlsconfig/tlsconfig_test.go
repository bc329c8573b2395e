package tlsconfig

import (
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/internal/tlsconfig/tlstest"
)

// TestSuites offers one suite at a time, as a scanner does.
func TestSuites(t *testing.T) {
	config := Server()
	config.Certificates = []tls.Certificate{tlstest.Certificate(t, "localhost")}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = c.(*tls.Conn).Handshake() // refused ones are what is tested
			}()
		}
	}()
	var accepted []string
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if !slices.Contains(suite.SupportedVersions, uint16(tls.VersionTLS12)) {
			continue
		}
		if handshake(l.Addr(), tls.VersionTLS12, suite.ID) {
			accepted = append(accepted, suite.Name)
			if !strings.Contains(suite.Name, "ECDHE_ECDSA") || !strings.Contains(suite.Name, "GCM") && !strings.Contains(suite.Name, "POLY1305") {
				t.Errorf("%s is accepted", suite.Name)
			}
		}
	}
	if len(accepted) != 3 {
		t.Errorf("accepted %q, want three suites", accepted)
	}
	if handshake(l.Addr(), tls.VersionTLS11, 0) {
		t.Error("TLS 1.1 is accepted")
	}
	if !handshake(l.Addr(), tls.VersionTLS13, 0) {
		t.Error("TLS 1.3 is refused")
	}
}

// handshake tries one version, and of it one suite unless that is 0.
func handshake(addr net.Addr, version, suite uint16) bool {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version}
	if suite != 0 {
		config.CipherSuites = []uint16{suite}
	}
	c, err := tls.Dial("tcp", addr.String(), config)
	if err != nil {
		return false
	}
	c.Close()
	return true
}
