package parity

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/edgeway-io/edgeway/internal/observe"
)

var gap = regexp.MustCompile(`\s{2,}`)

// The list of pods has the columns of kubectl get pods -o wide, cell by cell.
func TestPodsAsKubectlGetPods(t *testing.T) {
	if len(states) < 25 {
		t.Fatalf("%d states", len(states))
	}
	p := newPlace(t, "states")
	for _, s := range states {
		p.pod(s.name, s.spec, s.status)
		if s.deleted {
			if err := p.kube.CoreV1().Pods(p.name).Delete(t.Context(), s.name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := time.Now()
	printed := mustKubectl(t, "get", "pods", "-n", p.name, "-o", "wide", "--no-headers")
	after := time.Now()
	list, err := p.kube.CoreV1().Pods(p.name).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string][]string{}, map[string][]string{}
	ages := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(printed), "\n") {
		cells := gap.Split(strings.TrimSpace(line), -1)
		if len(cells) < 7 {
			t.Fatalf("kubectl prints %q", line)
		}
		ages[cells[0]] = cells[4]
		want[cells[0]] = slices.Delete(cells[1:7], 3, 4)
	}
	for i := range list.Items {
		row := observe.PodOf(&list.Items[i])
		restarts := strconv.Itoa(int(row.Restarts))
		if !row.Restarted.IsZero() {
			restarts += " (" + duration.HumanDuration(time.Since(row.Restarted)) + " ago)"
		}
		got[row.Name] = []string{fmt.Sprintf("%d/%d", row.Ready, row.Total), row.Status, restarts, cmp.Or(row.IP, "<none>"), cmp.Or(row.Node, "<none>")}
		if age := ages[row.Name]; !isAge(age, row.Created, before, after) {
			t.Errorf("kubectl says that %s is %s old; created %s", row.Name, age, row.Created)
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("READY, STATUS, RESTARTS, IP and NODE (-kubectl +ours):\n%s", diff)
	}
}

// isAge: the age was printed at some moment between two.
func isAge(text string, created, from, to time.Time) bool {
	for at := from.Add(-time.Second); !at.After(to.Add(time.Second)); at = at.Add(100 * time.Millisecond) {
		if duration.HumanDuration(at.Sub(created)) == text {
			return true
		}
	}
	return false
}

// request gives a container requests and no limits.
func request(c *corev1.Container, pairs ...string) {
	c.Resources.Requests = resources(pairs...)
}

// The sums of a node are those of kubectl describe node, line by line.
func TestRequestsAsKubectlDescribeNode(t *testing.T) {
	p := newPlace(t, "sums")
	class := &nodev1.RuntimeClass{ObjectMeta: metav1.ObjectMeta{Name: "vm"}, Handler: "vm", Overhead: &nodev1.Overhead{PodFixed: resources("cpu=250m", "memory=120Mi")}}
	if _, err := p.kube.NodeV1().RuntimeClasses().Create(t.Context(), class, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, spec := range map[string]func(*corev1.Pod){
		"plain": func(p *corev1.Pod) { request(&p.Spec.Containers[0], "cpu=100m", "memory=64Mi") },
		"none":  nil,
		"odd": func(p *corev1.Pod) {
			request(&p.Spec.Containers[0], "cpu=0.0005", "memory=100M")
		},
		"init-larger": func(p *corev1.Pod) {
			with(2, 1, 0)(p)
			request(&p.Spec.InitContainers[0], "cpu=400m", "memory=32Mi")
			request(&p.Spec.Containers[0], "cpu=50m")
			request(&p.Spec.Containers[1], "memory=40Mi")
		},
		"sidecar-and-init": func(p *corev1.Pod) {
			with(1, 2, 1)(p)
			request(&p.Spec.InitContainers[0], "cpu=150m", "memory=100Mi")
			request(&p.Spec.InitContainers[1], "cpu=300m")
			request(&p.Spec.Containers[0], "cpu=50m", "memory=10Mi")
		},
		"limits-only": func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Limits = resources("cpu=1500m", "memory=1Gi", "ephemeral-storage=2Gi")
		},
		"pod-level": func(p *corev1.Pod) {
			with(2, 0, 0)(p)
			request(&p.Spec.Containers[0], "cpu=10m")
			p.Spec.Resources = &corev1.ResourceRequirements{Requests: resources("cpu=700m", "memory=300Mi"), Limits: resources("cpu=900m", "memory=400Mi")}
		},
		"overhead": func(p *corev1.Pod) {
			vm := "vm"
			p.Spec.RuntimeClassName = &vm
			p.Spec.Containers[0].Resources.Limits = resources("cpu=20m", "memory=20Mi")
		},
		"devices": func(p *corev1.Pod) {
			p.Spec.Containers[0].Resources.Limits = resources("cpu=1m", "memory=1Mi", "hugepages-2Mi=4Mi", "example.com/gpu=1")
		},
		"ended": func(p *corev1.Pod) { request(&p.Spec.Containers[0], "cpu=3", "memory=6Gi") },
	} {
		status := in(corev1.PodRunning)
		if name == "ended" {
			status = in(corev1.PodFailed)
		}
		p.pod(name, spec, status)
	}
	described := mustKubectl(t, "describe", "node", p.name)
	node, err := p.kube.CoreV1().Nodes().Get(t.Context(), p.name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pods, err := p.kube.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + p.name})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range observe.AllocatedOf(node, pods.Items) {
		got = append(got, strings.Join([]string{a.Resource, share(a.Requests, a.RequestsPercent), share(a.Limits, a.LimitsPercent)}, " | "))
	}
	if diff := gocmp.Diff(allocated(t, described), got); diff != "" {
		t.Errorf("allocated resources (-kubectl +ours):\n%s", diff)
	}
	count := observe.CountPods(observe.PodUses(pods.Items))[p.name]
	if want := fmt.Sprintf("(%d in total)", count.Active); !strings.Contains(described, want) {
		t.Errorf("kubectl does not say %q:\n%s", want, described)
	}
	// The rows of the node list have the same sums as numbers.
	for _, a := range observe.AllocatedOf(node, pods.Items)[:2] {
		for text, amount := range map[string]observe.Amount{a.Requests: count.Requested, a.Limits: count.Limits} {
			want := resources("x=" + text)["x"]
			have := map[string]int64{"cpu": amount.CPUNanoCores, "memory": amount.MemoryBytes}[a.Resource]
			if exact := map[string]int64{"cpu": want.ScaledValue(-9), "memory": want.Value()}[a.Resource]; exact != have {
				t.Errorf("%s of the row is %d, want %s", a.Resource, have, text)
			}
		}
	}
}

func share(quantity string, percent *int64) string {
	if percent == nil {
		return quantity
	}
	return fmt.Sprintf("%s (%d%%)", quantity, *percent)
}

// allocated are the lines of the section of that name.
func allocated(t *testing.T, described string) []string {
	t.Helper()
	_, section, found := strings.Cut(described, "Allocated resources:")
	section, _, ended := strings.Cut(section, "Events:")
	_, lines, headed := strings.Cut(section, "------\n")
	if !found || !ended || !headed {
		t.Fatalf("kubectl describe node has no allocated resources:\n%s", described)
	}
	var out []string
	for _, line := range strings.Split(strings.TrimRight(lines, "\n"), "\n") {
		out = append(out, strings.Join(gap.Split(strings.TrimSpace(line), -1), " | "))
	}
	return out
}
