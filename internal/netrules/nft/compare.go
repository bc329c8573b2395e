package nft

import (
	"maps"
	"slices"

	"github.com/edgeway-io/edgeway/internal/netrules"
)

// sameRules tells whether the kernel holds the layout, set elements aside.
func (img image) sameRules(want layout) bool {
	if !img.exists || len(img.chains) != len(want.chains) || len(img.sets) != len(want.sets) {
		return false
	}
	for _, name := range counters {
		if !slices.Contains(img.counters, name) {
			return false
		}
	}
	for _, c := range want.chains {
		if got, ok := img.chains[c.name]; !ok || !got.same(c) {
			return false
		}
	}
	for _, s := range want.sets {
		if got, ok := img.sets[s.name]; !ok || !got.same(s) {
			return false
		}
	}
	return true
}

func (got chainImage) same(want chain) bool {
	base := hook{}
	if want.base != nil {
		base = *want.base
	}
	return got.base == base && slices.EqualFunc(got.rules, want.rules, func(g ruleImage, w rule) bool {
		return g.comment == w.comment && g.exprs == len(w.exprs)
	})
}

func (got setImage) same(want set) bool {
	return got.magic == want.key.magic && got.length == want.key.length() && got.interval == want.key.interval
}

// elementChanges compares the elements that the kernel holds, by set, with those
// of the layout and the plan.
func elementChanges(have map[string][]element, p netrules.Plan, l layout) changes {
	want := newChanges()
	want.members(p)
	out := newChanges()
	for _, s := range l.sets {
		elements := s.fixed
		if s.edges {
			elements = want.add[s.name]
		}
		missing := make(map[element]struct{}, len(elements))
		for _, e := range elements {
			missing[e] = struct{}{}
		}
		for _, e := range have[s.name] {
			if _, ok := missing[e]; ok {
				delete(missing, e)
				continue
			}
			out.del[s.name] = append(out.del[s.name], e)
		}
		if len(missing) > 0 {
			out.add[s.name] = slices.Collect(maps.Keys(missing))
		}
	}
	return out
}
