package runtime

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrNotAdmin: the user is not cluster-admin of this cluster.
var ErrNotAdmin = errcat.New("ClusterAdminRequired", "not a cluster-admin of this cluster")

// RequireAdmin asks the cluster whether the user may do everything there. Every
// verb that changes something asks first: with fewer rights an installation
// would stop half-way.
func (r *Runtime) RequireAdmin(ctx context.Context) error {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "*", Group: "*", Version: "*", Resource: "*"},
	}}
	answer, err := r.kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("ask for rights: %w", err)
	}
	if !answer.Status.Allowed {
		return fmt.Errorf("%w: changing KubeEdge needs ClusterRole cluster-admin", ErrNotAdmin)
	}
	return nil
}
