package observe

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// podStatus is what the columns READY, STATUS and RESTARTS of kubectl get pods show.
//
// kubectl has these columns from the API server, which makes them for its answer in the
// form of a Table. The console makes them itself, from the same rule: it needs numbers to
// sort by and times that stay right on an open page, where a Table has finished text
// ("3 (5m ago)"), and it follows watches, whose client does not read Tables. test/parity
// compares the outcome with kubectl and the API server.
type podStatus struct {
	ready, total int
	status       string
	restarts     restarts
}

// restarts of some containers.
type restarts struct {
	count int32
	// last is when the last of them was, or zero.
	last time.Time
}

func (r *restarts) add(c *corev1.ContainerStatus) {
	r.count += c.RestartCount
	if end := c.LastTerminationState.Terminated; end != nil && end.FinishedAt.After(r.last) {
		r.last = end.FinishedAt.Time
	}
}

// podStatusOf goes through the pod as it starts: init containers in order, and the others
// once these are done.
func podStatusOf(p *corev1.Pod) podStatus {
	out := podStatus{total: len(p.Spec.Containers), status: startStatus(p)}
	sidecars := map[string]bool{}
	for i := range p.Spec.InitContainers {
		if isSidecar(&p.Spec.InitContainers[i]) {
			sidecars[p.Spec.InitContainers[i].Name] = true
			out.total++
		}
	}
	ofSidecars, initializing := out.initContainers(p, sidecars)
	if !initializing || isTrue(p, corev1.PodInitialized) {
		// The init containers that have ended restart no more.
		out.restarts = ofSidecars
		out.containers(p)
	}
	if p.DeletionTimestamp == nil {
		return out
	}
	switch {
	case p.Status.Reason == nodeLost:
		out.status = "Unknown"
	case !ended(p):
		out.status = "Terminating"
	}
	return out
}

// nodeLost is the reason that the node controller gives a pod of a node that is silent.
const nodeLost = "NodeLost"

// startStatus is the status of a pod none of whose containers says more.
func startStatus(p *corev1.Pod) string {
	for i := range p.Status.Conditions {
		if c := &p.Status.Conditions[i]; c.Type == corev1.PodScheduled && c.Reason == corev1.PodReasonSchedulingGated {
			return corev1.PodReasonSchedulingGated
		}
	}
	if p.Status.Reason != "" {
		return p.Status.Reason
	}
	return string(p.Status.Phase)
}

// initContainers goes through the init containers up to the one that keeps the pod from
// starting, and reports whether there is one and how often the sidecars among them
// restarted.
func (s *podStatus) initContainers(p *corev1.Pod, sidecars map[string]bool) (ofSidecars restarts, initializing bool) {
	for i := range p.Status.InitContainerStatuses {
		c := &p.Status.InitContainerStatuses[i]
		s.restarts.add(c)
		if sidecars[c.Name] {
			ofSidecars.add(c)
		}
		switch ended, waiting := c.State.Terminated, c.State.Waiting; {
		case ended != nil && ended.ExitCode == 0:
			continue
		case sidecars[c.Name] && c.Started != nil && *c.Started:
			if c.Ready {
				s.ready++
			}
			continue
		case ended != nil:
			s.status = "Init:" + endOf(ended)
		case waiting != nil && waiting.Reason != "" && waiting.Reason != "PodInitializing":
			s.status = "Init:" + waiting.Reason
		default:
			s.status = fmt.Sprintf("Init:%d/%d", i, len(p.Spec.InitContainers))
		}
		return ofSidecars, true
	}
	return ofSidecars, false
}

// containers goes through the containers of a pod that has started.
func (s *podStatus) containers(p *corev1.Pod) {
	running, failure := false, ""
	// The first container's word counts most, so it is heard last.
	for i := len(p.Status.ContainerStatuses) - 1; i >= 0; i-- {
		c := &p.Status.ContainerStatuses[i]
		s.restarts.add(c)
		switch {
		case c.State.Waiting != nil && c.State.Waiting.Reason != "":
			s.status = c.State.Waiting.Reason
		case c.State.Terminated != nil:
			s.status = endOf(c.State.Terminated)
			if c.State.Terminated.ExitCode != 0 {
				failure = s.status
			}
		case c.Ready && c.State.Running != nil:
			running = true
			s.ready++
		}
	}
	if s.status != "Completed" {
		return
	}
	// The first container has completed; the pod may not have.
	switch {
	case running && isTrue(p, corev1.PodReady):
		s.status = string(corev1.PodRunning)
	case failure != "":
		s.status = failure
	case running:
		s.status = "NotReady"
	}
}

func endOf(t *corev1.ContainerStateTerminated) string {
	switch {
	case t.Reason != "":
		return t.Reason
	case t.Signal != 0:
		return fmt.Sprintf("Signal:%d", t.Signal)
	}
	return fmt.Sprintf("ExitCode:%d", t.ExitCode)
}

func isTrue(p *corev1.Pod, kind corev1.PodConditionType) bool {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == kind {
			return p.Status.Conditions[i].Status == corev1.ConditionTrue
		}
	}
	return false
}

// isSidecar: an init container that runs along with the others.
func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}
