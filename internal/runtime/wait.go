package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/errcat/kubecode"
)

// Component is one workload of KubeEdge.
type Component struct {
	Name    string `json:"name" doc:"cloudcore, edgeWatcher or iptablesOperator."`
	Kind    string `json:"kind" doc:"Deployment or DaemonSet."`
	Image   string `json:"image" doc:"Image that is asked for."`
	Desired int    `json:"desired" doc:"Pods that are wanted."`
	Updated int    `json:"updated" doc:"Pods of the newest settings."`
	Ready   int    `json:"ready" doc:"Pods that are available."`
	// Settled means that the controller has seen the newest settings and all pods run them.
	Settled bool   `json:"settled" doc:"Everything wanted runs."`
	Message string `json:"message,omitempty" doc:"Why it is not settled."`
}

// componentNames in the order in which they are waited for.
var componentNames = []string{"cloudcore", "edgeWatcher", "iptablesOperator"}

// component reads one workload.
func (r *Runtime) component(ctx context.Context, name string) (Component, error) {
	switch name {
	case "cloudcore":
		return r.deployment(ctx, name, deploymentCloudCore)
	case "edgeWatcher":
		return r.deployment(ctx, name, deploymentWatcher)
	default:
		return r.daemonSet(ctx, name, daemonSetOperator)
	}
}

func (r *Runtime) deployment(ctx context.Context, name, object string) (Component, error) {
	d, err := r.kube.AppsV1().Deployments(Namespace).Get(ctx, object, metav1.GetOptions{})
	if err != nil {
		return Component{}, fmt.Errorf("read Deployment %s: %w", object, err)
	}
	c := Component{
		Name: name, Kind: "Deployment", Image: firstImage(d.Spec.Template.Spec), Desired: 1,
		Updated: int(d.Status.UpdatedReplicas), Ready: int(d.Status.AvailableReplicas),
	}
	if d.Spec.Replicas != nil {
		c.Desired = int(*d.Spec.Replicas)
	}
	// While old pods run beside new ones, available ones may be the old.
	c.Settled = d.Status.ObservedGeneration >= d.Generation && c.Updated >= c.Desired && c.Ready >= c.Desired &&
		int(d.Status.Replicas) == c.Desired
	return r.explained(ctx, c, object), nil
}

func (r *Runtime) daemonSet(ctx context.Context, name, object string) (Component, error) {
	d, err := r.kube.AppsV1().DaemonSets(Namespace).Get(ctx, object, metav1.GetOptions{})
	if err != nil {
		return Component{}, fmt.Errorf("read DaemonSet %s: %w", object, err)
	}
	c := Component{
		Name: name, Kind: "DaemonSet", Image: firstImage(d.Spec.Template.Spec), Desired: int(d.Status.DesiredNumberScheduled),
		Updated: int(d.Status.UpdatedNumberScheduled), Ready: int(d.Status.NumberAvailable),
	}
	c.Settled = d.Status.ObservedGeneration >= d.Generation && c.Updated >= c.Desired && c.Ready >= c.Desired
	return r.explained(ctx, c, object), nil
}

func firstImage(spec corev1.PodSpec) string {
	if len(spec.Containers) == 0 {
		return ""
	}
	return spec.Containers[0].Image
}

// explained adds why the component is not settled, as far as pods tell.
func (r *Runtime) explained(ctx context.Context, c Component, app string) Component {
	if c.Settled {
		return c
	}
	c.Message = fmt.Sprintf("%d of %d pods run the newest settings, %d of all are ready", c.Updated, c.Desired, c.Ready)
	pods, err := r.kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=" + app})
	if err != nil {
		return c
	}
	for _, pod := range pods.Items {
		if why := podTrouble(pod); why != "" {
			c.Message += ": " + why
			return c
		}
	}
	return c
}

// podTrouble is the first reason why a pod does not run.
func podTrouble(pod corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return fmt.Sprintf("pod %s is not scheduled: %s", pod.Name, condition.Message)
		}
	}
	// An init container that fails keeps the others from starting.
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		w := status.State.Waiting
		if w == nil || w.Reason == "ContainerCreating" || w.Reason == "PodInitializing" {
			continue
		}
		return fmt.Sprintf("pod %s: %s %s", pod.Name, w.Reason, w.Message)
	}
	return ""
}

// waitReady waits for all workloads at once and reports each as a step.
func (r *Runtime) waitReady(ctx context.Context, progress Progress) error {
	var last []Component
	var unread error // an API server that does not answer for a while is no reason to give up
	err := r.poll(ctx, r.timeouts.Ready, func(ctx context.Context) (bool, error) {
		now, err := r.components(ctx)
		if ctx.Err() != nil {
			return false, err
		}
		if unread = err; err != nil {
			progress(Step{Name: componentNames[0], State: StepRunning, Message: "cannot be read: " + kubecode.Message(err)})
			return false, nil
		}
		last = now
		settled := true
		for _, c := range last {
			if c.Settled {
				progress(Step{Name: c.Name, State: StepDone, Message: fmt.Sprintf("%d of %d pods ready", c.Ready, c.Desired)})
				continue
			}
			settled = false
			progress(Step{Name: c.Name, State: StepRunning, Message: c.Message})
		}
		return settled, nil
	})
	if !errors.Is(err, errTimeout) {
		return err
	}
	if unread != nil {
		// No ErrNotReady: who cannot look has no reason to roll back.
		return errcat.Errorf("NotReady", "whether KubeEdge became ready in %s is not known, the last look failed: %w", r.timeouts.Ready, unread)
	}
	var why []string
	for _, c := range last {
		if !c.Settled {
			progress(Step{Name: c.Name, State: StepFailed, Message: c.Message})
			why = append(why, c.Name+": "+c.Message)
		}
	}
	return fmt.Errorf("%w: %s", ErrNotReady, strings.Join(why, "; "))
}

func (r *Runtime) components(ctx context.Context) ([]Component, error) {
	var out []Component
	for _, name := range componentNames {
		c, err := r.component(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}
