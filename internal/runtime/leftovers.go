package runtime

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/streamcert"
)

// Secrets that CloudCore makes.
const (
	secretCA        = "casecret"
	secretCloudCore = "cloudcoresecret"
	secretToken     = "tokensecret"
)

// removeLeftovers deletes what CloudCore and enabling made outside the release.
// With keepCA, what edge nodes need to come back stays.
func (r *Runtime) removeLeftovers(ctx context.Context, keepCA bool) error {
	secrets := []string{streamcert.SecretName, streamcert.GateSecretName, secretCloudCore, secretToken}
	if !keepCA {
		secrets = append(secrets, secretCA)
	}
	maps := []string{v1alpha1.TunnelPortConfigMap, "cloudcore"}
	for shard := range v1alpha1.IssuedShards {
		if !keepCA { // what another CA signs is another matter
			maps = append(maps, v1alpha1.IssuedPrefix+strconv.Itoa(shard))
		}
	}
	var errs []error
	for _, name := range secrets {
		errs = append(errs, r.deleteSecret(ctx, name))
	}
	for _, name := range maps {
		errs = append(errs, gone("ConfigMap "+name, r.kube.CoreV1().ConfigMaps(Namespace).Delete(ctx, name, metav1.DeleteOptions{})))
	}
	// Present only when enabling stopped before the release was made.
	service, err := r.kube.CoreV1().Services(Namespace).Get(ctx, serviceCloudCore, metav1.GetOptions{})
	if err == nil && ours(service) {
		errs = append(errs, gone("Service cloudcore", r.kube.CoreV1().Services(Namespace).Delete(ctx, serviceCloudCore, metav1.DeleteOptions{})))
	}
	errs = append(errs, r.removeLeases(ctx))
	return errors.Join(errs...)
}

// removeLeases deletes those of edge-watcher's leader election, not our own lock.
func (r *Runtime) removeLeases(ctx context.Context) error {
	leases, err := r.kube.CoordinationV1().Leases(Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list leases: %w", err)
	}
	var errs []error
	for _, lease := range leases.Items {
		if lease.Name != leaseName {
			errs = append(errs, gone("Lease "+lease.Name, r.kube.CoordinationV1().Leases(Namespace).Delete(ctx, lease.Name, metav1.DeleteOptions{})))
		}
	}
	return errors.Join(errs...)
}

func (r *Runtime) deleteSecret(ctx context.Context, name string) error {
	return gone("Secret "+name, r.kube.CoreV1().Secrets(Namespace).Delete(ctx, name, metav1.DeleteOptions{}))
}

// gone accepts that there was nothing to delete.
func gone(what string, err error) error {
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("delete %s: %w", what, err)
}
