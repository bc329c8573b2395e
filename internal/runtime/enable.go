package runtime

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"helm.sh/helm/v4/pkg/action"
	release "helm.sh/helm/v4/pkg/release/v1"

	"github.com/edgeway-io/edgeway/internal/settings"
	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// Options of a change.
type Options struct {
	// ExpectRevision, when set, is the revision that the caller looked at; another
	// one in force is ErrConflict. 0 stands for "not installed".
	ExpectRevision *int
}

// Enable installs KubeEdge with settings s, or changes it to s. It returns when
// everything runs. A change that does not come up is rolled back (ErrRolledBack);
// a first installation that does not is left for inspection (ErrNotReady).
func (r *Runtime) Enable(ctx context.Context, s settings.Settings, o Options, progress Progress) (Plan, error) {
	return r.apply(ctx, s, o, progress.serial(), func(observation) error { return nil })
}

// Configure is Enable for a KubeEdge that is there: ErrNotEnabled when it is not.
func (r *Runtime) Configure(ctx context.Context, s settings.Settings, o Options, progress Progress) (Plan, error) {
	return r.apply(ctx, s, o, progress.serial(), func(o observation) error {
		if o.state == StateAbsent {
			return fmt.Errorf("%w on this cluster; enable it first", ErrNotEnabled)
		}
		return nil
	})
}

// apply is the one path of every change. Nothing is written before the checks of
// the first step are through.
func (r *Runtime) apply(ctx context.Context, s settings.Settings, o Options, progress Progress, allow func(observation) error) (Plan, error) {
	var plan Plan
	err := progress.step("preflight", func(func(string)) (err error) {
		if err := r.RequireAdmin(ctx); err != nil {
			return err
		}
		plan, err = r.check(ctx, s, o, allow)
		return err
	})
	if err != nil {
		return plan, err
	}
	if err := progress.step("namespace", func(func(string)) error { return r.ensureNamespace(ctx) }); err != nil {
		return plan, err
	}
	held, release, err := r.lock(ctx)
	if err != nil {
		progress(Step{Name: "lock", State: StepFailed, Message: err.Error()})
		return plan, err
	}
	defer release()
	progress(Step{Name: "lock", State: StepDone})
	// What was observed before the lock may be out of date.
	if plan, err = r.check(held, s, o, allow); err != nil {
		return plan, err
	}
	err = r.applyLocked(held, &plan, progress)
	return plan, lostLock(held, err)
}

// lostLock prefers the reason for which the lock's context ended.
func lostLock(held context.Context, err error) error {
	if cause := context.Cause(held); err != nil && errors.Is(cause, ErrConflict) {
		return cause
	}
	return err
}

// check plans and turns what speaks against the plan into an error.
func (r *Runtime) check(ctx context.Context, s settings.Settings, opts Options, allow func(observation) error) (Plan, error) {
	cfg, err := r.actions()
	if err != nil {
		return Plan{}, err
	}
	o, err := r.observe(ctx, cfg)
	if err != nil {
		return Plan{}, err
	}
	if o.state == StateForeign {
		return Plan{State: o.state, Reason: o.reason, Message: o.message, Action: ActionRefuse}, fmt.Errorf("%w: %s", ErrForeign, o.message)
	}
	if err := allow(o); err != nil {
		return Plan{State: o.state, Reason: o.reason, Message: o.message, Action: ActionRefuse}, err
	}
	plan, err := r.plan(ctx, s, o)
	if err != nil {
		return plan, err
	}
	if opts.ExpectRevision != nil && *opts.ExpectRevision != plan.Revision {
		return plan, fmt.Errorf("%w: the settings are at revision %d, you looked at %d; look again", ErrConflict, plan.Revision, *opts.ExpectRevision)
	}
	return plan, settings.AsError(plan.Problems)
}

func (r *Runtime) applyLocked(ctx context.Context, plan *Plan, progress Progress) error {
	steps := []struct {
		name string
		do   func(say func(string)) error
	}{
		{"certificate", func(func(string)) error {
			_, err := streamcert.Ensure(ctx, r.kube, Namespace, r.now())
			return err
		}},
		{"crds", func(say func(string)) error {
			n, err := r.applyCRDs(ctx)
			say(fmt.Sprintf("%d CRDs", n))
			return err
		}},
		{"loadBalancer", func(say func(string)) error { return r.ensureAddress(ctx, plan, say) }},
		{"routes", func(say func(string)) error { return r.resume(ctx, plan, say) }},
		{"release", func(say func(string)) error { return r.applyRelease(ctx, plan, say) }},
	}
	for _, step := range steps {
		if step.name == "loadBalancer" && !needsAddress(plan.Settings) {
			continue
		}
		if err := progress.step(step.name, step.do); err != nil {
			return err
		}
	}
	err := r.waitReady(ctx, progress)
	if errors.Is(err, ErrNotReady) {
		return r.rollback(ctx, plan, progress, err)
	}
	return err
}

// applyRelease repairs what an interrupted change left, then installs or upgrades, and
// takes away what is left over then.
func (r *Runtime) applyRelease(ctx context.Context, plan *Plan, say func(string)) error {
	if err := r.waitNoWorkloads(ctx, terminating); err != nil {
		return err
	}
	cfg, err := r.actions()
	if err != nil {
		return err
	}
	if err := r.repair(ctx, cfg); err != nil {
		return err
	}
	if err := r.changeRelease(ctx, cfg, plan, say); err != nil {
		return err
	}
	return r.tidy(cfg)
}

func (r *Runtime) changeRelease(ctx context.Context, cfg *action.Configuration, plan *Plan, say func(string)) error {
	last, err := lastRelease(cfg)
	if err != nil {
		return err
	}
	if last == nil {
		say("installing")
		return r.install(ctx, cfg, plan)
	}
	if plan.Action == ActionNone {
		plan.Revision = last.Version
		say(fmt.Sprintf("revision %d is in force already", last.Version))
		return nil
	}
	if err := r.reissue(ctx, last, plan.Settings); err != nil {
		return err
	}
	say("upgrading")
	return r.upgrade(ctx, cfg, plan)
}

// reissue makes CloudCore ask for a new certificate at its restart when its
// addresses change: the certificate holds those of its first start. Addresses that
// cannot be read may have changed.
func (r *Runtime) reissue(ctx context.Context, rel *release.Release, other settings.Settings) error {
	s, err := settingsOfRelease(rel)
	if err == nil && slices.Equal(s.EffectiveAddresses(), other.EffectiveAddresses()) {
		return nil
	}
	return r.deleteSecret(ctx, secretCloudCore)
}

// rollback returns to the revision that ran before, when there is one.
func (r *Runtime) rollback(ctx context.Context, plan *Plan, progress Progress, cause error) error {
	if plan.Action != ActionUpgrade {
		return cause
	}
	err := progress.step("rollback", func(say func(string)) error {
		cfg, err := r.actions()
		if err != nil {
			return err
		}
		to, err := previous(cfg, plan.Revision)
		if err != nil {
			return err
		}
		if err := r.reissue(ctx, to, plan.Settings); err != nil {
			return err
		}
		say(fmt.Sprintf("returning to the settings of revision %d", to.Version))
		back := action.NewRollback(cfg)
		back.Version, back.MaxHistory, back.WaitStrategy, back.ForceConflicts = to.Version, maxHistory, waitStrategy, true
		return back.Run(ReleaseName)
	})
	if err != nil {
		return fmt.Errorf("%w; rolling back failed too: %w", cause, err)
	}
	return fmt.Errorf("%w: %w", ErrRolledBack, cause)
}
