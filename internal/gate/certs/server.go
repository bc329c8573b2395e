// Package certs is the gate before CloudHub's HTTPS server, where devices get and renew
// their certificates. That server compares a name with a header and signs whatever the
// request says, so any node's certificate renews into any other's, with any usages. Here a
// request is read first: it passes when it asks for the client certificate of the one node
// that its sender is, or has a token for.
//
// Invariant: CloudHub signs no name that was not proven or enrolled.
package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"time"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/gate/subject"
)

// The headers of a request for a certificate. The names are KubeEdge's.
const (
	headerNode   = "NodeName"
	headerUsages = "ExtKeyUsages"
)

const (
	maxRequest = 64 << 10 // of a signing request, in bytes
	maxReport  = 3 << 20  // of a task's report; CloudHub accepts as much
	// coreTimeout bounds CloudHub's answer, for which it may have to ask the API server.
	coreTimeout = 20 * time.Second
)

// Why a request is refused.
var (
	// ErrIdentity says that a device is not the node that it claims to be.
	ErrIdentity = errors.New("the certificate is of another name")
	errUsages   = errors.New("an edge node's certificate is good for a client and nothing else")
)

// Facts are what the gate knows of names and certificates.
type Facts interface {
	// Check returns why a name may have no connection.
	Check(node string) error
	// CheckToken returns why a name may get no certificate by a join token.
	CheckToken(node string) error
	// VerifyDevice returns why a certificate is not a device's.
	VerifyDevice(cert *x509.Certificate) error
	// ToHub is what CloudHub is dialed with in a node's name; without one when empty.
	ToHub(node string, protocols ...string) (*tls.Config, error)
}

// Config is what a Server needs.
type Config struct {
	Facts Facts
	// Core is the address of CloudHub's HTTPS server.
	Core string
	Log  *slog.Logger
}

// Server is the handler of that server's paths.
type Server struct {
	Config
	mux *http.ServeMux
}

// New returns a Server.
func New(c Config) *Server {
	s := &Server{Config: c, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /ca.crt", s.pass)
	s.mux.HandleFunc("GET /node/{node}", s.pass)
	s.mux.HandleFunc("GET /edge.crt", s.sign)
	s.mux.HandleFunc("POST /nodeupgrade", s.report)
	s.mux.HandleFunc("POST /task/{type}/name/{task}/node/{node}/status", s.report)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// pass is for what everybody may know.
func (s *Server) pass(w http.ResponseWriter, r *http.Request) { s.forward(w, r, "", nil) }

// refusal is an answer that keeps a request from CloudHub.
type refusal struct {
	status int
	reason error
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	s.Log.Warn("request to CloudHub refused", "path", r.URL.Path, "node", r.Header.Get(headerNode), "from", r.RemoteAddr, "error", no.reason)
	http.Error(w, no.reason.Error(), no.status)
}

// sign passes a signing request on that asks for what its sender may have.
func (s *Server) sign(w http.ResponseWriter, r *http.Request) {
	node := r.Header.Get(headerNode)
	as, no := s.applicant(r, node)
	if no != nil {
		s.refuse(w, r, no)
		return
	}
	if err := checkUsages(r.Header); err != nil {
		s.refuse(w, r, &refusal{http.StatusForbidden, err})
		return
	}
	csr, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		s.refuse(w, r, &refusal{http.StatusBadRequest, fmt.Errorf("read the signing request: %w", err)})
		return
	}
	if err := pki.CheckEdgeCoreRequest(csr, node); err != nil {
		s.refuse(w, r, &refusal{http.StatusForbidden, err})
		return
	}
	s.Log.Info("signing request passed on", "node", node, "from", r.RemoteAddr, "renewal", as != "")
	s.forward(w, r, as, csr)
}

// applicant says in whose name CloudHub is asked: the node's for a renewal, nobody's for
// a token.
func (s *Server) applicant(r *http.Request, node string) (string, *refusal) {
	switch {
	case node == "":
		return "", &refusal{http.StatusBadRequest, fmt.Errorf("header %s is empty; give the node's name", headerNode)}
	case r.TLS != nil && len(r.TLS.PeerCertificates) > 0:
		proven, no := s.prove(r)
		if no == nil && proven != node {
			no = otherName(node, proven)
		}
		return proven, no
	case r.Header.Get("Authorization") == "":
		return "", &refusal{http.StatusUnauthorized, errors.New("there is neither a client certificate nor a join token; send header Authorization: Bearer TOKEN")}
	}
	if err := s.Facts.CheckToken(node); err != nil {
		return "", &refusal{http.StatusForbidden, err}
	}
	return "", nil
}

func otherName(wanted, proven string) *refusal {
	return &refusal{http.StatusForbidden, fmt.Errorf("%w: the request is for node %q and the certificate for %q; a node renews its own", ErrIdentity, wanted, proven)}
}

// prove returns the name in the client certificate when it may have a connection.
func (s *Server) prove(r *http.Request) (string, *refusal) {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return "", &refusal{http.StatusUnauthorized, errors.New("there is no client certificate; show the node's own")}
	}
	cert := r.TLS.PeerCertificates[0]
	if err := s.Facts.VerifyDevice(cert); err != nil {
		return "", &refusal{http.StatusUnauthorized, fmt.Errorf("the client certificate is not good: %w; show one that KubeEdge's CA issued", err)}
	}
	node, err := subject.Node(cert)
	if err == nil {
		err = s.Facts.Check(node)
	}
	if err != nil {
		return "", &refusal{http.StatusForbidden, err}
	}
	return node, nil
}

