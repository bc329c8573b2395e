// Package hub is the stand-in's private door beside CloudHub, through which the kubelet of
// an edge node that is a stand-in, too, reaches kube-apiserver. Where the real one carries
// all in its messages (package cloudhub), this one passes plain API requests on in the name
// of the node that the client certificate names, so that the API server's own rules for
// nodes hold. A kubelet sees here no pod that CloudHub does not send.
package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// What a client certificate has to say.
const (
	nodePrefix = "system:node:"
	nodesGroup = "system:nodes"
)

var errNotANode = errors.New("the client certificate is not an edge node's")

// Ports tells the kubelet port in a Node's status.
type Ports interface {
	KubeletPort(ctx context.Context, node string) (int, error)
}

// Hub passes requests on to kube-apiserver.
type Hub struct {
	proxy    *httputil.ReverseProxy
	ports    Ports
	sessions *sessions
	// Pods, if not nil, says which pods a kubelet may see. It is set before the first
	// request.
	Pods Pods
	// Register, if not nil, creates a Node out of its JSON in the place of the proxy. It
	// is set before the first request.
	Register func(ctx context.Context, node string, body []byte) (*corev1.Node, error)
}

// New makes a hub in front of the API server at upstream. transport adds
// CloudCore's own credentials; limit is the largest number of nodes connected at a
// time.
func New(upstream *url.URL, transport http.RoundTripper, ports Ports, limit int) *Hub {
	h := &Hub{ports: ports, sessions: newSessions(limit)}
	h.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			rewrite(r, upstream)
			if h.filters(r.In) {
				r.Out.Header.Del("Accept-Encoding") // what is read must not be compressed
			}
		},
		ModifyResponse: h.hidePods,
		Transport:      transport,
		FlushInterval:  -1, // watches: every event at once
		ErrorHandler:   unreachable,
		ErrorLog:       slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
	return h
}

// Connected gives the number of nodes with an open connection.
func (h *Hub) Connected() int { return h.sessions.count() }

// TLS gives the server's side of the mutual TLS: only certificates of the CA in
// clients are let in.
func TLS(server tls.Certificate, clients *x509.CertPool) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{server},
		ClientCAs:    clients,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		MinVersion:   tls.VersionTLS12,
	}
}

// Dead connections are found by HTTP/2 pings: a watch through a link that was cut would
// otherwise look alive for minutes. A node renews its lease every ten seconds, so one
// that is well is never asked.
const (
	pingAfter   = 12 * time.Second
	pingTimeout = 5 * time.Second
)

// Configure makes a server tell the hub about its connections.
func (h *Hub) Configure(server *http.Server) {
	server.HTTP2 = &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout}
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			h.sessions.leave(c)
		}
	}
}

// ServeHTTP implements http.Handler.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	node, err := nodeOf(r.TLS)
	if err != nil {
		refuse(w, http.StatusForbidden, err)
		return
	}
	if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
		if err := h.sessions.enter(conn, node); err != nil {
			slog.Warn("edge node kept out", "node", node, "err", err)
			refuse(w, http.StatusServiceUnavailable, err)
			return
		}
	}
	as := identity{node: node}
	if isRegistration(r) {
		// Edge nodes carry labels that a kubelet may not give itself: like the real
		// one, CloudCore creates the Node with its own rights.
		as.own = true
	}
	if err := h.adaptBody(r, node); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	if h.Register != nil && isRegistration(r) {
		h.register(w, r, node)
		return
	}
	h.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, as)))
}

// The keys of what a request's context carries.
type (
	connKey     struct{}
	identityKey struct{}
)

// identity is whose rights a request uses.
type identity struct {
	node string
	own  bool
}

func nodeOf(state *tls.ConnectionState) (string, error) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return "", fmt.Errorf("%w: there is none", errNotANode)
	}
	subject := state.PeerCertificates[0].Subject
	node, ok := strings.CutPrefix(subject.CommonName, nodePrefix)
	if !ok || node == "" || !slices.Contains(subject.Organization, nodesGroup) {
		return "", fmt.Errorf("%w: it says CN=%s O=%v, want CN=%s<name> O=%s", errNotANode,
			subject.CommonName, subject.Organization, nodePrefix, nodesGroup)
	}
	return node, nil
}

// rewrite sends a request to the API server in the node's name. Whatever the edge
// node claims about itself is dropped: only its certificate counts.
func rewrite(r *httputil.ProxyRequest, upstream *url.URL) {
	r.SetURL(upstream)
	for name := range r.Out.Header {
		if name == "Authorization" || strings.HasPrefix(name, "Impersonate-") || strings.HasPrefix(name, "X-Remote-") {
			r.Out.Header.Del(name)
		}
	}
	as, _ := r.In.Context().Value(identityKey{}).(identity)
	if as.own {
		return
	}
	r.Out.Header.Set("Impersonate-User", nodePrefix+as.node)
	r.Out.Header.Set("Impersonate-Group", nodesGroup)
}

func unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // the edge node left; nobody is there to be told
	}
	slog.Warn("kube-apiserver did not answer", "method", r.Method, "path", r.URL.Path, "err", err)
	refuse(w, http.StatusServiceUnavailable, fmt.Errorf("CloudCore cannot reach kube-apiserver: %w", err))
}

// NewFromConfig makes a hub in front of the API server that a client configuration
// names, with that configuration's credentials.
func NewFromConfig(conf *rest.Config, ports Ports, limit int) (*Hub, error) {
	upstream, _, err := rest.DefaultServerUrlFor(conf)
	if err != nil {
		return nil, fmt.Errorf("address of kube-apiserver: %w", err)
	}
	transport, err := rest.TransportFor(conf)
	if err != nil {
		return nil, fmt.Errorf("credentials for kube-apiserver: %w", err)
	}
	return New(upstream, transport, ports, limit), nil
}
