package runtime

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// DisableOptions of Disable.
type DisableOptions struct {
	Options
	// KeepCA keeps KubeEdge's CA and the enrollments, so that joined edge nodes come
	// back when KubeEdge is enabled again.
	KeepCA bool
}

// Disable removes KubeEdge and everything that enabling made; CRDs stay when they
// have objects. On a cluster without KubeEdge it cleans up and succeeds.
func (r *Runtime) Disable(ctx context.Context, o DisableOptions, progress Progress) error {
	progress = progress.serial()
	err := progress.step("preflight", func(func(string)) error { return r.checkDisable(ctx, o) })
	if err != nil {
		return err
	}
	if err := r.disableLocked(ctx, o, progress); err != nil {
		return err
	}
	// The lock lived in the namespace, so this comes after it.
	return progress.step("namespace", func(func(string)) error { return r.removeOwnNamespaces(ctx, o.KeepCA) })
}

func (r *Runtime) checkDisable(ctx context.Context, opts DisableOptions) error {
	if err := r.RequireAdmin(ctx); err != nil {
		return err
	}
	cfg, err := r.actions()
	if err != nil {
		return err
	}
	o, err := r.observe(ctx, cfg)
	if err != nil {
		return err
	}
	if o.state == StateForeign {
		return fmt.Errorf("%w: %s", ErrForeign, o.message)
	}
	revision := 0
	if o.last != nil {
		revision = o.last.Version
	}
	if opts.ExpectRevision != nil && *opts.ExpectRevision != revision {
		return fmt.Errorf("%w: the settings are at revision %d, you looked at %d; look again", ErrConflict, revision, *opts.ExpectRevision)
	}
	return nil
}

func (r *Runtime) disableLocked(ctx context.Context, o DisableOptions, progress Progress) error {
	_, err := r.kube.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return progress.step("leftovers", func(func(string)) error { return r.removeCRDs(ctx) })
	}
	if err != nil {
		return fmt.Errorf("read namespace %s: %w", Namespace, err)
	}
	held, release, err := r.lock(ctx)
	if err != nil {
		progress(Step{Name: "lock", State: StepFailed, Message: err.Error()})
		return err
	}
	defer release()
	progress(Step{Name: "lock", State: StepDone})
	steps := []struct {
		name string
		do   func(say func(string)) error
	}{
		{"routes", func(say func(string)) error { return r.removeRoutes(held, say) }},
		{"uninstall", func(say func(string)) error { return r.uninstallAll(held, say) }},
		{"leftovers", func(func(string)) error {
			return errors.Join(r.removeLeftovers(held, o.KeepCA), r.removeRouteObjects(held), r.removeCRDs(held))
		}},
	}
	for _, step := range steps {
		if err := progress.step(step.name, step.do); err != nil {
			return lostLock(held, err)
		}
	}
	return nil
}

// removeRoutes stops edge-watcher, asks every iptables-operator to take all that
// is ours out of its kernel, and waits for it while they still run.
func (r *Runtime) removeRoutes(ctx context.Context, say func(string)) error {
	// The mark comes first: it also tells an enable that follows an interrupted
	// disable that edge-watcher was stopped.
	marked, err := r.asker().Ask(ctx, "")
	if err != nil || !marked {
		return err
	}
	none := []byte(`{"spec":{"replicas":0}}`)
	_, err = r.kube.AppsV1().Deployments(Namespace).Patch(ctx, deploymentWatcher, types.MergePatchType, none, metav1.PatchOptions{FieldManager: "helm"})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("stop edge-watcher: %w", err)
	}
	if err := r.waitNoPods(ctx, "app.kubernetes.io/name=edge-watcher"); err != nil {
		return fmt.Errorf("stop edge-watcher: %w", err)
	}
	// edge-watcher may have written over the mark while it still ran.
	if _, err := r.asker().Ask(ctx, ""); err != nil {
		return err
	}
	var left []string
	err = r.poll(ctx, r.timeouts.Gone, func(ctx context.Context) (bool, error) {
		left, err = r.asker().Left(ctx)
		if len(left) > 0 {
			say("rules are still in the kernel of " + strings.Join(left, ", "))
		}
		return len(left) == 0, err
	})
	if errors.Is(err, errTimeout) && !passing(err) {
		// A broken node must not keep KubeEdge on a cluster; its kernel forgets at a reboot.
		say("rules may remain until a reboot on " + strings.Join(left, ", "))
		return nil
	}
	return err
}

