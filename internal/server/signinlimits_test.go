package server

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/limit"
)

// tries signs in n times and counts the answers.
func (c *console) tries(n int, token, client func(i int) string) map[int]int {
	c.t.Helper()
	out := map[int]int{}
	for i := range n {
		res, _ := c.do("POST", "/api/v1/session", "", string(mustJSON(c.t, SignIn{Token: token(i)})), func(r *http.Request) {
			if client != nil {
				r.Header.Set("X-Forwarded-For", client(i))
			}
		})
		out[res.StatusCode]++
	}
	return out
}

func TestSignInIsRateLimited(t *testing.T) {
	same := func(text string) func(int) string { return func(int) string { return text } }
	each := func(text string) func(int) string { return func(i int) string { return fmt.Sprint(text, i) } }
	behind := func(cfg *Config) { cfg.Proxies, _ = limit.ParseProxies([]string{"127.0.0.0/8"}) }
	for name, tc := range map[string]struct {
		token, client func(int) string
		edit          []func(*Config)
		want          map[int]int
	}{
		"one token":                  {same("guess"), nil, nil, map[int]int{401: 10, 429: 50}},
		"one source":                 {each("guess"), nil, nil, map[int]int{401: 50, 429: 10}},
		"the source names others":    {each("guess"), each("203.0.113."), nil, map[int]int{401: 50, 429: 10}},
		"clients of a trusted proxy": {each("guess"), each("203.0.113."), []func(*Config){behind}, map[int]int{401: 60}},
		"one client of the proxy":    {each("guess"), same("203.0.113.5"), []func(*Config){behind}, map[int]int{401: 50, 429: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConsole(t, newFakeCluster(t), tc.edit...)
			if diff := cmp.Diff(tc.want, c.tries(60, tc.token, tc.client)); diff != "" {
				t.Error(diff)
			}
			c.advance(2 * time.Second)
			if res, _ := c.do("POST", "/api/v1/session", "", `{"token":"admin"}`, func(r *http.Request) {
				r.Header.Set("X-Forwarded-For", "203.0.113.5")
			}); res.StatusCode != http.StatusOK {
				t.Errorf("after a pause: %s", res.Status)
			}
		})
	}
}
