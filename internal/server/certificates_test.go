package server

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"testing"
	"time"
)

func TestCertificateIsRenewedWhileServing(t *testing.T) {
	dir, now := t.TempDir(), time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	var broken error
	certs, err := NewCertificates(func(at time.Time) (tls.Certificate, error) {
		if broken != nil {
			return tls.Certificate{}, broken
		}
		return LoadCertificate("", "", dir, []string{"localhost"}, at)
	}, func() time.Time { return now }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		t.Helper()
		cert, err := certs.Get(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(cert.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.String()
	}
	first, pin := serial(), certs.Pin()
	now = now.AddDate(0, 6, 0)
	if serial() != first {
		t.Error("a good certificate was replaced")
	}
	now, broken = now.AddDate(0, 5, 10), errors.New("disk is gone")
	if serial() != first {
		t.Error("a failing renewal took the old certificate away")
	}
	now, broken = now.Add(2*certificateLook), nil
	if serial() == first || certs.Pin() != pin {
		t.Errorf("near its end: same certificate %v, pin %s was %s", serial() == first, certs.Pin(), pin)
	}
	if _, err := NewCertificates(func(time.Time) (tls.Certificate, error) { return tls.Certificate{}, errors.New("none") },
		time.Now, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("serves without a certificate")
	}
}
