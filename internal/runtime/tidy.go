package runtime

import (
	"errors"
	"fmt"
	"strings"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// tidy takes away what revisions left that were never in force. Helm compares a new
// revision with the one in force only, so an object that nothing but an interrupted
// revision had would stay for ever. The caller holds the lock, and the newest revision
// is in force.
func (r *Runtime) tidy(cfg *action.Configuration) error {
	history, err := cfg.Releases.History(ReleaseName)
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	current, err := lastRelease(cfg)
	if err != nil || current == nil {
		return err
	}
	var errs []error
	for _, found := range history {
		rel, err := asRelease(found)
		if err != nil {
			return err
		}
		// Helm calls a revision superseded that an upgrade found failed.
		never := rel.Info.Status == common.StatusFailed || strings.HasPrefix(rel.Info.Description, interrupted)
		if never && rel.Version < current.Version {
			errs = append(errs, forget(cfg, rel, current))
		}
	}
	return errors.Join(errs...)
}

// forget removes the objects that only a failed revision had, and then its record.
func forget(cfg *action.Configuration, failed, current *release.Release) error {
	had, err := cfg.KubeClient.Build(strings.NewReader(failed.Manifest), false)
	if err != nil {
		return fmt.Errorf("read revision %d: %w", failed.Version, err)
	}
	has, err := cfg.KubeClient.Build(strings.NewReader(current.Manifest), false)
	if err != nil {
		return fmt.Errorf("read revision %d: %w", current.Version, err)
	}
	var extra kube.ResourceList
	for _, info := range had.Difference(has) {
		err := info.Get()
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s of revision %d: %w", info.Name, failed.Version, err)
		}
		if removable(info.Object) {
			extra = append(extra, info)
		}
	}
	if len(extra) > 0 {
		if _, errs := cfg.KubeClient.Delete(extra, metav1.DeletePropagationBackground); len(errs) > 0 {
			return fmt.Errorf("remove what revision %d left: %w", failed.Version, errors.Join(errs...))
		}
	}
	if _, err := cfg.Releases.Delete(failed.Name, failed.Version); err != nil {
		return fmt.Errorf("remove revision %d: %w", failed.Version, err)
	}
	return nil
}

// removable are objects that carry the release's mark and none that says to keep them.
func removable(object runtime.Object) bool {
	o, err := meta.Accessor(object)
	return err == nil && ours(o) && o.GetAnnotations()[kube.ResourcePolicyAnno] != kube.KeepPolicy
}
