package ipt

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/ipt/ipset"
)

// members are members of sets, by the set's name.
type members map[string][]netip.Prefix

// membersOf lists the members that all sets should have.
func membersOf(p netrules.Plan) members {
	out := members{}
	for addr, key := range p.Members {
		for _, name := range setsOf(addr.Is6(), key) {
			out[name] = append(out[name], single(addr))
		}
	}
	return out
}

// setWork is what has to be done to the sets.
type setWork struct {
	// create are sets that are not there, replace are to be filled anew.
	create, replace []set
	// full has the members of both.
	full     members
	add, del members
	destroy  []string
}

func newSetWork() setWork { return setWork{full: members{}, add: members{}, del: members{}} }

func (w setWork) empty() bool {
	return len(w.create) == 0 && len(w.replace) == 0 && len(w.add) == 0 && len(w.del) == 0 && len(w.destroy) == 0
}

// move notes what a change of an address's routing means for the sets: nothing
// for those that it stays a member of.
func (w setWork) move(m netrules.Move) {
	var from, to []string
	if m.From != nil {
		from = setsOf(m.Addr.Is6(), *m.From)
	}
	if m.To != nil {
		to = setsOf(m.Addr.Is6(), *m.To)
	}
	for _, name := range from {
		if !slices.Contains(to, name) {
			w.del[name] = append(w.del[name], single(m.Addr))
		}
	}
	for _, name := range to {
		if !slices.Contains(from, name) {
			w.add[name] = append(w.add[name], single(m.Addr))
		}
	}
}

// exchange adjusts the work to a layout: sets that appear are created with what
// would be added to them, those that disappear are destroyed.
func (w *setWork) exchange(before, after []set) {
	for _, s := range after {
		if !slices.ContainsFunc(before, func(b set) bool { return b.Name == s.Name }) {
			w.create = append(w.create, s)
			w.full[s.Name] = w.add[s.Name]
			delete(w.add, s.Name)
		}
	}
	for _, s := range before {
		if !slices.ContainsFunc(after, func(a set) bool { return a.Name == s.Name }) {
			w.destroy = append(w.destroy, s.Name)
			delete(w.del, s.Name)
		}
	}
}

// reloadFrom is how many wrong members make a set be filled anew, which rules see
// in one step.
const reloadFrom = 1000

// workFor compares the kernel's sets with those wanted.
func workFor(c *ipset.Conn, want []set, full members) (setWork, error) {
	w := newSetWork()
	headers, err := ours(c)
	if err != nil {
		return w, err
	}
	for _, s := range want {
		w.full[s.Name] = full[s.Name]
		have, ok := headers[s.Name]
		delete(headers, s.Name)
		if !ok {
			w.create = append(w.create, s)
			continue
		}
		if !have.Same(s.Set) {
			w.replace = append(w.replace, s)
			continue
		}
		got, err := c.Members(s.Name)
		if err != nil {
			return w, err
		}
		add, del := exchangeOf(got, full[s.Name])
		if len(add)+len(del) >= reloadFrom {
			w.replace = append(w.replace, s)
			continue
		}
		if len(add) > 0 {
			w.add[s.Name] = add
		}
		if len(del) > 0 {
			w.del[s.Name] = del
		}
	}
	w.destroy = slices.Sorted(maps.Keys(headers))
	return w, nil
}

// ours are the headers of all sets of ours, by name.
func ours(c *ipset.Conn) (map[string]ipset.Set, error) {
	all, err := c.Headers()
	if err != nil {
		return nil, err
	}
	out := map[string]ipset.Set{}
	for _, s := range all {
		if strings.HasPrefix(s.Name, prefix) {
			out[s.Name] = s
		}
	}
	return out, nil
}

func exchangeOf(have, want []netip.Prefix) (add, del []netip.Prefix) {
	missing := make(map[netip.Prefix]struct{}, len(want))
	for _, m := range want {
		missing[m] = struct{}{}
	}
	for _, m := range have {
		if _, ok := missing[m]; ok {
			delete(missing, m)
			continue
		}
		del = append(del, m)
	}
	return slices.Collect(maps.Keys(missing)), del
}

// before does what has to happen before rules change: sets are there and full, and
// addresses are in their new sets. What is known as an edge address changes last,
// when it is clear where it goes.
func (w setWork) before(c *ipset.Conn) error {
	for _, s := range w.create {
		if err := fill(c, s.Set, w.full[s.Name]); err != nil {
			return err
		}
	}
	return w.each(c, func(name string) bool { return !isEdgeSet(name) })
}

// after does the rest.
func (w setWork) after(c *ipset.Conn) error {
	if err := w.each(c, isEdgeSet); err != nil {
		return err
	}
	for _, edges := range []bool{true, false} {
		for _, name := range slices.Sorted(maps.Keys(w.del)) {
			if isEdgeSet(name) == edges {
				if err := c.Delete(name, w.del[name]); err != nil {
					return err
				}
			}
		}
	}
	return destroy(c, w.destroy)
}

func isEdgeSet(name string) bool { return name == edgeSet(false) || name == edgeSet(true) }

// each replaces and adds to the sets that which says.
func (w setWork) each(c *ipset.Conn, which func(string) bool) error {
	for _, s := range w.replace {
		if which(s.Name) {
			if err := replace(c, s.Set, w.full[s.Name]); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.add)) {
		if which(name) {
			if err := c.Add(name, w.add[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

func fill(c *ipset.Conn, s ipset.Set, m []netip.Prefix) error {
	if err := c.Create(s); err != nil {
		return err
	}
	return c.Add(s.Name, m)
}

// replace exchanges the content of a set: packets see the old one or the new one.
func replace(c *ipset.Conn, s ipset.Set, m []netip.Prefix) error {
	next := s
	next.Name += fresh
	if err := c.Destroy(next.Name); err != nil { // left by a process that was killed
		return err
	}
	if err := fill(c, next, m); err != nil {
		return err
	}
	if err := c.Swap(s.Name, next.Name); err != nil {
		// Somebody made a set of another type under our name; no rule of ours uses it.
		if derr := c.Destroy(s.Name); derr != nil {
			return errors.Join(err, derr)
		}
		if err := fill(c, s, m); err != nil {
			return err
		}
	}
	return destroy(c, []string{next.Name})
}

const (
	busyTries = 40
	busyPause = 25 * time.Millisecond
)

// destroy removes sets. The kernel may still be taking rules apart that used them.
func destroy(c *ipset.Conn, names []string) error {
	for _, name := range names {
		err := c.Destroy(name)
		for try := 0; errors.Is(err, ipset.ErrBusy) && try < busyTries; try++ {
			time.Sleep(busyPause)
			err = c.Destroy(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
