package drain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// maxReason bounds what one pod adds to a message, in bytes.
	maxReason = 300
	// maxLine bounds what all pods together add to a message, in bytes.
	maxLine = 800
)

// Evict asks the API server for the eviction of one pod.
type Evict func(ctx context.Context, pod *corev1.Pod) error

// Left is a pod that still has to go.
type Left struct {
	// Pod is namespace/name.
	Pod string
	// Reason is why the pod cannot be evicted. It is empty for a pod that is ending.
	Reason string
}

// Pass asks every pod that has to go to go, once, and returns those that are still there,
// ordered by name. An error that one pod meets is that pod's reason and keeps no other
// pod, so Pass itself cannot fail. All are asked at once, as kubectl drain does: a request
// that hangs takes nobody's turn. Requests that have no answer when ctx ends are given up.
//
// nodeReady tells whether the node can end its pods. Nobody confirms the end of a pod on
// a dead node; it is collected once the Node is gone.
func Pass(ctx context.Context, pods []corev1.Pod, nodeReady bool, evict Evict) []Left {
	answers := make([]*Left, len(pods))
	var asked sync.WaitGroup
	for i := range pods {
		pod := &pods[i]
		fate, ending := Of(pod), !pods[i].DeletionTimestamp.IsZero()
		switch {
		case ending && fate.Leaves() && nodeReady:
			answers[i] = &Left{Pod: nameOf(pod)}
		case ending, !fate.Leaves() && fate != Finished:
		default:
			asked.Go(func() {
				err := evict(ctx, pod)
				// A finished pod goes with the node if not before.
				if fate != Finished && !apierrors.IsNotFound(err) {
					answers[i] = &Left{Pod: nameOf(pod), Reason: reasonOf(err)}
				}
			})
		}
	}
	asked.Wait()
	var left []Left
	for _, answer := range answers {
		if answer != nil {
			left = append(left, *answer)
		}
	}
	slices.SortFunc(left, func(a, b Left) int { return strings.Compare(a.Pod, b.Pod) })
	return left
}

func nameOf(pod *corev1.Pod) string { return pod.Namespace + "/" + pod.Name }

// reasonOf is what the API server says against an eviction, with the names of the
// PodDisruptionBudgets that it says it because of.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "the API server did not answer the request to evict the pod in time"
	}
	text := err.Error()
	var status apierrors.APIStatus
	if errors.As(err, &status) && status.Status().Details != nil {
		for _, cause := range status.Status().Details.Causes {
			if cause.Type == policyv1.DisruptionBudgetCause {
				text += " " + cause.Message
			}
		}
	}
	return clip(strings.Join(strings.Fields(text), " "), maxReason)
}

// clip truncates text to at most most bytes without splitting a character.
func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const end = "…"
	return strings.ToValidUTF8(text[:most-len(end)], "") + end
}

// Describe is a line for people: the pods that are left, grouped by what keeps them.
// It names a few pods of each group and has at most maxLine bytes.
func Describe(left []Left) string {
	var order []string
	groups := map[string][]string{}
	for _, l := range left {
		if _, known := groups[l.Reason]; !known {
			order = append(order, l.Reason)
		}
		groups[l.Reason] = append(groups[l.Reason], l.Pod)
	}
	// What needs somebody's help comes first.
	slices.SortStableFunc(order, func(a, b string) int { return btoi(a == "") - btoi(b == "") })
	parts := make([]string, 0, len(order))
	for _, reason := range order {
		part := some(groups[reason])
		if reason == "" {
			reason = "ending"
		}
		parts = append(parts, part+": "+reason)
	}
	return clip(strings.Join(parts, "; "), maxLine)
}

// Waits says what a drain still waits for; it is empty when nothing is left to do. err is
// why the pods are not known.
func Waits(left []Left, err error) string {
	switch {
	case err != nil:
		return clip(err.Error(), maxLine)
	case len(left) == 1:
		return "1 pod is still there: " + Describe(left)
	case len(left) > 1:
		return fmt.Sprintf("%d pods are still there: %s", len(left), Describe(left))
	}
	return ""
}

func some(pods []string) string {
	const most = 5
	if len(pods) > most {
		return strings.Join(pods[:most], ", ") + ", …"
	}
	return strings.Join(pods, ", ")
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// PassLimit is how long one pass may take when the drain's deadline is that far away.
// A pass after the deadline is short: the requests were made before, and whoever waits
// for the end must not wait for an API server or a webhook that hangs.
func PassLimit(untilDeadline time.Duration) time.Duration {
	const least, most = 3 * time.Second, 30 * time.Second
	return min(max(untilDeadline, least), most)
}
