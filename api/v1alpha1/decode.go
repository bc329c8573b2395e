package v1alpha1

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
)

// One object that cannot be decoded makes its whole list unreadable, and stops every
// reader of the list. Such objects exist: older versions had a weaker schema, and the API
// server's format date-time accepts more than Go does. These methods then decode only the
// metadata, which the API server has checked, and set Undecodable.

// UnmarshalJSON implements json.Unmarshaler.
func (e *EdgeEnrollment) UnmarshalJSON(data []byte) error {
	type plain EdgeEnrollment
	var all plain
	meta, why, err := decode(data, &all)
	if why == "" {
		*e = EdgeEnrollment(all)
		return err
	}
	*e = EdgeEnrollment{TypeMeta: meta.TypeMeta, ObjectMeta: meta.ObjectMeta, Undecodable: why}
	return err
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *CloudNodeRoutes) UnmarshalJSON(data []byte) error {
	type plain CloudNodeRoutes
	var all plain
	meta, why, err := decode(data, &all)
	if why == "" {
		*r = CloudNodeRoutes(all)
		return err
	}
	*r = CloudNodeRoutes{TypeMeta: meta.TypeMeta, ObjectMeta: meta.ObjectMeta, Undecodable: why}
	// The addresses of a cloud node must not be routed, whatever else its report says.
	var addresses struct {
		Status struct {
			Addresses []string `json:"addresses"`
		} `json:"status"`
	}
	if utiljson.Unmarshal(data, &addresses) == nil {
		r.Status.Addresses = addresses.Status.Addresses
	}
	return err
}

// decode fills all, or says why it cannot and returns the metadata.
func decode[T any](data []byte, all *T) (meta metav1.PartialObjectMetadata, why string, err error) {
	fault := utiljson.Unmarshal(data, all)
	if fault == nil {
		return meta, "", nil
	}
	if err := utiljson.Unmarshal(data, &meta); err != nil {
		return meta, "", fmt.Errorf("decode an object's metadata: %w", err)
	}
	var parts map[string]any
	if err := utiljson.Unmarshal(data, &parts); err != nil {
		return meta, fault.Error(), nil //nolint:nilerr // there are no parts to look at
	}
	path, value, cause := faultOf("", parts, func(part any) error {
		text, err := json.Marshal(part)
		if err != nil {
			return nil //nolint:nilerr // it came from JSON
		}
		return utiljson.Unmarshal(text, new(T))
	})
	if cause == nil {
		return meta, fault.Error(), nil
	}
	const most = 80
	return meta, fmt.Sprintf("%s %s: %s", path, short(shown(value), most), short(cause.Error(), 4*most)), nil
}

// faultOf finds the smallest part that cannot be decoded by itself, since the decoders of
// durations and times do not say which field they were given.
func faultOf(path string, part any, decode func(part any) error) (string, any, error) {
	descend := func(path string, inner any, within func(any) any) (string, any, error) {
		decodeInner := func(v any) error { return decode(within(v)) }
		if decodeInner(inner) == nil {
			return "", nil, nil
		}
		return faultOf(path, inner, decodeInner)
	}
	switch part := part.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(part)) {
			name := key
			if path != "" {
				name = path + "." + key
			}
			at, value, err := descend(name, part[key], func(v any) any { return map[string]any{key: v} })
			if err != nil {
				return at, value, err
			}
		}
	case []any:
		for i, item := range part {
			at, value, err := descend(fmt.Sprintf("%s[%d]", path, i), item, func(v any) any { return []any{v} })
			if err != nil {
				return at, value, err
			}
		}
	}
	return path, part, decode(part)
}

// shown is a value as JSON, which has no signs that a terminal would obey.
func shown(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "" // it came from JSON
	}
	return string(text)
}

func short(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
