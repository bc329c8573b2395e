package nodework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrNotOurs is wrapped when a label or taint is to be taken off that the node does
// not have from its enrollment.
var ErrNotOurs = errcat.New("NotFromEnrollment", "is not from the node's enrollment").Fix("choose one that the enrollment gave")

// ErrEdgeLabel is wrapped when the edge label is to be taken off.
var ErrEdgeLabel = errcat.New("Invalid", "makes the node an edge node and stays").At("labels").Fix("let the node leave instead")

// ErrNoTaint is wrapped when a taint is to be taken off that the Node does not have.
var ErrNoTaint = errcat.New("Invalid", "is not on the node").At("taints").Fix("see which taints the node has now: they may have changed")

// Cordon says whether new pods may be scheduled onto an edge node.
func (c Clients) Cordon(ctx context.Context, node string, cordoned bool) error {
	state := v1alpha1.StateActive
	if cordoned {
		state = v1alpha1.StateCordoned
	}
	_, err := c.patchSpec(ctx, node, func(spec *v1alpha1.EdgeEnrollmentSpec) error {
		spec.State = state
		return nil
	})
	if errors.Is(err, ErrNoEnrollment) {
		return c.setUnschedulable(ctx, node, cordoned)
	}
	return err
}

func (c Clients) setUnschedulable(ctx context.Context, node string, on bool) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"unschedulable": on}})
	if err != nil {
		return err
	}
	_, err = c.Kube.CoreV1().Nodes().Patch(ctx, node, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	return err
}

// Metadata is a change of an edge node's labels and taints.
type Metadata struct {
	Labels Labels
	Taints Taints
}

// Change changes labels and taints of an edge node, all or none of them. What an
// enrollment may not hold gives enroll.Problems.
func (c Clients) Change(ctx context.Context, node string, m Metadata) error {
	if _, err := c.EdgeNode(ctx, node); err != nil {
		return err
	}
	_, err := c.patchSpec(ctx, node, func(spec *v1alpha1.EdgeEnrollmentSpec) (err error) {
		if spec.Labels, err = m.Labels.apply(enroll.MendLabels(spec.Labels), true); err != nil {
			return err
		}
		if spec.Taints, err = m.Taints.apply(spec.Taints, true); err != nil {
			return err
		}
		if p := enroll.ValidateSpec(spec); len(p) > 0 {
			return p
		}
		return nil
	})
	if !errors.Is(err, ErrNoEnrollment) {
		return err
	}
	return c.changeNode(ctx, node, m)
}

func (c Clients) changeNode(ctx context.Context, node string, m Metadata) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		n, err := c.EdgeNode(ctx, node)
		if err != nil {
			return err
		}
		if n.Labels, err = m.Labels.apply(n.Labels, false); err != nil {
			return err
		}
		if n.Spec.Taints, err = m.Taints.apply(n.Spec.Taints, false); err != nil {
			return err
		}
		_, err = c.Kube.CoreV1().Nodes().Update(ctx, n, metav1.UpdateOptions{})
		return err
	})
}

// apply gives the labels after the change. With strict, one that is not there cannot be
// taken off.
func (l Labels) apply(old map[string]string, strict bool) (map[string]string, error) {
	out := maps.Clone(old)
	if out == nil {
		out = map[string]string{}
	}
	for key, value := range l {
		if value != nil {
			out[key] = *value
			continue
		}
		if key == v1alpha1.LabelEdge {
			return nil, fmt.Errorf("label %s %w", key, ErrEdgeLabel)
		}
		if _, there := out[key]; !there && strict {
			return nil, fmt.Errorf("label %s %w; who may change Nodes can use kubectl label", key, ErrNotOurs)
		}
		delete(out, key)
	}
	return out, nil
}

func (t Taints) apply(old []corev1.Taint, strict bool) ([]corev1.Taint, error) {
	out := slices.Clone(old)
	for _, off := range t.Remove {
		before := len(out)
		out = slices.DeleteFunc(out, func(x corev1.Taint) bool {
			return x.Key == off.Key && (off.Effect == "" || x.Effect == off.Effect)
		})
		switch {
		case len(out) < before:
		case strict:
			return nil, fmt.Errorf("taint %s %w; who may change Nodes can use kubectl taint", off.ToString(), ErrNotOurs)
		default:
			return nil, fmt.Errorf("taint %s %w", off.ToString(), ErrNoTaint)
		}
	}
	for _, set := range t.Set {
		i := slices.IndexFunc(out, func(x corev1.Taint) bool { return x.MatchTaint(&set) })
		if i < 0 {
			out = append(out, set)
		} else {
			out[i] = set
		}
	}
	return out, nil
}
