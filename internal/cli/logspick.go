package cli

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/internal/observe"
)

// podOrWorkload reads an argument: a pod's name, pod/NAME, or KIND/NAME.
func podOrWorkload(arg string) (pod, workload string) {
	kind, name, ok := strings.Cut(arg, "/")
	switch {
	case !ok:
		return arg, ""
	case strings.EqualFold(kind, "pod"), strings.EqualFold(kind, "pods"):
		return name, ""
	}
	return "", arg
}

// defaultContainer is the annotation with which kubectl chooses, too.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// onlyContainer is the container that is meant when none is named.
func onlyContainer(ctx context.Context, client kubernetes.Interface, pick observe.LogPick) (string, error) {
	pod, err := client.CoreV1().Pods(pick.Namespace).Get(ctx, pick.Pod, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("get pod %s/%s: %w", pick.Namespace, pick.Pod, err)
	}
	if name := pod.Annotations[defaultContainer]; name != "" {
		return name, nil
	}
	if len(pod.Spec.Containers) == 1 {
		return pod.Spec.Containers[0].Name, nil
	}
	names := make([]string, 0, len(pod.Spec.Containers))
	for _, c := range pod.Spec.Containers {
		names = append(names, c.Name)
	}
	return "", usage(fmt.Errorf("pod %s has containers %s: choose one with --container, or give --all-containers", pick.Pod, strings.Join(names, ", ")))
}
