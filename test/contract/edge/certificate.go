// Package edge speaks to a CloudCore as EdgeCore does: it asks for a certificate, holds
// a connection to CloudHub, and keeps a stream tunnel. It decides nothing: what is right
// or wrong about an answer is the suite's to say.
package edge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net/http"
	"time"
)

// patience bounds one request on a busy machine.
const patience = time.Minute

// Answer of CloudHub's HTTPS server.
type Answer struct {
	Status int
	Body   []byte
}

// Ask is a request to CloudHub's HTTPS server. Cert, if it is not nil, is shown as the
// client's certificate.
type Ask struct {
	URL    string
	Header http.Header
	Body   []byte
	Cert   *tls.Certificate
}

// Get sends the request and gives whatever comes back.
func (a Ask) Get(ctx context.Context) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, bytes.NewReader(a.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("make a request: %w", err)
	}
	for k, v := range a.Header {
		req.Header[k] = v
	}
	// The CA is what is asked for, so nothing is verified here.
	conf := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if a.Cert != nil {
		conf.Certificates = []tls.Certificate{*a.Cert}
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s: %w", a.URL, err)
	}
	defer func() { _ = resp.Body.Close() }() // the body was read
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer of %s: %w", a.URL, err)
	}
	return Answer{Status: resp.StatusCode, Body: body}, nil
}

// Request is a key and a signing request (DER) for it, as EdgeCore makes them.
type Request struct {
	Key *ecdsa.PrivateKey
	CSR []byte
}

// NewRequest makes a key and a request.
func NewRequest(commonName string, organization ...string) (Request, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Request{}, fmt.Errorf("make a key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: commonName, Organization: organization}}, key)
	if err != nil {
		return Request{}, fmt.Errorf("make a signing request: %w", err)
	}
	return Request{Key: key, CSR: csr}, nil
}

// Certificate pairs an answer (DER) with the request's key.
func (r Request) Certificate(der []byte) (tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("the answer is no certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: r.Key, Leaf: leaf}, nil
}
