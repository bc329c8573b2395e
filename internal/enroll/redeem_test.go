package enroll

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// cluster is a fake apiserver that signs as soon as a code was redeemed, when
// sign is set.
func cluster(t *testing.T, sign bool, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.EdgeEnrollment{}).WithObjects(objects...).
		WithInterceptorFuncs(interceptor.Funcs{SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			if err := c.SubResource(sub).Update(ctx, o, opts...); err != nil || !sign {
				return err
			}
			e := o.DeepCopyObject().(*v1alpha1.EdgeEnrollment)
			e.Status.Certificate, e.Status.CA = []byte("CERT"), []byte("CA")
			return c.SubResource(sub).Update(ctx, e)
		}}).Build()
}

func enrollment(code string, change func(*v1alpha1.EdgeEnrollment)) *v1alpha1.EdgeEnrollment {
	e := &v1alpha1.EdgeEnrollment{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.JoinNamespace, Name: "jetson-xavier-x", UID: "u1",
		CreationTimestamp: metav1.NewTime(now.Add(-time.Minute))}, Spec: goodRequest().spec(HashCode(code))}
	if change != nil {
		change(e)
	}
	return e
}

func redeemer(c client.Client) *Redeemer {
	r := NewRedeemer(c, func() time.Time { return now })
	r.patience, r.poll = 300*time.Millisecond, 5*time.Millisecond
	return r
}

func csrFor(t *testing.T, name string) []byte {
	t.Helper()
	_, csr, err := pki.NewRequest(name)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

func TestRedeemOnce(t *testing.T) {
	c := cluster(t, true, enrollment("GOOD", nil))
	r := redeemer(c)
	csr := csrFor(t, "jetson-xavier")
	b, err := r.Redeem(t.Context(), "good", csr)
	if err != nil {
		t.Fatal(err)
	}
	if b.NodeName != "jetson-xavier" || string(b.Certificate) != "CERT" || string(b.CA) != "CA" || len(b.EdgeCoreConfig) == 0 || b.StatusToken == "" {
		t.Errorf("the bundle is %+v", b)
	}
	if _, err := r.Redeem(t.Context(), "GOOD", csrFor(t, "jetson-xavier")); !errors.Is(err, ErrCodeUsed) {
		t.Errorf("a second device gets %v", err)
	}
	again, err := r.Redeem(t.Context(), "GOOD", csr)
	if err != nil || string(again.Certificate) != "CERT" {
		t.Errorf("the same request again gets %v", err)
	}
	e, err := r.Status(t.Context(), again.StatusToken)
	if err != nil || e.Spec.NodeName != "jetson-xavier" {
		t.Errorf("the status token gets %v", err)
	}
	for _, other := range []string{"nonsense", "", "..", "/", "../x", e.Name, e.Name + "/", e.Name + "/7K3M", b.StatusToken + "A", "other" + again.StatusToken} {
		if _, err := r.Status(t.Context(), other); !errors.Is(err, ErrStatusToken) {
			t.Errorf("token %q gets %v", other, err)
		}
	}
}

// A code that this package made is found without reading everybody's enrollment.
func TestACodeIsFoundByItsLabel(t *testing.T) {
	var lists []string
	c := interceptor.NewClient(cluster(t, false, enrollment("OTHER", nil)).(client.WithWatch), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			o := (&client.ListOptions{}).ApplyOptions(opts)
			if o.LabelSelector == nil {
				lists = append(lists, "all")
			} else {
				lists = append(lists, o.LabelSelector.String())
			}
			return c.List(ctx, list, opts...)
		}})
	request := goodRequest()
	request.NodeName, request.NodeIP = "edge-2", "192.168.100.2"
	e, code, err := New(t.Context(), cluster(t, false), request)
	if err != nil {
		t.Fatal(err)
	}
	e.ResourceVersion, e.Name, e.CreationTimestamp = "", "edge-2-x", metav1.NewTime(now)
	if err := c.Create(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	r := redeemer(c)
	if spec, err := r.Lookup(t.Context(), code); err != nil || spec.NodeName != "edge-2" {
		t.Errorf("the code gives %+v, %v", spec, err)
	}
	if len(lists) != 1 || lists[0] == "all" {
		t.Errorf("lists were of %v, want one by label", lists)
	}
	// One that another program made has no label.
	if spec, err := r.Lookup(t.Context(), "other"); err != nil || spec.NodeName != "jetson-xavier" {
		t.Errorf("the code of an enrollment without label gives %+v, %v", spec, err)
	}
}

