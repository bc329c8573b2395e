package server

import (
	"net"
	"net/http"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
)

// logWindow is how much of one log a cluster may send ahead of its reader. HTTP/2's usual
// window is 4 MiB for each stream, which is held in memory for as long as a log is not read.
const logWindow = 128 << 10

// newLogClient reads logs: as client-go would, but with a window that many logs fit in.
func newLogClient(cfg *rest.Config) (kubernetes.Interface, error) {
	settings, err := cfg.TransportConfig()
	if err != nil {
		return nil, err
	}
	tls, err := transport.TLSConfigFor(settings)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	base := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: tls, DialContext: dialer.DialContext,
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second, ForceAttemptHTTP2: true,
		// A connection that is cut without a word is noticed as with client-go.
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerStream: logWindow, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	if cfg.Proxy != nil {
		base.Proxy = cfg.Proxy
	}
	if cfg.Dial != nil {
		base.DialContext = cfg.Dial
	}
	wrapped, err := transport.HTTPWrappersForConfig(settings, base)
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfigAndClient(cfg, &http.Client{Transport: wrapped, Timeout: cfg.Timeout})
}
