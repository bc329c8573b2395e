package netns

import (
	"errors"
	"io"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

func TestRoutesFromHostAndPod(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.usual()
		for _, from := range []*lab.NS{s.node, s.pod} {
			s.expect(from, edgeA+":10250", "core1")
			s.expect(from, edgeA+":10350", "core1")
			s.expect(from, edgeB+":10250", "core2")
			// Tunnel ports name the CloudCore, whatever the log port's route says.
			s.expect(from, edgeA+":10352", "core2")
			s.expect(from, edgeB+":10351", "core1")
			s.expect(from, "["+edgeA6+"]:10250", "core1-v6")
		}
		if n := len(s.stranger.Peers()); n != 0 {
			t.Errorf("the stranger that owns %s got %d connections, want none", edgeA, n)
		}
		// CloudCore has no route to the pod: it answered because the node lent its address.
		node := netip.MustParseAddr("10.9.1.1")
		for _, peer := range append(s.core1.Peers(), s.core2.Peers()...) {
			if peer != node {
				t.Errorf("CloudCore saw %s, want the node's own %s", peer, node)
			}
		}
	})
}

func TestOtherTrafficPasses(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.usual()
		s.world.Serve("web", edgeA+":8080")
		s.world.Serve("neighbor", "10.9.3.2:10250")
		for _, from := range []*lab.NS{s.node, s.pod} {
			s.expect(from, edgeA+":8080", "web")
			s.expect(from, "10.9.3.2:10250", "neighbor")
		}
	})
}

func TestFailsClosed(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.routes(route("a", edgeA, "10351"), route("b", edgeB, "")).targets(nil, "", "10.9.1.3")
		s.apply(netrules.Trust)
		// Both addresses have an owner who would answer.
		s.world.IP("addr", "add", edgeB+"/32", "dev", "lo")
		owner := s.world.Serve("owner", edgeB+":10250")
		for _, from := range []*lab.NS{s.node, s.pod} {
			s.refused(from, edgeA+":10250")
			s.refused(from, edgeB+":10351")
			s.dropped(from, edgeB+":10250")
			s.expect(from, edgeB+":10352", "core2")
		}
		if n := len(s.stranger.Peers()) + len(owner.Peers()); n != 0 {
			t.Errorf("the strangers got %d connections, want none", n)
		}
		counters, err := s.backend.Counters(t.Context())
		if err != nil || counters.Rejected < 4 || counters.Unrouted < 2 {
			t.Errorf("counters are %+v (%v), want at least 4 rejected and 2 unrouted packets", counters, err)
		}
		// A CloudCore that comes back is one change.
		s.targets(nil, "10.9.1.2", "10.9.1.3")
		s.apply(netrules.Trust)
		s.expect(s.node, edgeA+":10250", "core1")
	})
}

func TestMovedRouteResetsOpenConnections(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.usual()
		for _, from := range []*lab.NS{s.node, s.pod} {
			s.routes(route("a", edgeA, "10351"), route("b", edgeB, "10352"))
			s.apply(netrules.Trust)
			moved, err := from.Dial(edgeA+":10250", prompt)
			if err != nil {
				t.Fatal(err)
			}
			stays, err := from.Dial(edgeB+":10250", prompt)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []*lab.Client{moved, stays} {
				if _, err := c.Ask(prompt); err != nil {
					t.Fatalf("before the move: %v", err)
				}
			}
			s.routes(route("a", edgeA, "10352"), route("b", edgeB, "10352"))
			s.apply(netrules.Trust)
			if got, err := moved.Ask(prompt); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
				t.Errorf("open connection to the moved node answered %q (%v), want a reset", got, err)
			}
			s.expect(from, edgeA+":10250", "core2")
			if got, err := stays.Ask(prompt); err != nil || got != "core2" {
				t.Errorf("open connection to the other node answered %q (%v), want core2", got, err)
			}
		}
	})
}

func TestRouteReachesADialInProgress(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.targets(nil, "10.9.1.2", "10.9.1.3")
		s.apply(netrules.Trust)
		// Nobody has edgeB's address: the SYN goes out un-redirected and is lost.
		s.world.IP("route", "add", "blackhole", edgeB+"/32")
		result := make(chan error, 1)
		go func() {
			got, err := s.node.Who(edgeB+":10250", time.Minute)
			if err == nil && got != "core2" {
				err = errors.New("answered by " + got)
			}
			result <- err
		}()
		waitForFlow(t, s.node, edgeB)
		s.routes(route("b", edgeB, "10352"))
		s.apply(netrules.Trust)
		if err := <-result; err != nil {
			t.Errorf("dial begun before the route existed: %v", err)
		}
	})
}

// waitForFlow waits until the kernel tracks a connection to addr.
func waitForFlow(t *testing.T, ns *lab.NS, addr string) {
	t.Helper()
	for range 100 {
		if out := ns.Exec("conntrack", "-L", "-d", addr); len(out) > 0 && containsLine(out, "tcp") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("no connection to %s is tracked", addr)
}

func TestUnaffectedRouteNeverFails(t *testing.T) {
	forEachBackend(t, func(t *testing.T, s *site) {
		s.usual()
		stop, failures := make(chan struct{}), make(chan error, 1)
		go func() {
			defer close(failures)
			for n := 0; ; n++ {
				select {
				case <-stop:
					if n < 20 {
						failures <- errors.New("too few connections to mean anything")
					}
					return
				default:
				}
				if got, err := s.pod.Who(edgeB+":10250", prompt); err != nil || got != "core2" {
					failures <- errors.Join(err, errors.New("answered by "+got))
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}()
		for n := range 150 / s.kind.slow {
			s.churn(n)
		}
		close(stop)
		if err := <-failures; err != nil {
			t.Errorf("a connection through an unaffected route failed: %v", err)
		}
	})
}

// churn makes the nth change of everything but edgeB's route.
func (s *site) churn(n int) {
	routes := []string{"10351", "10352", ""}
	switch n % 5 {
	case 0, 1, 2:
		s.routes(route("a", edgeA, routes[n%3]), route("b", edgeB, "10352"))
	case 3:
		s.targets(nil, []string{"", "10.9.1.2", "10.9.1.3"}[n%3], "10.9.1.3")
	case 4:
		if err := s.backend.Close(); err != nil {
			s.t.Fatal(err)
		}
		s.open()
	}
	s.apply(netrules.Trust)
}
