package runtime

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/internal/settings"
	"github.com/edgeway-io/edgeway/test/objects"
)

// afterLease is later than the end of the lease that a dead process holds.
const afterLease = leaseFor + time.Second

// mustEnable enables undisturbed and returns the writes that it took.
func (c *cluster) mustEnable(t *testing.T, s settings.Settings) []string {
	t.Helper()
	r, m := c.runtime(t, -1, afterLease)
	if _, err := r.Enable(t.Context(), s, Options{}, nil); err != nil {
		t.Fatalf("enable: %v", err)
	}
	return m.writes
}

func (c *cluster) mustDisable(t *testing.T, keepCA bool) {
	t.Helper()
	r, _ := c.runtime(t, -1, afterLease)
	if err := r.Disable(t.Context(), DisableOptions{KeepCA: keepCA}, nil); err != nil {
		t.Fatalf("disable: %v", err)
	}
}

// killedEnable ends after so many writes. It is false when enable came to its end before.
func (c *cluster) killedEnable(t *testing.T, s settings.Settings, writes int) (bool, []string) {
	t.Helper()
	r, m := c.runtime(t, writes, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	m.end = cancel
	_, err := r.Enable(ctx, s, Options{}, nil)
	m.mu.Lock()
	defer m.mu.Unlock()
	if err == nil && m.dead && len(m.writes) > writes {
		t.Fatalf("enable succeeded although it died after %d writes", writes)
	}
	if err != nil && !m.dead {
		t.Fatalf("enable fails by itself: %v", err)
	}
	return m.dead, m.writes
}

// mustLook waits for what controllers do after a change, and fails with what differs.
func (c *cluster) mustLook(t *testing.T, after string, want objects.Picture, edit func(objects.Picture) objects.Picture) {
	t.Helper()
	var diff string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		now, err := objects.Take(t.Context(), c.Config)
		if err != nil {
			t.Fatal(err)
		}
		if diff = cmp.Diff(want, edit(now)); diff == "" {
			return
		}
	}
	t.Errorf("after %s (-want +got):\n%s", after, diff)
}

func all(p objects.Picture) objects.Picture { return p }

// everyWrite kills after every single write, which takes many minutes.
const everyWrite = "EDGEWAY_EVERY_WRITE"

// fewDeaths are tried otherwise: after the first write, the last one, and between.
const fewDeaths = 6

// deaths are the numbers of the writes after which to die.
func deaths(t *testing.T, writes []string) []int {
	t.Helper()
	last := len(writes)
	if last < fewDeaths {
		t.Fatalf("there are only %d writes", last)
	}
	var out []int
	for n := 1; n <= last; n++ {
		if os.Getenv(everyWrite) != "" || len(out) == 0 || n >= 1+len(out)*(last-1)/(fewDeaths-1) {
			out = append(out, n)
		}
	}
	t.Logf("dying after %v of %d writes; %s=1 for all", out, last, everyWrite)
	return out
}

func lastOf(writes []string) string {
	if len(writes) == 0 {
		return "nothing"
	}
	return writes[len(writes)-1]
}

// TestEnableIsKilledAndRepeated kills enable after each of its writes to the cluster and
// repeats it: what is there then is what an undisturbed enable leaves. Disabling brings
// back what was before.
func TestEnableIsKilledAndRepeated(t *testing.T) {
	c := newCluster(t)
	s := enabledSettings()
	empty := c.picture(t)
	undisturbed := c.mustEnable(t, s)
	want := c.picture(t)
	c.probe(t)
	c.mustDisable(t, false)
	c.mustLook(t, "enable and disable", empty, all)

	for _, n := range deaths(t, undisturbed) {
		died, writes := c.killedEnable(t, s, n)
		c.mustEnable(t, s)
		at := "enable killed after " + lastOf(writes)
		c.mustLook(t, at, want, all)
		if diff := cmp.Diff([]string{"kubeedge deployed"}, c.history(t)); diff != "" {
			t.Errorf("after %s the release's history is not one revision: %s", at, diff)
		}
		if !died {
			t.Errorf("enable came to its end with %d writes, an undisturbed one makes %d", n-1, len(undisturbed))
		}
		if t.Failed() {
			t.FailNow()
		}
		// Namespaces take seconds to go, so only the first rounds begin without them.
		c.mustDisable(t, n > 5)
	}
	c.mustDisable(t, false)
	c.mustLook(t, "the last disable", empty, all)
}

