//go:build e2e

package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/test/onsite"
)

// changer makes random changes of everything but the first two hollow Nodes and
// the steady responder.
type changer struct {
	random *rand.Rand
	client kubernetes.Interface
	nodes  *onsite.Hollow
	// first and last are the numbers of the Nodes that change.
	first, last int
	other       responder
	// steadyIP and steadyPort are of the Node that must not notice; a change may
	// claim its address for another Node, which must not get it.
	steadyIP   string
	steadyPort int32
	otherGone  bool
}

// kinds are the names of the changes, in the order in which they are drawn.
var kinds = []string{"address", "address taken from another", "address refused", "address of the steady node", "tunnel moves",
	"label removed", "label added", "node deleted", "node added", "CloudCore without endpoint or back"}

// change makes one random change and tells its kind.
func (c *changer) change(ctx context.Context) (kind string, err error) {
	i := c.first + c.random.IntN(c.last-c.first+1)
	draw := c.random.IntN(len(kinds))
	switch draw {
	case 0:
		err = c.nodes.SetIP(ctx, i, onsite.HollowIP(i+1000*(1+c.random.IntN(20))))
	case 1:
		err = c.nodes.SetIP(ctx, i, onsite.HollowIP(c.first+c.random.IntN(c.last-c.first+1)))
	case 2:
		refused := []string{"198.18.0.2", "127.0.0.1", "169.254.169.254", "10.244.1.1", c.other.ip}
		err = c.nodes.SetIP(ctx, i, refused[c.random.IntN(len(refused))])
	case 3:
		err = c.claimSteady(ctx, i)
	case 4:
		ports := []int32{c.steadyPort, c.other.port, 10350, 10351, 0}
		err = c.nodes.SetPort(ctx, i, ports[c.random.IntN(len(ports))])
	case 5:
		err = c.removeLabel(ctx, i)
	case 6:
		err = c.nodes.SetEdge(ctx, i, true)
	case 7:
		err = c.nodes.Remove(ctx, i)
	case 8:
		err = c.nodes.Add(ctx, i, onsite.HollowIP(i), c.other.port)
	case 9:
		err = c.toggleEndpoint(ctx)
	}
	if err != nil {
		return kinds[draw], fmt.Errorf("%s: %w", kinds[draw], err)
	}
	return kinds[draw], nil
}

// claimSteady lets an edge node claim the steady one's address. A Node without the
// label would get it: it passes for a cloud node, and those always win.
func (c *changer) claimSteady(ctx context.Context, i int) error {
	return errors.Join(c.nodes.SetEdge(ctx, i, true), c.nodes.SetIP(ctx, i, c.steadyIP))
}

func (c *changer) removeLabel(ctx context.Context, i int) error {
	return errors.Join(c.nodes.SetIP(ctx, i, onsite.HollowIP(i)), c.nodes.SetEdge(ctx, i, false))
}

// labelAll makes every Node an edge node again: the operators' DaemonSet waits for a
// pod on each that is none. Its controller looks at it again when it changes; that a
// Node got its label back does not wake it (seen with Kubernetes 1.36).
func (c *changer) labelAll(ctx context.Context) error {
	for i := c.first; i <= c.last; i++ {
		if err := c.nodes.SetEdge(ctx, i, true); err != nil {
			return err
		}
	}
	wake := fmt.Appendf(nil, `{"metadata":{"annotations":{"edgeway.io/soak":%q}}}`, time.Now().Format(time.RFC3339Nano))
	_, err := c.client.AppsV1().DaemonSets(v1alpha1.KubeEdgeNamespace).Patch(ctx, "iptables-operator", types.MergePatchType, wake, metav1.PatchOptions{})
	return err
}

// toggleEndpoint takes the other responder's endpoint away or gives it back.
func (c *changer) toggleEndpoint(ctx context.Context) error {
	slices := c.client.DiscoveryV1().EndpointSlices(v1alpha1.KubeEdgeNamespace)
	slice, err := slices.Get(ctx, c.other.slice().Name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	slice.Endpoints = nil
	if c.otherGone {
		slice.Endpoints = c.other.slice().Endpoints
	}
	if _, err := slices.Update(ctx, slice, metav1.UpdateOptions{}); err != nil {
		return err
	}
	c.otherGone = !c.otherGone
	return nil
}
