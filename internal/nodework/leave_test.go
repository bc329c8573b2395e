package nodework

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	objectfake "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

var twoBudgets = apierrors.NewInternalError(errors.New("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."))

// cluster has edge node n with a pod for each fate; evicting the pods in refused fails.
type cluster struct {
	Clients
	fake    *fake.Clientset
	refused map[string]error
	steps   []string
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := &cluster{refused: map[string]error{}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "1", Labels: map[string]string{v1alpha1.LabelEdge: ""}},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}}
	c.fake = fake.NewClientset(node,
		podOf("app", "ReplicaSet"), podOf("bare", ""), podOf("web", "ReplicaSet"), podOf("log", "DaemonSet"),
		podOf("job", "Job", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }),
		podOf("static", "", func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"} }),
		podOf("cache", "StatefulSet", func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
		}))
	c.fake.PrependReactor("create", "pods/eviction", c.evicts)
	c.Clients = Clients{Kube: c.fake, Objects: objectfake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.EdgeEnrollment{}).Build()}
	return c
}

// evicts answers as kube-apiserver does: a pod that may go goes at once.
func (c *cluster) evicts(action clienttesting.Action) (bool, runtime.Object, error) {
	eviction := action.(clienttesting.CreateAction).GetObject().(*policyv1.Eviction)
	if err := c.refused[eviction.Name]; err != nil {
		return true, nil, err
	}
	if eviction.DeleteOptions != nil && len(eviction.DeleteOptions.DryRun) > 0 {
		return true, nil, nil
	}
	return true, nil, c.fake.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("pods"), eviction.Namespace, eviction.Name)
}

func podOf(name, owner string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Spec: corev1.PodSpec{NodeName: "n"}}
	if owner != "" {
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: owner, Name: "o", Controller: &yes}}
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func (c *cluster) step(name, message string) {
	if step := name + ": " + message; len(c.steps) == 0 || c.steps[len(c.steps)-1] != step {
		c.steps = append(c.steps, step)
	}
}

func (c *cluster) nodeGone(t *testing.T) bool {
	t.Helper()
	_, err := c.Kube.CoreV1().Nodes().Get(t.Context(), "n", metav1.GetOptions{})
	return apierrors.IsNotFound(err)
}

func (c *cluster) pods(t *testing.T) []string {
	t.Helper()
	pods, err := c.podsOn(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range pods {
		out = append(out, pods[i].Name)
	}
	slices.Sort(out)
	return out
}

func TestPlanLeave(t *testing.T) {
	c := newCluster(t)
	c.refused["web"] = twoBudgets
	c.refused["app"] = apierrors.NewForbidden(corev1.Resource("pods"), "app", errors.New("cannot create resource pods/eviction"))
	got, err := c.PlanLeave(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	want := &LeavePlan{
		Evicted: []string{"ns/app", "ns/bare", "ns/cache", "ns/web"}, Unmanaged: []string{"ns/bare"}, LocalData: []string{"ns/cache"},
		DaemonSets: []string{"ns/log"}, Mirror: []string{"ns/static"}, Online: true,
		Refused: []PodRefusal{{"ns/web", "Internal error occurred: This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if left := c.pods(t); len(left) != 7 {
		t.Errorf("a plan has removed pods; %v are left", left)
	}
}

// What the plan calls evicted and what leaving removes are the same pods.
func TestLeaveDoesWhatThePlanSays(t *testing.T) {
	c := newCluster(t)
	plan, err := c.PlanLeave(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Leave(t.Context(), "n", LeaveOptions{Timeout: time.Minute}, c.step); err != nil {
		t.Fatal(err)
	}
	if want := []string{"log", "static"}; !slices.Equal(c.pods(t), want) || len(plan.DaemonSets)+len(plan.Mirror) != len(want) {
		t.Errorf("%v are left, want %v", c.pods(t), want)
	}
	if !c.nodeGone(t) {
		t.Error("the Node is still there")
	}
}

func TestOnePodsRefusalKeepsNeitherDeadlineNorForce(t *testing.T) {
	for _, force := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t)
			c.refused["app"] = twoBudgets
			begin := time.Now()
			err := c.Leave(t.Context(), "n", LeaveOptions{Timeout: 10 * time.Second, Force: force}, c.step)
			if took := time.Since(begin); took < 10*time.Second || took > 12*time.Second {
				t.Errorf("leaving took %s, want the timeout of 10s", took)
			}
			if want := []string{"app", "log", "static"}; !slices.Equal(c.pods(t), want) {
				t.Errorf("%v are left, want %v", c.pods(t), want)
			}
			if !slices.ContainsFunc(c.steps, func(s string) bool {
				return strings.Contains(s, "ns/app: Internal error occurred: This pod has more than one")
			}) {
				t.Errorf("no step says why: %q", c.steps)
			}
			if force {
				if err != nil || !c.nodeGone(t) {
					t.Errorf("with force: %v, node gone %v", err, c.nodeGone(t))
				}
				return
			}
			if !errors.Is(err, ErrPodsLeft) || !strings.Contains(err.Error(), "more than one PodDisruptionBudget") || c.nodeGone(t) {
				t.Errorf("without force: %v, node gone %v", err, c.nodeGone(t))
			}
		})
	}
}

func TestAListThatFailsKeepsNeitherDeadlineNorForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.fake.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewInternalError(errors.New("etcdserver: request timed out"))
		})
		if err := c.Leave(t.Context(), "n", LeaveOptions{Timeout: time.Second}, c.step); !errors.Is(err, ErrPodsLeft) || !strings.Contains(err.Error(), "etcdserver") {
			t.Errorf("without force: %v", err)
		}
		if err := c.Leave(t.Context(), "n", LeaveOptions{Timeout: time.Second, Force: true}, c.step); err != nil || !c.nodeGone(t) {
			t.Errorf("with force: %v", err)
		}
	})
}

