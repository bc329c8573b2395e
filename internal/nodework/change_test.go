package nodework

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func TestLabelsAreParsedAndApplied(t *testing.T) {
	change, err := ParseLabels([]string{"a=1", "b=", "c-", "d=x-"})
	if err != nil {
		t.Fatal(err)
	}
	old := map[string]string{"a": "0", "c": "3", "e": "5"}
	got, err := change.apply(old, true)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"a": "1", "b": "", "d": "x-", "e": "5"}; !maps.Equal(got, want) {
		t.Errorf("labels are %v, want %v", got, want)
	}
	if old["a"] != "0" || len(old) != 3 {
		t.Errorf("the old labels were changed: %v", old)
	}
}

func TestLabelsThatAreRefused(t *testing.T) {
	for _, args := range [][]string{{"a"}, {""}, {"a=1", "a-"}} {
		if _, err := ParseLabels(args); err == nil {
			t.Errorf("labels %q were accepted", args)
		}
	}
	missing := Labels{"a": nil}
	if _, err := missing.apply(nil, true); !errors.Is(err, ErrNotOurs) {
		t.Errorf("taking off a label that an enrolment does not hold: %v, want ErrNotOurs", err)
	}
	if _, err := missing.apply(nil, false); err != nil {
		t.Errorf("taking off a label that a Node does not have: %v", err)
	}
	if _, err := (Labels{v1alpha1.LabelEdge: nil}).apply(map[string]string{v1alpha1.LabelEdge: "edge"}, false); !errors.Is(err, ErrEdgeLabel) {
		t.Errorf("taking off the edge label: %v, want ErrEdgeLabel", err)
	}
}

func TestTaintsAreParsedAndApplied(t *testing.T) {
	change, err := ParseTaints([]string{"gpu=yes:NoSchedule", "new:NoExecute", "old-", "two:NoSchedule-"})
	if err != nil {
		t.Fatal(err)
	}
	old := []corev1.Taint{
		{Key: "gpu", Value: "no", Effect: corev1.TaintEffectNoSchedule},
		{Key: "old", Effect: corev1.TaintEffectNoSchedule}, {Key: "old", Effect: corev1.TaintEffectNoExecute},
		{Key: "two", Effect: corev1.TaintEffectNoSchedule}, {Key: "two", Effect: corev1.TaintEffectNoExecute},
	}
	got, err := change.apply(old, true)
	if err != nil {
		t.Fatal(err)
	}
	want := []corev1.Taint{
		{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule},
		{Key: "two", Effect: corev1.TaintEffectNoExecute}, {Key: "new", Effect: corev1.TaintEffectNoExecute},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("taints are %v, want %v", got, want)
	}
	if old[0].Value != "no" {
		t.Error("the old taints were changed")
	}
}

func TestTaintsThatAreRefused(t *testing.T) {
	for _, arg := range []string{"", "gpu", "gpu=yes", ":NoSchedule", "gpu=yes:NoSchedule-"} {
		if _, err := ParseTaints([]string{arg}); err == nil || !strings.Contains(err.Error(), "EFFECT") {
			t.Errorf("taint %q: %v, want it refused with how to write it", arg, err)
		}
	}
	off, err := ParseTaints([]string{"gpu-"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := off.apply(nil, true); !errors.Is(err, ErrNotOurs) {
		t.Errorf("taking off a taint that an enrolment does not hold: %v, want ErrNotOurs", err)
	}
}
