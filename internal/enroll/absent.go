package enroll

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// List gives the enrollments of a cluster; where KubeEdge is not enabled there are none.
func List(ctx context.Context, c client.Reader, options ...client.ListOption) ([]v1alpha1.EdgeEnrollment, error) {
	var list v1alpha1.EdgeEnrollmentList
	err := c.List(ctx, &list, append(options, client.InNamespace(v1alpha1.JoinNamespace))...)
	if Absent(err) {
		return nil, nil
	}
	return list.Items, err
}

// Absent tells of an error that the cluster does not have our types, which come with
// KubeEdge's chart and may go with it. A client that met them before does not ask
// discovery again; it gets what an API server answers for a path that it does not serve.
func Absent(err error) bool {
	if meta.IsNoMatchError(err) {
		return true
	}
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	d := status.Status().Details
	return d != nil && d.Group == v1alpha1.GroupVersion.Group && apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}
