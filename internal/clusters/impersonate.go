package clusters

import (
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/oauth2"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
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

// redeemer is the ServiceAccount that charts/kubeedge makes for redeeming join codes.
const redeemer = "system:serviceaccount:" + v1alpha1.JoinNamespace + ":edgeway-redeemer"

// asRedeemer carries a system: name, which comes from no user and can do nothing
// outside the join namespace.
func asRedeemer(config *rest.Config) *rest.Config {
	config = rest.CopyConfig(config)
	config.Impersonate = rest.ImpersonationConfig{UserName: redeemer}
	return config
}

// bearer puts the user's current token on every request. Where there is none any
// more, the request fails instead of going out without one.
func bearer(tokens oauth2.TokenSource) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return &oauth2.Transport{Source: tokens, Base: next}
	}
}
