package parity

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// state is a pod in a state that a kubelet or a controller would report.
type state struct {
	name   string
	spec   func(*corev1.Pod)
	status func(*corev1.PodStatus)
	// deleted leaves the pod with a deletion timestamp.
	deleted bool
}

// long ago: kubectl shows such an age in whole hours or days, so it does not change while
// a test runs.
var (
	twoDaysAgo = metav1.NewTime(time.Now().Add(-50*time.Hour - 30*time.Minute))
	weekAgo    = metav1.NewTime(time.Now().Add(-200 * time.Hour))
)

func resources(pairs ...string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		out[corev1.ResourceName(name)] = resource.MustParse(value)
	}
	return out
}

func containers(prefix string, n int) []corev1.Container {
	var out []corev1.Container
	for i := range n {
		out = append(out, corev1.Container{Name: fmt.Sprint(prefix, i), Image: "example.com/image"})
	}
	return out
}

// with makes a spec of that many containers and init containers; sidecars come first
// among these.
func with(count, inits, sidecars int) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		always := corev1.ContainerRestartPolicyAlways
		p.Spec.Containers = containers("c", count)
		p.Spec.InitContainers = containers("i", inits)
		for i := range sidecars {
			p.Spec.InitContainers[i].RestartPolicy = &always
		}
	}
}

// A status of one container; place gives the name.
type seen func(*corev1.ContainerStatus)

func waiting(reason string) seen {
	return func(s *corev1.ContainerStatus) { s.State.Waiting = &corev1.ContainerStateWaiting{Reason: reason} }
}

func running(ready bool) seen {
	return func(s *corev1.ContainerStatus) {
		yes := true
		s.State.Running, s.Ready, s.Started = &corev1.ContainerStateRunning{StartedAt: twoDaysAgo}, ready, &yes
	}
}

func starting(s *corev1.ContainerStatus) {
	no := false
	s.State.Running, s.Started = &corev1.ContainerStateRunning{StartedAt: twoDaysAgo}, &no
}

func over(reason string, code, signal int32) seen {
	return func(s *corev1.ContainerStatus) {
		s.State.Terminated = &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code, Signal: signal, StartedAt: weekAgo, FinishedAt: twoDaysAgo}
	}
}

var completed = over("Completed", 0, 0)

// again adds restarts, the last of them at a time.
func again(count int32, at metav1.Time, now seen) seen {
	return func(s *corev1.ContainerStatus) {
		now(s)
		s.RestartCount = count
		s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 1, FinishedAt: at}
	}
}

func statuses(prefix string, all []seen) []corev1.ContainerStatus {
	var out []corev1.ContainerStatus
	for i, see := range all {
		s := corev1.ContainerStatus{Name: fmt.Sprint(prefix, i), Image: "example.com/image", ImageID: "x"}
		see(&s)
		out = append(out, s)
	}
	return out
}

// in makes a status of a phase with container statuses.
func in(phase corev1.PodPhase, all ...seen) func(*corev1.PodStatus) {
	return func(s *corev1.PodStatus) {
		s.Phase, s.ContainerStatuses = phase, statuses("c", all)
	}
}

func inits(status func(*corev1.PodStatus), all ...seen) func(*corev1.PodStatus) {
	return func(s *corev1.PodStatus) {
		status(s)
		s.InitContainerStatuses = statuses("i", all)
	}
}

func condition(status func(*corev1.PodStatus), kind corev1.PodConditionType, value corev1.ConditionStatus, reason string) func(*corev1.PodStatus) {
	return func(s *corev1.PodStatus) {
		status(s)
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: kind, Status: value, Reason: reason})
	}
}

func because(reason string, status func(*corev1.PodStatus)) func(*corev1.PodStatus) {
	return func(s *corev1.PodStatus) {
		status(s)
		s.Reason = reason
	}
}

func ready(status func(*corev1.PodStatus)) func(*corev1.PodStatus) {
	return condition(status, corev1.PodReady, corev1.ConditionTrue, "")
}

func initialized(status func(*corev1.PodStatus)) func(*corev1.PodStatus) {
	return condition(status, corev1.PodInitialized, corev1.ConditionTrue, "")
}

func kept(p *corev1.Pod) { p.Finalizers = []string{"example.com/keep"} }

