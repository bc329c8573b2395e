package joinhttp

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
	"github.com/edgeway-io/edgeway/internal/limit"
)

// counting is a Redeemer that counts what reaches the cluster. It knows secrets that
// begin with "good".
type counting struct {
	broken
	asked int
}

func (c *counting) Lookup(_ context.Context, code string) (*v1alpha1.EdgeEnrollmentSpec, error) {
	c.asked++
	if strings.HasPrefix(code, "good") {
		return &v1alpha1.EdgeEnrollmentSpec{}, nil
	}
	return nil, enroll.ErrCodeUnknown
}

func (c *counting) Status(_ context.Context, token string) (*v1alpha1.EdgeEnrollment, error) {
	c.asked++
	if strings.HasPrefix(token, "good") {
		return &v1alpha1.EdgeEnrollment{}, nil
	}
	return nil, enroll.ErrStatusToken
}

// door is a handler whose clock stands still.
type door struct {
	*counting
	handler *Handler
	now     time.Time
}

func newDoor(proxies ...string) *door {
	trusted, err := limit.ParseProxies(proxies)
	if err != nil {
		panic(err)
	}
	d := &door{counting: &counting{}, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	d.handler = New(d.counting, nil, slog.New(slog.NewTextHandler(io.Discard, nil)),
		Options{Proxies: trusted, Now: func() time.Time { return d.now }})
	return d
}

func (d *door) send(r *http.Request, from, forwarded string) int {
	r.RemoteAddr = from + ":1"
	if forwarded != "" {
		r.Header.Set("X-Forwarded-For", forwarded)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Code
}

func lookup(code string) *http.Request {
	return httptest.NewRequest("POST", wire.PathLookup, strings.NewReader(fmt.Sprintf(`{"code":%q}`, code)))
}

func statusOfToken(token string) *http.Request {
	r := httptest.NewRequest("GET", wire.PathStatus, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// tally counts the answers to n requests.
func tally(n int, send func(i int) int) map[int]int {
	out := map[int]int{}
	for i := range n {
		out[send(i)]++
	}
	return out
}

func TestLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		send  func(d *door, i int) int
		n     int
		want  map[int]int
		asked int
	}{
		"one source guesses codes": {
			func(d *door, i int) int { return d.send(lookup(fmt.Sprint("bad", i)), "192.0.2.1", "") },
			300, map[int]int{403: 100, 429: 200}, 100},
		"one code from many sources": {
			func(d *door, i int) int { return d.send(lookup("good"), fmt.Sprint("192.0.2.", i), "") },
			50, map[int]int{200: 20, 429: 30}, 20},
		"a batch behind one NAT address": {
			func(d *door, i int) int { return d.send(lookup(fmt.Sprint("good", i)), "192.0.2.1", "") },
			100, map[int]int{200: 100}, 100},
		"many sources together": {
			func(d *door, i int) int {
				return d.send(lookup(fmt.Sprint("bad", i)), fmt.Sprintf("10.1.%d.%d", i/100, i%100), "")
			},
			2000, map[int]int{403: 500, 429: 1500}, 500},
		"one status token": {
			func(d *door, _ int) int { return d.send(statusOfToken("good"), "192.0.2.1", "") },
			300, map[int]int{200: 20, 429: 280}, 20},
		"one source guesses status tokens": {
			func(d *door, i int) int { return d.send(statusOfToken(fmt.Sprint("bad", i)), "192.0.2.1", "") },
			300, map[int]int{401: 20, 429: 280}, 20},
		"statuses behind one NAT address": {
			func(d *door, i int) int { return d.send(statusOfToken(fmt.Sprint("good", i)), "192.0.2.1", "") },
			400, map[int]int{200: 400}, 400},
		"a client that names others": {
			func(d *door, i int) int {
				return d.send(lookup(fmt.Sprint("bad", i)), "192.0.2.1", fmt.Sprint("203.0.113.", i%250))
			},
			300, map[int]int{403: 100, 429: 200}, 100},
		"clients of a trusted proxy": {
			func(d *door, i int) int {
				return d.send(lookup(fmt.Sprint("bad", i)), "10.9.9.9", fmt.Sprint("203.0.113.", i%3))
			},
			300, map[int]int{403: 300}, 300},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor("10.9.9.9")
			got := tally(tc.n, func(i int) int { return tc.send(d, i) })
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if d.asked != tc.asked {
				t.Errorf("the cluster was asked %d times, want %d", d.asked, tc.asked)
			}
		})
	}
}

// TestEdgectlIsNeverLimited: it asks once a second.
func TestEdgectlIsNeverLimited(t *testing.T) {
	d := newDoor()
	got := tally(600, func(int) int {
		d.now = d.now.Add(time.Second)
		return d.send(statusOfToken("good"), "192.0.2.1", "")
	})
	if diff := cmp.Diff(map[int]int{200: 600}, got); diff != "" {
		t.Error(diff)
	}
}
