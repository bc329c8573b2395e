package runtime

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	chartv2 "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// revision is a release of our chart with settings s.
func revision(t *testing.T, s settings.Settings, status common.Status) *release.Release {
	t.Helper()
	values, err := s.HelmValues()
	if err != nil {
		t.Fatal(err)
	}
	return &release.Release{
		Name: ReleaseName, Version: 3, Config: values, Info: &release.Info{Status: status, LastDeployed: time.Unix(1, 0)},
		Chart: &chartv2.Chart{Metadata: &chartv2.Metadata{Version: "0.1.0", Annotations: map[string]string{chartAnnotation: "kubeedge"}}},
	}
}

func TestOfRelease(t *testing.T) {
	for status, want := range map[common.Status]State{
		common.StatusDeployed:        StateEnabled,
		common.StatusPendingInstall:  StateInterrupted,
		common.StatusPendingUpgrade:  StateInterrupted,
		common.StatusPendingRollback: StateInterrupted,
		common.StatusUninstalling:    StateInterrupted,
		common.StatusUninstalled:     StateAbsent,
		common.StatusFailed:          StateFailed,
	} {
		if got := ofRelease(revision(t, settings.Default(settings.NodePort), status)); got.state != want || got.reason == "" {
			t.Errorf("%s: %s (%s), want %s", status, got.state, got.reason, want)
		}
	}
	other := revision(t, settings.Default(settings.NodePort), common.StatusDeployed)
	other.Chart.Metadata.Annotations = nil
	if got := ofRelease(other); got.state != StateForeign {
		t.Errorf("release of another chart: %s, want Foreign", got.state)
	}
}

func TestDecide(t *testing.T) {
	current := withAddress(settings.Default(settings.NodePort))
	more := current
	more.CloudHub.NodeLimit = 500
	for name, tc := range map[string]struct {
		status   common.Status // empty: no release
		asked    settings.Settings
		chart    string
		problems []settings.Problem
		want     Action
	}{
		"first":           {asked: current, want: ActionInstall},
		"same":            {status: common.StatusDeployed, asked: current, want: ActionNone},
		"changed":         {status: common.StatusDeployed, asked: more, want: ActionUpgrade},
		"newer chart":     {status: common.StatusDeployed, asked: current, chart: "0.2.0", want: ActionUpgrade},
		"interrupted":     {status: common.StatusPendingUpgrade, asked: current, want: ActionContinue},
		"failed":          {status: common.StatusFailed, asked: more, want: ActionContinue},
		"uninstalled":     {status: common.StatusUninstalled, asked: current, want: ActionInstall},
		"bad settings":    {status: common.StatusDeployed, asked: more, problems: []settings.Problem{{Field: "x"}}, want: ActionRefuse},
		"only a warning":  {status: common.StatusDeployed, asked: more, problems: []settings.Problem{{Field: "x", Warning: true}}, want: ActionUpgrade},
		"first, but bad":  {asked: current, problems: []settings.Problem{{Field: "x"}}, want: ActionRefuse},
		"uninstall ended": {status: common.StatusUninstalling, asked: current, want: ActionContinue},
	} {
		t.Run(name, func(t *testing.T) {
			o := observation{state: StateAbsent}
			if tc.status != "" {
				o = ofRelease(revision(t, current, tc.status))
			}
			if tc.chart == "" {
				tc.chart = "0.1.0"
			}
			p := Plan{Settings: tc.asked, Problems: tc.problems}
			if err := p.decide(o, tc.chart); err != nil {
				t.Fatal(err)
			}
			if p.Action != tc.want {
				t.Errorf("action %s, want %s", p.Action, tc.want)
			}
		})
	}
}

// TestUnreadableSettingsAreReplaced: they are named, and keep no fresh set out.
func TestUnreadableSettingsAreReplaced(t *testing.T) {
	asked := withAddress(settings.Default(settings.NodePort))
	rel := revision(t, asked, common.StatusDeployed)
	rel.Config = map[string]any{"cloudHub": "yes"}
	p := Plan{Settings: asked}
	if err := p.decide(ofRelease(rel), "0.1.0"); err != nil {
		t.Fatal(err)
	}
	if p.Action != ActionUpgrade || len(p.Effects) != 1 || !strings.Contains(p.Effects[0].Message, "sh.helm.release.v1.kubeedge.v3") || !strings.Contains(p.Effects[0].Message, "cloudHub") {
		t.Errorf("got %+v", p)
	}
}

