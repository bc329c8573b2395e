package nodework

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/drain"
	"github.com/edgeway-io/edgeway/internal/observe"
)

// rehearsal bounds how long a plan asks which evictions would be refused.
const rehearsal = 3 * time.Second

// LeavePlan says what leaving means for a node's pods. Finished pods are in none of its
// lists: they are removed, and nothing is lost with them.
type LeavePlan struct {
	Evicted    []string     `json:"evicted" doc:"Pods that are evicted, namespace/name"`
	Unmanaged  []string     `json:"unmanaged" doc:"Those of the evicted pods that have no controller: they are gone for good"`
	LocalData  []string     `json:"localData" doc:"Those of the evicted pods whose emptyDir data is lost"`
	DaemonSets []string     `json:"daemonSets" doc:"Pods of DaemonSets, which go with the node"`
	Mirror     []string     `json:"mirror" doc:"Static pods, which end only on the device"`
	Refused    []PodRefusal `json:"refused" doc:"Pods whose eviction the API server refuses at present; empty, too, when you may not evict pods"`
	Online     bool         `json:"online" doc:"The node is Ready. A node that is not cannot end its pods, and nobody waits for them"`
	Enrollment string       `json:"enrollment,omitempty" doc:"The enrollment through which edge-watcher retires the node"`
	Retiring   string       `json:"retiring,omitempty" doc:"What a retirement that has begun waits for"`
}

// PodRefusal is a pod that cannot be evicted and why.
type PodRefusal struct {
	Pod    string `json:"pod" doc:"namespace/name"`
	Reason string `json:"reason"`
}

// PlanLeave reads what Leave would do.
func (c Clients) PlanLeave(ctx context.Context, name string) (*LeavePlan, error) {
	node, err := c.EdgeNode(ctx, name)
	if err != nil {
		return nil, err
	}
	pods, err := c.podsOn(ctx, name)
	if err != nil {
		return nil, err
	}
	out := planOf(pods)
	out.Online = online(node)
	out.Refused = c.rehearse(ctx, pods, out.Online)
	if e, err := c.Enrollment(ctx, name); err == nil {
		out.Enrollment = e.Name
		retired := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionRetired)
		if e.Spec.State == v1alpha1.StateRetired && retired != nil && retired.Status == metav1.ConditionFalse {
			out.Retiring = retired.Message
		}
	}
	return out, nil
}

func planOf(pods []corev1.Pod) *LeavePlan {
	out := &LeavePlan{Evicted: []string{}, Unmanaged: []string{}, LocalData: []string{}, DaemonSets: []string{}, Mirror: []string{}, Refused: []PodRefusal{}}
	for i := range pods {
		pod := &pods[i]
		name := pod.Namespace + "/" + pod.Name
		switch drain.Of(pod) {
		case drain.Moves:
			out.Evicted = append(out.Evicted, name)
		case drain.Lost:
			out.Evicted, out.Unmanaged = append(out.Evicted, name), append(out.Unmanaged, name)
		case drain.OfDaemonSet:
			out.DaemonSets = append(out.DaemonSets, name)
		case drain.Mirror:
			out.Mirror = append(out.Mirror, name)
		case drain.Finished:
		}
		if drain.LosesData(pod) {
			out.LocalData = append(out.LocalData, name)
		}
	}
	return out
}

// rehearse asks the API server to evict the pods as a dry run, so the answer is its own
// and covers PodDisruptionBudgets as well as admission webhooks. Errors that say nothing
// about a real eviction are left out.
func (c Clients) rehearse(ctx context.Context, pods []corev1.Pod, online bool) []PodRefusal {
	ctx, cancel := context.WithTimeout(ctx, rehearsal)
	defer cancel()
	out := []PodRefusal{}
	for _, left := range drain.Pass(ctx, pods, online, func(ctx context.Context, pod *corev1.Pod) error {
		err := c.evict(ctx, pod, metav1.DryRunAll)
		if ctx.Err() != nil || mayDiffer(err) {
			return nil
		}
		return err
	}) {
		if left.Reason != "" {
			out = append(out, PodRefusal(left))
		}
	}
	return out
}

// mayDiffer: the user may not evict pods while edge-watcher may, and webhooks with side
// effects refuse every dry run.
func mayDiffer(err error) bool {
	return apierrors.IsBadRequest(err) || apierrors.IsForbidden(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

func (c Clients) evict(ctx context.Context, pod *corev1.Pod, dryRun ...string) error {
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace}}
	if len(dryRun) > 0 {
		eviction.DeleteOptions = &metav1.DeleteOptions{DryRun: dryRun}
	}
	return c.Kube.CoreV1().Pods(pod.Namespace).EvictV1(ctx, eviction)
}

func (c Clients) podsOn(ctx context.Context, node string) ([]corev1.Pod, error) {
	pods, err := c.Kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("spec.nodeName", node).String()})
	if err != nil {
		return nil, err
	}
	return pods.Items, nil
}

func online(node *corev1.Node) bool { return observe.NodeOf(node).State == "Ready" }
