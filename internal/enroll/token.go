package enroll

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll/token"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

// ErrNoToken is wrapped when edge-watcher gives no join token for an enrollment.
var ErrNoToken = errcat.New("NoToken", "no join token")

// ErrTokenForbidden is wrapped when the caller may change enrollments and not mint
// KubeEdge's own tokens, which are good for every name.
var ErrTokenForbidden = errcat.New("JoinTokenForbidden", "you may not make KubeEdge's own join tokens")

// tokenPolicy is the admission policy that asks for the right.
const tokenPolicy = "edgeway-join-token"

// JoinToken is KubeEdge's own token.
type JoinToken struct {
	Token string
	// Expires is when CloudHub stops accepting it. Nothing revokes it earlier.
	Expires time.Time
}

const (
	answerPatience = 5 * time.Second
	answerPoll     = 200 * time.Millisecond
)

// RequestToken asks edge-watcher for a join token with the caller's right to
// change the enrollment. Only this call can read the answer: the key that it is
// sealed to is never stored. newNodeOnly is for keadm, which refuses a node name that
// exists.
func RequestToken(ctx context.Context, user client.Client, e *v1alpha1.EdgeEnrollment, newNodeOnly bool) (*JoinToken, error) {
	recipient, err := token.NewRecipient()
	if err != nil {
		return nil, err
	}
	base := e.DeepCopy()
	e.Spec.TokenFor = &v1alpha1.TokenRecipient{PublicKey: recipient.PublicKey(), NewNodeOnly: newNodeOnly}
	err = user.Patch(ctx, e, client.MergeFrom(base))
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), tokenPolicy) {
		return nil, TokenForbidden()
	}
	if err != nil {
		return nil, fmt.Errorf("asking for a join token: %w", err)
	}
	var sealed *v1alpha1.SealedToken
	err = await(ctx, user, client.ObjectKeyFromObject(e), ErrNoToken, func(now *v1alpha1.EdgeEnrollment) (bool, error) {
		if sealed = now.Status.Token; sealed != nil && bytes.Equal(sealed.For, recipient.PublicKey()) {
			return true, nil
		}
		return false, noToken(now)
	})
	if err != nil {
		return nil, err
	}
	opened, err := recipient.Open(e.Name, sealed.Sealed)
	if err != nil {
		return nil, err
	}
	return &JoinToken{Token: opened, Expires: sealed.ExpiresAt.Time}, nil
}

// TokenForbidden names the right that is missing.
func TokenForbidden() error {
	return fmt.Errorf("%w: it takes the right to create edgeenrollments/token in namespace %s", ErrTokenForbidden, v1alpha1.JoinNamespace)
}

// await looks at an enrollment until done says so, or why that will not be. It polls: a
// watch would need another verb for the 0.2 s that this takes. Where edge-watcher does not
// answer, the error wraps none.
func await(ctx context.Context, user client.Client, at client.ObjectKey, none error, done func(*v1alpha1.EdgeEnrollment) (bool, error)) error {
	patient, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	err := wait.PollUntilContextCancel(patient, answerPoll, true, func(context.Context) (bool, error) {
		var now v1alpha1.EdgeEnrollment
		if err := user.Get(ctx, at, &now); err != nil {
			return false, fmt.Errorf("waiting for edge-watcher's answer: %w", err)
		}
		return done(&now)
	})
	if err != nil && ctx.Err() == nil && patient.Err() != nil && wait.Interrupted(err) {
		return fmt.Errorf("%w: edge-watcher has not answered: see whether it runs in namespace %s", none, v1alpha1.KubeEdgeNamespace)
	}
	return err
}

// noToken says why there will be none.
func noToken(e *v1alpha1.EdgeEnrollment) error {
	switch {
	case e.Spec.State == v1alpha1.StateRevoked, e.Spec.State == v1alpha1.StateRetired:
		return fmt.Errorf("%w: the enrollment is %s; create a new one", ErrNoToken, e.Spec.State)
	case e.Status.Phase != "" && e.Status.Phase != v1alpha1.PhasePending:
		return fmt.Errorf("%w: the enrollment is %s already; create a new one for another device", ErrNoToken, e.Status.Phase)
	}
	if c := meta.FindStatusCondition(e.Status.Conditions, v1alpha1.ConditionTokenMinted); c != nil && c.Status == metav1.ConditionFalse {
		return fmt.Errorf("%w: %s", ErrNoToken, c.Message)
	}
	return nil
}
