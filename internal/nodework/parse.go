package nodework

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Labels is a change of labels: a value sets one, nil takes it off.
type Labels map[string]*string

// Taints is a change of taints.
type Taints struct {
	// Set adds taints, or gives those of the same key and effect another value.
	Set []corev1.Taint
	// Remove takes taints off by key and, unless it is empty, effect.
	Remove []corev1.Taint
}

// ParseLabels reads what kubectl label reads: KEY=VALUE sets a label and KEY- takes it
// off. A key that is named twice is refused, where kubectl takes the last one.
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
		if errs := validation.IsQualifiedName(key); len(errs) > 0 {
			return nil, fmt.Errorf("label %q: %q is not a label key: %s", arg, key, strings.Join(errs, "; "))
		}
		if errs := validation.IsValidLabelValue(value); len(errs) > 0 {
			return nil, fmt.Errorf("label %q: %q is not a label value: %s", arg, value, strings.Join(errs, "; "))
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

// ParseTaints reads what kubectl taint reads: KEY[=VALUE]:EFFECT sets a taint, and
// KEY[[=VALUE]:EFFECT]- takes it off. The value does not matter for taking one off.
func ParseTaints(args []string) (Taints, error) {
	var out Taints
	for _, arg := range args {
		text, off := strings.CutSuffix(arg, "-")
		taint, err := parseTaint(text)
		if err != nil {
			return Taints{}, fmt.Errorf("taint %q: %w", arg, err)
		}
		if off {
			out.Remove = append(out.Remove, corev1.Taint{Key: taint.Key, Effect: taint.Effect})
			continue
		}
		if taint.Effect == "" {
			return Taints{}, fmt.Errorf("taint %q: it has no effect; %w", arg, errTaintSyntax)
		}
		for i := range out.Set {
			if out.Set[i].MatchTaint(&taint) {
				return Taints{}, fmt.Errorf("taint %q: key %s and effect %s are named twice", arg, taint.Key, taint.Effect)
			}
		}
		out.Set = append(out.Set, taint)
	}
	return out, nil
}

var errTaintSyntax = fmt.Errorf("write KEY[=VALUE]:EFFECT to set a taint, or KEY[:EFFECT]- to take it off")

// parseTaint reads KEY, KEY:EFFECT or KEY=VALUE:EFFECT.
func parseTaint(text string) (corev1.Taint, error) {
	left, effect, hasEffect := strings.Cut(text, ":")
	key := left
	var value string
	if hasEffect {
		key, value, _ = strings.Cut(left, "=")
	}
	t := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
	if errs := validation.IsQualifiedName(key); len(errs) > 0 {
		return t, fmt.Errorf("%q is not a taint key: %s; %w", key, strings.Join(errs, "; "), errTaintSyntax)
	}
	if errs := validation.IsValidLabelValue(value); len(errs) > 0 {
		return t, fmt.Errorf("%q is not a taint value: %s", value, strings.Join(errs, "; "))
	}
	switch t.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
	default:
		if hasEffect {
			return t, fmt.Errorf("%q is not an effect; choose NoSchedule, PreferNoSchedule or NoExecute", effect)
		}
	}
	return t, nil
}
