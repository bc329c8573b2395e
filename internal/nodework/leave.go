package nodework

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/observe"
)

// poll is how often a leaving node is looked at.
const poll = 500 * time.Millisecond

// Names of the steps of leaving, in order. StepRetire is edge-watcher at work.
const (
	StepRetire = "retire"
	StepCordon = "cordon"
	StepDrain  = "drain"
	StepDelete = "delete"
	StepGone   = "gone"
)

// LeavePlan says what leaving means for a node's pods.
type LeavePlan struct {
	Evicted    []string `json:"evicted" doc:"Pods that are evicted, namespace/name"`
	DaemonSets []string `json:"daemonSets" doc:"Pods of DaemonSets, which go with the node"`
	LocalData  []string `json:"localData" doc:"Pods whose emptyDir data is lost"`
	Online     bool     `json:"online" doc:"The node is Ready; else only force helps"`
	Enrollment string   `json:"enrollment,omitempty" doc:"The enrolment through which edge-watcher retires it"`
}

// LeaveOptions bound how long pods may take.
type LeaveOptions struct {
	// Timeout for the pods to go; 0 takes edge-watcher's own, and looks once where
	// there is no enrolment.
	Timeout time.Duration
	// Force goes on when pods are still there after it.
	Force bool
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
	out := &LeavePlan{Evicted: []string{}, DaemonSets: []string{}, LocalData: []string{}}
	out.Online = observe.NodeOf(node).State == "Ready"
	for i := range pods {
		out.add(&pods[i])
	}
	if e, err := c.Enrollment(ctx, name); err == nil {
		out.Enrollment = e.Name
	}
	return out, nil
}

func (p *LeavePlan) add(pod *corev1.Pod) {
	name := pod.Namespace + "/" + pod.Name
	if ofDaemonSet(pod) {
		p.DaemonSets = append(p.DaemonSets, name)
		return
	}
	p.Evicted = append(p.Evicted, name)
	for _, v := range pod.Spec.Volumes {
		if v.EmptyDir != nil {
			p.LocalData = append(p.LocalData, name)
			return
		}
	}
}

func ofDaemonSet(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	return owner != nil && owner.Kind == "DaemonSet"
}

func (c Clients) podsOn(ctx context.Context, node string) ([]corev1.Pod, error) {
	pods, err := c.Kube.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		return nil, err
	}
	return pods.Items, nil
}

// Leave retires an edge node and returns when it is gone. step is told what happens.
func (c Clients) Leave(ctx context.Context, node string, o LeaveOptions, step func(name, message string)) error {
	err := c.patchSpec(ctx, node, func(spec *v1alpha1.EdgeEnrollmentSpec) error {
		spec.State, spec.Force = v1alpha1.StateRetired, o.Force
		if o.Timeout > 0 {
			spec.DrainTimeout = &metav1.Duration{Duration: o.Timeout}
		}
		return nil
	})
	if errors.Is(err, ErrNoEnrollment) || apierrors.IsForbidden(err) {
		return c.drainAndDelete(ctx, node, o, step)
	}
	if err != nil {
		return err
	}
	step(StepRetire, node)
	return c.awaitGone(ctx, node, step)
}

// awaitGone watches edge-watcher retire the node.
func (c Clients) awaitGone(ctx context.Context, node string, step func(string, string)) error {
	return wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		_, err := c.Kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			step(StepGone, node)
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if e, err := c.Enrollment(ctx, node); err == nil {
			for _, cond := range e.Status.Conditions {
				if cond.Type == v1alpha1.ConditionRetired && cond.Status == metav1.ConditionFalse {
					step(StepRetire, cond.Message)
				}
			}
		}
		return false, nil
	})
}

// drainAndDelete is the way for nodes without an enrolment.
func (c Clients) drainAndDelete(ctx context.Context, node string, o LeaveOptions, step func(string, string)) error {
	step(StepCordon, node)
	if err := c.setUnschedulable(ctx, node, true); err != nil {
		return err
	}
	if err := c.drain(ctx, node, o, step); err != nil {
		return err
	}
	step(StepDelete, node)
	if err := c.Kube.CoreV1().Nodes().Delete(ctx, node, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	step(StepGone, node)
	return nil
}

func (c Clients) drain(ctx context.Context, node string, o LeaveOptions, step func(string, string)) error {
	deadline := time.Now().Add(o.Timeout)
	return wait.PollUntilContextCancel(ctx, poll, true, func(ctx context.Context) (bool, error) {
		pods, err := c.podsOn(ctx, node)
		if err != nil {
			return false, err
		}
		left, err := c.evict(ctx, pods)
		if err != nil || left == 0 {
			return left == 0, err
		}
		step(StepDrain, strconv.Itoa(left))
		if time.Now().Before(deadline) {
			return false, nil
		}
		if !o.Force {
			return false, fmt.Errorf("%d %w after %s", left, ErrPodsLeft, o.Timeout)
		}
		return true, nil
	})
}

// evict asks every pod to go that no DaemonSet would put there again, and counts them.
func (c Clients) evict(ctx context.Context, pods []corev1.Pod) (left int, err error) {
	for i := range pods {
		p := &pods[i]
		if ofDaemonSet(p) {
			continue
		}
		left++
		if p.DeletionTimestamp != nil {
			continue
		}
		err := c.Kube.CoreV1().Pods(p.Namespace).EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}})
		// Too many requests: a PodDisruptionBudget says not yet.
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsTooManyRequests(err) {
			return left, err
		}
	}
	return left, nil
}