func enrollmentOf(change func(*v1alpha1.EdgeEnrollment)) *v1alpha1.EdgeEnrollment {
	e := &v1alpha1.EdgeEnrollment{ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.JoinNamespace, Name: "n-x", UID: types.UID("e"), Generation: 1},
		Spec: v1alpha1.EdgeEnrollmentSpec{NodeName: "n"}, Status: v1alpha1.EdgeEnrollmentStatus{Phase: v1alpha1.PhaseVerified}}
	change(e)
	return e
}

func notRetired(reason, message string) func(*v1alpha1.EdgeEnrollment) {
	return func(e *v1alpha1.EdgeEnrollment) {
		e.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionRetired, Status: metav1.ConditionFalse, Reason: reason, Message: message, ObservedGeneration: 9}}
	}
}

// Whoever waits for edge-watcher hears how it ends, whatever edge-watcher does.
func TestLeaveThroughAnEnrollmentEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*v1alpha1.EdgeEnrollment)
		force  bool
		want   error
		says   string
		within time.Duration
	}{
		{"edge-watcher is not there", func(*v1alpha1.EdgeEnrollment) {}, true, ErrStalled, "has not begun", 60 * time.Second},
		{"pods stay, no force", notRetired(v1alpha1.ReasonDrainBlocked, "after 10s 1 pod is still there"), false, ErrPodsLeft, "1 pod is still there", time.Second},
		{"pods stay, a forced retirement is not over", notRetired(v1alpha1.ReasonDrainBlocked, "after 10s 1 pod is still there"), true, ErrStalled, "1 pod is still there", 60 * time.Second},
		{"the Node cannot be deleted", notRetired(v1alpha1.ReasonRetireFailed, "a webhook says no"), true, ErrStalled, "a webhook says no", 60 * time.Second},
		{"the edge label is gone", notRetired(v1alpha1.ReasonNotAnEdgeNode, "no label"), true, ErrCloudNode, "", time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, enrollmentOf(test.change))
				begin := time.Now()
				err := c.Leave(t.Context(), "n", LeaveOptions{Timeout: 10 * time.Second, Force: test.force}, c.step)
				if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, want %v that says %q", err, test.want, test.says)
				}
				if took := time.Since(begin); took > test.within {
					t.Errorf("it took %s, want at most %s", took, test.within)
				}
			})
		})
	}
}

func TestLeaveSurvivesAnOutageAndSeesTheEnd(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *cluster){
		"the Node goes": func(t *testing.T, c *cluster) {
			if err := c.Kube.CoreV1().Nodes().Delete(t.Context(), "n", metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
		},
		"the device registers again at once": func(t *testing.T, c *cluster) {
			nodes := c.Kube.CoreV1().Nodes()
			if err := nodes.Delete(t.Context(), "n", metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
			if _, err := nodes.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", UID: "2"}}, metav1.CreateOptions{}); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, enrollmentOf(func(*v1alpha1.EdgeEnrollment) {}))
				outage := time.Now().Add(2 * time.Second)
				c.fake.PrependReactor("get", "nodes", func(clienttesting.Action) (bool, runtime.Object, error) {
					if now := time.Now(); now.Before(outage) && now.After(outage.Add(-time.Second)) {
						return true, nil, apierrors.NewServiceUnavailable("apiserver is shutting down")
					}
					return false, nil, nil
				})
				time.AfterFunc(5*time.Second, func() { end(t, c) })
				if err := c.Leave(t.Context(), "n", LeaveOptions{Timeout: 10 * time.Second}, c.step); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestLeaveEndsWhenItIsCalledOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, enrollmentOf(func(*v1alpha1.EdgeEnrollment) {}))
		time.AfterFunc(3*time.Second, func() {
			if err := c.Cordon(context.WithoutCancel(t.Context()), "n", false); err != nil {
				t.Error(err)
			}
		})
		if err := c.Leave(t.Context(), "n", LeaveOptions{Timeout: 10 * time.Second}, c.step); !errors.Is(err, ErrCalledOff) {
			t.Errorf("got %v, want ErrCalledOff", err)
		}
	})
}
