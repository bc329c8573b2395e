package parity

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/nodework"
	"github.com/edgeway-io/edgeway/internal/watcher/enrollment"
)

// twice is what the API server says of a pod under two PodDisruptionBudgets.
const twice = "more than one PodDisruptionBudget"

func schemeOf(t *testing.T) *kruntime.Scheme {
	t.Helper()
	scheme := kruntime.NewScheme()
	for _, add := range []func(*kruntime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// guarded puts a pod under two budgets onto the node, and one without any.
func (p *place) guarded() {
	p.t.Helper()
	for _, name := range []string{"one", "two"} {
		budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: policyv1.PodDisruptionBudgetSpec{
			MinAvailable: &intstr.IntOrString{IntVal: 1}, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "guarded"}}}}
		if _, err := p.kube.PolicyV1().PodDisruptionBudgets(p.name).Create(p.t.Context(), budget, metav1.CreateOptions{}); err != nil {
			p.t.Fatal(err)
		}
	}
	yes := true
	owned := func(pod *corev1.Pod) {
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "rs", UID: "u", Controller: &yes}}
	}
	p.pod("guarded", func(pod *corev1.Pod) {
		owned(pod)
		pod.Labels = map[string]string{"app": "guarded"}
	}, ready(in(corev1.PodRunning, running(true))))
	p.pod("free", owned, ready(in(corev1.PodRunning, running(true))))
	p.pod("bare", nil, ready(in(corev1.PodRunning, running(true))))
	p.pod("job", nil, in(corev1.PodSucceeded, completed))
}

// asked reports whether the eviction of a pod was accepted.
func (p *place) asked(name string) bool {
	p.t.Helper()
	pod, err := p.kube.CoreV1().Pods(p.name).Get(p.t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return true
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return pod.DeletionTimestamp != nil
}

func (p *place) wantLeft(err error, steps []string) {
	p.t.Helper()
	if !errors.Is(err, nodework.ErrPodsLeft) || !strings.Contains(err.Error(), p.name+"/guarded: ") || !strings.Contains(err.Error(), twice) {
		p.t.Errorf("without force leaving ends with %v", err)
	}
	if !slices.ContainsFunc(steps, func(s string) bool { return strings.Contains(s, twice) }) {
		p.t.Errorf("no step says why: %q", steps)
	}
	for _, name := range []string{"free", "bare", "job"} {
		if !p.asked(name) {
			p.t.Errorf("pod %s was not evicted", name)
		}
	}
	if p.asked("guarded") {
		p.t.Error("the guarded pod was evicted")
	}
	if !p.get(p.name).Spec.Unschedulable {
		p.t.Error("the node is not cordoned")
	}
}

func (p *place) wantGone(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Errorf("with force leaving ends with %v", err)
	}
	if _, err := p.kube.CoreV1().Nodes().Get(p.t.Context(), p.name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		p.t.Errorf("the Node is still there: %v", err)
	}
}

// steps collects what Leave tells.
func steps(to *[]string) func(name, message string) {
	return func(name, message string) { *to = append(*to, name+": "+message) }
}

// A node without an enrollment, and a pod that cannot be evicted.
func TestLeaveEndsWithAPodUnderTwoBudgets(t *testing.T) {
	p := newPlace(t, "leaves")
	p.guarded()
	c := p.clients()
	plan, err := c.PlanLeave(t.Context(), p.name)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Refused) != 1 || plan.Refused[0].Pod != "leaves/guarded" || !strings.Contains(plan.Refused[0].Reason, twice) {
		t.Errorf("refused %+v", plan.Refused)
	}
	if want := []string{"leaves/bare", "leaves/free", "leaves/guarded"}; !slices.Equal(plan.Evicted, want) || !slices.Equal(plan.Unmanaged, want[:1]) {
		t.Errorf("evicted %v, unmanaged %v", plan.Evicted, plan.Unmanaged)
	}
	if p.asked("free") {
		t.Fatal("the plan has evicted a pod")
	}
	var told []string
	p.wantLeft(c.Leave(t.Context(), p.name, nodework.LeaveOptions{Timeout: 2 * time.Second}, steps(&told)), told)
	p.wantGone(c.Leave(t.Context(), p.name, nodework.LeaveOptions{Timeout: time.Second, Force: true}, steps(&told)))
}

