package enroll

import (
	"net/netip"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

// SuggestAddress returns the first address of the pool that taken does not hold.
// The pool's network and broadcast addresses are left out.
func SuggestAddress(pool netip.Prefix, taken func(netip.Addr) bool) (netip.Addr, error) {
	pool = pool.Masked()
	// A pool is a person's idea of their edge nodes; nobody has more than this.
	const most = 1 << 20
	a := pool.Addr().Next()
	for range most {
		next := a.Next()
		if !pool.Contains(a) || (a.Is4() && !pool.Contains(next)) {
			break
		}
		if !taken(a) {
			return a, nil
		}
		a = next
	}
	return netip.Addr{}, errcat.Errorf("AddressPoolEmpty", "no free address in pool %s", pool)
}
