package runtime

import (
	"context"
	"errors"
	"fmt"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

const (
	// maxHistory is how many revisions are kept to return to.
	maxHistory = 10
	// waitStrategy leaves waiting to waitReady, which can tell what it waits for.
	waitStrategy = kube.HookOnlyStrategy
	// interrupted begins the description of a revision that never came into force.
	interrupted = "interrupted in status "
)

// repair brings the release of an interrupted change into a state that Helm goes
// on from: a pending revision counts as failed, an interrupted uninstall is ended.
// The caller holds the lock, so no living change is meant.
func (r *Runtime) repair(ctx context.Context, cfg *action.Configuration) error {
	if _, err := r.removeDamaged(ctx, cfg); err != nil {
		return err
	}
	last, err := lastRelease(cfg)
	if err != nil || last == nil {
		return err
	}
	switch status := last.Info.Status; {
	case status.IsPending():
		last.SetStatus(common.StatusFailed, interrupted+status.String())
		if err := cfg.Releases.Update(last); err != nil {
			return fmt.Errorf("mark interrupted release: %w", err)
		}
	case status == common.StatusUninstalling || status == common.StatusUninstalled:
		return uninstallRelease(cfg)
	}
	return nil
}

func (r *Runtime) install(ctx context.Context, cfg *action.Configuration, plan *Plan) error {
	values, err := plan.Settings.HelmValues()
	if err != nil {
		return err
	}
	install := action.NewInstall(cfg)
	install.ReleaseName, install.Namespace = ReleaseName, Namespace
	install.SkipCRDs, install.ForceConflicts, install.WaitStrategy = true, true, waitStrategy
	install.Timeout = r.timeouts.Ready
	done, err := install.RunWithContext(ctx, r.chart, values)
	if err != nil {
		return fmt.Errorf("install: %w", raced(err))
	}
	return plan.deployed(asRelease(done))
}

func (r *Runtime) upgrade(ctx context.Context, cfg *action.Configuration, plan *Plan) error {
	values, err := plan.Settings.HelmValues()
	if err != nil {
		return err
	}
	upgrade := action.NewUpgrade(cfg)
	upgrade.Namespace, upgrade.ResetValues, upgrade.MaxHistory = Namespace, true, maxHistory
	upgrade.SkipCRDs, upgrade.ForceConflicts, upgrade.WaitStrategy = true, true, waitStrategy
	// Releases of an older helm were written by client-side apply.
	upgrade.ServerSideApply = "true"
	upgrade.Timeout = r.timeouts.Ready
	done, err := upgrade.RunWithContext(ctx, ReleaseName, r.chart, values)
	if err != nil {
		return fmt.Errorf("upgrade: %w", raced(err))
	}
	return plan.deployed(asRelease(done))
}

// deployed records the new revision in the plan.
func (p *Plan) deployed(rel *release.Release, err error) error {
	if err != nil {
		return err
	}
	p.Revision = rel.Version
	return nil
}

// raced recognizes that plain helm, which knows no lock, was faster.
func raced(err error) error {
	if errors.Is(err, driver.ErrReleaseExists) {
		return fmt.Errorf("%w: helm changes the release at this moment: %w", ErrConflict, err)
	}
	return err
}

// previous is the newest revision before the given one that was once in force.
func previous(cfg *action.Configuration, before int) (*release.Release, error) {
	history, err := historyOf(cfg)
	if err != nil {
		return nil, err
	}
	var best *release.Release
	for _, rel := range history {
		good := rel.Info.Status == common.StatusSuperseded || rel.Info.Status == common.StatusDeployed
		if good && rel.Version < before && (best == nil || rel.Version > best.Version) {
			best = rel
		}
	}
	if best == nil {
		return nil, errcat.Errorf("ReleaseUnreadable", "no revision before %d was ever in force", before)
	}
	return best, nil
}

func uninstallRelease(cfg *action.Configuration) error {
	un := action.NewUninstall(cfg)
	// The chart's hook asks the operators to remove their rules, as removeRoutes did.
	un.DisableHooks = true
	un.IgnoreNotFound, un.WaitStrategy = true, waitStrategy
	un.DeletionPropagation = "foreground"
	if _, err := un.Run(ReleaseName); err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	return nil
}
