package onsite

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"time"

	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// Console is a client of the console's REST API.
type Console struct {
	HTTP *http.Client
	URL  string
}

// SignIn opens a session with a token.
func (s Site) SignIn(t lab.T, token string) Console {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := s.Nobody()
	c.HTTP.Jar = jar
	if err := c.Call(http.MethodPost, "/api/v1/session", map[string]string{"token": token}, nil); err != nil {
		t.Fatalf("signing in: %v", err)
	}
	return c
}

// Nobody is a client that is not signed in. It takes the certificate that the
// console made itself; the browser tests look at that.
func (s Site) Nobody() Console {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	return Console{URL: s.Console.URL, HTTP: &http.Client{Timeout: 30 * time.Second, Transport: transport}}
}

// Call sends a request with our own Origin, as a browser does, and reads the
// answer into out.
func (c Console) Call(method, path string, in, out any) error {
	text, err := c.Fetch(method, path, in)
	if err != nil || out == nil || len(text) == 0 {
		return err
	}
	return json.Unmarshal(text, out)
}

// Fetch is Call for an answer of any kind.
func (c Console) Fetch(method, path string, in any) ([]byte, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, c.URL+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", c.URL)
	resp, err := c.HTTP.Do(req)
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

// Get reads an answer whole.
func (c Console) Get(path string) (int, []byte, error) {
	resp, err := c.HTTP.Get(c.URL + path)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}