// The same through an enrollment, with edge-watcher's reconciler at work.
func TestRetireEndsWithAPodUnderTwoBudgets(t *testing.T) {
	p := newPlace(t, "retires")
	p.guarded()
	c := p.clients()
	key := p.enrolled(c.Objects)
	stop := p.reconcile(c.Objects, key)
	defer stop()
	var told []string
	p.wantLeft(c.Leave(t.Context(), p.name, nodework.LeaveOptions{Timeout: 2 * time.Second}, steps(&told)), told)
	plan, err := c.PlanLeave(t.Context(), p.name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(plan.Retiring, twice) {
		t.Errorf("the plan says of the retirement: %q", plan.Retiring)
	}
	p.wantGone(c.Leave(t.Context(), p.name, nodework.LeaveOptions{Timeout: time.Second, Force: true}, steps(&told)))
	e := p.tombstone(c.Objects, key)
	if e.Holds() || !e.OfDevice() {
		t.Errorf("phase %s: the tombstone holds its name: %v", e.Status.Phase, e.Holds())
	}
}

// tombstone waits until the reconciler has seen that the Node is gone.
func (p *place) tombstone(c client.Client, key client.ObjectKey) *v1alpha1.EdgeEnrollment {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		var e v1alpha1.EdgeEnrollment
		if err := c.Get(p.t.Context(), key, &e); err != nil {
			p.t.Fatal(err)
		}
		if e.Status.Phase == v1alpha1.PhaseRetired {
			return &e
		}
		if time.Now().After(end) {
			p.t.Fatalf("the enrollment stays in phase %s", e.Status.Phase)
		}
	}
}

// enrolled makes an enrollment whose node has joined.
func (p *place) enrolled(c client.Client) client.ObjectKey {
	p.t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.JoinNamespace}}
	if err := c.Create(p.t.Context(), ns); client.IgnoreAlreadyExists(err) != nil {
		p.t.Fatal(err)
	}
	e := &v1alpha1.EdgeEnrollment{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.JoinNamespace, Name: p.name}, Spec: v1alpha1.EdgeEnrollmentSpec{
		NodeName: p.name, Arch: "amd64", NodeIP: "192.168.100.1", CodeHash: enroll.HashCode("x"), State: v1alpha1.StateActive,
		CloudCore: v1alpha1.CloudCoreAddress{Host: "198.18.0.2", WebSocketPort: 31000, CertPort: 31002, TunnelPort: 31004}}}
	if err := c.Create(p.t.Context(), e); err != nil {
		p.t.Fatal(err)
	}
	e.Status.Phase = v1alpha1.PhaseVerified
	e.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReserved, Status: metav1.ConditionTrue, Reason: "Reserved", LastTransitionTime: metav1.Now()}}
	if err := c.Status().Update(p.t.Context(), e); err != nil {
		p.t.Fatal(err)
	}
	return client.ObjectKeyFromObject(e)
}

// reconcile does what edge-watcher does with the enrollment, until stop is called.
func (p *place) reconcile(c client.Client, key client.ObjectKey) (stop func()) {
	r := enrollment.NewReconciler(c, c, p.kube.CoreV1().RESTClient(), nil, enrollment.Options{ProbeImage: "probe"})
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() {
		for ctx.Err() == nil {
			result, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: key})
			if err != nil && ctx.Err() == nil {
				done <- fmt.Errorf("reconcile: %w", err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(min(max(result.RequeueAfter, 100*time.Millisecond), 500*time.Millisecond)):
			}
		}
		done <- nil
	}()
	stopped := false
	return func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
	}
}
