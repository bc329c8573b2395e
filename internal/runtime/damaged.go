package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	release "helm.sh/helm/v4/pkg/release/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/errcat"
	"github.com/edgeway-io/edgeway/internal/settings"
)

// A release is kept in Secrets that people and backups can damage. What cannot be read
// is told with its name, and keeps nobody from disabling KubeEdge or from enabling it
// with a complete set of settings.

// ReasonUnreadable is the reason of a Status whose settings cannot be read.
const ReasonUnreadable = "ReleaseUnreadable"

// errUnreadable is wrapped when a part of the release cannot be read.
var errUnreadable = errcat.New(ReasonUnreadable, "the Helm release cannot be read")

// unreadableRemedy ends messages that name what is damaged.
const unreadableRemedy = "enable KubeEdge with a complete set of settings, or disable it"

// settingsOfRelease are the settings of a revision.
func settingsOfRelease(rel *release.Release) (settings.Settings, error) {
	s, err := settings.FromHelmValues(rel.Config)
	if err != nil {
		return s, errcat.Errorf(ReasonUnreadable, "the settings of revision %d (Secret %s in namespace %s): %w", rel.Version, secretOf(rel.Version), Namespace, err)
	}
	return s, nil
}

func secretOf(version int) string {
	return fmt.Sprintf("sh.helm.release.v1.%s.v%d", ReleaseName, version)
}

// damaged are revisions whose Secret Helm passes over, newest first.
func (r *Runtime) damaged(ctx context.Context, cfg *action.Configuration) ([]int, error) {
	secrets, err := r.kube.CoreV1().Secrets(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + ReleaseName})
	if err != nil {
		return nil, fmt.Errorf("list the release's Secrets: %w", err)
	}
	history, err := historyOf(cfg)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, secret := range secrets.Items {
		version, err := strconv.Atoi(secret.Labels["version"])
		if err != nil || secret.Name != secretOf(version) {
			continue // not a record of Helm's
		}
		if !slices.ContainsFunc(history, func(rel *release.Release) bool { return rel.Version == version }) {
			out = append(out, version)
		}
	}
	slices.SortFunc(out, func(a, b int) int { return b - a })
	return out, nil
}

// unreadable describes a release whose newest revision is damaged.
func (o *observation) unreadable(version int) {
	o.state, o.reason = StateFailed, ReasonUnreadable
	o.message = fmt.Sprintf("the newest revision of the release (Secret %s in namespace %s) cannot be read; %s", secretOf(version), Namespace, unreadableRemedy)
}

// removeDamaged removes the records that cannot be read. The caller holds the lock.
func (r *Runtime) removeDamaged(ctx context.Context, cfg *action.Configuration) (removed bool, err error) {
	versions, err := r.damaged(ctx, cfg)
	if err != nil {
		return false, err
	}
	for _, version := range versions {
		if err := r.deleteSecret(ctx, secretOf(version)); err != nil {
			return false, err
		}
	}
	return len(versions) > 0, nil
}

// removeUnrecorded removes what the chart makes where no record says what was made.
func (r *Runtime) removeUnrecorded(cfg *action.Configuration) error {
	server, err := r.kube.Discovery().ServerVersion()
	if err != nil {
		return fmt.Errorf("ask for the version of Kubernetes: %w", err)
	}
	var errs []error
	for _, kind := range []settings.ServiceType{settings.NodePort, settings.LoadBalancer} {
		s := settings.Default(kind)
		s.Cluster.AdvertiseAddress = []string{"192.0.2.1"} // the chart wants one
		text, err := render(r.chart, s, server.GitVersion)
		if err != nil {
			return err
		}
		errs = append(errs, removeOurs(cfg, text))
	}
	return errors.Join(errs...)
}

// removeOurs removes those objects of a manifest that carry the release's mark.
func removeOurs(cfg *action.Configuration, manifest string) error {
	all, err := cfg.KubeClient.Build(strings.NewReader(manifest), false)
	if err != nil {
		return fmt.Errorf("read the chart's objects: %w", err)
	}
	var found kube.ResourceList
	for _, info := range all {
		err := info.Get()
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", info.Name, err)
		}
		if removable(info.Object) {
			found = append(found, info)
		}
	}
	if len(found) == 0 {
		return nil
	}
	if _, errs := cfg.KubeClient.Delete(found, metav1.DeletePropagationForeground); len(errs) > 0 {
		return fmt.Errorf("remove what the chart made: %w", errors.Join(errs...))
	}
	return nil
}

// InForce are the settings in force. It fails with ErrNotEnabled when there are none, and
// with what cannot be read.
func (s Status) InForce() (settings.Settings, error) {
	switch {
	case s.Settings != nil:
		return *s.Settings, nil
	case s.Unreadable != "":
		return settings.Settings{}, fmt.Errorf("%w: %s", errUnreadable, s.Unreadable)
	}
	return settings.Settings{}, ErrNotEnabled
}

// unreadable says in a status that there are settings which cannot be read.
func (s *Status) unreadable(err error) {
	s.Unreadable = err.Error() + "; " + unreadableRemedy
	if s.State == StateEnabled {
		s.State, s.Reason, s.Message = StateDegraded, ReasonUnreadable, s.Unreadable
	}
}
