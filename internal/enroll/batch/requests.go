package batch

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/edgeway-io/edgeway/internal/enroll"
)

// Requests completes the devices and finds everything wrong with the list, with fields
// like "devices[2].nodeIP", counted from 0, in order of lines. address gives the next
// free one.
func (l List) Requests(base enroll.Request, address func() (string, error)) ([]enroll.Request, enroll.Problems) {
	problems := slices.Clone(l.problems)
	unread := map[string]bool{}
	for _, p := range problems {
		unread[p.Field] = true
	}
	var out []enroll.Request
	names, addresses := map[string]Device{}, map[netip.Addr]Device{}
	for i, d := range l.Devices {
		if l.unread[i] {
			continue
		}
		r, found := d.check(i, base, address)
		found = append(found, twice(names, d.NodeName, d.NodeName != "", d, fieldOf(i, "nodeName"), d.NodeName)...)
		// Two ways to write an address are one address.
		a, err := netip.ParseAddr(r.NodeIP)
		found = append(found, twice(addresses, a.Unmap(), err == nil, d, fieldOf(i, "nodeIP"), r.NodeIP)...)
		for _, p := range found {
			// What could not be read is told already.
			if p.Line = d.Line; !unread[p.Field] {
				problems = append(problems, p)
			}
		}
		out = append(out, r)
	}
	slices.SortStableFunc(problems, func(a, b enroll.Problem) int { return cmp.Compare(a.Line, b.Line) })
	return out, problems
}

func (d Device) check(i int, base enroll.Request, address func() (string, error)) (enroll.Request, enroll.Problems) {
	var problems enroll.Problems
	r, err := d.request(base, address)
	if err != nil {
		problems = append(problems, enroll.Problem{Field: fieldOf(i, "nodeIP"), Code: "Required", Message: "is missing, and " + err.Error(), Remedy: "give every device an address"})
	}
	for _, p := range r.WithDefaults().Validate() {
		if p.Field == "nodeIP" && err != nil {
			continue
		}
		p.Field = fieldOf(i, p.Field)
		problems = append(problems, p)
	}
	return r, problems
}

// twice remembers which device has a value, and refuses the next one with it.
func twice[K comparable](seen map[K]Device, key K, given bool, d Device, field, value string) enroll.Problems {
	first, again := seen[key]
	if !given {
		return nil
	}
	if !again {
		seen[key] = d
		return nil
	}
	owner := "device " + first.NodeName
	if first.Line > 0 {
		owner = fmt.Sprintf("line %d", first.Line)
	}
	return enroll.Problems{{Field: field, Value: value, Code: "Duplicate", Message: "is that of " + owner + " already", Remedy: "give every device its own"}}
}

func (d Device) request(base enroll.Request, address func() (string, error)) (enroll.Request, error) {
	r := base
	r.NodeName, r.NodeIP = d.NodeName, d.NodeIP
	if d.Arch != "" {
		r.Arch = d.Arch
	}
	if d.RuntimeEndpoint != "" {
		r.RuntimeEndpoint = d.RuntimeEndpoint
	}
	if d.CgroupDriver != "" {
		r.CgroupDriver = d.CgroupDriver
	}
	if len(d.Labels) > 0 {
		r.Labels = maps.Clone(base.WithDefaults().Labels)
		maps.Copy(r.Labels, d.Labels)
	}
	var err error
	if r.NodeIP == "" {
		r.NodeIP, err = address()
	}
	return r, err
}
