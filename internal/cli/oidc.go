package cli

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/pflag"

	"github.com/edgeway-io/edgeway/internal/oidc"
	"github.com/edgeway-io/edgeway/internal/server"
)

// oidcOptions are the flags for sign-in at an OIDC issuer.
type oidcOptions struct {
	issuer, clientID, secretFile, caFile, name string
	scopes                                     []string
	claims                                     oidc.Claims
	impersonate                                bool
}

func (o *oidcOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.issuer, "oidc-issuer-url", "", "https URL of the OIDC issuer that people may sign in at; its tokens go to the host cluster, whose kube-apiserver must trust it")
	f.StringVar(&o.clientID, "oidc-client-id", "", "the console's client ID at the issuer; its redirect URL there is EXTERNAL-URL"+server.OIDCPath)
	f.StringVar(&o.secretFile, "oidc-client-secret-file", "", "file with the client's secret (default: a public client)")
	f.StringVar(&o.caFile, "oidc-ca-file", "", "certificate that signed the issuer's (default: the system's)")
	f.StringVar(&o.name, "oidc-name", "", "name of the issuer on the sign-in page (default: its host)")
	f.StringSliceVar(&o.scopes, "oidc-scopes", []string{"openid", "profile", "email", "offline_access"}, "scopes to ask for; offline_access is what most issuers give refresh tokens for")
	f.BoolVar(&o.impersonate, "oidc-impersonate", false, "name the user to the host cluster by impersonation, where it does not trust the issuer; the console's own credentials there need the right to impersonate")
	f.StringVar(&o.claims.Username, "oidc-username-claim", "sub", "claim with the user's name, for --oidc-impersonate")
	f.StringVar(&o.claims.UsernamePrefix, "oidc-username-prefix", "oidc:", "put before it")
	f.StringVar(&o.claims.Groups, "oidc-groups-claim", "groups", "claim with the user's groups, for --oidc-impersonate")
	f.StringVar(&o.claims.GroupsPrefix, "oidc-groups-prefix", "oidc:", "put before each")
}

// provider is nil without an issuer. It asks nobody yet.
func (o *oidcOptions) provider(external *url.URL) (*server.OIDC, error) {
	if o.issuer == "" {
		if o.clientID != "" || o.impersonate {
			return nil, usage(fmt.Errorf("--oidc-client-id and --oidc-impersonate need --oidc-issuer-url"))
		}
		return nil, nil
	}
	secret := ""
	if o.secretFile != "" {
		raw, err := os.ReadFile(o.secretFile)
		if err != nil {
			return nil, fmt.Errorf("--oidc-client-secret-file: %w", err)
		}
		secret = strings.TrimSpace(string(raw))
	}
	p, err := oidc.New(oidc.Config{IssuerURL: o.issuer, ClientID: o.clientID, ClientSecret: secret, CAFile: o.caFile,
		RedirectURL: external.JoinPath(server.OIDCPath).String(), Scopes: o.scopes, Claims: o.claims})
	if err != nil {
		return nil, usage(err)
	}
	name := o.name
	if u, err := url.Parse(o.issuer); name == "" && err == nil {
		name = u.Host
	}
	return &server.OIDC{Provider: p, Name: name, Impersonate: o.impersonate}, nil
}
