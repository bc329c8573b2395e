package gate

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// caller is somebody with credentials, or none.
type caller struct {
	token string
	cert  *tls.Certificate
}

func (c caller) transport() *http.Transport {
	conf := &tls.Config{InsecureSkipVerify: true} // kube-apiserver does not verify kubelets either
	if c.cert != nil {
		conf.Certificates = []tls.Certificate{*c.cert}
	}
	return &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}
}

// answer is a response, read to its end.
type answer struct {
	status int
	body   string
}

// ask sends one request to the gate before CloudStream.
func ask(t testing.TB, c caller, method, path string, header http.Header) answer {
	t.Helper()
	response := open(t, c, w.stream(), method, path, header)
	body, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, string(body)}
}

// open sends a request and leaves the answer's body to the caller. A header Host is
// the request's host.
func open(t testing.TB, c caller, address, method, path string, header http.Header) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+address+path, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	transport := c.transport()
	t.Cleanup(transport.CloseIdleConnections)
	response, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// kubeletClient is kube-apiserver's client certificate for kubelets.
func kubeletClient(t testing.TB) *tls.Certificate {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(w.file("kubelet.crt"), w.file("kubelet.key"))
	if err != nil {
		t.Fatal(err)
	}
	return &cert
}

func certOf(t testing.TB, a *authority, name string, groups ...string) *tls.Certificate {
	t.Helper()
	p, err := a.issue(name, groups...)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := p.tls()
	if err != nil {
		t.Fatal(err)
	}
	return &cert
}
