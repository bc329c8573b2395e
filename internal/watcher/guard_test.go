package watcher

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
)

// TestGuard: what is guarded follows from where CloudCores are, and from nothing that
// anybody else can say.
func TestGuard(t *testing.T) {
	core := func(addrs ...string) routes.CloudCore {
		var c routes.CloudCore
		for _, a := range addrs {
			c.Addresses = append(c.Addresses, netip.MustParseAddr(a))
		}
		return c
	}
	cores := []routes.CloudCore{core("10.1.0.6", "fd01::6"), core("10.1.0.5"), core("10.1.0.5")}
	want := &v1alpha1.EdgeRouteGuard{Enabled: true, Addresses: []string{"10.1.0.5", "10.1.0.6", "fd01::6"}, Ports: []int32{10010, 10012, 10013, 10014}}
	if diff := cmp.Diff(want, guardOf(true, cores)); diff != "" {
		t.Errorf("guard (-want +got):\n%s", diff)
	}
	if got := guardOf(false, cores); !cmp.Equal(got, &v1alpha1.EdgeRouteGuard{}) {
		t.Errorf("guard is %+v, want it off", got)
	}
}
