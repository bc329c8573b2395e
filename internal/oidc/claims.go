package oidc

import (
	"fmt"
	"strings"
)

// Claims say which parts of an identity token name the user, where the cluster
// does not read the token itself.
type Claims struct {
	// Username is the claim with the user's name, "sub" when empty.
	Username string
	// UsernamePrefix is put before it, so that nobody at the issuer can take the name
	// of a user who is known otherwise.
	UsernamePrefix string
	// Groups is the claim with the user's groups; none when empty.
	Groups       string
	GroupsPrefix string
}

// systemPrefix is that of Kubernetes' own users and groups.
const systemPrefix = "system:"

func (c Claims) check() error {
	for field, prefix := range map[string]string{"username prefix": c.UsernamePrefix, "groups prefix": c.GroupsPrefix} {
		if strings.HasPrefix(prefix, systemPrefix) {
			return fmt.Errorf("%w: %s %q makes Kubernetes' own names: choose another, such as %q", ErrConfig, field, prefix, "oidc:")
		}
	}
	return nil
}

// Identity is the user's name and groups as the claims give them. Kubernetes' own
// names are refused and its own groups left out.
func (p *Provider) Identity(l Login) (string, []string, error) {
	c := p.cfg.Claims
	claim := c.Username
	if claim == "" {
		claim = "sub"
	}
	value, ok := l.claims[claim].(string)
	if !ok || value == "" {
		return "", nil, fmt.Errorf("%w: claim %q is no text: name another claim, or have the issuer send it", ErrClaims, claim)
	}
	if verified, told := l.claims["email_verified"]; claim == "email" && told && verified != true {
		return "", nil, fmt.Errorf("%w: the issuer has not verified the e-mail address %q", ErrClaims, value)
	}
	name := c.UsernamePrefix + value
	if strings.HasPrefix(name, systemPrefix) {
		return "", nil, fmt.Errorf("%w: %q is one of Kubernetes' own names", ErrClaims, name)
	}
	groups, err := c.groups(l.claims)
	return name, groups, err
}

// groups accepts a list of texts or one text.
func (c Claims) groups(claims map[string]any) ([]string, error) {
	var values []any
	switch v := claims[c.Groups].(type) {
	case nil:
		return nil, nil
	case string:
		values = []any{v}
	case []any:
		values = v
	default:
		return nil, fmt.Errorf("%w: claim %q is no list of texts: name another claim", ErrClaims, c.Groups)
	}
	var out []string
	for _, v := range values {
		group, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%w: claim %q is no list of texts: name another claim", ErrClaims, c.Groups)
		}
		if group = c.GroupsPrefix + group; group != "" && !strings.HasPrefix(group, systemPrefix) {
			out = append(out, group)
		}
	}
	return out, nil
}
