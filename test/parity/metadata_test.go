package parity

import (
	"encoding/json"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/nodework"
)

// metadata is what labels and taints of a node are set to before each try.
func metadata(n *corev1.Node) {
	n.Labels = map[string]string{v1alpha1.LabelEdge: "", "site": "berlin", "line": "3"}
	n.Spec.Taints = []corev1.Taint{{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoSchedule},
		{Key: "gpu", Value: "yes", Effect: corev1.TaintEffectNoExecute}, {Key: "old", Effect: corev1.TaintEffectNoSchedule}}
}

func (p *place) clients() nodework.Clients {
	p.t.Helper()
	scheme := client.Options{Scheme: schemeOf(p.t)}
	objects, err := client.New(cluster.Config, scheme)
	if err != nil {
		p.t.Fatal(err)
	}
	return nodework.Clients{Kube: p.kube, Objects: objects}
}

// reset gives the node its first labels and taints back.
func (p *place) reset(name string) {
	p.t.Helper()
	var n corev1.Node
	metadata(&n)
	patch, err := json.Marshal([]map[string]any{
		{"op": "add", "path": "/metadata/labels", "value": n.Labels}, {"op": "add", "path": "/spec/taints", "value": n.Spec.Taints}})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.kube.CoreV1().Nodes().Patch(p.t.Context(), name, types.JSONPatchType, patch, metav1.PatchOptions{}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) get(name string) *corev1.Node {
	p.t.Helper()
	n, err := p.kube.CoreV1().Nodes().Get(p.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

func byKey(taints []corev1.Taint) map[string]string {
	out := map[string]string{}
	for _, t := range taints {
		out[t.Key+":"+string(t.Effect)] = t.Value
	}
	return out
}

// A change that kubectl accepts is accepted and has the same outcome; what kubectl refuses
// is refused, and nothing of it is applied.
func TestLabelsAndTaintsAsKubectl(t *testing.T) {
	p := newPlace(t, "ours")
	p.node("theirs", nil)
	c := p.clients()
	for _, test := range []struct{ verb, words string }{
		{"label", "site=hamburg"}, {"label", "new=1 line-"}, {"label", "empty="}, {"label", "example.com/a=b.c-d_e"}, {"label", "absent-"},
		{"label", "site"}, {"label", "site=a=b"}, {"label", "site=x-"}, {"label", "site=ü"}, {"label", "=x"}, {"label", "a/b/c=d"},
		{"label", "site=hamburg site-"}, {"label", "site=" + strings.Repeat("x", 64)}, {"label", "ok=1 site=a=b"}, {"label", "-bad=x"},
		{"taint", "gpu=no:NoSchedule"}, {"taint", "new:NoExecute"}, {"taint", "new=:PreferNoSchedule"}, {"taint", "gpu-"},
		{"taint", "gpu:NoSchedule-"}, {"taint", "gpu=yes:NoSchedule-"}, {"taint", "gpu=other:NoSchedule-"}, {"taint", "old- new=1:NoSchedule"},
		{"taint", "example.com/a=b:NoSchedule"}, {"taint", "absent-"}, {"taint", "old:NoExecute-"},
		{"taint", "gpu"}, {"taint", "gpu=yes"}, {"taint", "gpu=yes-"}, {"taint", "gpu=yes:Never"}, {"taint", "gpu:Never-"}, {"taint", ":NoSchedule"},
		{"taint", "a=b=c:NoSchedule"}, {"taint", "a:NoSchedule:NoExecute"}, {"taint", "a=1:NoSchedule a=2:NoSchedule"}, {"taint", "gpu=a_-:NoSchedule"},
		{"taint", "ok=1:NoSchedule gpu=yes:Never"}, {"taint", "gpu=yes:noschedule"},
	} {
		t.Run(test.verb+" "+test.words, func(t *testing.T) {
			for _, name := range []string{"ours", "theirs"} {
				p.reset(name)
			}
			words := strings.Fields(test.words)
			args := []string{test.verb, "node", "theirs", "--overwrite"}
			// Words after "--" are never flags.
			_, theirs := kubectl(t, append(append(args, "--"), words...)...)
			ours := change(t, c, test.verb, words)
			if (theirs == nil) != (ours == nil) {
				t.Errorf("kubectl: %v; ours: %v", theirs, ours)
			}
			want, got := p.get("theirs"), p.get("ours")
			if diff := gocmp.Diff(want.Labels, got.Labels); diff != "" {
				t.Errorf("labels (-kubectl +ours):\n%s", diff)
			}
			if diff := gocmp.Diff(byKey(want.Spec.Taints), byKey(got.Spec.Taints)); diff != "" {
				t.Errorf("taints (-kubectl +ours):\n%s", diff)
			}
		})
	}
}

func change(t *testing.T, c nodework.Clients, verb string, words []string) error {
	t.Helper()
	var m nodework.Metadata
	var err error
	if verb == "label" {
		m.Labels, err = nodework.ParseLabels(words)
	} else {
		m.Taints, err = nodework.ParseTaints(words)
	}
	if err != nil {
		return err
	}
	return c.Change(t.Context(), "ours", m)
}
