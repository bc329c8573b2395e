package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/streamcert"
)

var errUnexpected = errors.New("not so")

const manyNodes = 1000

func edgeNode(name, address string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelEdge: ""}}}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: address}}
	node.Status.DaemonEndpoints.KubeletEndpoint.Port = 10351
	return node
}

// createNode creates a Node with its status.
func createNode(t *testing.T, node *corev1.Node) {
	t.Helper()
	status := node.Status
	create(t, node)
	node.Status = status
	if err := admin.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
}

// cloudCore is one CloudCore with a record, and a cloud node for it to run on.
func cloudCore(t *testing.T) {
	t.Helper()
	cloud := edgeNode("cloud-1", "10.0.0.1")
	cloud.Labels = nil
	createNode(t, cloud)
	node := cloud.Name
	create(t, &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "cloudcore-x", Namespace: v1alpha1.KubeEdgeNamespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: "cloudcore"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.5"}, NodeName: &node}},
	})
	create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Name: v1alpha1.TunnelPortConfigMap, Namespace: v1alpha1.KubeEdgeNamespace,
		Annotations: map[string]string{v1alpha1.TunnelPortAnnotation: `{"ipTunnelPort":{"10.1.0.5":10351},"port":{"10351":true}}`},
	}})
}

func startWatcher(t *testing.T) *program {
	t.Helper()
	p := start(t, "edge-watcher", "--kubeconfig="+kubeconfigOf(t, "edge-watcher", ""), "--leader-elect",
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--probe-image=none:1")
	t.Cleanup(func() {
		// RBAC lists what is used: a right that is missing is a line in the log.
		for line := range strings.Lines(p.output()) {
			if strings.Contains(line, "forbidden") {
				t.Errorf("edge-watcher lacks a right: %s", line)
			}
		}
	})
	return p
}

// removeOurs deletes what edge-watcher wrote.
func removeOurs(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: "edge-watcher", Namespace: v1alpha1.KubeEdgeNamespace}}
		err := client.IgnoreNotFound(admin.Delete(context.Background(), lease))
		for _, kind := range []client.Object{&v1alpha1.EdgeRouteSlice{}, &v1alpha1.EdgeRouteTargets{}, &v1alpha1.CloudNodeRoutes{}} {
			err = errors.Join(err, admin.DeleteAllOf(context.Background(), kind))
		}
		for _, name := range []string{streamcert.SecretName, streamcert.GateSecretName} {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.KubeEdgeNamespace}}
			err = errors.Join(err, client.IgnoreNotFound(admin.Delete(context.Background(), secret)))
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// routed is the address that every node is routed at.
func routed(t *testing.T) map[string]string {
	t.Helper()
	var list v1alpha1.EdgeRouteSliceList
	if err := admin.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, slice := range list.Items {
		for _, route := range slice.Routes {
			out[route.Node] = route.Address
		}
	}
	return out
}

func waitRouted(t *testing.T, what, node, address string) {
	t.Helper()
	eventually(t, what, func() error {
		if got := routed(t)[node]; got != address {
			return fmt.Errorf("node %s is routed at %q, want %q", node, got, address)
		}
		return nil
	})
}

// versions are the versions of everything that edge-watcher could have written.
func versions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, kind := range []string{"EdgeRouteSlice", "EdgeRouteTargets", "CloudNodeRoutes", "Node"} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind + "List"))
		if kind == "Node" {
			list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("NodeList"))
		}
		if err := admin.List(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			out[kind+"/"+item.Name] = item.ResourceVersion
		}
	}
	return out
}

// settled waits until edge-watcher has written nothing for a while, and returns the
// versions.
func settled(t *testing.T) map[string]string {
	t.Helper()
	last := versions(t)
	eventually(t, "edge-watcher is at rest", func() error {
		time.Sleep(3 * time.Second)
		now := versions(t)
		same := maps.Equal(last, now)
		last = now
		if !same {
			return errUnexpected
		}
		return nil
	})
	return last
}

func leader(t *testing.T) string {
	t.Helper()
	var lease coordinationv1.Lease
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: v1alpha1.KubeEdgeNamespace, Name: "edge-watcher"}, &lease); err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

func setAddress(t *testing.T, name, address string) {
	t.Helper()
	body := fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":%q}]}}`, address)
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := admin.Status().Patch(t.Context(), node, client.RawPatch(types.StrategicMergePatchType, []byte(body))); err != nil {
		t.Fatal(err)
	}
}

func manyAddress(i int) string { return fmt.Sprintf("192.168.%d.%d", i/250, i%250+1) }