// TestPollOutlivesAnAPIServer: what passes is looked over until the deadline.
func TestPollOutlivesAnAPIServer(t *testing.T) {
	away := &url.Error{Op: "Get", URL: "https://x", Err: syscall.ECONNREFUSED}
	forbidden := apierrors.NewForbidden(corev1.Resource("pods"), "", errors.New("no"))
	r := (&Runtime{}).WithTimeouts(Timeouts{Poll: time.Millisecond})
	looks := 0
	if err := r.poll(t.Context(), time.Minute, func(context.Context) (bool, error) {
		if looks++; looks < 5 {
			return false, away
		}
		return true, nil
	}); err != nil || looks != 5 {
		t.Errorf("after %d looks: %v", looks, err)
	}
	if err := r.poll(t.Context(), 20*time.Millisecond, func(context.Context) (bool, error) { return false, away }); !errors.Is(err, errTimeout) || !errors.Is(err, away) {
		t.Errorf("the last failure is not told: %v", err)
	}
	if err := r.poll(t.Context(), time.Minute, func(context.Context) (bool, error) { return false, forbidden }); !errors.Is(err, forbidden) {
		t.Errorf("what does not pass: %v", err)
	}
}

// TestWaitReadyGoesOnAfterAFailure: whatever one look failed with.
func TestWaitReadyGoesOnAfterAFailure(t *testing.T) {
	one := int32(1)
	meta := metav1.ObjectMeta{Namespace: Namespace}
	status := appsv1.DeploymentStatus{Replicas: 1, UpdatedReplicas: 1, AvailableReplicas: 1}
	var objects []runtime.Object
	for _, name := range []string{deploymentCloudCore, deploymentWatcher} {
		meta.Name = name
		objects = append(objects, &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &one}, Status: status})
	}
	meta.Name = daemonSetOperator
	objects = append(objects, &appsv1.DaemonSet{ObjectMeta: meta})
	failures := map[string]error{
		"away":      &url.Error{Op: "Get", URL: "https://x", Err: syscall.ECONNREFUSED},
		"not found": apierrors.NewNotFound(appsv1.Resource("deployments"), "cloudcore"),
		"forbidden": apierrors.NewForbidden(appsv1.Resource("deployments"), "cloudcore", errors.New("not yet")),
		"internal":  apierrors.NewInternalError(errors.New("etcd leader changed")),
	}
	for name, failure := range failures {
		for _, times := range []int{3, 1 << 30} {
			kube := fake.NewClientset(objects...)
			left := times
			kube.PrependReactor("get", "deployments", func(clienttesting.Action) (bool, runtime.Object, error) {
				left--
				return left >= 0, nil, failure
			})
			r := (&Runtime{kube: kube}).WithTimeouts(Timeouts{Ready: 200 * time.Millisecond, Poll: time.Millisecond})
			if times == 3 {
				r = r.WithTimeouts(Timeouts{Ready: time.Minute, Poll: time.Millisecond})
			}
			err := r.waitReady(t.Context(), func(Step) {})
			if times == 3 && err != nil {
				t.Errorf("%s: three failures end it: %v", name, err)
			}
			if times > 3 && (!errors.Is(err, failure) || errors.Is(err, ErrNotReady) || errcat.Code(err) != "NotReady") {
				t.Errorf("%s: the last failure is not told, or it counts as a bad change: %v", name, err)
			}
		}
	}
}

