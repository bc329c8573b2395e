package server

import (
	"crypto/tls"
	"log/slog"
	"sync"
	"time"
)

// certificateLook is how often the certificate's files are looked at.
const certificateLook = time.Minute

// Certificates serve the console's certificate: a renewed one is taken up without a
// restart, and one of the console's own is renewed in time.
type Certificates struct {
	load func(now time.Time) (tls.Certificate, error)
	now  func() time.Time
	log  *slog.Logger

	mu      sync.Mutex
	current tls.Certificate
	pin     string
	looked  time.Time
}

// NewCertificates fails when there is no certificate to begin with. load is called
// again now and then; what it gave last is kept when it fails.
func NewCertificates(load func(now time.Time) (tls.Certificate, error), now func() time.Time, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{load: load, now: now, log: log}
	return c, c.look()
}

func (c *Certificates) look() error {
	c.looked = c.now()
	cert, err := c.load(c.looked)
	if err != nil {
		return err
	}
	pin, err := KeyPin(cert)
	if err != nil {
		return err
	}
	if c.pin != "" && pin != c.pin {
		c.log.Info("the console's TLS key has changed; join commands that were given out before fail", "pin", pin)
	}
	c.current, c.pin = cert, pin
	return nil
}

// Get is for tls.Config.
func (c *Certificates) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookAgain()
	cert := c.current
	return &cert, nil
}

// Pin of the key in use, as KeyPin gives it.
func (c *Certificates) Pin() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lookAgain()
	return c.pin
}

func (c *Certificates) lookAgain() {
	if c.now().Sub(c.looked) < certificateLook {
		return
	}
	if err := c.look(); err != nil {
		c.log.Error("look for a renewed certificate; the old one stays in use", "error", err)
	}
}