// A thousand nodes; then a leader that dies, one that takes over, and one that starts
// anew: routes follow changes, and what has not changed is not written.
func TestWatcherOutlivesItsLeader(t *testing.T) {
	cloudCore(t)
	removeOurs(t)
	for i := range manyNodes {
		createNode(t, edgeNode(fmt.Sprintf("edge-%04d", i), manyAddress(i)))
	}
	first := startWatcher(t)
	eventually(t, "all nodes are routed", func() error {
		if n := len(routed(t)); n != manyNodes {
			return fmt.Errorf("%d routes", n)
		}
		return nil
	})
	before := settled(t)
	old := leader(t)

	// Heartbeats and a second replica write nothing.
	startWatcher(t)
	for i := range 200 {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("edge-%04d", i)}}
		body := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":%q}]}}`, time.Now().UTC().Format(time.RFC3339))
		if err := admin.Status().Patch(t.Context(), node, client.RawPatch(types.StrategicMergePatchType, []byte(body))); err != nil {
			t.Fatal(err)
		}
	}
	compareOurs(t, "heartbeats", before, settled(t))

	// The leader is killed; a change while nobody leads is caught up with.
	first.kill(t)
	setAddress(t, "edge-0500", "172.16.0.1")
	waitRouted(t, "the other replica takes over", "edge-0500", "172.16.0.1")
	if now := leader(t); now == old || now == "" {
		t.Errorf("leader is %q, was %q", now, old)
	}
	after := settled(t)
	var changed []string
	for name, version := range after {
		if !strings.HasPrefix(name, "Node/") && before[name] != version {
			changed = append(changed, name)
		}
	}
	if len(changed) != 1 || !strings.HasPrefix(changed[0], "EdgeRouteSlice/") {
		t.Errorf("a change of one address and of the leader wrote %v, want one slice", changed)
	}
}

// compareOurs compares the versions of our own objects.
func compareOurs(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if !strings.HasPrefix(name, "Node/") && before[name] != after[name] {
			t.Errorf("%s wrote %s", what, name)
		}
	}
	for name := range before {
		if _, found := after[name]; !found {
			t.Errorf("%s deleted %s", what, name)
		}
	}
}

func TestARestartWritesNothing(t *testing.T) {
	cloudCore(t)
	removeOurs(t)
	for i := range 20 {
		createNode(t, edgeNode(fmt.Sprintf("edge-%04d", i), manyAddress(i)))
	}
	nextSecond()
	createNode(t, edgeNode("younger", manyAddress(0))) // a conflict, with conditions on Nodes
	p := startWatcher(t)
	eventually(t, "the conflict is told", func() error { return hasReason(t, "younger", "AddressConflict") })
	before := settled(t)
	p.kill(t)
	old := leader(t)
	startWatcher(t)
	eventually(t, "the new process leads", func() error {
		if now := leader(t); now == old {
			return errUnexpected
		}
		return nil
	})
	after := settled(t)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			t.Errorf("a restart wrote %s", name)
		}
	}
	if len(before) != len(after) {
		t.Errorf("%d objects before the restart, %d after", len(before), len(after))
	}
}

// nextSecond waits until what is created now is younger than what was created before:
// a creationTimestamp has whole seconds, and of equally old claimants the UID decides.
func nextSecond() { time.Sleep(1100 * time.Millisecond) }

func hasReason(t *testing.T, name, reason string) error {
	t.Helper()
	var node corev1.Node
	if err := admin.Get(t.Context(), client.ObjectKey{Name: name}, &node); err != nil {
		return err
	}
	for _, c := range node.Status.Conditions {
		if c.Type == v1alpha1.ConditionRouted {
			if string(c.Reason) == reason {
				return nil
			}
			return fmt.Errorf("node %s has reason %s", name, c.Reason)
		}
	}
	return fmt.Errorf("node %s has no condition", name)
}

