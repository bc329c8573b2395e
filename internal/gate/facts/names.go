package facts

import (
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Why a name may have no connection.
var (
	ErrUnknown = errors.New("no edge node of this name")
	ErrRevoked = errors.New("the enrollment of this name is revoked")
	ErrRetired = errors.New("the node of this name is retired")
	// ErrEnrolled says why a join token is not good for a name.
	ErrEnrolled = errors.New("the node of this name has a certificate by its enrollment")
)

// standing is what an enrollment says about its name.
type standing int

const (
	pending  standing = iota // no certificate was issued for it, or it came to nothing
	expected                 // a join token was handed out for it
	enrolled
	revoked
	retired
)

// enrollee is what is kept of an enrollment.
type enrollee struct {
	node     string
	standing standing
	// signed says that the device's certificate came by a code, not by a join token.
	signed bool
}

// names knows which names may have connections.
type names struct {
	mu        sync.RWMutex
	edge      map[string]bool
	enrollees map[string]map[string]enrollee // by node and by the enrollment's key
	changed   func(node string)
}

func newNames() *names {
	return &names{edge: map[string]bool{}, enrollees: map[string]map[string]enrollee{}, changed: func(string) {}}
}

// check returns why a name may have no connection. One enrollment that is in force
// counts more than older ones that ended; an enrollment that ended counts more
// than a Node, which a device that comes back may register again.
func (n *names) check(node string) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var ended error
	for _, e := range n.enrollees[node] {
		switch e.standing {
		case enrolled, expected:
			return nil
		case revoked:
			ended = ErrRevoked
		case retired:
			if ended == nil {
				ended = ErrRetired
			}
		}
	}
	switch {
	case ended != nil:
		return fmt.Errorf("%w: %q; enroll the device again, or set the enrollment's state to Active", ended, node)
	case !n.edge[node]:
		return fmt.Errorf("%w: %q; the device joins first", ErrUnknown, node)
	}
	return nil
}

// checkToken returns why a name may get no certificate by a join token. A token is bound
// to no name, so it does not take over a device that proved itself by a code of its own.
func (n *names) checkToken(node string) error {
	n.mu.RLock()
	for _, e := range n.enrollees[node] {
		if e.signed && e.standing == enrolled {
			n.mu.RUnlock()
			return fmt.Errorf("%w: %q; a join token gets no second one: renew it with the certificate, or retire the node and enroll it again", ErrEnrolled, node)
		}
	}
	n.mu.RUnlock()
	return n.check(node)
}

// readEdgeNode keeps that a Node exists; the watch selects edge nodes.
func readEdgeNode(obj runtime.Object) *string {
	node, ok := obj.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil
	}
	return &node.Name
}

func (n *names) setEdgeNode(_ string, before, after *string) {
	if (before == nil) == (after == nil) {
		return // a heartbeat
	}
	n.mu.Lock()
	var name string
	if after != nil {
		name = *after
		n.edge[name] = true
	} else {
		name = *before
		delete(n.edge, name)
	}
	n.mu.Unlock()
	n.changed(name)
}

func readEnrollee(obj runtime.Object) *enrollee {
	e, ok := obj.(*v1alpha1.EdgeEnrollment)
	if !ok || e.Spec.NodeName == "" {
		return nil
	}
	return &enrollee{node: e.Spec.NodeName, standing: standingOf(e), signed: len(e.Status.Certificate) > 0}
}

// standingOf lets a node that is being drained keep its connections: what holds the drain
// up is found in its logs. The node is retired once its Node is gone.
func standingOf(e *v1alpha1.EdgeEnrollment) standing {
	switch e.Status.Phase {
	case v1alpha1.PhaseRetired:
		return retired
	case v1alpha1.PhaseCertificateIssued, v1alpha1.PhaseRegistered, v1alpha1.PhaseReady, v1alpha1.PhaseTunnelUp, v1alpha1.PhaseVerified:
		if e.Spec.State == v1alpha1.StateRevoked {
			return revoked
		}
		return enrolled
	case v1alpha1.PhasePending:
		if !meta.IsStatusConditionTrue(e.Status.Conditions, v1alpha1.ConditionTokenMinted) {
			return pending
		}
		if e.Spec.State == v1alpha1.StateRevoked {
			return revoked
		}
		return expected
	}
	return pending
}

func (n *names) setEnrollee(key string, before, after *enrollee) {
	if before != nil && after != nil && *before == *after {
		return
	}
	n.mu.Lock()
	if before != nil {
		delete(n.enrollees[before.node], key)
		if len(n.enrollees[before.node]) == 0 {
			delete(n.enrollees, before.node)
		}
	}
	if after != nil {
		if n.enrollees[after.node] == nil {
			n.enrollees[after.node] = map[string]enrollee{}
		}
		n.enrollees[after.node][key] = *after
	}
	n.mu.Unlock()
	if after != nil {
		n.changed(after.node)
	}
	if before != nil && (after == nil || before.node != after.node) {
		n.changed(before.node)
	}
}
