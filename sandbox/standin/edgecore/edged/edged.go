// Package edged is EdgeCore's own server on the loopback, plain HTTP, to which the
// tunnel forwards; it passes everything on to the kubelet.
package edged

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// Handler forwards requests, upgrades among them, to the kubelet at address.
func Handler(address string, client *tls.Config) http.Handler {
	target := &url.URL{Scheme: "https", Host: address}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		// HTTP/1.1 only, which is what a custom TLS configuration gives: exec and
		// attach upgrade their connection, and HTTP/2 has no upgrade.
		Transport:     &http.Transport{TLSClientConfig: client},
		FlushInterval: -1, // followed logs: every line at once
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			slog.Debug("the kubelet did not answer", "path", r.URL.Path, "err", err)
			http.Error(w, fmt.Sprintf("the kubelet does not answer: %v", err), http.StatusBadGateway)
		},
		ErrorLog: slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}
}
