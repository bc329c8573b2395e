package serve

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apiserver/pkg/authentication/user"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

// Answers of the apiserver are kept for a moment: a page asks for the same thing
// again and again. A right that was taken away ends after this long.
const (
	allowedFor = 10 * time.Second
	refusedFor = 3 * time.Second
)

// authorizer asks whether a user may see something in metrics.k8s.io.
type authorizer struct {
	reviews authorization.SubjectAccessReviewInterface
	known   *cache.Expiring
}

func newAuthorizer(reviews authorization.SubjectAccessReviewInterface) *authorizer {
	return &authorizer{reviews: reviews, known: cache.NewExpiring()}
}

// allowed asks for a verb on nodes or pods; an empty namespace or name means all.
func (a *authorizer) allowed(ctx context.Context, u user.Info, verb, resource, namespace, name string) (bool, string, error) {
	spec := authorizationv1.SubjectAccessReviewSpec{
		User: u.GetName(), UID: u.GetUID(), Groups: u.GetGroups(), Extra: map[string]authorizationv1.ExtraValue{},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Group: "metrics.k8s.io", Version: "v1beta1", Verb: verb, Resource: resource, Namespace: namespace, Name: name,
		},
	}
	for key, values := range u.GetExtra() {
		spec.Extra[key] = values
	}
	key := keyOf(spec)
	if old, ok := a.known.Get(key); ok {
		status := old.(authorizationv1.SubjectAccessReviewStatus)
		return status.Allowed, status.Reason, nil
	}
	review, err := a.reviews.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return false, "", fmt.Errorf("ask whether user %q may %s %s of metrics.k8s.io: %w", u.GetName(), verb, resource, err)
	}
	ttl := refusedFor
	if review.Status.Allowed {
		ttl = allowedFor
	}
	a.known.Set(key, review.Status, ttl)
	return review.Status.Allowed, review.Status.Reason, nil
}

// keyOf is the whole question, so that no two users or objects share an answer.
func keyOf(s authorizationv1.SubjectAccessReviewSpec) string {
	r := s.ResourceAttributes
	parts := []string{s.User, s.UID, r.Verb, r.Resource, r.Namespace, r.Name}
	parts = append(parts, slices.Sorted(slices.Values(s.Groups))...)
	extra := make([]string, 0, len(s.Extra))
	for key, values := range s.Extra {
		extra = append(extra, fmt.Sprintf("%q=%q", key, []string(values)))
	}
	slices.Sort(extra)
	return fmt.Sprintf("%q", strings.Join(parts, "\x00")) + strings.Join(extra, ",")
}
