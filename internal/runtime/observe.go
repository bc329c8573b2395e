package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	helmrelease "helm.sh/helm/v4/pkg/release"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// State of KubeEdge on a cluster.
type State string

// The states.
const (
	// StateAbsent: nothing is installed.
	StateAbsent State = "Absent"
	// StateChanging: a change is going on right now.
	StateChanging State = "Changing"
	// StateInterrupted: a change stopped half-way; enabling or disabling continues it.
	StateInterrupted State = "Interrupted"
	// StateFailed: the last change failed.
	StateFailed State = "Failed"
	// StateEnabled: installed and running.
	StateEnabled State = "Enabled"
	// StateDegraded: installed, but not everything runs.
	StateDegraded State = "Degraded"
	// StateForeign: a KubeEdge that edgeway did not install.
	StateForeign State = "Foreign"
	// StateUnknown: the user may not see it.
	StateUnknown State = "Unknown"
)

// observation is what a verb decides on.
type observation struct {
	state   State
	reason  string
	message string
	// last is the newest revision, nil when there is none.
	last *release.Release
}

// actions prepares Helm for one call.
func (r *Runtime) actions() (*action.Configuration, error) {
	g, err := newGetter(r.config)
	if err != nil {
		return nil, err
	}
	cfg := action.NewConfiguration(action.ConfigurationSetLogger(quiet{r.log.Handler()}))
	if err := cfg.Init(g, Namespace, "secrets"); err != nil {
		return nil, fmt.Errorf("prepare helm: %w", err)
	}
	return cfg, nil
}

// lastRelease is nil when there is none.
func lastRelease(cfg *action.Configuration) (*release.Release, error) {
	history, err := historyOf(cfg)
	if err != nil || len(history) == 0 {
		return nil, err
	}
	return slices.MaxFunc(history, func(a, b *release.Release) int { return a.Version - b.Version }), nil
}

// historyOf are the revisions that can be read.
func historyOf(cfg *action.Configuration) ([]*release.Release, error) {
	history, err := cfg.Releases.History(ReleaseName)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read release: %w", err)
	}
	var out []*release.Release
	for _, found := range history {
		rel, err := asRelease(found)
		if err != nil {
			return nil, err
		}
		out = append(out, rel)
	}
	return out, nil
}

func asRelease(found helmrelease.Releaser) (*release.Release, error) {
	rel, ok := found.(*release.Release)
	if !ok {
		return nil, errcat.Errorf("ReleaseUnreadable", "release %s has a format of another helm: %T", ReleaseName, found)
	}
	return rel, nil
}

// observe reads the release and, without one, looks for a KubeEdge of others.
func (r *Runtime) observe(ctx context.Context, cfg *action.Configuration) (observation, error) {
	last, err := lastRelease(cfg)
	if err != nil {
		return observation{}, err
	}
	damaged, err := r.damaged(ctx, cfg)
	if err != nil {
		return observation{}, err
	}
	var o observation
	if last != nil {
		o = ofRelease(last)
	} else if o, err = r.observeForeign(ctx); err != nil {
		return o, err
	}
	if len(damaged) > 0 && o.state != StateForeign && (last == nil || damaged[0] > last.Version) {
		o.unreadable(damaged[0])
	}
	return o, nil
}

// ofRelease is pure: a release's status says where the last change stands.
func ofRelease(last *release.Release) observation {
	o := observation{last: last}
	if last.Chart == nil || last.Chart.Metadata == nil || last.Chart.Metadata.Annotations[chartAnnotation] == "" {
		o.state, o.reason = StateForeign, "OtherChart"
		o.message = "release kubeedge was installed from another chart; uninstall it first (helm uninstall kubeedge -n kubeedge)"
		return o
	}
	status := last.Info.Status
	switch {
	case status == common.StatusDeployed:
		o.state, o.reason = StateEnabled, "Deployed"
	case status == common.StatusUninstalling:
		o.state, o.reason, o.message = StateInterrupted, "UninstallInterrupted", "disabling stopped half-way"
	case status.IsPending():
		o.state, o.reason, o.message = StateInterrupted, "ChangeInterrupted", "a change stopped half-way in status "+status.String()
	case status == common.StatusUninstalled:
		o.state, o.reason = StateAbsent, "Uninstalled"
	default:
		o.state, o.reason, o.message = StateFailed, "ChangeFailed", last.Info.Description
	}
	return o
}

// observeForeign recognizes KubeEdge as its own chart, keadm and KubeSphere's
// installer leave it: a workload named cloudcore in the namespace.
func (r *Runtime) observeForeign(ctx context.Context) (observation, error) {
	absent := observation{state: StateAbsent, reason: "NotInstalled"}
	var found []string
	deployment, err := r.kube.AppsV1().Deployments(Namespace).Get(ctx, deploymentCloudCore, metav1.GetOptions{})
	switch {
	case err == nil && !ours(deployment):
		found = append(found, "Deployment cloudcore")
	case err != nil && !apierrors.IsNotFound(err):
		return observation{}, fmt.Errorf("look for CloudCore: %w", err)
	}
	service, err := r.kube.CoreV1().Services(Namespace).Get(ctx, serviceCloudCore, metav1.GetOptions{})
	switch {
	case err == nil && !ours(service):
		found = append(found, "Service cloudcore")
	case err != nil && !apierrors.IsNotFound(err):
		return observation{}, fmt.Errorf("look for CloudCore: %w", err)
	}
	if len(found) == 0 {
		return absent, nil
	}
	return observation{
		state: StateForeign, reason: "OtherInstaller",
		message: strings.Join(found, " and ") + " in namespace kubeedge come from another installer (KubeEdge's chart, keadm or KubeSphere); remove that KubeEdge first",
	}, nil
}

// ours are objects that carry the release's mark.
func ours(o metav1.Object) bool {
	return o.GetAnnotations()["meta.helm.sh/release-name"] == ReleaseName && o.GetLabels()["app.kubernetes.io/part-of"] == "edgeway"
}
