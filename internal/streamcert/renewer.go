package streamcert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Renewer calls Ensure and EnsureGate at its start and then every ten minutes. It is a
// controller-runtime Runnable that runs on the leader only.
type Renewer struct {
	client    kubernetes.Interface
	namespace string
	hosts     []string
	log       *slog.Logger
	every     time.Duration
	retry     time.Duration
	retryCA   time.Duration // CloudCore makes its CA within seconds of its first start
	now       func() time.Time
}

// NewRenewer for CloudCore's namespace. Devices dial the gate at hosts; with none there
// is no gate.
func NewRenewer(client kubernetes.Interface, namespace string, hosts []string, log *slog.Logger) *Renewer {
	return &Renewer{
		client: client, namespace: namespace, hosts: hosts, log: log,
		every: 10 * time.Minute, retry: 10 * time.Second, retryCA: time.Second, now: time.Now,
	}
}

// NeedLeaderElection keeps two replicas from renewing at once.
func (r *Renewer) NeedLeaderElection() bool { return true }

// Start runs until ctx ends. Failures are logged and tried again soon.
func (r *Renewer) Start(ctx context.Context) error {
	for {
		wait := r.every
		switch err := errors.Join(r.once(ctx), r.gate(ctx)); {
		case errors.Is(err, ErrNoCA):
			wait = r.retryCA
		case err != nil:
			r.log.Error("stream certificates", "error", err)
			wait = r.retry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (r *Renewer) once(ctx context.Context) error {
	result, err := Ensure(ctx, r.client, r.namespace, r.now())
	if err != nil {
		return err
	}
	if result.Created {
		r.log.Info("stream certificate made", "notAfter", result.NotAfter)
	}
	if !result.Renewed {
		return nil
	}
	r.log.Info("stream certificate renewed", "notAfter", result.NotAfter)
	return restart(ctx, r.client, r.namespace, result.NotAfter)
}

// gate takes a new certificate in by itself, so nothing is restarted for it.
func (r *Renewer) gate(ctx context.Context) error {
	if len(r.hosts) == 0 {
		return nil
	}
	result, err := EnsureGate(ctx, r.client, r.namespace, r.hosts, r.now())
	if err == nil && (result.Created || result.Renewed) {
		r.log.Info("the gate's certificate for devices made", "notAfter", result.NotAfter, "hosts", r.hosts)
	}
	return err
}

// restart rolls CloudCore, as a changed pod template does.
func restart(ctx context.Context, client kubernetes.Interface, namespace string, notAfter time.Time) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{AnnotationSerial: notAfter.UTC().Format(time.RFC3339)},
	}}}})
	if err != nil {
		return fmt.Errorf("encode restart: %w", err)
	}
	_, err = client.AppsV1().Deployments(namespace).Patch(ctx, Deployment, types.StrategicMergePatchType, patch, metav1.PatchOptions{FieldManager: "edgeway-stream-cert"})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("restart Deployment %s/%s: %w", namespace, Deployment, err)
	}
	return nil
}
