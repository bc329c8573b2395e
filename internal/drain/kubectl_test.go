package drain

import (
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	kubectl "k8s.io/kubectl/pkg/drain"
)

func owned(apiVersion, kind string) func(*corev1.Pod) {
	yes := true
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: "owner", Controller: &yes}}
	}
}

func unmanaged(p *corev1.Pod) { p.OwnerReferences = nil }

func mirror(p *corev1.Pod) {
	p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: "n"}}
}

func failed(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }

func emptyDir(p *corev1.Pod) {
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "v", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
}

func hostPath(p *corev1.Pod) {
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "h", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/x"}}})
}

func notController(p *corev1.Pod) { p.OwnerReferences[0].Controller = nil }

// The pods that leave and those that do not are the ones of kubectl's own code.
func TestOfMatchesKubectlDrain(t *testing.T) {
	daemonSet := owned("apps/v1", "DaemonSet")
	tests := []struct {
		pod   corev1.Pod
		fate  Fate
		loses bool
	}{
		{pod("replicas"), Moves, false},
		{pod("replicas-data", emptyDir), Moves, true},
		{pod("host-path", hostPath), Moves, false},
		{pod("stateful", owned("apps/v1", "StatefulSet")), Moves, false},
		{pod("job-running", owned("batch/v1", "Job")), Moves, false},
		{pod("job-done", owned("batch/v1", "Job"), finished), Finished, false},
		{pod("job-failed-data", owned("batch/v1", "Job"), failed, emptyDir), Finished, false},
		{pod("custom", owned("example.com/v1", "Game")), Moves, false},
		{pod("daemon-of-others", owned("apps.kruise.io/v1alpha1", "DaemonSet")), Moves, false},
		{pod("daemon", daemonSet), OfDaemonSet, false},
		{pod("daemon-data", daemonSet, emptyDir), OfDaemonSet, false},
		{pod("daemon-failed", daemonSet, failed), Finished, false},
		{pod("bare", unmanaged), Lost, false},
		{pod("bare-data", unmanaged, emptyDir), Lost, true},
		{pod("bare-done", unmanaged, finished), Finished, false},
		{pod("owned-not-controlled", notController), Lost, false},
		{pod("static", mirror), Mirror, false},
		{pod("static-failed", mirror, failed), Mirror, false},
		{pod("static-data", mirror, emptyDir), Mirror, false},
		{pod("ending", ending), Moves, false},
	}
	client := fake.NewClientset(&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "owner"}})
	var goes, unmanagedPods, data []string
	for i := range tests {
		p := &tests[i].pod
		if got := Of(p); got != tests[i].fate {
			t.Errorf("%s: fate %d, want %d", p.Name, got, tests[i].fate)
		}
		if got := LosesData(p); got != tests[i].loses {
			t.Errorf("%s: loses data %v, want %v", p.Name, got, tests[i].loses)
		}
		switch Of(p) {
		case Moves, Finished:
			goes = append(goes, p.Name)
		case Lost:
			goes, unmanagedPods = append(goes, p.Name), append(unmanagedPods, p.Name)
		}
		if LosesData(p) {
			data = append(data, p.Name)
		}
		p.Spec.NodeName = "n"
		if _, err := client.CoreV1().Pods("ns").Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	all := kubectl.Helper{Ctx: t.Context(), Client: client, Force: true, IgnoreAllDaemonSets: true, DeleteEmptyDirData: true, Out: io.Discard, ErrOut: io.Discard}
	kept, strict := all, all
	kept.Force, strict.DeleteEmptyDirData = false, false
	everything := names(t, &all)
	for _, test := range []struct {
		what      string
		want, got []string
	}{
		{"pods that go", everything, goes},
		{"pods that need kubectl's --force", without(everything, names(t, &kept)), unmanagedPods},
		{"pods that need kubectl's --delete-emptydir-data", without(everything, names(t, &strict)), data},
	} {
		slices.Sort(test.want)
		slices.Sort(test.got)
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-kubectl +ours):\n%s", test.what, diff)
		}
	}
}

// names are the pods that kubectl would delete.
func names(t *testing.T, h *kubectl.Helper) []string {
	t.Helper()
	list, errs := h.GetPodsForDeletion("n")
	if list == nil {
		t.Fatal(errs)
	}
	var out []string
	for _, p := range list.Pods() {
		out = append(out, p.Name)
	}
	return out
}

func without(all, some []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return slices.Contains(some, name) })
}
