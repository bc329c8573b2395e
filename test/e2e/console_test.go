//go:build e2e

package e2e

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"testing"
	"time"
)

// console is a signed-in client of the console's REST API.
type console struct {
	http *http.Client
	url  string
}

// signIn opens a session with a token.
func signIn(t *testing.T, token string) console {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := console{
		url:  site.Console.URL,
		http: insecureClient(),
	}
	c.http.Jar = jar
	if err := c.call(http.MethodPost, "/api/v1/session", map[string]string{"token": token}, nil); err != nil {
		t.Fatalf("signing in: %v", err)
	}
	return c
}

// insecureClient takes the certificate that the console made itself; the browser
// tests look at that.
func insecureClient() *http.Client {
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// call sends a request with our own Origin, as a browser does, and reads the
// answer into out.
func (c console) call(method, path string, in, out any) error {
	text, err := c.fetch(method, path, in)
	if err != nil || out == nil || len(text) == 0 {
		return err
	}
	return json.Unmarshal(text, out)
}

// fetch is call for an answer of any kind.
func (c console) fetch(method, path string, in any) ([]byte, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, c.url+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", c.url)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 400 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return text, nil
}
