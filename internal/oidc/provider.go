// Package oidc signs people in at an OpenID Connect issuer with the authorization
// code flow and PKCE, and keeps their tokens fresh. It knows nothing of HTTP
// handlers, sessions or clusters.
package oidc

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// callLimit bounds one request to the issuer.
const callLimit = 10 * time.Second

// Errors of this package.
var (
	// ErrConfig means that a setting cannot be used.
	ErrConfig = errcat.New("OIDCSettings", "OIDC settings")
	// ErrUnreachable means that the issuer did not answer, or not as an issuer does.
	ErrUnreachable = errcat.New("IssuerUnreachable", "the OIDC issuer cannot be reached")
	// ErrDenied means that the issuer, or the person, said no.
	ErrDenied = errcat.New("IssuerDenied", "the OIDC issuer denied the sign-in")
	// ErrInvalid means that an answer does not belong to this sign-in or is forged.
	ErrInvalid = errcat.New("IssuerAnswer", "the OIDC issuer's answer is not valid")
	// ErrClaims means that the identity token does not name a user who may sign in.
	ErrClaims = errcat.New("IssuerClaims", "the OIDC identity token names no user")
)

// Config of a Provider.
type Config struct {
	// IssuerURL is https, as the issuer's tokens spell it.
	IssuerURL string
	ClientID  string
	// ClientSecret is empty for a public client.
	ClientSecret string
	// RedirectURL is the console's callback, registered at the issuer.
	RedirectURL string
	// Scopes to ask for; "openid" is always among them.
	Scopes []string
	// CAFile verifies the issuer; the system's roots when empty.
	CAFile string
	Claims Claims
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Provider talks to one issuer. It is found at first use, so that an issuer that is
// down keeps nobody from starting.
type Provider struct {
	cfg    Config
	client *http.Client

	mu    sync.Mutex
	found *gooidc.Provider
}

// New checks the settings and asks nobody.
func New(cfg Config) (*Provider, error) {
	issuer, err := url.Parse(cfg.IssuerURL)
	if err != nil || issuer.Scheme != "https" || issuer.Host == "" || issuer.RawQuery != "" || issuer.Fragment != "" {
		return nil, fmt.Errorf("%w: issuer URL %q: give https://HOST[/PATH] as the issuer's tokens spell it", ErrConfig, cfg.IssuerURL)
	}
	if cfg.ClientID == "" {
		return nil, fmt.Errorf("%w: client ID %q: give the ID under which the console is registered at %s", ErrConfig, cfg.ClientID, cfg.IssuerURL)
	}
	if err := cfg.Claims.check(); err != nil {
		return nil, err
	}
	if !slices.Contains(cfg.Scopes, gooidc.ScopeOpenID) {
		cfg.Scopes = append([]string{gooidc.ScopeOpenID}, cfg.Scopes...)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	client, err := clientOf(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return &Provider{cfg: cfg, client: client}, nil
}

func clientOf(caFile string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if caFile != "" {
		raw, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("%w: CA file: %w", ErrConfig, err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(raw) {
			return nil, fmt.Errorf("%w: CA file %q holds no PEM certificate: give the certificate that signed the issuer's", ErrConfig, caFile)
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: transport, Timeout: callLimit}, nil
}

// Issuer is the URL that identifies the issuer.
func (p *Provider) Issuer() string { return p.cfg.IssuerURL }

// discover asks the issuer where its endpoints are, until it answers once.
func (p *Provider) discover(ctx context.Context) (*gooidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	found, err := gooidc.NewProvider(p.context(ctx), p.cfg.IssuerURL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	p.found = found
	return found, nil
}

// context carries our HTTP client to the libraries.
func (p *Provider) context(ctx context.Context) context.Context {
	return gooidc.ClientContext(ctx, p.client)
}

func (p *Provider) oauth(found *gooidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: p.cfg.ClientSecret,
		Endpoint: found.Endpoint(), RedirectURL: p.cfg.RedirectURL, Scopes: p.cfg.Scopes,
	}
}
