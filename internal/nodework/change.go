package nodework

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
)

// ErrNotOurs is wrapped when a label or taint is to be taken off that the node does
// not have from its enrolment.
var ErrNotOurs = errors.New("is not from the node's enrolment")

// ErrEdgeLabel is wrapped when the edge label is to be taken off.
var ErrEdgeLabel = errors.New("makes the node an edge node and stays; let the node leave instead")

// Cordon says whether new pods may be scheduled onto an edge node.
func (c Clients) Cordon(ctx context.Context, node string, cordoned bool) error {
	state := v1alpha1.StateActive
	if cordoned {
		state = v1alpha1.StateCordoned
	}
	err := c.patchSpec(ctx, node, func(spec *v1alpha1.EdgeEnrollmentSpec) error {
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

// Labels is a change of labels: a value sets one, nil takes it off.
type Labels map[string]*string

// Taints is a change of taints.
type Taints struct {
	// Set adds taints, or gives those of the same key and effect another value.
	Set []corev1.Taint
	// Remove takes taints off by key and, unless it is empty, effect.
	Remove []corev1.Taint
}

// ParseLabels reads KEY=VALUE, which sets a label, and KEY-, which takes it off.
func ParseLabels(args []string) (Labels, error) {
	out := Labels{}
	for _, arg := range args {
		key, value, set := strings.Cut(arg, "=")
		if !set {
			var off bool
			if key, off = strings.CutSuffix(arg, "-"); !off {
				return nil, fmt.Errorf("label %q: write KEY=VALUE to set it, or KEY- to take it off", arg)
			}
		}
		if _, twice := out[key]; twice {
			return nil, fmt.Errorf("label %q is named twice", key)
		}
		out[key] = nil
		if set {
			out[key] = &value
		}
	}
	return out, nil
}

// ParseTaints reads KEY[=VALUE]:EFFECT, which sets a taint, and KEY[:EFFECT]-, which
// takes it off, as kubectl taint does.
func ParseTaints(args []string) (Taints, error) {
	var out Taints
	for _, arg := range args {
		text, off := strings.CutSuffix(arg, "-")
		left, effect, _ := strings.Cut(text, ":")
		key, value, hasValue := strings.Cut(left, "=")
		t := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
		switch {
		case key == "", off && hasValue, !off && effect == "":
			return Taints{}, fmt.Errorf("taint %q: write KEY[=VALUE]:EFFECT to set it, or KEY[:EFFECT]- to take it off", arg)
		case off:
			out.Remove = append(out.Remove, t)
		default:
			out.Set = append(out.Set, t)
		}
	}
	return out, nil
}

// Metadata is a change of an edge node's labels and taints.
type Metadata struct {
	Labels Labels
	Taints Taints
}

// Change changes labels and taints of an edge node, all or none of them. What an
// enrolment may not hold gives enroll.Problems.
func (c Clients) Change(ctx context.Context, node string, m Metadata) error {
	if _, err := c.EdgeNode(ctx, node); err != nil {
		return err
	}
	err := c.patchSpec(ctx, node, func(spec *v1alpha1.EdgeEnrollmentSpec) (err error) {
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
		if len(out) == before && strict {
			return nil, fmt.Errorf("taint %s %w; who may change Nodes can use kubectl taint", off.ToString(), ErrNotOurs)
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
