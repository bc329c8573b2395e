package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// annotation says which CloudCore a node was last connected to, by its address.
const annotation = "cloudcore"

// done is the answer to what gives no object.
const done = "OK"

// content reads a request's content; what cannot be read is not answered.
func content[T any](r request) (*T, error) {
	v := new(T)
	if err := json.Unmarshal(r.content, v); err != nil {
		return nil, fmt.Errorf("%w: content of %s: %w", errSilent, r.name, err)
	}
	return v, nil
}

func getNode(ctx context.Context, u *Upstream, r request) (*corev1.Node, error) {
	return u.own.CoreV1().Nodes().Get(ctx, r.name, metav1.GetOptions{})
}

// createNode creates the Node in the node's name without the labels that a kubelet may
// not give itself, and adds those with CloudCore's own rights.
func createNode(ctx context.Context, u *Upstream, r request) (*corev1.Node, error) {
	node, err := content[corev1.Node](r)
	if err != nil {
		return nil, err
	}
	node.Name = r.name
	reserved := map[string]string{}
	for key, value := range node.Labels {
		domain, _, ok := strings.Cut(key, "/")
		if ok && (domain == "kubernetes.io" || strings.HasSuffix(domain, ".kubernetes.io")) {
			reserved[key] = value
			delete(node.Labels, key)
		}
	}
	metav1.SetMetaDataAnnotation(&node.ObjectMeta, annotation, u.address)
	made, err := r.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
	if err != nil || len(reserved) == 0 {
		return made, err
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": reserved}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	return u.own.CoreV1().Nodes().Patch(ctx, r.name, types.MergePatchType, patch, metav1.PatchOptions{})
}

func patchNode(ctx context.Context, _ *Upstream, r request) (*corev1.Node, error) {
	return r.client.CoreV1().Nodes().Patch(ctx, r.name, types.StrategicMergePatchType, r.content, metav1.PatchOptions{}, "status")
}

func patchPod(ctx context.Context, _ *Upstream, r request) (*corev1.Pod, error) {
	return r.client.CoreV1().Pods(r.namespace).Patch(ctx, r.name, types.StrategicMergePatchType, r.content, metav1.PatchOptions{}, "status")
}

// deletePod answers alike when the pod was gone before.
func deletePod(ctx context.Context, _ *Upstream, r request) (any, error) {
	options, err := content[metav1.DeleteOptions](r)
	if err != nil {
		return nil, err
	}
	err = r.client.CoreV1().Pods(r.namespace).Delete(ctx, r.name, *options)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return nil, err
	}
	return done, nil
}

func createLease(ctx context.Context, _ *Upstream, r request) (*coordinationv1.Lease, error) {
	lease, err := content[coordinationv1.Lease](r)
	if err != nil {
		return nil, err
	}
	return r.client.CoordinationV1().Leases(r.namespace).Create(ctx, lease, metav1.CreateOptions{})
}

func updateLease(ctx context.Context, _ *Upstream, r request) (*coordinationv1.Lease, error) {
	lease, err := content[coordinationv1.Lease](r)
	if err != nil {
		return nil, err
	}
	return r.client.CoordinationV1().Leases(r.namespace).Update(ctx, lease, metav1.UpdateOptions{})
}

func getLease(ctx context.Context, u *Upstream, r request) (*coordinationv1.Lease, error) {
	return u.own.CoordinationV1().Leases(r.namespace).Get(ctx, r.name, metav1.GetOptions{})
}

func getConfigMap(ctx context.Context, u *Upstream, r request) (*corev1.ConfigMap, error) {
	return u.own.CoreV1().ConfigMaps(r.namespace).Get(ctx, r.name, metav1.GetOptions{})
}

func getSecret(ctx context.Context, u *Upstream, r request) (*corev1.Secret, error) {
	return u.own.CoreV1().Secrets(r.namespace).Get(ctx, r.name, metav1.GetOptions{})
}

func createToken(ctx context.Context, _ *Upstream, r request) (*authenticationv1.TokenRequest, error) {
	ask, err := content[authenticationv1.TokenRequest](r)
	if err != nil {
		return nil, err
	}
	return r.client.CoreV1().ServiceAccounts(r.namespace).CreateToken(ctx, r.name, ask, metav1.CreateOptions{})
}

func createEvent(ctx context.Context, u *Upstream, r request) (any, error) {
	event, err := content[corev1.Event](r)
	if err != nil {
		return nil, err
	}
	if _, err := u.own.CoreV1().Events(event.Namespace).Create(ctx, event, metav1.CreateOptions{}); err != nil {
		return nil, fmt.Errorf("%w: %w", errSilent, err)
	}
	return nil, errSilent // events are not answered
}

func (u *Upstream) annotate(ctx context.Context, node string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotation: u.address}}})
	if err != nil {
		return err
	}
	_, err = u.own.CoreV1().Nodes().Patch(ctx, node, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}
