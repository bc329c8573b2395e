package oidc

import (
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/oidc/oidctest"
)

func open(t *testing.T, i *oidctest.Issuer, edit ...func(*Config)) *Provider {
	t.Helper()
	cfg := Config{IssuerURL: i.URL, ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret,
		RedirectURL: "https://console.example/api/v1/oidc/callback", CAFile: i.CAFile,
		Claims: Claims{UsernamePrefix: "oidc:", Groups: "groups", GroupsPrefix: "oidc:"}}
	for _, f := range edit {
		f(&cfg)
	}
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func begin(t *testing.T, p *Provider) (string, Attempt) {
	t.Helper()
	address, a, err := p.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return address, a
}

func TestSignIn(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	issuer.Set(oidctest.Claims(map[string]any{"groups": []string{"ops", "dev"}}))
	p := open(t, issuer)
	address, a := begin(t, p)
	login, err := p.Finish(t.Context(), a, issuer.Visit(address))
	if err != nil {
		t.Fatal(err)
	}
	name, groups, err := p.Identity(login)
	if err != nil {
		t.Fatal(err)
	}
	if name != "oidc:ann" || !cmp.Equal(groups, []string{"oidc:ops", "oidc:dev"}) {
		t.Errorf("signed in %q %q", name, groups)
	}
	again, err := p.Refresh(t.Context(), login)
	if err != nil {
		t.Fatal(err)
	}
	if again.RefreshToken == login.RefreshToken || again.IDToken == "" || again.Subject != "ann" {
		t.Errorf("refresh gave %+v", again)
	}
	if _, err := p.Refresh(t.Context(), login); !errors.Is(err, ErrDenied) {
		t.Errorf("a used refresh token: %v", err)
	}
}

// TestAnswersThatAreRefused: every way in which an answer may not belong to the sign-in.
func TestAnswersThatAreRefused(t *testing.T) {
	claim := func(name string, value any) oidctest.Option {
		return oidctest.Change(func(c map[string]any) { c[name] = value })
	}
	for name, tc := range map[string]struct {
		option oidctest.Option
		edit   func(*Attempt, url.Values)
		want   error
	}{
		"wrong state":      {edit: func(_ *Attempt, q url.Values) { q.Set("state", "guess") }, want: ErrInvalid},
		"no state":         {edit: func(_ *Attempt, q url.Values) { q.Del("state") }, want: ErrInvalid},
		"no attempt":       {edit: func(a *Attempt, q url.Values) { *a = Attempt{}; q.Del("state") }, want: ErrInvalid},
		"other issuer":     {edit: func(_ *Attempt, q url.Values) { q.Set("iss", "https://other.example") }, want: ErrInvalid},
		"wrong verifier":   {edit: func(a *Attempt, _ url.Values) { a.Verifier = "guess" }, want: ErrDenied},
		"wrong code":       {edit: func(_ *Attempt, q url.Values) { q.Set("code", "guess") }, want: ErrDenied},
		"denied":           {edit: func(_ *Attempt, q url.Values) { q.Set("error", "access_denied") }, want: ErrDenied},
		"nonce replayed":   {edit: func(a *Attempt, _ url.Values) { a.Nonce = "other" }, want: ErrInvalid},
		"no nonce":         {option: oidctest.Change(func(c map[string]any) { delete(c, "nonce") }), want: ErrInvalid},
		"expired token":    {option: oidctest.Lifetime(-time.Minute), want: ErrInvalid},
		"other audience":   {option: claim("aud", "other"), want: ErrInvalid},
		"issuer in token":  {option: claim("iss", "https://other.example"), want: ErrInvalid},
		"issuer goes down": {want: ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := oidctest.Start(t, "ann")
			if tc.option != nil {
				issuer.Set(tc.option)
			}
			p := open(t, issuer)
			address, a := begin(t, p)
			answer := issuer.Visit(address)
			if tc.edit != nil {
				tc.edit(&a, answer)
			}
			if tc.want == ErrUnreachable {
				issuer.Set(oidctest.Down(true))
			}
			if _, err := p.Finish(t.Context(), a, answer); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

func TestCodesWorkOnce(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	p := open(t, issuer)
	address, a := begin(t, p)
	answer := issuer.Visit(address)
	if _, err := p.Finish(t.Context(), a, answer); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(t.Context(), a, answer); !errors.Is(err, ErrDenied) {
		t.Errorf("the second use: %v", err)
	}
}

func TestIssuerDownAtStart(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	issuer.Set(oidctest.Down(true))
	p := open(t, issuer)
	if _, _, err := p.Begin(t.Context()); !errors.Is(err, ErrUnreachable) {
		t.Fatalf("while it is down: %v", err)
	}
	issuer.Set(oidctest.Down(false))
	begin(t, p)
}

func TestRefreshOfSomebodyElse(t *testing.T) {
	issuer := oidctest.Start(t, "ann")
	p := open(t, issuer)
	address, a := begin(t, p)
	login, err := p.Finish(t.Context(), a, issuer.Visit(address))
	if err != nil {
		t.Fatal(err)
	}
	issuer.Set(oidctest.Subject("bob"))
	if _, err := p.Refresh(t.Context(), login); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func TestIdentity(t *testing.T) {
	for name, tc := range map[string]struct {
		claims   Claims
		token    map[string]any
		name     string
		groups   []string
		isDenied bool
	}{
		"subject":            {Claims{}, map[string]any{"sub": "1"}, "1", nil, false},
		"e-mail":             {Claims{Username: "email"}, map[string]any{"email": "a@b.example", "email_verified": true}, "a@b.example", nil, false},
		"e-mail unverified":  {Claims{Username: "email"}, map[string]any{"email": "a@b.example", "email_verified": false}, "", nil, true},
		"e-mail half told":   {Claims{Username: "email"}, map[string]any{"email": "a@b.example", "email_verified": "true"}, "", nil, true},
		"claim is missing":   {Claims{Username: "upn"}, map[string]any{"sub": "1"}, "", nil, true},
		"claim is a number":  {Claims{}, map[string]any{"sub": 1.0}, "", nil, true},
		"system user":        {Claims{}, map[string]any{"sub": "system:admin"}, "", nil, true},
		"system by prefix":   {Claims{UsernamePrefix: "system"}, map[string]any{"sub": ":admin"}, "", nil, true},
		"prefixed":           {Claims{UsernamePrefix: "x:"}, map[string]any{"sub": "system:admin"}, "x:system:admin", nil, false},
		"system group":       {Claims{Groups: "g"}, map[string]any{"sub": "1", "g": []any{"system:masters", "a"}}, "1", []string{"a"}, false},
		"one group":          {Claims{Groups: "g"}, map[string]any{"sub": "1", "g": "a"}, "1", []string{"a"}, false},
		"groups are no list": {Claims{Groups: "g"}, map[string]any{"sub": "1", "g": map[string]any{}}, "", nil, true},
		"group is a number":  {Claims{Groups: "g"}, map[string]any{"sub": "1", "g": []any{1.0}}, "", nil, true},
	} {
		p := &Provider{cfg: Config{Claims: tc.claims}}
		name2, groups, err := p.Identity(Login{claims: tc.token})
		if errors.Is(err, ErrClaims) != tc.isDenied || name2 != tc.name && err == nil || err == nil && !cmp.Equal(groups, tc.groups) {
			t.Errorf("%s: %q %q %v", name, name2, groups, err)
		}
	}
}

func TestBadSettings(t *testing.T) {
	good := Config{IssuerURL: "https://issuer.example", ClientID: "c"}
	for name, edit := range map[string]func(*Config){
		"plain HTTP":   func(c *Config) { c.IssuerURL = "http://issuer.example" },
		"no issuer":    func(c *Config) { c.IssuerURL = "" },
		"query":        func(c *Config) { c.IssuerURL += "?a=b" },
		"no client":    func(c *Config) { c.ClientID = "" },
		"no CA file":   func(c *Config) { c.CAFile = "/nonexistent" },
		"no PEM":       func(c *Config) { c.CAFile = "oidc_test.go" },
		"system names": func(c *Config) { c.Claims.UsernamePrefix = "system:node:" },
		"system group": func(c *Config) { c.Claims.GroupsPrefix = "system:" },
	} {
		cfg := good
		edit(&cfg)
		if _, err := New(cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}
