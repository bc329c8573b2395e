// Package stream is the gate before CloudStream, the server through which
// kube-apiserver and scrapers reach edge nodes. It lets in whom a kubelet would,
// ties each request to the node that it was let in for, and passes it on to
// CloudStream without the caller's credentials. What the tunnel does with the
// request is package tunnel's concern.
package stream

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"k8s.io/apiserver/pkg/authentication/user"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/edgeway-io/edgeway/internal/gate/ticket"
)

// idleConns to CloudStream wait for the next request; it is on this host.
const idleConns = 64

// Access decides who may ask a node for what. Both methods answer the caller when
// they return an error.
type Access interface {
	Authenticate(http.ResponseWriter, *http.Request) (user.Info, error)
	Authorize(w http.ResponseWriter, r *http.Request, who user.Info, node string) error
}

// Config is what a Server needs.
type Config struct {
	Access    Access
	Addresses Addresses
	Pods      typedcorev1.PodsGetter
	Tickets   *ticket.Book
	// Core is the address of CloudStream and TLS what it is dialed with.
	Core string
	TLS  *tls.Config
	Log  *slog.Logger
}

// Server is the handler of CloudStream's paths.
type Server struct {
	Config
	proxy *httputil.ReverseProxy
}

// locate says which node a request is for; errNoNode when there is none.
type locate func(context.Context, *http.Request) (string, error)

// New returns the handler. Paths that CloudStream does not have get 404 once the
// caller has shown a right to the node, as from a kubelet.
func New(c Config) http.Handler {
	s := &Server{Config: c}
	s.proxy = &httputil.ReverseProxy{
		Rewrite:       s.rewrite,
		Transport:     coreTransport(c.TLS),
		FlushInterval: -1, // a followed log: every line at once
		ErrorHandler:  s.unreachable,
		ErrorLog:      slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	pod, scrape := nodeOfPod(c.Pods), nodeOfScrape(c.Addresses)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", s.serve(pod, s.forward))
	for _, path := range []string{"/exec", "/attach"} {
		for _, method := range []string{"GET ", "POST "} {
			mux.HandleFunc(method+path+"/{namespace}/{pod}/{container}", s.serve(pod, s.forward))
			mux.HandleFunc(method+path+"/{namespace}/{pod}/{uid}/{container}", s.serve(pod, s.forward))
		}
	}
	for _, path := range []string{
		"/stats", "/stats/summary", "/stats/container", "/stats/{pod}/{container}", "/stats/{namespace}/{pod}/{uid}/{container}",
		"/metrics", "/metrics/cadvisor", "/metrics/probes", "/metrics/resource",
	} {
		mux.HandleFunc("GET "+path, s.serve(scrape, s.forward))
	}
	mux.HandleFunc("/", s.serve(scrape, func(w http.ResponseWriter, r *http.Request, _ string) { http.NotFound(w, r) }))
	return mux
}

// coreTransport speaks HTTP/1.1 only: HTTP/2 cannot be upgraded to SPDY.
func coreTransport(conf *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig:     conf,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: idleConns,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
}

// serve asks who calls, which node is meant and whether the caller may, in this order.
func (s *Server) serve(find locate, answer func(http.ResponseWriter, *http.Request, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who, err := s.Access.Authenticate(w, r)
		if err != nil {
			return
		}
		// CloudStream splits the decoded path; an encoded slash would mean two things.
		if r.URL.RawPath != "" {
			http.Error(w, "path "+r.URL.EscapedPath()+" has escaped characters; names need none", http.StatusBadRequest)
			return
		}
		node, missing := find(r.Context(), r)
		if missing != nil && !errors.Is(missing, errNoNode) {
			s.Log.Error("cannot tell which edge node is meant", "path", r.URL.Path, "error", missing)
			http.Error(w, missing.Error(), http.StatusServiceUnavailable)
			return
		}
		// Without a node, only who may ask every node learns that there is none.
		if s.Access.Authorize(w, r, who, node) != nil {
			return
		}
		if missing != nil {
			http.Error(w, missing.Error(), http.StatusNotFound)
			return
		}
		answer(w, r, node)
	}
}

type nodeKey struct{}

// forward passes a request on that was let in for a node.
func (s *Server) forward(w http.ResponseWriter, r *http.Request, node string) {
	s.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), nodeKey{}, node)))
}

// rewrite leaves of a request what an edge node may see, and adds the ticket by which
// the gate's other end knows it.
func (s *Server) rewrite(p *httputil.ProxyRequest) {
	node, _ := p.In.Context().Value(nodeKey{}).(string)
	upgrade := p.Out.Header.Get("Upgrade") // httputil keeps it for upgrades alone
	p.Out.Header = toDevice(p.In.Header)
	if upgrade != "" {
		p.Out.Header.Set("Connection", "Upgrade")
		p.Out.Header.Set("Upgrade", upgrade)
	}
	p.Out.Header.Set(forwardedURI, proxyURI(node, p.In.URL.Path))
	p.Out.Header.Set(ticket.Header, s.Tickets.Issue(node))
	p.SetURL(&url.URL{Scheme: "https", Host: s.Core})
	p.Out.Host = node
}

// unreachable answers when CloudStream, or the edge node behind it, gave no answer.
func (s *Server) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.Log.Warn("no answer from CloudStream", "path", r.URL.Path, "error", err)
	}
	http.Error(w, "no answer from CloudStream: "+err.Error(), http.StatusBadGateway)
}
