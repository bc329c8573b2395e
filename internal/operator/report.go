package operator

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/host"
)

const (
	// maxAddresses is what CloudNodeRoutes takes.
	maxAddresses = 256
	// maxRouteChecks bounds the look-ups of one check for missing routes.
	maxRouteChecks = 512
	maxNamed       = 5
	maxMessage     = 1024
)

// report holds what CloudNodeRoutes should say and what it says.
type report struct {
	node     string
	routable func(netip.Addr) (bool, error)
	// bridges lists those that forward past all rules.
	bridges func() ([]string, error)

	mu      sync.Mutex
	want    v1alpha1.CloudNodeRoutesStatus
	stored  *v1alpha1.CloudNodeRoutes
	lastErr error
	invalid error
	// unfiltered is what bridges said last.
	unfiltered []string
	ready      bool
	signal     chan struct{}
}

func newReport(node string, routable func(netip.Addr) (bool, error)) *report {
	return &report{node: node, routable: routable, bridges: host.UnfilteredBridges, signal: make(chan struct{}, 1)}
}

// change edits the wanted status and wakes the writer.
func (r *report) change(edit func()) {
	r.mu.Lock()
	edit()
	r.mu.Unlock()
	select {
	case r.signal <- struct{}{}:
	default: // the writer is about to look anyway
	}
}

// seen notes the stored object; only our own matters.
func (r *report) seen(name string, obj client.Object) {
	if name != r.node {
		return
	}
	r.change(func() {
		r.stored, _ = obj.(*v1alpha1.CloudNodeRoutes)
	})
}

func (r *report) addresses(addrs []netip.Addr) {
	texts := make([]string, 0, len(addrs))
	for _, a := range addrs[:min(len(addrs), maxAddresses)] {
		texts = append(texts, a.String())
	}
	r.change(func() { r.want.Addresses = texts })
}

func (r *report) invalidObjects(err error) { r.change(func() { r.invalid = err }) }

func (r *report) failed(err error) {
	r.change(func() {
		r.lastErr = err
		r.condition(v1alpha1.ConditionApplied, false, "ApplyFailed", err.Error())
	})
}

func (r *report) applied(backend, hash string, p netrules.Plan, res netrules.Result, guardKnown bool) {
	r.change(func() {
		r.ready, r.lastErr = true, nil
		r.want.Backend, r.want.ObservedHash, r.want.Routes = backend, hash, int32(p.Count)
		if res.Written || r.want.AppliedAt == nil {
			now := metav1.Now().Rfc3339Copy()
			r.want.AppliedAt = &now
		}
		if res.Drift {
			r.want.DriftRepaired++
		}
		r.condition(v1alpha1.ConditionApplied, true, "Synced", "The kernel holds the routes.")
		r.guarded(p.Rules.Guard, guardKnown)
	})
}

func (r *report) guarded(g netrules.Guard, known bool) {
	switch {
	case !known:
		r.condition(v1alpha1.ConditionGuarded, false, "NoFacts", "edge-watcher has not published what to guard.")
	case !g.Enabled:
		r.condition(v1alpha1.ConditionGuarded, false, "Disabled", "The stream guard is switched off.")
	case len(r.unfiltered) > 0:
		r.condition(v1alpha1.ConditionGuarded, true, "GuardingExceptBridges", fmt.Sprintf(
			"Nobody reaches CloudCore past its gate through this node, but pods on one bridge (%s) reach each other past every rule. Set net.bridge.bridge-nf-call-iptables and net.bridge.bridge-nf-call-ip6tables to 1.",
			strings.Join(r.unfiltered[:min(len(r.unfiltered), maxNamed)], ", ")))
	default:
		r.condition(v1alpha1.ConditionGuarded, true, "Guarding", "Nobody reaches CloudCore past its gate through this node.")
	}
}

// gone notes that the rules were removed for an uninstall.
func (r *report) gone(backend string) {
	r.change(func() {
		now := metav1.Now().Rfc3339Copy()
		r.ready, r.lastErr = true, nil
		r.want.Backend, r.want.ObservedHash, r.want.Routes, r.want.AppliedAt = backend, "", 0, &now
		r.condition(v1alpha1.ConditionApplied, false, v1alpha1.ReasonRemoved, "All rules were removed, as the uninstall asked.")
		r.condition(v1alpha1.ConditionGuarded, false, v1alpha1.ReasonRemoved, "All rules were removed, as the uninstall asked.")
	})
}

// checkHost looks at what the node's own network means for routes and guard.
func (r *report) checkHost(m *netrules.Model) {
	r.checkRoutes(m)
	if names, err := r.bridges(); err == nil {
		r.change(func() { r.unfiltered = names })
	}
}

// checkRoutes looks for edge addresses that the kernel has no route to: it refuses
// connections to them before any rule can redirect them.
func (r *report) checkRoutes(m *netrules.Model) {
	var unroutable []string
	checked, count := 0, 0
	for addr := range m.Plan().Members {
		if checked++; checked > maxRouteChecks {
			break
		}
		if ok, err := r.routable(addr); err == nil && !ok {
			count++
			if len(unroutable) < maxNamed {
				unroutable = append(unroutable, addr.String())
			}
		}
	}
	r.change(func() {
		if count == 0 {
			r.condition(v1alpha1.ConditionNoRoute, false, "Routable", "The kernel has a route to every edge address looked at.")
			return
		}
		r.condition(v1alpha1.ConditionNoRoute, true, "NoRoute", fmt.Sprintf(
			"The kernel has no route to %d edge addresses, such as %s, and refuses connections to them. Add a default route.",
			count, strings.Join(unroutable, ", ")))
	})
}

func (r *report) condition(typ string, status bool, reason, message string) {
	s := metav1.ConditionFalse
	if status {
		s = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&r.want.Conditions, metav1.Condition{
		Type: typ, Status: s, Reason: reason, Message: truncate(message), LastTransitionTime: metav1.NewTime(time.Now()).Rfc3339Copy(),
	})
}

func truncate(s string) string { return s[:min(len(s), maxMessage)] }

// snapshot returns the status to store and the stored object, nil when there is none.
func (r *report) snapshot() (v1alpha1.CloudNodeRoutesStatus, *v1alpha1.CloudNodeRoutes) {
	r.mu.Lock()
	defer r.mu.Unlock()
	want := *r.want.DeepCopy()
	switch {
	case r.lastErr != nil:
		want.LastError = truncate(r.lastErr.Error())
	case r.invalid != nil:
		want.LastError = truncate(r.invalid.Error())
	}
	return want, r.stored
}

// hasLooked tells whether the node's addresses were read and an update of the kernel
// was tried.
func (r *report) hasLooked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.want.Addresses) > 0 && (r.ready || r.lastErr != nil)
}

func (r *report) isReady() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ready
}
