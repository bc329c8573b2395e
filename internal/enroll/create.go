package enroll

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// maxBase keeps a generated name below Kubernetes' limit.
const maxBase = 200

// New validates the request, creates its EdgeEnrollment with the caller's rights
// and returns it with the join code, which is nowhere else. A refused request
// gives Problems; what Kubernetes refuses comes back as its own error, wrapped.
func New(ctx context.Context, user client.Client, r Request) (*v1alpha1.EdgeEnrollment, string, error) {
	r = r.WithDefaults()
	problems := r.Validate()
	if len(problems) == 0 {
		problems = append(problems, taken(ctx, user, r)...)
	}
	if len(problems) > 0 {
		return nil, "", problems
	}
	code, err := NewCode()
	if err != nil {
		return nil, "", err
	}
	hash := HashCode(code)
	e := &v1alpha1.EdgeEnrollment{
		ObjectMeta: metav1.ObjectMeta{Namespace: v1alpha1.JoinNamespace, GenerateName: objectBase(r.NodeName) + "-",
			Labels: map[string]string{v1alpha1.LabelCode: codeLabel(hash)}},
		Spec: r.spec(hash),
	}
	if err := user.Create(ctx, e); err != nil {
		return nil, "", fmt.Errorf("creating the enrollment of edge node %q: %w", r.NodeName, err)
	}
	return e, code, nil
}

// objectBase is the name cut so that Kubernetes can append its suffix.
func objectBase(nodeName string) string {
	if len(nodeName) > maxBase {
		nodeName = nodeName[:maxBase]
	}
	return strings.TrimRight(nodeName, "-.")
}

// taken gives the user an early answer, as far as the user may look. edge-watcher
// decides; so what cannot be read here is no problem.
func taken(ctx context.Context, user client.Client, r Request) Problems {
	var p Problems
	var node corev1.Node
	err := user.Get(ctx, client.ObjectKey{Name: r.NodeName}, &node)
	if err == nil {
		p.add("nodeName", r.NodeName, "NameTaken", "is a node of this cluster", "choose another name, or retire that node first")
	} else if !apierrors.IsNotFound(err) {
		return p
	}
	list, err := List(ctx, user)
	if err != nil {
		return p
	}
	for i := range list {
		e := &list[i]
		if !Reserves(e) {
			continue
		}
		if e.Spec.NodeName == r.NodeName {
			p.add("nodeName", r.NodeName, "NameTaken", "is reserved by enrollment "+e.Name, "choose another name, or revoke that enrollment")
		}
		if sameAddress(e.Spec.NodeIP, r.NodeIP) {
			p.add("nodeIP", r.NodeIP, "IPTaken", "is reserved for edge node "+e.Spec.NodeName, "choose another address, or revoke that enrollment")
		}
	}
	return p
}

// sameAddress compares addresses, not the ways to write them.
func sameAddress(a, b string) bool {
	x, err := netip.ParseAddr(a)
	if err != nil {
		return a == b
	}
	y, err := netip.ParseAddr(b)
	return err == nil && x.Unmap() == y.Unmap()
}

// Reserves reports whether the enrollment keeps its name and address from others; a
// decision that is still open counts as well.
func Reserves(e *v1alpha1.EdgeEnrollment) bool { return e.Claims() }
