// Package certs is CloudHub's HTTPS server, where an edge node without a
// certificate gets one.
package certs

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/sandbox/standin/pki"
	"github.com/edgeway-io/edgeway/sandbox/standin/token"
)

// The headers of a request for a certificate.
const (
	HeaderNode   = "NodeName"
	HeaderUsages = "ExtKeyUsages"
)

// maxCSR is more than any signing request needs, in bytes.
const maxCSR = 1 << 20

// errRefused is a certificate that does not entitle to a new one.
var errRefused = errors.New("the client certificate does not entitle to a new one")

// Nodes tells whether a Node exists.
type Nodes interface {
	KubeletPort(ctx context.Context, node string) (int, error)
}

// Handler serves /ca.crt, /edge.crt and /node/{name}.
type Handler struct {
	ca    pki.Pair
	life  time.Duration
	nodes Nodes
	mux   *http.ServeMux
}

// NewHandler makes the handler; life is how long an edge certificate is good for.
func NewHandler(ca pki.Pair, life time.Duration, nodes Nodes) *Handler {
	h := &Handler{ca: ca, life: life, nodes: nodes, mux: http.NewServeMux()}
	h.mux.HandleFunc("GET /ca.crt", h.serveCA)
	h.mux.HandleFunc("GET /edge.crt", h.serveEdge)
	h.mux.HandleFunc("GET /node/{name}", h.serveNode)
	return h
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) serveCA(w http.ResponseWriter, _ *http.Request) { reply(w, h.ca.Cert) }

// serveEdge signs a request whose sender shows the join token or, for renewal, the
// certificate it has. The names in the request are not compared with anything:
// neither does KubeEdge, which is why a token has to be kept as secret as the
// identity of every edge node.
func (h *Handler) serveEdge(w http.ResponseWriter, r *http.Request) {
	node := r.Header.Get(HeaderNode)
	if err := h.admit(r, node); err != nil {
		slog.Warn("refused an edge certificate", "node", node, "from", r.RemoteAddr, "err", err)
		http.Error(w, fmt.Sprintf("no certificate for %q: %v", node, err), http.StatusUnauthorized)
		return
	}
	der, err := h.sign(w, r)
	switch {
	case err != nil: // 500 also where the request is bad, as from the real one
		slog.Error("cannot sign", "node", node, "err", err)
		http.Error(w, fmt.Sprintf("no certificate for %q: %v", node, err), http.StatusInternalServerError)
	default:
		slog.Info("signed an edge certificate", "node", node, "from", r.RemoteAddr)
		reply(w, der)
	}
}

func (h *Handler) admit(r *http.Request, node string) error {
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return h.admitCertificate(r.TLS.PeerCertificates[0], node)
	}
	kind, signed, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(kind, "Bearer") || signed == "" {
		return fmt.Errorf("%w: want the header Authorization: Bearer <token>", token.ErrMalformed)
	}
	return token.Verify(signed, h.ca.Key)
}

func (h *Handler) admitCertificate(cert *x509.Certificate, node string) error {
	roots, err := h.ca.Pool()
	if err != nil {
		return err
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	if want := "system:node:" + node; cert.Subject.CommonName != want {
		return fmt.Errorf("%w: it belongs to %q, the request is for %q", errRefused, cert.Subject.CommonName, want)
	}
	return nil
}

func (h *Handler) sign(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if text := r.Header.Get(HeaderUsages); text != "" {
		if err := json.Unmarshal([]byte(text), &usages); err != nil {
			return nil, fmt.Errorf("%w: header %s: %w", pki.ErrBadRequest, HeaderUsages, err)
		}
	}
	csr, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCSR))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", pki.ErrBadRequest, err)
	}
	return h.ca.SignCSR(csr, usages, h.life)
}

func (h *Handler) serveNode(w http.ResponseWriter, r *http.Request) {
	if _, err := h.nodes.KubeletPort(r.Context(), r.PathValue("name")); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	reply(w, []byte("found"))
}

func reply(w http.ResponseWriter, body []byte) {
	if _, err := w.Write(body); err != nil {
		slog.Debug("the edge node went away", "err", err)
	}
}