// All claimants of an address learn of it, by condition and by Event; written objects
// say when their cause was seen; reports of what is no cloud node go.
func TestWatcherTells(t *testing.T) {
	cloudCore(t)
	removeOurs(t)
	createNode(t, edgeNode("older", "192.168.1.1"))
	time.Sleep(1100 * time.Millisecond) // creation times have seconds
	createNode(t, edgeNode("younger", "192.168.1.1"))
	createNode(t, edgeNode("of-the-cloud", "10.0.0.1"))
	for _, name := range []string{"cloud-1", "gone", "older"} {
		report := &v1alpha1.CloudNodeRoutes{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := admin.Create(t.Context(), report); err != nil {
			t.Fatal(err)
		}
	}
	startWatcher(t)
	want := map[string]string{"older": "AddressShared", "younger": "AddressConflict", "of-the-cloud": "AddressOfCloudNode"}
	for name, reason := range want {
		eventually(t, "condition of "+name, func() error { return hasReason(t, name, reason) })
		eventually(t, "Event of "+name, func() error {
			var events eventsv1.EventList
			if err := admin.List(t.Context(), &events); err != nil {
				return err
			}
			if !slices.ContainsFunc(events.Items, func(e eventsv1.Event) bool {
				return e.Regarding.Kind == "Node" && e.Regarding.Name == name && e.Reason == reason && e.Type == corev1.EventTypeWarning
			}) {
				return errUnexpected
			}
			return nil
		})
	}
	eventually(t, "stale reports are deleted", func() error {
		var list v1alpha1.CloudNodeRoutesList
		if err := admin.List(t.Context(), &list); err != nil {
			return err
		}
		if len(list.Items) != 1 || list.Items[0].Name != "cloud-1" {
			return fmt.Errorf("%d reports are left", len(list.Items))
		}
		return nil
	})

	begin := time.Now()
	setAddress(t, "older", "192.168.1.2")
	waitRouted(t, "the new address", "older", "192.168.1.2")
	var list v1alpha1.EdgeRouteSliceList
	if err := admin.List(t.Context(), &list); err != nil || len(list.Items) != 1 {
		t.Fatalf("%d slices, %v", len(list.Items), err)
	}
	at, err := time.Parse(time.RFC3339Nano, list.Items[0].Annotations[v1alpha1.AnnotationChangedAt])
	if err != nil || at.Before(begin) || at.After(time.Now()) {
		t.Errorf("changed-at is %v, %v; want a time since %v", at, err, begin)
	}
}

// unreadableReport is the report of a cloud node with an address and a time that the API
// server takes and Go does not.
func unreadableReport(t *testing.T, node, address string) *unstructured.Unstructured {
	t.Helper()
	body := fmt.Sprintf("status: {addresses: [%s], appliedAt: '2026-01-01t00:00:00z', routes: 1}", address)
	report := object(t, "CloudNodeRoutes", node, body)
	create(t, report)
	status := object(t, "CloudNodeRoutes", node, body)
	status.SetResourceVersion(report.GetResourceVersion())
	if err := admin.Status().Update(t.Context(), status); err != nil {
		t.Fatal(err)
	}
	return status
}

// What is wrong with the cluster is in the status of EdgeRouteTargets.
func TestWatcherTellsOfTheCluster(t *testing.T) {
	cloudCore(t)
	removeOurs(t)
	create(t, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceSystem, Name: "cilium-config"},
		Data:       map[string]string{"kube-proxy-replacement": "true", "enable-bpf-masquerade": "true"},
	})
	create(t, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "kubernetes", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"203.0.113.5"}}},
	})
	createNode(t, edgeNode("others", "192.168.1.1"))
	createNode(t, edgeNode("taker", "10.0.0.99"))
	unreadable := unreadableReport(t, "cloud-1", "10.0.0.99")
	startWatcher(t)
	const fault = `CloudNodeRoutes cloud-1 cannot be used: status.appliedAt "2026-01-01t00:00:00z": `
	const remedy = "Delete CloudNodeRoutes cloud-1"
	eventually(t, "an Event tells of the report that cannot be read", func() error {
		var list eventsv1.EventList
		if err := admin.List(t.Context(), &list); err != nil {
			return err
		}
		if !slices.ContainsFunc(list.Items, func(e eventsv1.Event) bool {
			return e.Regarding.Kind == "CloudNodeRoutes" && e.Regarding.UID == unreadable.GetUID() && e.Type == corev1.EventTypeWarning &&
				strings.HasPrefix(e.Note, fault) && strings.Contains(e.Note, remedy)
		}) {
			return errUnexpected
		}
		return nil
	})
	waitRouted(t, "other nodes are routed all the same", "others", "192.168.1.1")
	eventually(t, "the addresses of that report are a cloud node's", func() error { return hasReason(t, "taker", "AddressOfCloudNode") })
	conditions := func(want ...string) func() error {
		return func() error {
			var targets v1alpha1.EdgeRouteTargets
			if err := admin.Get(t.Context(), client.ObjectKey{Name: v1alpha1.TargetsName}, &targets); err != nil {
				return err
			}
			var got []string
			for _, c := range targets.Status.Conditions {
				got = append(got, c.Type)
			}
			for _, typ := range want {
				if !meta.IsStatusConditionTrue(targets.Status.Conditions, typ) {
					return fmt.Errorf("conditions are %v, want %v", got, want)
				}
			}
			if len(got) != len(want) {
				return fmt.Errorf("conditions are %v, want %v", got, want)
			}
			return nil
		}
	}
	// They must last a minute before they are told.
	eventually(t, "all problems are told", conditions(v1alpha1.ConditionControlPlaneElsewhere, v1alpha1.ConditionPodPathBypassed,
		v1alpha1.ConditionReportUnusable, v1alpha1.ConditionOperatorMissing))
	var targets v1alpha1.EdgeRouteTargets
	if err := admin.Get(t.Context(), client.ObjectKey{Name: v1alpha1.TargetsName}, &targets); err != nil {
		t.Fatal(err)
	}
	if c := meta.FindStatusCondition(targets.Status.Conditions, v1alpha1.ConditionReportUnusable); c == nil || !strings.HasPrefix(c.Message, fault) || !strings.Contains(c.Message, remedy) {
		t.Errorf("the condition is %+v, want one that begins with %q and has %q", c, fault, remedy)
	}
	// No operator is there to write it anew, so with the report both of its problems go.
	if err := admin.Delete(t.Context(), unreadable); err != nil {
		t.Fatal(err)
	}
	var cilium corev1.ConfigMap
	if err := admin.Get(t.Context(), client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "cilium-config"}, &cilium); err != nil {
		t.Fatal(err)
	}
	cilium.Data["enable-host-legacy-routing"] = "true"
	if err := admin.Update(t.Context(), &cilium); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the remedy is noticed", conditions(v1alpha1.ConditionControlPlaneElsewhere))
}