func TestRedeemRefuses(t *testing.T) {
	refused := func(kind, reason string) func(*v1alpha1.EdgeEnrollment) {
		return func(e *v1alpha1.EdgeEnrollment) {
			e.Status.Phase = v1alpha1.PhaseRefused
			meta.SetStatusCondition(&e.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionFalse, Reason: reason, Message: "because"})
		}
	}
	tests := map[string]struct {
		change func(*v1alpha1.EdgeEnrollment)
		code   string
		csr    string
		want   string
	}{
		"another code":    {nil, "OTHER", "jetson-xavier", wire.CodeUnknown},
		"no code":         {nil, "", "jetson-xavier", wire.CodeUnknown},
		"expired":         {func(e *v1alpha1.EdgeEnrollment) { e.CreationTimestamp = metav1.NewTime(now.Add(-time.Hour)) }, "GOOD", "jetson-xavier", wire.CodeExpired},
		"revoked":         {func(e *v1alpha1.EdgeEnrollment) { e.Spec.State = v1alpha1.StateRevoked }, "GOOD", "jetson-xavier", wire.CodeRevoked},
		"retired":         {func(e *v1alpha1.EdgeEnrollment) { e.Spec.State = v1alpha1.StateRetired }, "GOOD", "jetson-xavier", wire.CodeRevoked},
		"name taken":      {refused(v1alpha1.ConditionReserved, v1alpha1.ReasonNameTaken), "GOOD", "jetson-xavier", wire.NameTaken},
		"address taken":   {refused(v1alpha1.ConditionReserved, v1alpha1.ReasonIPTaken), "GOOD", "jetson-xavier", wire.IPTaken},
		"another's CSR":   {nil, "GOOD", "edge-2", wire.CSRInvalid},
		"joined by token": {func(e *v1alpha1.EdgeEnrollment) { e.Status.Phase = v1alpha1.PhaseReady }, "GOOD", "jetson-xavier", wire.CodeUsed},
		"a status that claims a longer life": {func(e *v1alpha1.EdgeEnrollment) {
			e.CreationTimestamp = metav1.NewTime(now.Add(-time.Hour))
			e.Status.ExpiresAt = &metav1.Time{Time: now.Add(time.Hour)}
		}, "GOOD", "jetson-xavier", wire.CodeExpired},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, true, enrollment("GOOD", test.change))
			_, err := redeemer(c).Redeem(t.Context(), test.code, csrFor(t, test.csr))
			if !errors.Is(err, &wire.Error{Code: test.want}) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			var e v1alpha1.EdgeEnrollment
			if err := c.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.JoinNamespace, Name: "jetson-xavier-x"}, &e); err != nil {
				t.Fatal(err)
			}
			if len(e.Status.CSR) > 0 {
				t.Error("the refused code was used up")
			}
		})
	}
}

func TestRedeemSaysWhenNobodySigns(t *testing.T) {
	_, err := redeemer(cluster(t, false, enrollment("GOOD", nil))).Redeem(t.Context(), "GOOD", csrFor(t, "jetson-xavier"))
	if !errors.Is(err, ErrSigningTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestOfManyDevicesWithOneCodeOneGetsIn(t *testing.T) {
	r := redeemer(cluster(t, false, enrollment("GOOD", nil)))
	const devices = 8
	results := make(chan error, devices)
	var wg sync.WaitGroup
	for range devices {
		csr := csrFor(t, "jetson-xavier")
		wg.Go(func() {
			_, _, err := r.claim(t.Context(), "GOOD", csr)
			results <- err
		})
	}
	wg.Wait()
	close(results)
	in := 0
	for err := range results {
		if err == nil {
			in++
		} else if !errors.Is(err, ErrCodeUsed) {
			t.Error(err)
		}
	}
	if in != 1 {
		t.Errorf("%d devices got in", in)
	}
}

func TestNew(t *testing.T) {
	c := cluster(t, false)
	r := goodRequest()
	r.Labels, r.Taints, r.Components = nil, nil, nil
	e, code, err := New(t.Context(), c, r)
	if err != nil {
		t.Fatal(err)
	}
	if e.Spec.CodeHash != HashCode(code) || e.Namespace != v1alpha1.JoinNamespace || !e.Spec.Components.EdgeStream {
		t.Errorf("the enrollment is %+v", e.Spec)
	}
	if v, edge := e.Spec.Labels[v1alpha1.LabelEdge]; !edge || v != "" {
		t.Errorf("the edge label is %q, %v; CloudCore serves nodes whose value is empty", v, edge)
	}
	if _, _, err := New(t.Context(), c, Request{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("an empty request gets %v", err)
	}
}

func TestReserves(t *testing.T) {
	tests := []struct {
		phase v1alpha1.EnrollmentPhase
		state v1alpha1.EnrollmentState
		want  bool
	}{
		{"", "", true}, {v1alpha1.PhasePending, v1alpha1.StateActive, true}, {v1alpha1.PhasePending, v1alpha1.StateRevoked, false},
		{v1alpha1.PhaseReady, v1alpha1.StateRevoked, true}, {v1alpha1.PhaseReady, v1alpha1.StateRetired, true},
		{v1alpha1.PhaseExpired, "", false}, {v1alpha1.PhaseRefused, "", false}, {v1alpha1.PhaseRetired, v1alpha1.StateRetired, false},
	}
	for _, test := range tests {
		e := enrollment("X", func(e *v1alpha1.EdgeEnrollment) { e.Status.Phase, e.Spec.State = test.phase, test.state })
		if got := Reserves(e); got != test.want {
			t.Errorf("phase %q, state %q: %v", test.phase, test.state, got)
		}
	}
}
