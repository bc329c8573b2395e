package runtime

import (
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// damage makes the newest revision of the release unreadable, or all of them.
func (c *cluster) damage(t *testing.T, all bool) (newest string) {
	t.Helper()
	list, err := c.kube.CoreV1().Secrets(Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Secret) int { return strings.Compare(a.Name, b.Name) })
	for i, secret := range list.Items {
		if last := i == len(list.Items)-1; !all && !last {
			continue
		}
		secret.Data["release"] = []byte("H4sI cut off")
		if _, err := c.kube.CoreV1().Secrets(Namespace).Update(t.Context(), &secret, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		newest = secret.Name
	}
	return newest
}

// scramble stores values that the settings do not know, as another tool might.
func (c *cluster) scramble(t *testing.T, r *Runtime) {
	t.Helper()
	cfg, err := r.actions()
	if err != nil {
		t.Fatal(err)
	}
	last, err := lastRelease(cfg)
	if err != nil {
		t.Fatal(err)
	}
	last.Config = map[string]any{"cloudHub": "yes"}
	if err := cfg.Releases.Update(last); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedRelease: what cannot be read of a release is named, and neither the status
// nor disabling nor a complete set of settings stops at it.
func TestDamagedRelease(t *testing.T) {
	c := newCluster(t)
	s := enabledSettings()
	more := s
	more.CloudHub.NodeLimit = 500
	empty := c.picture(t)
	c.mustEnable(t, s)
	want := strip(c.picture(t))
	r, _ := c.runtime(t, -1, afterLease)

	told := func(what, names string, state State) {
		t.Helper()
		status, err := r.Status(t.Context())
		if err != nil {
			t.Fatalf("%s: the status: %v", what, err)
		}
		if status.State != state || status.Reason != ReasonUnreadable || status.Settings != nil ||
			!strings.Contains(status.Unreadable, names) || !strings.Contains(status.Message, "complete set of settings") {
			t.Errorf("%s: %s %s %q %q", what, status.State, status.Reason, status.Message, status.Unreadable)
		}
		if _, err := status.InForce(); errcat.Code(err) != ReasonUnreadable || errors.Is(err, ErrNotEnabled) {
			t.Errorf("%s: settings in force: %v", what, err)
		}
		if len(status.Components) != 3 {
			t.Errorf("%s: components %v", what, status.Components)
		}
	}
	plan := func(what string, s settings.Settings, want Action) {
		t.Helper()
		p, err := r.Plan(t.Context(), s)
		if err != nil || p.Action != want {
			t.Errorf("%s: plan %s, %v, want %s", what, p.Action, err, want)
		}
	}

	c.scramble(t, r)
	told("values of another tool", "cloudHub", StateDegraded)
	plan("values of another tool", s, ActionUpgrade)
	c.mustEnable(t, s)
	c.mustLook(t, "enabling over values of another tool", want, strip)

	c.mustEnable(t, more)
	newest := c.damage(t, false)
	told("newest revision", newest, StateFailed)
	plan("newest revision", s, ActionContinue)
	c.mustEnable(t, s)
	c.mustLook(t, "enabling over a damaged revision", want, strip)

	newest = c.damage(t, true)
	told("no revision", newest, StateFailed)
	plan("no revision", s, ActionInstall)
	c.mustEnable(t, s)
	c.mustLook(t, "enabling without a readable revision", want, strip)

	c.scramble(t, r)
	c.mustDisable(t, true)
	c.mustEnable(t, s)
	c.damage(t, true)
	c.mustDisable(t, false)
	c.mustLook(t, "disabling without a readable revision", empty, all)
}
