package nodework

import (
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

func TestLabelsAreParsedAndApplied(t *testing.T) {
	change, err := ParseLabels([]string{"a=1", "b=", "c-", "d=x-y"})
	if err != nil {
		t.Fatal(err)
	}
	old := map[string]string{"a": "0", "c": "3", "e": "5"}
	got, err := change.apply(old, true)
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"a": "1", "b": "", "d": "x-y", "e": "5"}; !maps.Equal(got, want) {
		t.Errorf("labels are %v, want %v", got, want)
	}
	if old["a"] != "0" || len(old) != 3 {
		t.Errorf("the old labels were changed: %v", old)
	}
}

func TestLabelsThatAreRefused(t *testing.T) {
	for _, args := range [][]string{{"a"}, {""}, {"a=1", "a-"}, {"a=1", "a=2"}, {"a=b=c"}, {"a=x-"}, {"-"}, {"=x"}, {"a b=c"},
		{"a=" + strings.Repeat("x", 64)}, {"a/b/c=d"}} {
		if _, err := ParseLabels(args); err == nil {
			t.Errorf("labels %q were accepted", args)
		}
	}
	missing := Labels{"a": nil}
	if _, err := missing.apply(nil, true); !errors.Is(err, ErrNotOurs) {
		t.Errorf("taking off a label that an enrollment does not hold: %v, want ErrNotOurs", err)
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

func TestTaintsAsKubectlWritesThem(t *testing.T) {
	for arg, want := range map[string]Taints{
		"gpu=yes:NoSchedule":          {Set: []corev1.Taint{{Key: "gpu", Value: "yes", Effect: "NoSchedule"}}},
		"gpu:NoExecute":               {Set: []corev1.Taint{{Key: "gpu", Effect: "NoExecute"}}},
		"gpu=:NoExecute":              {Set: []corev1.Taint{{Key: "gpu", Effect: "NoExecute"}}},
		"example.com/a:NoSchedule":    {Set: []corev1.Taint{{Key: "example.com/a", Effect: "NoSchedule"}}},
		"gpu-":                        {Remove: []corev1.Taint{{Key: "gpu"}}},
		"gpu:NoSchedule-":             {Remove: []corev1.Taint{{Key: "gpu", Effect: "NoSchedule"}}},
		"gpu=yes:PreferNoSchedule-":   {Remove: []corev1.Taint{{Key: "gpu", Effect: "PreferNoSchedule"}}},
		"example.com/a=b:NoSchedule-": {Remove: []corev1.Taint{{Key: "example.com/a", Effect: "NoSchedule"}}},
	} {
		got, err := ParseTaints([]string{arg})
		if err != nil {
			t.Errorf("%s: %v", arg, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", arg, diff)
		}
	}
}

func TestTaintsThatAreRefused(t *testing.T) {
	for _, arg := range []string{"", "-", "gpu", "gpu=yes", ":NoSchedule", "gpu=yes-", "a b:NoSchedule", "a=b=c-"} {
		if _, err := ParseTaints([]string{arg}); err == nil || !strings.Contains(err.Error(), "write KEY[=VALUE]:EFFECT") {
			t.Errorf("taint %q: %v, want it refused with how to write it", arg, err)
		}
	}
	for arg, want := range map[string]string{
		"gpu:Never": "is not an effect", "gpu=yes:-": "is not an effect", "gpu:NoSchedule:NoExecute": "is not an effect",
		"gpu=a b:NoSchedule": "is not a taint value", "a=b=c:NoSchedule": "is not a taint value",
	} {
		if _, err := ParseTaints([]string{arg}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("taint %q: %v, want %q", arg, err, want)
		}
	}
	if _, err := ParseTaints([]string{"a=1:NoSchedule", "a=2:NoSchedule"}); err == nil {
		t.Error("a taint that is named twice was accepted")
	}
	off, err := ParseTaints([]string{"gpu-"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := off.apply(nil, true); !errors.Is(err, ErrNotOurs) {
		t.Errorf("taking off a taint that an enrollment does not hold: %v, want ErrNotOurs", err)
	}
	if _, err := off.apply(nil, false); !errors.Is(err, ErrNoTaint) {
		t.Errorf("taking off a taint that a Node does not have: %v, want ErrNoTaint", err)
	}
}
