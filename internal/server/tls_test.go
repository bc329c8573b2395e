package server

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestOwnCertificateKeepsItsKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	pinAt := func(when time.Time, hosts ...string) (string, *x509.Certificate) {
		t.Helper()
		cert, err := LoadCertificate("", "", dir, hosts, when)
		if err != nil {
			t.Fatal(err)
		}
		pin, err := KeyPin(cert)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return pin, leaf
	}
	pin, first := pinAt(now, "localhost", "127.0.0.1")
	_, same := pinAt(now.AddDate(0, 1, 0), "localhost", "127.0.0.1")
	if !first.Equal(same) {
		t.Error("a good certificate was replaced")
	}
	pin2, more := pinAt(now.AddDate(0, 1, 0), "localhost", "console.example")
	if more.VerifyHostname("console.example") != nil || pin2 != pin {
		t.Errorf("new name: pin %s, was %s; names %v", pin2, pin, more.DNSNames)
	}
	pin3, later := pinAt(now.AddDate(1, 0, 20), "localhost")
	if pin3 != pin || !later.NotAfter.After(now.AddDate(1, 6, 0)) {
		t.Errorf("renewal: pin %s, was %s; ends %s", pin3, pin, later.NotAfter)
	}
	info, err := os.Stat(filepath.Join(dir, "console.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", info, err)
	}
}

func TestPlainHTTPOnLoopbackOnly(t *testing.T) {
	l, err := Listen("127.0.0.1:0", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Listen("0.0.0.0:0", nil, nil); !errors.Is(err, ErrPlainHTTP) {
		t.Errorf("every address: %v", err)
	}
}
