package enrollment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

const (
	// verifyEvery is how often a node is looked at that has just come up, and
	// verifyAtLeast how often one that takes long.
	verifyEvery, verifyAtLeast = time.Second, 10 * time.Second
	// CloudCore can lose a pod that is bound while its node registers; such a pod
	// never shows a container state, and a new one runs at once.
	probeLost = 20 * time.Second
	// probeStuck gives an image pull time before a fresh pod is tried.
	probeStuck = 3 * time.Minute
)

// verify runs a pod on the node and reads its log line and the node's summary the
// way a user would. Only what was really read counts.
func (r *Reconciler) verify(ctx context.Context, e *v1alpha1.EdgeEnrollment) (ctrl.Result, error) {
	pods, err := r.probePods(ctx, e)
	if err != nil {
		return ctrl.Result{}, err
	}
	again := ctrl.Result{RequeueAfter: r.pace(e)}
	if len(pods) == 0 {
		if err := r.client.Create(ctx, r.probePod(e)); err != nil {
			return ctrl.Result{}, fmt.Errorf("creating the probe pod for %q: %w", e.Spec.NodeName, err)
		}
		r.set(e, v1alpha1.ConditionVerified, false, "ProbeStarting", "the probe pod was created")
		return ctrl.Result{RequeueAfter: probeLost}, nil
	}
	pod := &pods[0]
	if why := waiting(pod); why != "" {
		r.set(e, v1alpha1.ConditionVerified, false, "ProbeNotRunning", why)
		if left := r.patience(pod); left > 0 {
			return ctrl.Result{RequeueAfter: left}, nil // a change of the pod comes by itself
		}
		return again, r.deletePods(ctx, pods)
	}
	if reason, err := r.readAll(ctx, e, pod); err != nil {
		r.set(e, v1alpha1.ConditionVerified, false, reason, err.Error())
		return again, nil
	}
	r.set(e, v1alpha1.ConditionVerified, true, "Read", "a log line and the node's summary were read through the tunnel")
	advance(e, v1alpha1.PhaseVerified)
	return ctrl.Result{}, r.deletePods(ctx, pods)
}

// pace grows with the time that a node takes: hundreds that wait for a slow image
// must not keep the API server from those that arrive.
func (r *Reconciler) pace(e *v1alpha1.EdgeEnrollment) time.Duration {
	up := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionTunnelUp)
	if up == nil {
		return verifyEvery
	}
	return min(max(r.o.Now().Sub(up.LastTransitionTime.Time)/10, verifyEvery), verifyAtLeast)
}

func (r *Reconciler) readAll(ctx context.Context, e *v1alpha1.EdgeEnrollment, pod *corev1.Pod) (reason string, err error) {
	log, err := r.tunnel.podLog(ctx, pod.Namespace, pod.Name)
	if err != nil {
		return "LogUnreadable", fmt.Errorf("reading the probe's log: %w", err)
	}
	// CloudStream answers 200 whatever happens: an error's text comes as the log.
	if !bytes.Contains(log, []byte(probeLine(e))) {
		return "LogUnreadable", fmt.Errorf("the probe's log does not hold its line but %q", shorten(log))
	}
	raw, err := r.tunnel.summary(ctx, e.Spec.NodeName)
	if err != nil {
		return "SummaryUnreadable", fmt.Errorf("reading the node's summary: %w", err)
	}
	return "SummaryUnreadable", checkSummary(raw, e.Spec.NodeName)
}

// checkSummary: with two nodes on one address CloudStream may answer for the other.
func checkSummary(raw []byte, nodeName string) error {
	var s struct {
		Node struct {
			NodeName string `json:"nodeName"`
			CPU      *struct {
				UsageCoreNanoSeconds *uint64 `json:"usageCoreNanoSeconds"`
			} `json:"cpu"`
		} `json:"node"`
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("the node's summary is not one: %q", shorten(raw))
	}
	if s.Node.NodeName != nodeName {
		return fmt.Errorf("the summary that came is node %q's", s.Node.NodeName)
	}
	if s.Node.CPU == nil || s.Node.CPU.UsageCoreNanoSeconds == nil {
		return fmt.Errorf("the node's summary holds no CPU usage yet")
	}
	return nil
}

