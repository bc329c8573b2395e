package facts

import (
	"net/netip"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// route is an address that is routed for a node.
type route struct {
	node string
	addr netip.Addr
}

// addresses knows the routed address of every edge node, and the node of every
// routed address. It repeats edge-watcher's decision; it makes none.
type addresses struct {
	mu     sync.RWMutex
	byAddr map[netip.Addr]held
	byNode map[string][]routed
}

// held and routed name the EdgeRouteSlice that they are from: a node may be in two,
// for one address each, or while it moves from one to the other.
type held struct {
	node, slice string
}

type routed struct {
	addr  netip.Addr
	slice string
}

func newAddresses() *addresses {
	return &addresses{byAddr: map[netip.Addr]held{}, byNode: map[string][]routed{}}
}

func readRoutes(obj runtime.Object) *[]route {
	slice, ok := obj.(*v1alpha1.EdgeRouteSlice)
	if !ok {
		return nil
	}
	routes := make([]route, 0, len(slice.Routes))
	for _, r := range slice.Routes {
		if addr, err := netip.ParseAddr(r.Address); err == nil {
			routes = append(routes, route{r.Node, addr.Unmap()})
		}
	}
	return &routes
}

func (a *addresses) set(slice string, before, after *[]route) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if before != nil {
		for _, r := range *before {
			if a.byAddr[r.addr].slice == slice {
				delete(a.byAddr, r.addr)
			}
			a.dropNode(r.node, slice)
		}
	}
	if after == nil {
		return
	}
	for _, r := range *after {
		a.byAddr[r.addr] = held{r.node, slice}
		a.byNode[r.node] = append(a.byNode[r.node], routed{r.addr, slice})
	}
}

func (a *addresses) dropNode(node, slice string) {
	left := slices.DeleteFunc(a.byNode[node], func(r routed) bool { return r.slice == slice })
	if len(left) == 0 {
		delete(a.byNode, node)
		return
	}
	a.byNode[node] = left
}

// node that holds an address.
func (a *addresses) node(addr netip.Addr) (string, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	h, found := a.byAddr[addr.Unmap()]
	return h.node, found
}

// address that is routed for a node; of several the first.
func (a *addresses) address(node string) (netip.Addr, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := a.byNode[node]
	if len(all) == 0 {
		return netip.Addr{}, false
	}
	return all[0].addr, true
}
