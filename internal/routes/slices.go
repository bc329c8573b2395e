package routes

import (
	"fmt"
	"slices"
	"strings"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
)

// Slice is the content of an EdgeRouteSlice.
type Slice struct {
	Name   string
	Routes []v1alpha1.EdgeRoute
}

// Changes turn existing slices into wanted ones. They are to be applied in this
// order: an address that moves from one slice to another is then in both for a
// moment rather than in none.
type Changes struct {
	Create []Slice
	// Update starts with the slices that gain an address.
	Update []Slice
	// Delete names slices that have become empty.
	Delete []string
}

// Empty says that there is nothing to write.
func (c Changes) Empty() bool { return len(c.Create)+len(c.Update)+len(c.Delete) == 0 }

// bucket is a slice in the making.
type bucket struct {
	name  string
	old   []v1alpha1.EdgeRoute
	isNew bool
	nodes []NodeRoutes
	size  int
}

func (b *bucket) put(n NodeRoutes) {
	b.nodes = append(b.nodes, n)
	b.size += len(n.Routes)
}

func (b *bucket) room() int { return v1alpha1.MaxRoutesPerSlice - b.size }

// Reslice distributes routes over slices with as few writes as it can. A node
// stays in the slice it is in, so its change rewrites that one only; a new node
// goes into the first slice with room. Where each node is, is read from the
// existing slices: nothing has to be remembered over a restart.
//
// No node may have more routes than a slice holds; Compute gives it two at most.
func Reslice(existing []Slice, wanted []NodeRoutes) Changes {
	buckets, unplaced := keep(existing, wanted)
	for _, b := range buckets {
		unplaced = append(unplaced, spill(b)...)
	}
	slices.SortFunc(unplaced, func(a, b NodeRoutes) int { return strings.Compare(a.Node, b.Node) })
	return changes(place(buckets, unplaced))
}

// keep puts every node into the slice that has it, and returns the nodes that no
// slice has. A node that is in several slices, which only a foreign hand or an
// interrupted move brings about, stays in the first.
func keep(existing []Slice, wanted []NodeRoutes) ([]*bucket, []NodeRoutes) {
	sorted := slices.SortedFunc(slices.Values(existing), func(a, b Slice) int { return strings.Compare(a.Name, b.Name) })
	buckets := make([]*bucket, 0, len(sorted))
	home := make(map[string]*bucket, len(wanted))
	for _, s := range sorted {
		b := &bucket{name: s.Name, old: s.Routes}
		buckets = append(buckets, b)
		for _, route := range s.Routes {
			if home[route.Node] == nil {
				home[route.Node] = b
			}
		}
	}
	var unplaced []NodeRoutes
	for _, node := range wanted {
		if b := home[node.Node]; b != nil {
			b.put(node)
		} else {
			unplaced = append(unplaced, node)
		}
	}
	return buckets, unplaced
}

// spill takes nodes out of a slice that has outgrown its bound because nodes got a
// second address: the last by name, until the rest fits.
func spill(b *bucket) []NodeRoutes {
	slices.SortFunc(b.nodes, func(a, c NodeRoutes) int { return strings.Compare(a.Node, c.Node) })
	var out []NodeRoutes
	for b.room() < 0 {
		last := b.nodes[len(b.nodes)-1]
		b.nodes = b.nodes[:len(b.nodes)-1]
		b.size -= len(last.Routes)
		out = append(out, last)
	}
	return out
}

// place gives every unplaced node the first slice with room, or a new one.
func place(buckets []*bucket, unplaced []NodeRoutes) []*bucket {
	taken := make(map[string]bool, len(buckets))
	for _, b := range buckets {
		taken[b.name] = true
	}
	first, number := 0, 0
	for _, node := range unplaced {
		for first < len(buckets) && buckets[first].room() == 0 {
			first++
		}
		i := first
		for i < len(buckets) && buckets[i].room() < len(node.Routes) {
			i++
		}
		if i == len(buckets) {
			for taken[sliceName(number)] {
				number++
			}
			taken[sliceName(number)] = true
			buckets = append(buckets, &bucket{name: sliceName(number), isNew: true})
		}
		buckets[i].put(node)
	}
	return buckets
}

// sliceName keeps the order of names the order of numbers, for the reader's sake.
func sliceName(number int) string { return fmt.Sprintf("edge-%05d", number) }

func changes(buckets []*bucket) Changes {
	var c Changes
	var losing []Slice
	for _, b := range buckets {
		s := Slice{Name: b.name, Routes: flatten(b.nodes)}
		switch {
		case len(s.Routes) == 0 && !b.isNew:
			c.Delete = append(c.Delete, s.Name)
		case b.isNew:
			c.Create = append(c.Create, s)
		case equalRoutes(b.old, s.Routes):
		case gains(b.old, s.Routes):
			c.Update = append(c.Update, s)
		default:
			losing = append(losing, s)
		}
	}
	c.Update = append(c.Update, losing...)
	return c
}

func flatten(nodes []NodeRoutes) []v1alpha1.EdgeRoute {
	sorted := slices.SortedFunc(slices.Values(nodes), func(a, b NodeRoutes) int { return strings.Compare(a.Node, b.Node) })
	var routes []v1alpha1.EdgeRoute
	for _, node := range sorted {
		routes = append(routes, node.Routes...)
	}
	return routes
}

func equalRoutes(a, b []v1alpha1.EdgeRoute) bool {
	return slices.EqualFunc(a, b, func(x, y v1alpha1.EdgeRoute) bool {
		return x.Node == y.Node && x.Address == y.Address && x.Target == y.Target && slices.Equal(x.Ports, y.Ports)
	})
}

func gains(old, routes []v1alpha1.EdgeRoute) bool {
	had := make(map[string]bool, len(old))
	for _, route := range old {
		had[route.Address] = true
	}
	return slices.ContainsFunc(routes, func(r v1alpha1.EdgeRoute) bool { return !had[r.Address] })
}
