package limit

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := NewRates(func() time.Time { return now }, 2, 3)
	for i := range 3 {
		if !r.Allow("a") {
			t.Fatalf("try %d of a burst of 3 is refused", i+1)
		}
	}
	if r.Allow("a") || !r.Exhausted("a") {
		t.Error("a fourth try at once is allowed")
	}
	if r.Exhausted("b") || !r.Allow("b") {
		t.Error("another key is refused")
	}
	if now = now.Add(500 * time.Millisecond); r.Exhausted("a") || !r.Allow("a") || r.Allow("a") {
		t.Error("after half a second there is not exactly one more try")
	}
}

// TestManyKeysResetNobody: whoever tries under many names frees no one else's limit.
func TestManyKeysResetNobody(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r := NewRates(func() time.Time { return now }, 0.001, 1)
	r.Allow("a")
	for i := range 4 * remembered {
		r.Allow(fmt.Sprint("other", i))
		if i%100 == 0 && r.Allow("a") { // a goes on trying
			t.Fatalf("after %d other keys the key is free again", i)
		}
	}
}

func TestClient(t *testing.T) {
	proxies, err := ParseProxies([]string{"10.0.0.0/24", " 192.0.2.9 ", "", "fd00::/8"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		peer           string
		forwarded      []string
		client, source string
	}{
		"no proxy":                   {"203.0.113.5:1", nil, "203.0.113.5", "203.0.113.5"},
		"a client that lies":         {"203.0.113.5:1", []string{"198.51.100.1"}, "203.0.113.5", "203.0.113.5"},
		"one proxy":                  {"10.0.0.7:1", []string{"203.0.113.5"}, "203.0.113.5", "203.0.113.5"},
		"two proxies":                {"192.0.2.9:1", []string{"203.0.113.5, 10.0.0.8"}, "203.0.113.5", "203.0.113.5"},
		"two headers":                {"10.0.0.7:1", []string{"198.51.100.1", "203.0.113.5"}, "203.0.113.5", "203.0.113.5"},
		"a lie before a proxy":       {"10.0.0.7:1", []string{"198.51.100.1, 203.0.113.5"}, "203.0.113.5", "203.0.113.5"},
		"a proxy that adds ports":    {"10.0.0.7:1", []string{"203.0.113.5:4711"}, "203.0.113.5", "203.0.113.5"},
		"a proxy that says nothing":  {"10.0.0.7:1", nil, "10.0.0.7", "10.0.0.7"},
		"a proxy that says nonsense": {"10.0.0.7:1", []string{"unknown"}, "10.0.0.7", "10.0.0.7"},
		"all of them proxies":        {"10.0.0.7:1", []string{"10.0.0.9"}, "10.0.0.9", "10.0.0.9"},
		"a mapped peer":              {"[::ffff:10.0.0.7]:1", []string{"203.0.113.5"}, "203.0.113.5", "203.0.113.5"},
		"IPv6":                       {"[2001:db8:1:2:3::4]:1", nil, "2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
		"IPv6 behind a proxy":        {"[fd00::1]:1", []string{"[2001:db8::4]:99"}, "2001:db8::4", "2001:db8::/64"},
		"no address":                 {"pipe", []string{"203.0.113.5"}, "pipe", "pipe"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tc.peer, Header: http.Header{"X-Forwarded-For": tc.forwarded}}
			if got := proxies.Client(r); got != tc.client {
				t.Errorf("client %s, want %s", got, tc.client)
			}
			if got := proxies.Source(r); got != tc.source {
				t.Errorf("source %s, want %s", got, tc.source)
			}
		})
	}
}

func TestParseProxiesRefuses(t *testing.T) {
	for _, bad := range []string{"proxy.example", "10.0.0.0/33", "0.0.0.0/0", "::/0", "fe80::1%eth0"} {
		if _, err := ParseProxies([]string{"10.0.0.1", bad}); !errors.Is(err, ErrBadProxy) {
			t.Errorf("%s: %v, want %v", bad, err, ErrBadProxy)
		}
	}
}
