//go:build e2e

package e2e

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"
)

// strangersCloudHub shows a CA that is not KubeEdge's.
func strangersCloudHub(t *testing.T, l net.Listener, _ string) {
	t.Helper()
	var s *httptest.Server
	s = cloudHub(t, l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.Certificate().Raw) }))
}

// lateCloudHub is the site's own, an hour ahead of every device.
func lateCloudHub(t *testing.T, l net.Listener, real string) {
	t.Helper()
	target, err := url.Parse(real)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	proxy.ModifyResponse = func(r *http.Response) error {
		r.Header.Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		return nil
	}
	cloudHub(t, l, proxy)
}

// nobody leaves the address without a listener.
func nobody(t *testing.T, l net.Listener, _ string) {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func cloudHub(t *testing.T, l net.Listener, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	if err := s.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	s.Listener = l
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