// TestChangeIsKilled kills a change after each of its writes. Repeated it is complete;
// taken back, nothing of it is left.
func TestChangeIsKilled(t *testing.T) {
	c := newCluster(t)
	before := enabledSettings()
	after := enabledSettings()
	after.CloudHub.NodeLimit = 300
	after.CloudHub.AdvertiseAddress = []string{"203.0.113.8"}
	after.CloudHub.QUIC.Enable = true
	after.Extras.NetworkPolicy = true
	after.HA = true
	c.mustEnable(t, before)
	old := strip(c.picture(t))
	undisturbed := c.mustEnable(t, after)
	changed := strip(c.picture(t))
	c.mustEnable(t, before)
	for i, n := range deaths(t, undisturbed) {
		_, writes := c.killedEnable(t, after, n)
		at := "a change killed after " + lastOf(writes)
		if i%2 == 0 {
			c.mustEnable(t, after)
			c.mustLook(t, at+" and again", changed, strip)
		}
		c.mustEnable(t, before)
		c.mustLook(t, at+" and taken back", old, strip)
		for _, line := range c.history(t) {
			if line != "kubeedge deployed" && line != "kubeedge superseded" {
				t.Errorf("after %s a revision is left over: %s", at, line)
			}
		}
		if t.Failed() {
			break
		}
	}
}

// strip leaves out what a cluster with a longer history has more of.
func strip(p objects.Picture) objects.Picture {
	out := objects.Picture{}
	for key, text := range p {
		switch {
		case strings.Contains(key, "sh.helm.release"), strings.HasPrefix(key, "replicasets"), strings.HasPrefix(key, "controllerrevisions"):
		case strings.HasPrefix(key, "deployments"), strings.HasPrefix(key, "daemonsets"):
			var kept []string
			for line := range strings.Lines(text) {
				if !strings.Contains(line, "deployment.kubernetes.io/revision") && !strings.Contains(line, "deprecated.daemonset.template.generation") {
					kept = append(kept, line)
				}
			}
			out[key] = strings.Join(kept, "")
		default:
			out[key] = text
		}
	}
	return out
}

// TestBadSettingsLeaveTheClusterUntouched asks for what is refused, by its form and by
// what the cluster has.
func TestBadSettingsLeaveTheClusterUntouched(t *testing.T) {
	c := newCluster(t)
	before := c.picture(t)
	for name, change := range map[string]func(*settings.Settings){
		"port of two services": func(s *settings.Settings) { s.CloudHub.HTTPS.Port = s.CloudHub.WebSocket.Port },
		"no way in":            func(s *settings.Settings) { s.CloudHub.WebSocket.Enable = false },
		"loopback":             func(s *settings.Settings) { s.CloudHub.AdvertiseAddress = []string{"127.0.0.1"} },
		"outside the range":    func(s *settings.Settings) { s.CloudHub.WebSocket.Port = 19999 },
		"above the range":      func(s *settings.Settings) { s.CloudStream.TunnelPort = 40000 },
		"node limit":           func(s *settings.Settings) { s.CloudHub.NodeLimit = -1 },
		"image":                func(s *settings.Settings) { s.Images.CloudCore = "cloudcore" },
	} {
		s := enabledSettings()
		change(&s)
		r, _ := c.runtime(t, -1, 0)
		if _, err := r.Enable(t.Context(), s, Options{}, nil); !errors.Is(err, settings.ErrInvalid) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	c.mustLook(t, "refusals", before, all)
}
