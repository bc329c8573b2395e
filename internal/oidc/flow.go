package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Attempt is one sign-in that has begun. It is kept on the server, for one use.
type Attempt struct {
	State, Nonce, Verifier string
}

// Login is what a finished sign-in gave.
type Login struct {
	// IDToken says who it is; Expiry is its end.
	IDToken string
	Expiry  time.Time
	// RefreshToken is empty when the issuer gives none.
	RefreshToken string
	// Subject is the issuer's own name for the user.
	Subject string
	// claims of IDToken.
	claims map[string]any
}

// Begin gives the address at the issuer to send the browser to.
func (p *Provider) Begin(ctx context.Context) (string, Attempt, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return "", Attempt{}, err
	}
	// The library's verifiers are 256 random bits as text, good for all three.
	a := Attempt{State: oauth2.GenerateVerifier(), Nonce: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier()}
	return p.oauth(found).AuthCodeURL(a.State, gooidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)), a, nil
}

// Finish takes what the issuer sent the browser back with.
func (p *Provider) Finish(ctx context.Context, a Attempt, answer url.Values) (Login, error) {
	if !same(answer.Get("state"), a.State) {
		return Login{}, fmt.Errorf("%w: the state belongs to another sign-in", ErrInvalid)
	}
	if iss := answer.Get("iss"); iss != "" && iss != p.cfg.IssuerURL {
		return Login{}, fmt.Errorf("%w: it comes from issuer %q", ErrInvalid, iss)
	}
	if code := answer.Get("error"); code != "" {
		return Login{}, fmt.Errorf("%w: %q %q", ErrDenied, code, answer.Get("error_description"))
	}
	found, err := p.discover(ctx)
	if err != nil {
		return Login{}, err
	}
	token, err := p.oauth(found).Exchange(p.context(ctx), answer.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return Login{}, tokenError(err)
	}
	login, err := p.verify(ctx, found, token)
	if err != nil {
		return Login{}, err
	}
	if login.IDToken == "" {
		return Login{}, fmt.Errorf("%w: it has no identity token", ErrInvalid)
	}
	nonce, _ := login.claims["nonce"].(string)
	if !same(nonce, a.Nonce) {
		return Login{}, fmt.Errorf("%w: the identity token was made for another sign-in", ErrInvalid)
	}
	return login, nil
}

// Refresh gets new tokens for old. An issuer may leave out what it does not renew;
// that stays as it was.
func (p *Provider) Refresh(ctx context.Context, old Login) (Login, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return Login{}, err
	}
	source := p.oauth(found).TokenSource(p.context(ctx), &oauth2.Token{RefreshToken: old.RefreshToken})
	token, err := source.Token()
	if err != nil {
		return Login{}, tokenError(err)
	}
	login, err := p.verify(ctx, found, token)
	if err != nil {
		return Login{}, err
	}
	if login.RefreshToken == "" {
		login.RefreshToken = old.RefreshToken
	}
	if login.IDToken == "" {
		login.IDToken, login.Expiry, login.Subject, login.claims = old.IDToken, old.Expiry, old.Subject, old.claims
	}
	if login.Subject != old.Subject {
		return Login{}, fmt.Errorf("%w: the refreshed token is somebody else's", ErrInvalid)
	}
	return login, nil
}

// verify checks signature, issuer, audience and expiry.
func (p *Provider) verify(ctx context.Context, found *gooidc.Provider, token *oauth2.Token) (Login, error) {
	out := Login{RefreshToken: token.RefreshToken}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return out, nil
	}
	verifier := found.VerifierContext(p.context(ctx), &gooidc.Config{ClientID: p.cfg.ClientID, Now: p.cfg.Now})
	id, err := verifier.Verify(p.context(ctx), raw)
	if err != nil {
		return Login{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := id.Claims(&out.claims); err != nil {
		return Login{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	out.IDToken, out.Expiry, out.Subject = raw, id.Expiry, id.Subject
	return out, nil
}

// tokenError tells an issuer that refuses from one that cannot be asked.
func tokenError(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode != "" {
		return fmt.Errorf("%w: %q %q", ErrDenied, refused.ErrorCode, refused.ErrorDescription)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

func same(got, want string) bool {
	return want != "" && subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1
}