func (r *Runtime) waitNoPods(ctx context.Context, selector string) error {
	return r.poll(ctx, r.timeouts.Gone, func(ctx context.Context) (bool, error) {
		pods, err := r.kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			return false, fmt.Errorf("list pods: %w", err)
		}
		return len(pods.Items) == 0, nil
	})
}

// uninstallAll removes the release and waits for its pods to end.
func (r *Runtime) uninstallAll(ctx context.Context, say func(string)) error {
	cfg, err := r.actions()
	if err != nil {
		return err
	}
	damaged, err := r.removeDamaged(ctx, cfg)
	if err != nil {
		return err
	}
	last, err := lastRelease(cfg)
	if err != nil {
		return err
	}
	if last != nil {
		err = uninstallRelease(cfg)
	}
	if damaged {
		say("a part of the release could not be read: removing what the chart makes")
		err = errors.Join(err, r.removeUnrecorded(cfg))
	}
	if err != nil {
		return err
	}
	say("waiting for pods to end")
	if err := r.waitNoPods(ctx, partOfEdgeway); err != nil {
		return fmt.Errorf("wait for pods to end: %w", err)
	}
	return r.waitNoWorkloads(ctx, func(metav1.Object) bool { return true })
}

// partOfEdgeway selects what the chart makes.
const partOfEdgeway = "app.kubernetes.io/part-of=edgeway"

// waitNoWorkloads waits until the chart's Deployments and DaemonSets of a kind are gone.
// They outlive their pods while the garbage collector works, and a release that is
// installed meanwhile would write into objects that are about to go.
func (r *Runtime) waitNoWorkloads(ctx context.Context, which func(metav1.Object) bool) error {
	err := r.poll(ctx, r.timeouts.Gone, func(ctx context.Context) (bool, error) {
		deployments, err := r.kube.AppsV1().Deployments(Namespace).List(ctx, metav1.ListOptions{LabelSelector: partOfEdgeway})
		if err != nil {
			return false, fmt.Errorf("list Deployments: %w", err)
		}
		daemonSets, err := r.kube.AppsV1().DaemonSets(Namespace).List(ctx, metav1.ListOptions{LabelSelector: partOfEdgeway})
		if err != nil {
			return false, fmt.Errorf("list DaemonSets: %w", err)
		}
		for i := range deployments.Items {
			if which(&deployments.Items[i]) {
				return false, nil
			}
		}
		for i := range daemonSets.Items {
			if which(&daemonSets.Items[i]) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("wait for Deployments and DaemonSets to go: %w", err)
	}
	return nil
}

// terminating says whether an object was deleted and is not gone yet.
func terminating(o metav1.Object) bool { return o.GetDeletionTimestamp() != nil }

// removeOwnNamespaces deletes the namespaces that enabling made, unless the CA in
// the one and the enrollments in the other are kept.
func (r *Runtime) removeOwnNamespaces(ctx context.Context, keepCA bool) error {
	if keepCA {
		return nil
	}
	own, err := r.ownNamespace(ctx)
	if err != nil {
		return err
	}
	if own {
		if err := r.removeNamespace(ctx, Namespace); err != nil {
			return err
		}
	}
	join, err := r.kube.CoreV1().Namespaces().Get(ctx, v1alpha1.JoinNamespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || (err == nil && !ours(join)) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read namespace %s: %w", v1alpha1.JoinNamespace, err)
	}
	if err := r.removeJoinNamespace(ctx); err != nil {
		return err
	}
	// Enrollments may have kept their CRD.
	return r.removeCRDs(ctx)
}
