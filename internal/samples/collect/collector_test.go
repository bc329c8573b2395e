package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/edgeway-io/edgeway/internal/figures"
	"github.com/edgeway-io/edgeway/internal/samples"
)

// nodes answers for healthy nodes, and for one that never answers.
type nodes struct {
	mu     sync.Mutex
	asked  map[string]int
	broken map[string]http.HandlerFunc
	hung   chan struct{}
}

func (n *nodes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/nodes/"), "/")
	name := parts[0]
	if !strings.HasSuffix(r.URL.Path, "/stats/summary") {
		http.NotFound(w, r)
		return
	}
	n.mu.Lock()
	n.asked[name]++
	count, broken := n.asked[name], n.broken[name]
	n.mu.Unlock()
	if name == "dead" {
		select {
		case n.hung <- struct{}{}:
		default:
		}
		<-r.Context().Done()
		return
	}
	if broken != nil {
		broken(w, r)
		return
	}
	at := time.Unix(1_767_323_045, 0).Add(time.Duration(count) * 10 * time.Second).UTC().Format(time.RFC3339)
	_ = json.NewEncoder(w).Encode(map[string]any{"node": map[string]any{
		"nodeName": name, "cpu": map[string]any{"time": at, "usageNanoCores": count},
	}})
}

func (n *nodes) count(name string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[name]
}

// source asks the nodes of a URL.
type source string

func (s source) Get(ctx context.Context, node, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, string(s)+"/api/v1/nodes/"+node+"/"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = apierrors.NewGenericServerResponse(response.StatusCode, "get", schema.GroupResource{Resource: "nodes"}, node, string(body), 0, true)
	}
	if node == "no tunnel" {
		err = figures.ErrUnreachable
	}
	return body, err
}

func startNodes(t *testing.T, o Options) (*nodes, *Collector, *samples.Store) {
	t.Helper()
	n := &nodes{asked: map[string]int{}, broken: map[string]http.HandlerFunc{}, hung: make(chan struct{}, 1)}
	srv := httptest.NewServer(n)
	store := samples.NewStore(samples.Limits{Keep: 100 * 365 * 24 * time.Hour, Points: 1000, Gap: time.Minute})
	c := New(NewKubelets(source(srv.URL)), store, o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; srv.Close() })
	return n, c, store
}

// until waits for a state that comes if anything works; the time is only to end a
// test that has failed.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A node that hangs holds its own try and nothing else: the others are sampled again
// and again while its first try has not even ended.
func TestADeadNodeDelaysNobody(t *testing.T) {
	n, c, store := startNodes(t, Options{Every: time.Millisecond, Timeout: time.Hour})
	tried := c.Touch("dead")
	<-n.hung
	for i := range 20 {
		<-c.Touch(fmt.Sprintf("edge-%d", i))
	}
	for i := range 20 {
		name := fmt.Sprintf("edge-%d", i)
		until(t, name+" was sampled five times", func() bool { return n.count(name) >= 5 })
		if got := store.Node(name, samples.Query{}); !got.State.Available {
			t.Errorf("%s: %+v", name, got.State)
		}
	}
	select {
	case <-tried:
		t.Error("the dead node's first try has ended, so nothing was shown")
	default:
	}
	if n.count("dead") != 1 {
		t.Errorf("the dead node was asked %d times at once", n.count("dead"))
	}
}

func TestATryEndsByItsTimeout(t *testing.T) {
	_, c, store := startNodes(t, Options{Every: time.Hour, Timeout: 20 * time.Millisecond})
	<-c.Touch("dead")
	if got := store.Node("dead", samples.Query{}).State; got.Cause != samples.CauseTimeout || got.Available {
		t.Errorf("state %+v, want %s", got, samples.CauseTimeout)
	}
}

func TestCausesOfFailures(t *testing.T) {
	n, c, store := startNodes(t, Options{Every: time.Hour})
	answer := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	n.broken["text"] = answer(200, "dial tcp 127.0.0.1:10350: connection refused")
	n.broken["other"] = answer(200, `{"node":{"nodeName":"edge-9"}}`)
	n.broken["gone"] = answer(404, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"nodes \"gone\" not found"}`)
	n.broken["cut"] = answer(503, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"ServiceUnavailable","code":503,"message":"error trying to reach service"}`)
	n.broken["denied"] = answer(403, "Forbidden (user=somebody)")
	n.broken["broken off"] = func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, want := range map[string]string{
		"text": samples.CauseBadAnswer, "other": samples.CauseBadAnswer, "gone": samples.CauseNotFound, "cut": samples.CauseUnreachable,
		"broken off": samples.CauseUnreachable, "no tunnel": samples.CauseUnreachable, "denied": samples.CauseFailed,
	} {
		<-c.Touch(name)
		if got := store.Node(name, samples.Query{}).State; got.Cause != want || got.Message == "" {
			t.Errorf("%s: %+v, want %s", name, got, want)
		}
	}
}

// Interest ends by itself; what is always sampled goes on.
func TestInterestEnds(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	n, c, _ := startNodes(t, Options{
		Every: time.Millisecond, AlwaysEvery: time.Millisecond, Now: clock,
		Always: func(context.Context) ([]string, error) { return []string{"always"}, nil },
	})
	<-c.Touch("looked-at")
	until(t, "both are sampled", func() bool { return n.count("looked-at") > 3 && n.count("always") > 3 })
	mu.Lock()
	now = now.Add(time.Hour)
	mu.Unlock()
	until(t, "nobody is interested any more", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, watched := c.nodes["looked-at"]
		return !watched
	})
	before, always := n.count("looked-at"), n.count("always")
	until(t, "the other goes on", func() bool { return n.count("always") > always+5 })
	if after := n.count("looked-at"); after != before {
		t.Errorf("asked %d more times though nobody looks", after-before)
	}
}

// Each failure doubles the pause, so that dead nodes take less and less.
func TestBackoff(t *testing.T) {
	c := New(nil, nil, Options{Every: time.Second, MaxBackoff: 10 * time.Second, AlwaysEvery: time.Second})
	w := &watched{always: true}
	last := time.Duration(0)
	for _, failures := range []int{0, 1, 2, 3, 4, 5, 50} {
		pause, wanted := c.pause("edge-1", w, failures)
		if !wanted || pause < last || pause > 10*time.Second {
			t.Errorf("%d failures: pause %s after %s", failures, pause, last)
		}
		last = pause
	}
	if last < 9*time.Second {
		t.Errorf("after 50 failures the pause is %s", last)
	}
}
