package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "edgeway.io", Version: "v1alpha1"}

var (
	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the types of this package to a scheme.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&EdgeRouteSlice{}, &EdgeRouteSliceList{},
		&EdgeRouteTargets{}, &EdgeRouteTargetsList{},
		&CloudNodeRoutes{}, &CloudNodeRoutesList{},
		&EdgeEnrollment{}, &EdgeEnrollmentList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
