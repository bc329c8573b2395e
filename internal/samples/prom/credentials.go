package prom

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/edgeway-io/edgeway/internal/bearer"
)

// credentials adds what a mounted Secret holds to every request: a bearer token from the
// file token, or a name and password from username and password. The files are read each
// time, so a changed Secret needs no restart. Without files nothing is added.
type credentials struct {
	dir  string
	host string // nobody else gets them, whatever a redirect says
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (c *credentials) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.dir == "" || r.URL.Host != c.host {
		return c.next.RoundTrip(r)
	}
	token, err := c.read("token")
	if err != nil {
		return nil, err
	}
	user, err := c.read("username")
	if err != nil {
		return nil, err
	}
	password, err := c.read("password")
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	switch {
	case token != "":
		r.Header.Set("Authorization", "Bearer "+bearer.Clean(token))
	case user != "":
		r.SetBasicAuth(user, password)
	}
	return c.next.RoundTrip(r)
}

func (c *credentials) read(name string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(c.dir, name))
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the credentials for Prometheus: %w", err)
	}
	// Secrets made from files and with echo end with a line's end.
	return strings.TrimRight(string(raw), "\r\n"), nil
}