var states = []state{
	{name: "pending", spec: func(p *corev1.Pod) { p.Spec.NodeName = "" }},
	{name: "gated", spec: func(p *corev1.Pod) {
		p.Spec.NodeName, p.Spec.SchedulingGates = "", []corev1.PodSchedulingGate{{Name: "example.com/gate"}}
	}},
	{name: "creating", status: in(corev1.PodPending, waiting("ContainerCreating"))},
	{name: "waiting-without-reason", status: in(corev1.PodPending, waiting(""))},
	{name: "running", status: func(s *corev1.PodStatus) {
		ready(in(corev1.PodRunning, running(true)))(s)
		s.PodIP, s.PodIPs, s.HostIP = "10.244.1.5", []corev1.PodIP{{IP: "10.244.1.5"}}, "192.168.100.1"
	}},
	{name: "running-not-ready", status: in(corev1.PodRunning, running(false))},
	{name: "ready-of-two", spec: with(2, 0, 0), status: in(corev1.PodRunning, running(true), running(false))},
	{name: "crash-loop", status: in(corev1.PodRunning, again(7, twoDaysAgo, waiting("CrashLoopBackOff")))},
	{name: "restarted", spec: with(2, 0, 0), status: ready(in(corev1.PodRunning, again(2, weekAgo, running(true)), again(1, twoDaysAgo, running(true))))},
	{name: "restarts-without-a-time", status: ready(in(corev1.PodRunning, func(s *corev1.ContainerStatus) {
		running(true)(s)
		s.RestartCount = 4
	}))},
	{name: "image-pull", status: in(corev1.PodPending, waiting("ImagePullBackOff"))},
	{name: "config-error-first", spec: with(2, 0, 0), status: in(corev1.PodPending, waiting("CreateContainerConfigError"), running(true))},
	{name: "config-error-second", spec: with(2, 0, 0), status: in(corev1.PodPending, running(true), waiting("CreateContainerConfigError"))},
	{name: "oom-killed", status: in(corev1.PodRunning, again(1, twoDaysAgo, over("OOMKilled", 137, 0)))},
	{name: "error", status: in(corev1.PodFailed, over("Error", 1, 0))},
	{name: "exit-code", status: in(corev1.PodFailed, over("", 3, 0))},
	{name: "signal", status: in(corev1.PodFailed, over("", 137, 9))},
	{name: "job-done", status: in(corev1.PodSucceeded, completed)},
	{name: "succeeded-without-containers", status: in(corev1.PodSucceeded)},
	{name: "evicted", status: because("Evicted", in(corev1.PodFailed))},
	{name: "admission-error", status: because("UnexpectedAdmissionError", in(corev1.PodFailed))},
	{name: "deadline", status: because("DeadlineExceeded", in(corev1.PodFailed, over("Error", 143, 0)))},
	{name: "phase-unknown", status: in(corev1.PodUnknown)},
	{name: "init-first", spec: with(1, 2, 0), status: inits(in(corev1.PodPending, waiting("PodInitializing")), running(false), waiting("PodInitializing"))},
	{name: "init-second", spec: with(1, 2, 0), status: inits(in(corev1.PodPending, waiting("PodInitializing")), completed, running(false))},
	{name: "init-waits", spec: with(1, 1, 0), status: inits(in(corev1.PodPending, waiting("PodInitializing")), waiting("PodInitializing"))},
	{name: "init-crash-loop", spec: with(1, 1, 0), status: inits(in(corev1.PodPending, waiting("PodInitializing")), again(3, twoDaysAgo, waiting("CrashLoopBackOff")))},
	{name: "init-error", spec: with(1, 1, 0), status: inits(in(corev1.PodPending, waiting("PodInitializing")), over("Error", 1, 0))},
	{name: "init-exit-code", spec: with(1, 1, 0), status: inits(in(corev1.PodFailed), over("", 2, 0))},
	{name: "init-signal", spec: with(1, 1, 0), status: inits(in(corev1.PodFailed), over("", 137, 9))},
	{name: "init-restarts-are-over", spec: with(1, 1, 0), status: initialized(ready(inits(in(corev1.PodRunning, running(true)), again(5, twoDaysAgo, completed))))},
	{name: "init-runs-again", spec: with(1, 1, 0), status: initialized(inits(in(corev1.PodRunning, running(true)), running(false)))},
	{name: "sidecar", spec: with(1, 1, 1), status: ready(initialized(inits(in(corev1.PodRunning, running(true)), running(true))))},
	{name: "sidecar-not-ready", spec: with(1, 1, 1), status: initialized(inits(in(corev1.PodRunning, running(true)), running(false)))},
	{name: "sidecar-starting", spec: with(1, 2, 1), status: inits(in(corev1.PodPending, waiting("PodInitializing")), starting, waiting("PodInitializing"))},
	{name: "sidecar-crashed", spec: with(1, 1, 1), status: initialized(inits(in(corev1.PodRunning, running(true)), again(6, twoDaysAgo, waiting("CrashLoopBackOff"))))},
	{name: "sidecar-failed", spec: with(1, 1, 1), status: initialized(inits(in(corev1.PodRunning, running(true)), again(2, twoDaysAgo, over("Error", 1, 0))))},
	{name: "sidecars-first-down", spec: with(1, 2, 2), status: initialized(inits(in(corev1.PodRunning, again(1, weekAgo, running(true))),
		again(2, twoDaysAgo, waiting("CrashLoopBackOff")), again(9, twoDaysAgo, running(true))))},
	{name: "sidecar-restarts-count", spec: with(1, 2, 1), status: ready(initialized(inits(in(corev1.PodRunning, again(1, weekAgo, running(true))),
		again(2, twoDaysAgo, running(true)), again(4, twoDaysAgo, completed))))},
	{name: "one-completed", spec: with(2, 0, 0), status: ready(in(corev1.PodRunning, completed, running(true)))},
	{name: "one-completed-not-ready", spec: with(2, 0, 0), status: in(corev1.PodRunning, completed, running(true))},
	{name: "one-completed-one-failed", spec: with(2, 0, 0), status: in(corev1.PodFailed, completed, over("Error", 1, 0))},
	{name: "one-failed-one-completed", spec: with(2, 0, 0), status: in(corev1.PodFailed, over("Error", 1, 0), completed)},
	{name: "failed-completed-running", spec: with(3, 0, 0), status: in(corev1.PodRunning, completed, over("OOMKilled", 137, 0), running(true))},
	{name: "terminating", spec: kept, status: ready(in(corev1.PodRunning, running(true))), deleted: true},
	{name: "terminating-done", spec: kept, status: in(corev1.PodSucceeded, completed), deleted: true},
	{name: "node-lost", spec: kept, status: because("NodeLost", in(corev1.PodRunning, running(true))), deleted: true},
	{name: "node-lost-not-deleted", status: because("NodeLost", in(corev1.PodRunning, running(true)))},
	{name: "gate-reason-later", status: condition(in(corev1.PodPending, waiting("ContainerCreating")), corev1.PodScheduled, corev1.ConditionFalse, "SchedulingGated")},
}
