package operator

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
)

func TestStatusIsStoredOnceAndOnlyWhenItDiffers(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	writes := 0
	c := fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.CloudNodeRoutes{}).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				writes++
				return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
			},
		}).Build()
	r := newReport("cloud-1", func(netip.Addr) (bool, error) { return true, nil })
	w := &statusWriter{log: slog.New(slog.NewTextHandler(io.Discard, nil)), client: c, report: r}
	r.addresses([]netip.Addr{netip.MustParseAddr("10.0.0.1")})
	r.applied("nftables", "hash", netrules.Plan{Count: 7}, netrules.Result{Written: true}, true)
	for range 3 {
		if err := w.write(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if writes != 1 {
		t.Errorf("%d status writes, want 1", writes)
	}
	var stored v1alpha1.CloudNodeRoutes
	if err := c.Get(t.Context(), client.ObjectKey{Name: "cloud-1"}, &stored); err != nil {
		t.Fatal(err)
	}
	if stored.Status.Routes != 7 || len(stored.Status.Addresses) != 1 {
		t.Errorf("stored status is %+v, want 7 routes and one address", stored.Status)
	}
	// Somebody deletes the object: the next change makes it again.
	if err := c.Delete(t.Context(), &stored); err != nil {
		t.Fatal(err)
	}
	r.applied("nftables", "hash2", netrules.Plan{Count: 8}, netrules.Result{Written: true}, true)
	if err := w.write(t.Context()); err == nil {
		t.Error("storing into a deleted object succeeded, want an error and a new attempt")
	}
	if err := w.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "cloud-1"}, &stored); err != nil || stored.Status.Routes != 8 {
		t.Errorf("after a deletion the stored status is %+v (%v), want 8 routes", stored.Status, err)
	}
}