// checkUsages accepts what EdgeCore asks for: no list, or a client's usage alone.
func checkUsages(h http.Header) error {
	for _, text := range h.Values(headerUsages) {
		var usages []x509.ExtKeyUsage
		if err := json.Unmarshal([]byte(text), &usages); err != nil {
			return fmt.Errorf("%w: header %s is %q, no JSON list of numbers; leave it out", errUsages, headerUsages, text)
		}
		if !slices.Equal(usages, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) {
			return fmt.Errorf("%w: header %s is %q; leave it out", errUsages, headerUsages, text)
		}
	}
	return nil
}

// report passes on what a node says of a task of its own. CloudHub asks nobody who it is.
func (s *Server) report(w http.ResponseWriter, r *http.Request) {
	proven, no := s.prove(r)
	if no != nil {
		s.refuse(w, r, no)
		return
	}
	if named := r.PathValue("node"); named != "" && named != proven {
		s.refuse(w, r, otherName(named, proven))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReport))
	var task struct{ NodeName string }
	if err == nil {
		err = json.Unmarshal(body, &task)
	}
	switch {
	case err != nil:
		s.refuse(w, r, &refusal{http.StatusBadRequest, fmt.Errorf("read the report: %w", err)})
	case task.NodeName != proven:
		s.refuse(w, r, otherName(task.NodeName, proven))
	default:
		s.forward(w, r, proven, body)
	}
}

// forward sends a request to CloudHub in a node's name, with the body that was read, and
// gives CloudHub's answer. The token goes along where there is no name.
func (s *Server) forward(w http.ResponseWriter, r *http.Request, node string, body []byte) {
	config, err := s.Facts.ToHub(node, "http/1.1")
	if err != nil {
		s.unreachable(w, r, err)
		return
	}
	transport := &http.Transport{TLSClientConfig: config, TLSHandshakeTimeout: coreTimeout, DisableKeepAlives: true, DisableCompression: true}
	proxy := httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.Header = http.Header{}
			for _, name := range []string{headerNode, "Content-Type", "Accept"} {
				if value := p.In.Header.Get(name); value != "" {
					p.Out.Header.Set(name, value)
				}
			}
			if token := p.In.Header.Get("Authorization"); node == "" && token != "" {
				p.Out.Header.Set("Authorization", token)
			}
			p.Out.Body, p.Out.ContentLength, p.Out.TransferEncoding = http.NoBody, 0, nil
			if len(body) > 0 {
				p.Out.Body, p.Out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			}
			p.SetURL(&url.URL{Scheme: "https", Host: s.Core})
			p.Out.Host = ""
		},
		ErrorHandler: s.unreachable,
		ErrorLog:     slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	ctx, cancel := context.WithTimeout(r.Context(), coreTimeout)
	defer cancel()
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

func (s *Server) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	s.Log.Warn("no answer from CloudHub", "path", r.URL.Path, "error", err)
	http.Error(w, "no answer from CloudHub: "+err.Error(), http.StatusBadGateway)
}
