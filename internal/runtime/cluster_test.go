package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/settings"
	"github.com/edgeway-io/edgeway/internal/uninstall"
	"github.com/edgeway-io/edgeway/test/apiserver"
	"github.com/edgeway-io/edgeway/test/objects"
)

// cluster is a real control plane; of a node only what the API shows of it is there.
type cluster struct {
	*apiserver.Server
	kube    kubernetes.Interface
	dynamic dynamic.Interface
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	server := apiserver.ForTest(t, apiserver.Options{NoCRDs: true, ServerArgs: []string{"--service-node-port-range=20000-32767"}})
	err := server.StartControllers("deployment-controller", "replicaset-controller", "daemonset-controller",
		"namespace-controller", "garbage-collector-controller")
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{Server: server, kube: kubernetes.NewForConfigOrDie(server.Config), dynamic: dynamic.NewForConfigOrDie(server.Config)}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "cp"}}
	if node, err = c.kube.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	node.Spec.Taints = nil
	if node, err = c.kube.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.168.1.10"}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if _, err = c.kube.CoreV1().Nodes().UpdateStatus(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { c.playNode(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return c
}

// playNode does for pods what scheduler and kubelet do, as far as the API shows it.
func (c *cluster) playNode(ctx context.Context) {
	for ctx.Err() == nil {
		pods, err := c.kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		if err == nil {
			for _, pod := range pods.Items {
				c.playPod(ctx, pod) // tried again in the next round
			}
		}
		c.playOperator(ctx)
		time.Sleep(50 * time.Millisecond)
	}
}

func (c *cluster) playPod(ctx context.Context, pod corev1.Pod) {
	pods, now := c.kube.CoreV1().Pods(pod.Namespace), int64(0)
	switch {
	case pod.Spec.NodeName == offline: // nobody plays a node that cannot be reached
	case pod.DeletionTimestamp != nil:
		_ = pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: &now})
	case pod.Spec.NodeName == "":
		_ = pods.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
			Target: corev1.ObjectReference{Kind: "Node", Name: "cp"}}, metav1.CreateOptions{})
	case pod.Status.Phase != corev1.PodRunning:
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}
		_, _ = pods.UpdateStatus(ctx, &pod, metav1.UpdateOptions{})
	}
}

// offline is an edge node that does nothing that it is told.
const offline = "offline"

// probe is a pod as edge-watcher runs one on every edge node that joins.
func (c *cluster) probe(t *testing.T) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "edgeway-probe-"},
		Spec: corev1.PodSpec{NodeName: offline, ServiceAccountName: "edgeway-redeemer",
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{Name: "probe", Image: "probe", SecurityContext: &corev1.SecurityContext{
				AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}}}},
	}
	if _, err := c.kube.CoreV1().Pods(v1alpha1.JoinNamespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// playOperator reports that the node's kernel holds no rules once that is asked for.
func (c *cluster) playOperator(ctx context.Context) {
	targets, err := c.dynamic.Resource(uninstall.Resource("edgeroutetargets")).Get(ctx, v1alpha1.TargetsName, metav1.GetOptions{})
	if err != nil || targets.GetAnnotations()[v1alpha1.AnnotationUninstall] == "" {
		return
	}
	reports := c.dynamic.Resource(uninstall.Resource("cloudnoderoutes"))
	report := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(), "kind": "CloudNodeRoutes", "metadata": map[string]any{"name": "cp"},
	}}
	if report, err = reports.Create(ctx, report, metav1.CreateOptions{}); err != nil {
		return // it is there, or tried again
	}
	report.Object["status"] = map[string]any{"conditions": []any{map[string]any{
		"type": v1alpha1.ConditionApplied, "status": "False", "reason": v1alpha1.ReasonRemoved, "message": "removed",
		"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
	}}}
	_, _ = reports.UpdateStatus(ctx, report, metav1.UpdateOptions{})
}

// picture of the cluster once controllers have done what follows from a change.
func (c *cluster) picture(t *testing.T) objects.Picture {
	t.Helper()
	var last objects.Picture
	for range 100 {
		now, err := objects.Take(t.Context(), c.Config)
		if err != nil {
			t.Fatal(err)
		}
		if last != nil && same(last, now) {
			return now
		}
		last = now
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the cluster does not come to rest")
	return nil
}

func same(a, b objects.Picture) bool {
	if len(a) != len(b) {
		return false
	}
	for key, text := range a {
		if b[key] != text {
			return false
		}
	}
	return true
}

// runtime whose process dies after so many writes; never with less than none. Its
// clock is ahead by the given time.
func (c *cluster) runtime(t *testing.T, writes int, ahead time.Duration) (*Runtime, *mortal) {
	t.Helper()
	m := &mortal{left: writes}
	config := rest.CopyConfig(c.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return mortalTransport{m, next} })
	r, err := New(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r = r.WithTimeouts(Timeouts{Ready: 2 * time.Minute, Address: time.Minute, Gone: 2 * time.Minute, Poll: 50 * time.Millisecond})
	r.now = func() time.Time { return time.Now().Add(ahead) }
	return r, m
}

// mortal is a process that is killed: from its end on no request leaves it.
type mortal struct {
	mu     sync.Mutex
	left   int
	dead   bool
	end    func() // ends what the process waits for
	writes []string
}

type mortalTransport struct {
	m    *mortal
	next http.RoundTripper
}

var errDead = errors.New("the process is dead")

// RoundTrip implements http.RoundTripper.
func (t mortalTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	t.m.mu.Lock()
	dead := t.m.dead
	t.m.mu.Unlock()
	if dead {
		return nil, errDead
	}
	res, err := t.next.RoundTrip(req)
	if !isWrite(req) {
		return res, err
	}
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	t.m.writes = append(t.m.writes, req.Method+" "+req.URL.Path)
	if t.m.left--; t.m.left == 0 {
		t.m.dead = true
		if t.m.end != nil {
			t.m.end()
		}
	}
	if t.m.dead { // the answer finds nobody
		if err == nil {
			_ = res.Body.Close()
		}
		return nil, errDead
	}
	return res, err
}

// isWrite leaves questions and dry runs out.
func isWrite(req *http.Request) bool {
	question := strings.Contains(req.URL.Path, "accessreviews") || req.URL.Query().Has("dryRun")
	return req.Method != http.MethodGet && req.Method != http.MethodHead && !question
}

// history of the release: one line a revision.
func (c *cluster) history(t *testing.T) []string {
	t.Helper()
	secrets, err := c.kube.CoreV1().Secrets(Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	var out []string
	for _, s := range secrets.Items {
		out = append(out, fmt.Sprintf("%s %s", s.Labels["name"], s.Labels["status"]))
	}
	slices.Sort(out)
	return out
}

// enabled settings: one port is outside the usual range, so that the cluster has to be
// asked for it with a real Service.
func enabledSettings() settings.Settings {
	s := withAddress(settings.Default(settings.NodePort))
	s.CloudHub.HTTPS.Port = 21002
	return s
}