func TestChangesAndEffects(t *testing.T) {
	base := withAddress(settings.Default(settings.NodePort))
	for name, tc := range map[string]struct {
		change  func(*settings.Settings)
		fields  []string
		effects []string
	}{
		"nothing": {change: func(*settings.Settings) {}},
		"node limit": {
			func(s *settings.Settings) { s.CloudHub.NodeLimit = 7 },
			[]string{"cloudHub.nodeLimit"}, []string{"CloudCoreRestarts"}},
		"address": {
			func(s *settings.Settings) { s.CloudHub.AdvertiseAddress = []string{"203.0.113.8"} },
			[]string{"cloudHub.advertiseAddress"}, []string{"CloudCoreRestarts", "CertificateReissued", "EdgeNodesAddressed"}},
		"destination": {
			func(s *settings.Settings) { s.EdgeWatcher.DestinationAddress = "192.168.1.10" },
			[]string{"edgeWatcher.destinationAddress"}, []string{"EdgeWatcherRestarts", "RoutesMove"}},
		"selector": {
			func(s *settings.Settings) { s.Pods.IptablesOperator.NodeSelector = map[string]string{"a": "b"} },
			[]string{"pods.iptablesOperator.nodeSelector.a"}, []string{"OperatorsRollOut"}},
		"HA": {func(s *settings.Settings) { s.HA = true }, []string{"ha"}, []string{"ReplicasChange"}},
	} {
		t.Run(name, func(t *testing.T) {
			asked := base
			tc.change(&asked)
			changes, err := diff(base, asked)
			if err != nil {
				t.Fatal(err)
			}
			var fields, codes []string
			for _, c := range changes {
				fields = append(fields, c.Field)
			}
			for _, e := range effects(changes, false) {
				codes = append(codes, e.Code)
			}
			if d := cmp.Diff(tc.fields, fields); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tc.effects, codes); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestCheckReaders(t *testing.T) {
	pod := func(container string, args ...string) corev1.Pod {
		return corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: container, Args: args}}}}
	}
	for name, tc := range map[string]struct {
		pod  corev1.Pod
		code string
	}{
		"apiserver":             {pod("kube-apiserver", "--secure-port=6443"), ""},
		"apiserver, verifying":  {pod("kube-apiserver", "--kubelet-certificate-authority=/ca.crt"), "KubeletCertificateVerified"},
		"metrics-server":        {pod("metrics-server", "--kubelet-insecure-tls"), ""},
		"metrics-server strict": {pod("metrics-server", "--kubelet-insecure-tls-not"), "MetricsServerVerifies"},
		"other":                 {pod("coredns"), ""},
	} {
		problems := checkReaders([]corev1.Pod{tc.pod})
		code := ""
		if len(problems) > 0 {
			code = problems[0].Code
		}
		if code != tc.code {
			t.Errorf("%s: %q, want %q", name, code, tc.code)
		}
		if settings.AsError(problems) != nil {
			t.Errorf("%s: a flag of others refuses the settings", name)
		}
	}
}

func TestCountEdge(t *testing.T) {
	node := func(ready corev1.ConditionStatus, port int32) corev1.Node {
		return corev1.Node{Status: corev1.NodeStatus{
			Conditions:      []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
			DaemonEndpoints: corev1.NodeDaemonEndpoints{KubeletEndpoint: corev1.DaemonEndpoint{Port: port}},
		}}
	}
	nodes := []corev1.Node{
		node(corev1.ConditionTrue, 10351), node(corev1.ConditionTrue, 10350),
		node(corev1.ConditionTrue, 10359), node(corev1.ConditionUnknown, 10351),
	}
	want := &EdgeNodes{Total: 4, Ready: 3, Connected: 1}
	if d := cmp.Diff(want, countEdge(nodes, map[int32]bool{10351: true})); d != "" {
		t.Error(d)
	}
}

func TestStepsAreReportedOnce(t *testing.T) {
	var got []Step
	progress := Progress(func(s Step) { got = append(got, s) }).serial()
	boom := errors.New("boom")
	if err := progress.step("a", func(say func(string)) error { say("x"); say("x"); return nil }); err != nil {
		t.Error(err)
	}
	if err := progress.step("b", func(func(string)) error { return boom }); !errors.Is(err, boom) {
		t.Error(err)
	}
	want := []Step{
		{"a", StepRunning, ""}, {"a", StepRunning, "x"}, {"a", StepDone, "x"},
		{"b", StepRunning, ""}, {"b", StepFailed, "boom"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestPodTroubleNamesAFailingInitContainer(t *testing.T) {
	waiting := func(reason, message string) []corev1.ContainerStatus {
		return []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	}
	pod := corev1.Pod{Status: corev1.PodStatus{InitContainerStatuses: waiting("ImagePullBackOff", "no such image"), ContainerStatuses: waiting("PodInitializing", "")}}
	pod.Name = "cloudcore-x"
	if got, want := podTrouble(pod), "pod cloudcore-x: ImagePullBackOff no such image"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
