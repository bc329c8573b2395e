package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/edgeway-io/edgeway/test/onsite"
)

// A join with one kind of programs is never recorded as one with the other.
func TestJoinFigureFitsThePrograms(t *testing.T) {
	for figure, kubeEdge := range map[string]string{joinStandIns: onsite.StandIn, joinKubeEdge: "/opt/kubeedge"} {
		if err := rightPrograms(figure, kubeEdge); err != nil {
			t.Errorf("%s with programs %q: %v", figure, kubeEdge, err)
		}
	}
	for figure, c := range map[string]struct{ kubeEdge, remedy string }{
		joinStandIns: {"/opt/kubeedge", "it has /opt/kubeedge; run make down and make up first, or measure " + joinKubeEdge},
		joinKubeEdge: {onsite.StandIn, "it has stand-in; run make down and make up KUBEEDGE=/dir first, or measure " + joinStandIns},
	} {
		if err := rightPrograms(figure, c.kubeEdge); !errors.Is(err, errOtherPrograms) || !strings.Contains(err.Error(), c.remedy) {
			t.Errorf("%s with programs %q: error %v, want one with %q", figure, c.kubeEdge, err, c.remedy)
		}
	}
	all, err := choose("")
	if err != nil || !all[joinStandIns] || all[joinKubeEdge] {
		t.Errorf("without names: %v (%v), want %s and not %s", all, err, joinStandIns, joinKubeEdge)
	}
}
