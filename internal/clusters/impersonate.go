package clusters

import (
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/oauth2"
	"k8s.io/client-go/rest"
)

// impersonate never carries system: names across: system:masters of one cluster
// would be system:masters of the other. The apiserver adds system:authenticated itself.
func impersonate(config *rest.Config, user User) (*rest.Config, error) {
	if user.Name == "" || strings.HasPrefix(user.Name, "system:") {
		return nil, fmt.Errorf("user %q: %w", user.Name, ErrSystemUser)
	}
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user.Name}
	for _, group := range user.Groups {
		if !strings.HasPrefix(group, "system:") {
			config.Impersonate.Groups = append(config.Impersonate.Groups, group)
		}
	}
	return config, nil
}

// bearer puts the user's current token on every request. Where there is none any
// more, the request fails instead of going out without one.
func bearer(tokens oauth2.TokenSource) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return &oauth2.Transport{Source: tokens, Base: next}
	}
}
