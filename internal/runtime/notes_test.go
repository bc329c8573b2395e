package runtime

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
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
