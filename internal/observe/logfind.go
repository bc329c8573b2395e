package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrNoWorkload: a workload's kind is none that has pods.
var ErrNoWorkload = errcat.New("Invalid", "not a workload").At("workload").Fix("for example Deployment/web")

// LogPick chooses logs: those of one pod, of a workload's pods, or of the pods that
// a label selector matches.
type LogPick struct {
	Namespace string
	// Pod, Workload (Kind/name) or Selector.
	Pod, Workload, Selector string
	// Containers by name; none is all of them, init and ephemeral ones too.
	Containers []string
}

// Finder looks for the logs that pick chooses.
func Finder(client kubernetes.Interface, pick LogPick) FindLogs {
	return func(ctx context.Context) ([]LogTarget, error) {
		pods, err := pick.pods(ctx, client)
		if err != nil {
			return nil, err
		}
		slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
		var out []LogTarget
		for i := range pods {
			for _, c := range containersOf(&pods[i]) {
				if len(pick.Containers) == 0 || slices.Contains(pick.Containers, c.Name) {
					out = append(out, LogTarget{Namespace: pick.Namespace, Pod: pods[i].Name, Container: c.Name, Node: pods[i].Spec.NodeName})
				}
			}
		}
		return out, nil
	}
}

func (p LogPick) pods(ctx context.Context, client kubernetes.Interface) ([]corev1.Pod, error) {
	if p.Pod != "" {
		pod, err := client.CoreV1().Pods(p.Namespace).Get(ctx, p.Pod, metav1.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("get pod %s/%s: %w", p.Namespace, p.Pod, err)
		}
		return []corev1.Pod{*pod}, nil
	}
	selector := p.Selector
	if p.Workload != "" {
		s, err := selectorOf(ctx, client, p.Namespace, p.Workload)
		if err != nil {
			return nil, err
		}
		selector = s.String()
	}
	list, err := client.CoreV1().Pods(p.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list pods of %s with %s: %w", p.Namespace, selector, err)
	}
	// A pod that has no node has no log either.
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.Spec.NodeName == "" }), nil
}

// selectorOf reads a workload's selector of pods.
func selectorOf(ctx context.Context, client kubernetes.Interface, namespace, workload string) (labels.Selector, error) {
	kind, name, ok := strings.Cut(workload, "/")
	if !ok || name == "" {
		return nil, fmt.Errorf("workload %q: %w: give Kind/name, such as Deployment/web", workload, ErrNoWorkload)
	}
	var selector *metav1.LabelSelector
	var err error
	o := metav1.GetOptions{}
	apps := client.AppsV1()
	switch strings.ToLower(kind) {
	case "deployment":
		selector, err = selectorFrom(apps.Deployments(namespace).Get(ctx, name, o))
	case "statefulset":
		selector, err = selectorFrom(apps.StatefulSets(namespace).Get(ctx, name, o))
	case "daemonset":
		selector, err = selectorFrom(apps.DaemonSets(namespace).Get(ctx, name, o))
	case "replicaset":
		selector, err = selectorFrom(apps.ReplicaSets(namespace).Get(ctx, name, o))
	case "job":
		selector, err = selectorFrom(client.BatchV1().Jobs(namespace).Get(ctx, name, o))
	default:
		return nil, fmt.Errorf("workload %q: %w: choose a Deployment, StatefulSet, DaemonSet, ReplicaSet or Job", workload, ErrNoWorkload)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s in %s: %w", workload, namespace, err)
	}
	return metav1.LabelSelectorAsSelector(selector)
}

// WorkloadOf names what a pod belongs to, Kind/name: its controller, or a
// ReplicaSet's Deployment. Whoever may not read ReplicaSets gets the ReplicaSet.
func WorkloadOf(ctx context.Context, client kubernetes.Interface, p *corev1.Pod) string {
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return ""
	}
	if owner.Kind == "ReplicaSet" {
		set, err := client.AppsV1().ReplicaSets(p.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
		if err == nil && metav1.GetControllerOf(set) != nil {
			owner = metav1.GetControllerOf(set)
		}
	}
	return owner.Kind + "/" + owner.Name
}

func selectorFrom[T workload](object T, err error) (*metav1.LabelSelector, error) {
	if err != nil {
		return nil, err
	}
	switch w := any(object).(type) {
	case *appsv1.Deployment:
		return w.Spec.Selector, nil
	case *appsv1.StatefulSet:
		return w.Spec.Selector, nil
	case *appsv1.DaemonSet:
		return w.Spec.Selector, nil
	case *appsv1.ReplicaSet:
		return w.Spec.Selector, nil
	case *batchv1.Job:
		return w.Spec.Selector, nil
	}
	return nil, ErrNoWorkload
}

type workload interface {
	*appsv1.Deployment | *appsv1.StatefulSet | *appsv1.DaemonSet | *appsv1.ReplicaSet | *batchv1.Job
}