func shorten(b []byte) string {
	const most = 200
	return strings.TrimSpace(string(b[:min(len(b), most)]))
}

// waiting says why the pod has written nothing yet; empty when it has run.
func waiting(pod *corev1.Pod) string {
	if !pod.DeletionTimestamp.IsZero() {
		return "an earlier probe pod is being deleted"
	}
	if len(pod.Status.ContainerStatuses) == 0 {
		return "the node has not taken the probe pod yet"
	}
	s := pod.Status.ContainerStatuses[0].State
	if s.Running != nil || s.Terminated != nil {
		return ""
	}
	if s.Waiting != nil && s.Waiting.Reason != "" {
		return strings.TrimSuffix("the probe's container waits: "+s.Waiting.Reason+": "+s.Waiting.Message, ": ")
	}
	return "the probe's container has not started yet"
}

// patience is what is left of the time that a pod has to start, or to go.
func (r *Reconciler) patience(pod *corev1.Pod) time.Duration {
	most, since := probeLost, pod.CreationTimestamp.Time
	if len(pod.Status.ContainerStatuses) > 0 {
		most = probeStuck
	}
	if !pod.DeletionTimestamp.IsZero() {
		most, since = probeLost, pod.DeletionTimestamp.Time
	}
	return since.Add(most).Sub(r.o.Now())
}

func (r *Reconciler) probePods(ctx context.Context, e *v1alpha1.EdgeEnrollment) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := r.live.List(ctx, &list, client.InNamespace(v1alpha1.JoinNamespace), client.MatchingLabels{v1alpha1.LabelEnrollment: string(e.UID)})
	if err != nil {
		return nil, fmt.Errorf("listing probe pods: %w", err)
	}
	return list.Items, nil
}

// deletePods gives the node a moment, but not twice: a pod that CloudCore has lost is
// one that nobody confirms the end of, and a probe holds nothing worth a farewell.
func (r *Reconciler) deletePods(ctx context.Context, pods []corev1.Pod) error {
	for i := range pods {
		grace := client.GracePeriodSeconds(1)
		if !pods[i].DeletionTimestamp.IsZero() {
			grace = 0
		}
		if err := r.client.Delete(ctx, &pods[i], grace); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting probe pod %s: %w", pods[i].Name, err)
		}
	}
	return nil
}

// probeLine is what the probe prints; the UID tells it from any other pod's.
func probeLine(e *v1alpha1.EdgeEnrollment) string { return "edgeway-probe " + string(e.UID) }

// probePod is bound to the node directly: no scheduler has to agree, no taint
// keeps it off, and it gets no token of the cluster's. Its namespace enforces the Pod
// Security Standard "restricted".
func (r *Reconciler) probePod(e *v1alpha1.EdgeEnrollment) *corev1.Pod {
	no, yes, grace, uid := false, true, int64(1), int64(65534)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: v1alpha1.JoinNamespace, GenerateName: "edgeway-probe-",
			Labels: map[string]string{v1alpha1.LabelEnrollment: string(e.UID), "app.kubernetes.io/name": "edgeway-probe"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "EdgeEnrollment",
				Name: e.Name, UID: e.UID}},
		},
		Spec: corev1.PodSpec{
			NodeName: e.Spec.NodeName, RestartPolicy: corev1.RestartPolicyNever,
			Tolerations:                  []corev1.Toleration{{Operator: corev1.TolerationOpExists}},
			AutomountServiceAccountToken: &no, EnableServiceLinks: &no, TerminationGracePeriodSeconds: &grace,
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &uid, RunAsGroup: &uid,
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{
				Name: "probe", Image: r.o.ProbeImage, ImagePullPolicy: corev1.PullIfNotPresent, Args: strings.Fields(probeLine(e)),
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
					Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			}},
		},
	}
}
