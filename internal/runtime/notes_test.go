package runtime

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/uninstall"
)

func TestNotesOfANodeAreItsProblems(t *testing.T) {
	condition := func(typ string, status metav1.ConditionStatus, reason string) metav1.Condition {
		return metav1.Condition{Type: typ, Status: status, Reason: reason, Message: "about " + reason}
	}
	yes, no := metav1.ConditionTrue, metav1.ConditionFalse
	for name, c := range map[string]struct {
		conditions []metav1.Condition
		want       []Note
	}{
		"all is well": {[]metav1.Condition{
			condition(v1alpha1.ConditionApplied, yes, "Synced"), condition(v1alpha1.ConditionGuarded, yes, "Guarding"),
			condition(v1alpha1.ConditionNoRoute, no, "Routable")}, nil},
		"not applied, and no route": {[]metav1.Condition{
			condition(v1alpha1.ConditionNoRoute, yes, "NoRoute"), condition(v1alpha1.ConditionApplied, no, "ApplyFailed")},
			[]Note{{"ApplyFailed", "n", "about ApplyFailed"}, {"NoRoute", "n", "about NoRoute"}}},
		"a guard that is switched off": {[]metav1.Condition{condition(v1alpha1.ConditionGuarded, no, "Disabled")}, nil},
		"a guard without facts":        {[]metav1.Condition{condition(v1alpha1.ConditionGuarded, no, "NoFacts")}, []Note{{"NoFacts", "n", "about NoFacts"}}},
		"a problem that we do not know": {[]metav1.Condition{condition("ForeignRules", yes, "Found")},
			[]Note{{"ForeignRules", "n", "about Found"}}},
	} {
		report := v1alpha1.CloudNodeRoutes{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: v1alpha1.CloudNodeRoutesStatus{Conditions: c.conditions}}
		if diff := cmp.Diff(c.want, nodeNotes(report)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	cluster := []metav1.Condition{condition(v1alpha1.ConditionPodPathBypassed, yes, "PodPathBypassed"), condition("Other", no, "Gone")}
	if diff := cmp.Diff([]Note{{Reason: v1alpha1.ConditionPodPathBypassed, Message: "about PodPathBypassed"}}, clusterNotes(cluster)); diff != "" {
		t.Errorf("cluster (-want +got):\n%s", diff)
	}
}

// TestOneBadObjectSpoilsNoStatus: it is named, and what the others say is shown.
func TestOneBadObjectSpoilsNoStatus(t *testing.T) {
	object := func(kind, name string, status any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": v1alpha1.GroupVersion.String(), "kind": kind,
			"metadata": map[string]any{"name": name}, "status": status}}
	}
	fault := map[string]any{"conditions": []any{map[string]any{"type": "ForeignRules", "status": "True", "reason": "Found", "message": "m"}}}
	kinds := map[schema.GroupVersionResource]string{
		uninstall.Resource("edgeroutetargets"): "EdgeRouteTargetsList", uninstall.Resource("cloudnoderoutes"): "CloudNodeRoutesList"}
	record := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: v1alpha1.TunnelPortConfigMap,
		Annotations: map[string]string{v1alpha1.TunnelPortAnnotation: `{"ipTunnelPort":{"10.0.0.1":"x"}}`}}}
	edge := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "edge-1", Labels: map[string]string{v1alpha1.LabelEdge: ""}}}
	r := &Runtime{kube: fake.NewClientset(record, edge), dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds)}
	broken := map[string]any{"conditions": "none"}
	for resource, o := range map[string]*unstructured.Unstructured{
		"edgeroutetargets":  object("EdgeRouteTargets", v1alpha1.TargetsName, broken),
		"cloudnoderoutes":   object("CloudNodeRoutes", "bad", broken),
		"cloudnoderoutes/2": object("CloudNodeRoutes", "good", fault),
	} {
		resource, _, _ = strings.Cut(resource, "/")
		if _, err := r.dynamic.Resource(uninstall.Resource(resource)).Create(t.Context(), o, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	var s Status
	if err := errors.Join(r.addNotes(t.Context(), &s), r.addEdgeNodes(t.Context(), &s)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range s.Notes {
		got = append(got, n.Node+"/"+n.Reason)
		if n.Message == "" {
			t.Errorf("%+v says nothing", n)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"/BadTargets", "/BadTunnelRecord", "bad/BadReport", "good/ForeignRules"}, got); diff != "" {
		t.Error(diff)
	}
	if s.EdgeNodes == nil || s.EdgeNodes.Total != 1 {
		t.Errorf("edge nodes: %+v", s.EdgeNodes)
	}
}
