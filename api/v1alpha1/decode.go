package v1alpha1

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"
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
	return err
}

// decode fills all, or says why it cannot and returns the metadata.
func decode(data []byte, all any) (meta metav1.PartialObjectMetadata, why string, err error) {
	fault := json.Unmarshal(data, all)
	if fault == nil {
		return meta, "", nil
	}
	if err := json.Unmarshal(data, &meta); err != nil {
		return meta, "", fmt.Errorf("decode an object's metadata: %w", err)
	}
	return meta, fault.Error(), nil
}
