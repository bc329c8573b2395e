package enrollment

import (
	"context"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/watcher/nodes"
)

// facts are what a reservation is decided on.
type facts struct {
	nodes        []routes.Node
	others       []v1alpha1.EdgeEnrollment
	serviceCIDRs []netip.Prefix
}

// verdict of one check; an empty reason lets the enrollment through.
type verdict struct{ reason, message string }

// checks in the order in which they matter to a person.
var checks = []func(*v1alpha1.EdgeEnrollment, facts) verdict{validSpec, nameFree, addressFree, addressOutsideCluster}

// decide says whether the enrollment gets its name and address.
func decide(e *v1alpha1.EdgeEnrollment, f facts) verdict {
	for _, check := range checks {
		if v := check(e, f); v.reason != "" {
			return v
		}
	}
	return verdict{}
}

// validSpec: an enrollment may have been written by other hands than the console's.
func validSpec(e *v1alpha1.EdgeEnrollment, _ facts) verdict {
	if p := enroll.ValidateSpec(&e.Spec); len(p) > 0 {
		return verdict{v1alpha1.ReasonInvalid, p.Error()}
	}
	return verdict{}
}

// nameFree: a second device with a name takes the first one's pods. A device that
// came back to its own tombstone is not a second one.
func nameFree(e *v1alpha1.EdgeEnrollment, f facts) verdict {
	for i := range f.nodes {
		if f.nodes[i].Name == e.Spec.NodeName && !(returned(e) && f.nodes[i].Edge) {
			return verdict{v1alpha1.ReasonNameTaken, fmt.Sprintf("%q is a node of this cluster already", e.Spec.NodeName)}
		}
	}
	for i := range f.others {
		if f.others[i].Spec.NodeName == e.Spec.NodeName {
			return verdict{v1alpha1.ReasonNameTaken, fmt.Sprintf("node name %q is reserved by enrollment %s", e.Spec.NodeName, f.others[i].Name)}
		}
	}
	return verdict{}
}

// addressFree: two edge nodes with one address get each other's requests.
func addressFree(e *v1alpha1.EdgeEnrollment, f facts) verdict {
	ip, err := netip.ParseAddr(e.Spec.NodeIP)
	if err != nil {
		return verdict{v1alpha1.ReasonIPInvalid, fmt.Sprintf("%q is not an IP address", e.Spec.NodeIP)}
	}
	for i := range f.nodes {
		if f.nodes[i].Name != e.Spec.NodeName && hasAddress(&f.nodes[i], ip) {
			return verdict{v1alpha1.ReasonIPTaken, fmt.Sprintf("%s is the address of node %q", ip, f.nodes[i].Name)}
		}
	}
	for i := range f.others {
		if o, err := netip.ParseAddr(f.others[i].Spec.NodeIP); err == nil && o == ip {
			return verdict{v1alpha1.ReasonIPTaken, fmt.Sprintf("%s is reserved for edge node %q", ip, f.others[i].Spec.NodeName)}
		}
	}
	return verdict{}
}

// addressOutsideCluster: the route to such an address would cut off a pod or a Service.
func addressOutsideCluster(e *v1alpha1.EdgeEnrollment, f facts) verdict {
	ip, err := netip.ParseAddr(e.Spec.NodeIP)
	if err != nil {
		return verdict{v1alpha1.ReasonIPInvalid, fmt.Sprintf("%q is not an IP address", e.Spec.NodeIP)}
	}
	for _, p := range f.serviceCIDRs {
		if p.Contains(ip) {
			return verdict{v1alpha1.ReasonIPInvalid, fmt.Sprintf("%s is in the cluster's service network %s", ip, p)}
		}
	}
	for i := range f.nodes {
		for _, p := range f.nodes[i].PodCIDRs {
			if p.Contains(ip) {
				return verdict{v1alpha1.ReasonIPInvalid, fmt.Sprintf("%s is in the pod network %s of node %q", ip, p, f.nodes[i].Name)}
			}
		}
	}
	return verdict{}
}

func hasAddress(n *routes.Node, ip netip.Addr) bool {
	for _, text := range n.Addresses {
		if x, err := netip.ParseAddr(text); err == nil && x == ip {
			return true
		}
	}
	return false
}

func returned(e *v1alpha1.EdgeEnrollment) bool {
	return meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionReturned)
}

// reserve decides once and writes the decision before the next one is made.
func (r *Reconciler) reserve(ctx context.Context, e *v1alpha1.EdgeEnrollment) (ctrl.Result, error) {
	r.reserving.Lock()
	defer r.reserving.Unlock()
	f, err := r.facts(ctx, e)
	if err != nil {
		return ctrl.Result{}, err
	}
	if e.Status.Phase == "" {
		e.Status.Phase = v1alpha1.PhasePending
	}
	e.Status.ExpiresAt = &metav1.Time{Time: enroll.ExpiresAt(e)}
	if v := decide(e, f); v.reason != "" {
		r.set(e, v1alpha1.ConditionReserved, false, v.reason, v.message)
		e.Status.Phase = v1alpha1.PhaseRefused
	} else {
		r.set(e, v1alpha1.ConditionReserved, true, "Reserved", fmt.Sprintf("%s and %s are this node's", e.Spec.NodeName, e.Spec.NodeIP))
		meta.RemoveStatusCondition(&e.Status.Conditions, v1alpha1.ConditionReturned)
	}
	if err := r.client.Status().Update(ctx, e); err != nil {
		return ctrl.Result{}, fmt.Errorf("reserving for enrollment %s: %w", e.Name, err)
	}
	r.remember(e)
	return ctrl.Result{}, r.clearTombstones(ctx, e)
}

func (r *Reconciler) facts(ctx context.Context, e *v1alpha1.EdgeEnrollment) (facts, error) {
	all, err := r.o.Nodes(ctx)
	if err != nil {
		return facts{}, fmt.Errorf("listing nodes: %w", err)
	}
	others, err := r.rivals(ctx, e)
	if err != nil {
		return facts{}, err
	}
	return facts{nodes: all, serviceCIDRs: r.o.ServiceCIDRs(), others: others}, nil
}

func listNodes(ctx context.Context, live client.Reader) ([]routes.Node, error) {
	var list corev1.NodeList
	if err := live.List(ctx, &list); err != nil {
		return nil, err
	}
	out := make([]routes.Node, 0, len(list.Items))
	for i := range list.Items {
		out = append(out, nodes.Of(&list.Items[i]).Node)
	}
	return out, nil
}

// clearTombstones: who enrolls a name anew has taken it over from the retired one.
func (r *Reconciler) clearTombstones(ctx context.Context, e *v1alpha1.EdgeEnrollment) error {
	if e.Status.Phase == v1alpha1.PhaseRefused {
		return nil
	}
	var same v1alpha1.EdgeEnrollmentList
	if err := r.client.List(ctx, &same, client.InNamespace(e.Namespace), client.MatchingFields{IndexNodeName: e.Spec.NodeName}); err != nil {
		return fmt.Errorf("listing tombstones of %q: %w", e.Spec.NodeName, err)
	}
	for i := range same.Items {
		o := &same.Items[i]
		if o.UID == e.UID || o.Status.Phase != v1alpha1.PhaseRetired {
			continue
		}
		if err := r.client.Delete(ctx, o); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting tombstone %s: %w", o.Name, err)
		}
	}
	return nil
}
