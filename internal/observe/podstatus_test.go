package observe

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// test/parity compares all states with the real kubectl; these are the ones that were
// wrong once, for a quick answer without an API server.
func TestPodStatus(t *testing.T) {
	always, yes := corev1.ContainerRestartPolicyAlways, true
	end := metav1.NewTime(time.Unix(1_700_000_000, 0))
	sidecar := corev1.PodSpec{InitContainers: []corev1.Container{{Name: "mesh", RestartPolicy: &always}}, Containers: []corev1.Container{{Name: "app"}}}
	init := corev1.PodSpec{InitContainers: []corev1.Container{{Name: "fetch"}, {Name: "migrate"}}, Containers: []corev1.Container{{Name: "app"}}}
	up := corev1.ContainerStatus{Name: "app", Ready: true, Started: &yes, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	waits := corev1.ContainerStatus{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}}
	initialized := []corev1.PodCondition{{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}}
	for name, test := range map[string]struct {
		pod  corev1.Pod
		want Pod
	}{
		"crashed sidecar": {
			corev1.Pod{Spec: sidecar, Status: corev1.PodStatus{Phase: corev1.PodRunning, Conditions: initialized,
				InitContainerStatuses: []corev1.ContainerStatus{{Name: "mesh", RestartCount: 6, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
					LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, FinishedAt: end}}}},
				ContainerStatuses: []corev1.ContainerStatus{up}}},
			Pod{Status: "Init:CrashLoopBackOff", Ready: 1, Total: 2, Restarts: 6, Restarted: end.Time},
		},
		"failing init": {
			corev1.Pod{Spec: init, Status: corev1.PodStatus{Phase: corev1.PodPending,
				InitContainerStatuses: []corev1.ContainerStatus{{Name: "fetch", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}}}},
				ContainerStatuses:     []corev1.ContainerStatus{waits}}},
			Pod{Status: "Init:Error", Total: 1},
		},
		"slow init": {
			corev1.Pod{Spec: init, Status: corev1.PodStatus{Phase: corev1.PodPending,
				InitContainerStatuses: []corev1.ContainerStatus{
					{Name: "fetch", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}},
					{Name: "migrate", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
				ContainerStatuses: []corev1.ContainerStatus{waits}}},
			Pod{Status: "Init:1/2", Total: 1},
		},
		"finished job": {
			corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app"}}}, Status: corev1.PodStatus{Phase: corev1.PodSucceeded,
				ContainerStatuses: []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed"}}}}}},
			Pod{Status: "Completed", Total: 1},
		},
	} {
		got := PodOf(&test.pod)
		if got.Status != test.want.Status || got.Ready != test.want.Ready || got.Total != test.want.Total ||
			got.Restarts != test.want.Restarts || !got.Restarted.Equal(test.want.Restarted) {
			t.Errorf("%s: %d/%d %s %d %s, want %d/%d %s %d %s", name, got.Ready, got.Total, got.Status, got.Restarts, got.Restarted,
				test.want.Ready, test.want.Total, test.want.Status, test.want.Restarts, test.want.Restarted)
		}
	}
}

// Requests are added up by Kubernetes' rule: 450m where the containers alone ask for 50m.
func TestRequestsOfAPod(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	cpu := func(text string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(text)}}
	}
	whole := cpu("1")
	for name, test := range map[string]struct {
		spec  corev1.PodSpec
		phase corev1.PodPhase
		milli int64
	}{
		"init container and sidecar": {spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Resources: cpu("150m"), RestartPolicy: &always}, {Resources: cpu("300m")}},
			Containers:     []corev1.Container{{Resources: cpu("50m")}}}, milli: 450},
		"pod level": {spec: corev1.PodSpec{Resources: &whole, Containers: []corev1.Container{{Resources: cpu("50m")}}}, milli: 1000},
		"overhead": {spec: corev1.PodSpec{Overhead: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")},
			Containers: []corev1.Container{{Resources: cpu("50m")}}}, milli: 300},
		"ended": {spec: corev1.PodSpec{Containers: []corev1.Container{{Resources: cpu("50m")}}}, phase: corev1.PodFailed},
	} {
		got := PodUseOf(&corev1.Pod{Spec: test.spec, Status: corev1.PodStatus{Phase: test.phase}})
		if got.Requested.CPUNanoCores != test.milli*1_000_000 {
			t.Errorf("%s: %d nanocores, want %dm", name, got.Requested.CPUNanoCores, test.milli)
		}
	}
}