// TestRestartKeepsWhatWasStored: until a restarted operator has looked at its node,
// what it stored before stands; an emptied list of addresses would lock the node out
// of CloudStream.
func TestRestartKeepsWhatWasStored(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	before := &v1alpha1.CloudNodeRoutes{
		ObjectMeta: metav1.ObjectMeta{Name: "cloud-1"},
		Status:     v1alpha1.CloudNodeRoutesStatus{Backend: "nftables", Addresses: []string{"10.0.0.1"}, Routes: 7},
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(before).WithStatusSubresource(before).Build()
	r := newReport("cloud-1", func(netip.Addr) (bool, error) { return true, nil })
	w := &statusWriter{log: slog.New(slog.DiscardHandler), client: c, report: r}
	stored := func() v1alpha1.CloudNodeRoutesStatus {
		if err := w.write(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got v1alpha1.CloudNodeRoutes
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(before), &got); err != nil {
			t.Fatal(err)
		}
		return got.Status
	}
	steps := []struct {
		name string
		do   func()
	}{
		{"at the start", func() {}},
		{"with its own report seen", func() { r.seen("cloud-1", before) }},
		{"with its addresses read", func() { r.addresses([]netip.Addr{netip.MustParseAddr("10.0.0.1")}) }},
	}
	for _, step := range steps {
		step.do()
		if diff := cmp.Diff(before.Status, stored()); diff != "" {
			t.Errorf("%s the report changed (-before +after):\n%s", step.name, diff)
		}
	}
	r.applied("nftables", "hash", netrules.Plan{Count: 9}, netrules.Result{}, true)
	if got := stored(); got.Routes != 9 || len(got.Addresses) != 1 {
		t.Errorf("after an update of the kernel the report is %+v, want 9 routes and one address", got)
	}
}

// TestAnUnreadableReportIsWrittenAnew: what another version or somebody else left in it does
// not stay, and is put right although nothing else changed.
func TestAnUnreadableReportIsWrittenAnew(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	before := &v1alpha1.CloudNodeRoutes{
		ObjectMeta: metav1.ObjectMeta{Name: "cloud-1"},
		// Fields that the operator has nothing to put in place of.
		Status: v1alpha1.CloudNodeRoutesStatus{DriftRepaired: 7, Counters: &v1alpha1.CloudNodeCounters{Guarded: 9}, LastError: "e"},
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(before).WithStatusSubresource(before).Build()
	r := newReport("cloud-1", func(netip.Addr) (bool, error) { return true, nil })
	w := &statusWriter{log: slog.New(slog.DiscardHandler), client: c, report: r}
	r.addresses([]netip.Addr{netip.MustParseAddr("10.0.0.1")})
	r.applied("nftables", "hash", netrules.Plan{Count: 2}, netrules.Result{Written: true}, true)
	r.seen("cloud-1", &v1alpha1.CloudNodeRoutes{ObjectMeta: before.ObjectMeta, Undecodable: "why"})
	if err := w.write(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.CloudNodeRoutes
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(before), &got); err != nil {
		t.Fatal(err)
	}
	want, stored := r.snapshot()
	if diff := cmp.Diff(want, got.Status); diff != "" {
		t.Errorf("the report is (-want +got):\n%s", diff)
	}
	if stored.Undecodable != "" {
		t.Error("the report still counts as unreadable after it was written")
	}
}

func TestUnfilteredBridgesAreReported(t *testing.T) {
	r := newReport("cloud-1", func(netip.Addr) (bool, error) { return true, nil })
	plan := netrules.Plan{Rules: netrules.Rules{Guard: netrules.Guard{Enabled: true}}}
	for _, c := range []struct {
		bridges []string
		reason  string
	}{{nil, "Guarding"}, {[]string{"cni0"}, "GuardingExceptBridges"}, {nil, "Guarding"}} {
		r.bridges = func() ([]string, error) { return c.bridges, nil }
		r.checkHost(netrules.NewModel())
		r.applied("nftables", "hash", plan, netrules.Result{}, true)
		status, _ := r.snapshot()
		got := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionGuarded)
		if got == nil || got.Status != metav1.ConditionTrue || got.Reason != c.reason {
			t.Errorf("with bridges %v, Guarded is %+v, want True, %s", c.bridges, got, c.reason)
		}
		if len(c.bridges) > 0 && !strings.Contains(got.Message, "cni0") {
			t.Errorf("message %q does not name the bridge", got.Message)
		}
	}
}

func TestOptions(t *testing.T) {
	cases := map[string]struct {
		options Options
		ok      bool
	}{
		"usual":               {Options{NodeName: "cloud-1", Backend: "auto"}, true},
		"cleanup needs none":  {Options{Backend: "nftables", Cleanup: true}, true},
		"no node name":        {Options{Backend: "auto"}, false},
		"node name with path": {Options{NodeName: "a/b", Backend: "auto"}, false},
		"iptables":            {Options{NodeName: "cloud-1", Backend: "iptables"}, true},
		"remove foreign":      {Options{Backend: "auto", RemoveForeign: true}, true},
		"two at a time":       {Options{Backend: "auto", RemoveForeign: true, Cleanup: true}, false},
		"unknown backend":     {Options{NodeName: "cloud-1", Backend: "ebpf"}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := c.options.Validate(); (err == nil) != c.ok {
				t.Errorf("Validate() = %v, want success: %v", err, c.ok)
			}
		})
	}
}

func TestCountersAreReportedOnlyWhenTheyDiffer(t *testing.T) {
	r := newReport("cloud-1", func(netip.Addr) (bool, error) { return true, nil })
	took := func() bool {
		select {
		case <-r.signal:
			return true
		default:
			return false
		}
	}
	for i, c := range []struct {
		counters netrules.Counters
		want     bool
	}{
		{netrules.Counters{}, true}, {netrules.Counters{}, false},
		{netrules.Counters{Guarded: 1}, true}, {netrules.Counters{Guarded: 1}, false},
		{netrules.Counters{Guarded: 1, Unrouted: 2}, true}, {netrules.Counters{Guarded: 1, Unrouted: 2, Rejected: 3}, true},
	} {
		r.counters(c.counters)
		if got := took(); got != c.want {
			t.Errorf("%d: %+v wakes the writer: %v, want %v", i, c.counters, got, c.want)
		}
	}
	got, _ := r.snapshot()
	if c := got.Counters; c == nil || c.Guarded != 1 || c.Unrouted != 2 || c.Rejected != 3 || c.ReadAt == nil {
		t.Errorf("counters are %+v, want 1, 2, 3 and a time", got.Counters)
	}
}
