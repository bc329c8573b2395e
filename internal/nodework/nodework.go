// Package nodework does what people do to edge nodes: cordon them, change their labels
// and taints, and retire them. The console and the command line share it, and both act
// with the rights of the person who asks.
//
// A node that joined with an EdgeEnrollment is changed through its enrollment: edge
// operators may patch enrollments and nothing else, and edge-watcher would undo a change
// of the Node. A node without an enrollment is changed directly.
package nodework

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/errcat"
)

var (
	// ErrNoEnrollment: the node did not join through an enrollment of ours.
	ErrNoEnrollment = errcat.New("NotFound", "no enrollment has this node")
	// ErrCloudNode is wrapped when the node has no edge label: nothing here touches one.
	ErrCloudNode = errcat.New("Invalid", "is a cloud node").At("node").Fix("choose an edge node")
	// ErrPodsLeft is wrapped when pods are still on the node after the deadline.
	ErrPodsLeft = errcat.New("DrainTimeout", "pods are still on the node").Fix("end these pods, or try again with a longer timeout or with force")
	// ErrStalled is wrapped when edge-watcher has not retired a node in time.
	ErrStalled = errcat.New("LeaveStalled", "has not left in time").Fix("remove what keeps it, then retire the node again")
	// ErrCalledOff is wrapped when a retirement is given up by setting another state.
	ErrCalledOff = errcat.New("CalledOff", "the retirement was called off").Fix("retire the node again if it is to leave")
)

// Clients reach one cluster as one person.
type Clients struct {
	Kube    kubernetes.Interface
	Objects client.Client
}

// EdgeNode reads a Node and refuses cloud nodes with ErrCloudNode.
func (c Clients) EdgeNode(ctx context.Context, name string) (*corev1.Node, error) {
	node, err := c.Kube.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if _, edge := node.Labels[v1alpha1.LabelEdge]; !edge {
		return nil, fmt.Errorf("node %s %w", name, ErrCloudNode)
	}
	return node, nil
}

// Enrollment finds the one that holds the node's name, or ErrNoEnrollment.
func (c Clients) Enrollment(ctx context.Context, node string) (*v1alpha1.EdgeEnrollment, error) {
	list, err := enroll.List(ctx, c.Objects)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if e := &list[i]; e.Spec.NodeName == node && enroll.Reserves(e) {
			return e, nil
		}
	}
	return nil, ErrNoEnrollment
}

// patchSpec changes the spec of the node's enrollment and returns the enrollment as it
// is then.
func (c Clients) patchSpec(ctx context.Context, node string, change func(*v1alpha1.EdgeEnrollmentSpec) error) (*v1alpha1.EdgeEnrollment, error) {
	var e *v1alpha1.EdgeEnrollment
	err := retry.RetryOnConflict(retry.DefaultRetry, func() (err error) {
		if e, err = c.Enrollment(ctx, node); err != nil {
			return err
		}
		base := e.DeepCopy()
		if err := change(&e.Spec); err != nil {
			return err
		}
		// A merge patch replaces lists as a whole: it must not undo another change.
		return c.Objects.Patch(ctx, e, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}))
	})
	return e, err
}
