package runtime

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// createdLabel marks the namespace that a Runtime made and may remove.
const createdLabel = "edgeway.io/created"

// ensureNamespace makes namespace kubeedge. iptables-operator needs the host's
// network and NET_ADMIN, which pod security admits only at level "privileged".
func (r *Runtime) ensureNamespace(ctx context.Context) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace, Labels: map[string]string{
		createdLabel:                         "true",
		"app.kubernetes.io/part-of":          "edgeway",
		"pod-security.kubernetes.io/enforce": "privileged",
	}}}
	_, err := r.kube.CoreV1().Namespaces().Create(ctx, ns, metav1.CreateOptions{})
	if err == nil {
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create namespace %s: %w", Namespace, err)
	}
	return r.waitNotTerminating(ctx)
}

// waitNotTerminating lets a namespace that is being deleted go, and makes it anew.
func (r *Runtime) waitNotTerminating(ctx context.Context) error {
	err := r.poll(ctx, r.timeouts.Gone, func(ctx context.Context) (bool, error) {
		ns, err := r.kube.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, r.ensureNamespace(ctx)
		}
		if err != nil {
			return false, fmt.Errorf("read namespace %s: %w", Namespace, err)
		}
		return ns.DeletionTimestamp == nil, nil
	})
	if err != nil {
		return fmt.Errorf("namespace %s: %w", Namespace, err)
	}
	return nil
}

// ownNamespace says whether namespace kubeedge is ours to remove.
func (r *Runtime) ownNamespace(ctx context.Context) (bool, error) {
	ns, err := r.kube.CoreV1().Namespaces().Get(ctx, Namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read namespace %s: %w", Namespace, err)
	}
	return ns.Labels[createdLabel] != "", nil
}

// removeNamespace deletes a namespace and waits until it is gone.
func (r *Runtime) removeNamespace(ctx context.Context, name string) error {
	err := r.kube.CoreV1().Namespaces().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete namespace %s: %w", name, err)
	}
	err = r.poll(ctx, r.timeouts.Gone, func(ctx context.Context) (bool, error) {
		_, err := r.kube.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("wait for namespace %s to go: %w", name, err)
	}
	return nil
}

// removeJoinNamespace deletes the namespace of the enrollments. An edge node that
// CloudCore no longer reaches ends no pod, so its probe pod is deleted without it; its
// EdgeCore removes what the API server has no more when it comes back.
func (r *Runtime) removeJoinNamespace(ctx context.Context) error {
	now := int64(0)
	err := r.kube.CoreV1().Pods(v1alpha1.JoinNamespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete the pods of namespace %s: %w", v1alpha1.JoinNamespace, err)
	}
	return r.removeNamespace(ctx, v1alpha1.JoinNamespace)
}
