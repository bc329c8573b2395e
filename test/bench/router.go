package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/netrules"
	"github.com/edgeway-io/edgeway/internal/netrules/nft"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// Addresses inside a router's namespaces. The edge nodes' addresses follow firstEdge.
const (
	routerIP   = "10.9.1.1"
	core1IP    = "10.9.1.2"
	core2IP    = "10.9.1.3"
	streamPort = 10003
	askedPort  = 10250
)

var (
	firstEdge = netip.MustParseAddr("172.16.0.1")
	targetIDs = []string{"10351", "10352"}
)

// router is a cloud node in a network namespace, with two CloudCores behind a link.
type router struct {
	b       *bed
	node    *lab.NS
	core    *lab.NS
	backend netrules.Backend
	model   *netrules.Model
}

// opener makes a backend for the namespace of a file descriptor.
type opener func(netNS int) (netrules.Backend, error)

func openNFT(netNS int) (netrules.Backend, error) { return nft.Open(netNS, warnings()) }

// warnings is a log of what should not happen in a measurement.
func warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// newRouter makes the namespaces, and TCP responders that say which CloudCore they are.
func newRouter(b *bed, open opener) *router {
	r := &router{b: b, node: lab.New(b, "node"), core: lab.New(b, "core"), model: netrules.NewModel()}
	lab.Link(b, r.node, "core", []string{routerIP + "/24"}, r.core, "node", []string{core1IP + "/24", core2IP + "/24"})
	// Without any route to an edge address the kernel refuses before NAT.
	r.node.IP("route", "add", "default", "via", core1IP)
	for i, ip := range coreIPs {
		r.respond(ip, byte(i))
	}
	r.open(open)
	r.setTargets(coreIPs...)
	return r
}

// open connects a backend, as a start of the operator does.
func (r *router) open(open opener) {
	backend, err := open(r.node.FD)
	r.b.must(err)
	r.backend = backend
	r.b.undo(backend.Close)
}

func (r *router) setTargets(addrs ...string) {
	obj := &v1alpha1.EdgeRouteTargets{Guard: &v1alpha1.EdgeRouteGuard{Enabled: true, Addresses: addrs, Ports: []int32{v1alpha1.CoreStreamPort, v1alpha1.CoreTunnelPort}}}
	for i, addr := range addrs {
		obj.Targets = append(obj.Targets, v1alpha1.EdgeRouteTarget{
			ID: targetIDs[i], TunnelPort: int32(10351 + i),
			Endpoints: []v1alpha1.EdgeRouteEndpoint{{Address: addr, Port: streamPort}},
		})
	}
	r.b.must(r.model.SetTargets(obj))
	r.model.SetLocal([]netip.Addr{netip.MustParseAddr(routerIP)})
}

// edgeSlices are the route objects of count nodes, in slices of the usual size; every
// second node's tunnel is held by the second CloudCore.
func edgeSlices(count int) []*v1alpha1.EdgeRouteSlice {
	var slices []*v1alpha1.EdgeRouteSlice
	addr := firstEdge
	for n := range count {
		if n%v1alpha1.MaxRoutesPerSlice == 0 {
			s := &v1alpha1.EdgeRouteSlice{}
			s.Name = fmt.Sprintf("s%05d", len(slices))
			slices = append(slices, s)
		}
		s := slices[len(slices)-1]
		s.Routes = append(s.Routes, edgeRoute(fmt.Sprintf("edge-%06d", n), addr, targetIDs[n%2]))
		addr = addr.Next()
	}
	return slices
}

func edgeRoute(node string, addr netip.Addr, target string) v1alpha1.EdgeRoute {
	return v1alpha1.EdgeRoute{Node: node, Address: addr.String(), Ports: []int32{10350, askedPort}, Target: target}
}

// load brings slices into the kernel and gives the time it took.
func (r *router) load(slices []*v1alpha1.EdgeRouteSlice, check netrules.Check) time.Duration {
	start := time.Now()
	for _, s := range slices {
		r.b.must(r.model.SetSlice(s.Name, s.Routes))
	}
	r.sync(check)
	return time.Since(start)
}

// sync makes the kernel hold the model, as the operator's loop does.
func (r *router) sync(check netrules.Check) {
	_, err := r.backend.Apply(r.b.ctx, r.model.Plan(), check)
	r.b.must(err)
	r.model.Commit()
}

// respond accepts connections at a CloudCore's address and answers each with who.
func (r *router) respond(ip string, who byte) {
	var l net.Listener
	r.b.must(r.core.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(netip.MustParseAddr(ip), streamPort).String())
		return err
	}))
	r.b.undo(l.Close)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				// The client goes first, so that no port of ours waits for stragglers.
				_, _ = c.Write([]byte{who})
				_, _ = c.Read(make([]byte, 1))
				_ = c.Close()
			}()
		}
	}()
}

// sockets makes unconnected TCP sockets in the router's namespace.
func (r *router) sockets(n int) []int {
	fds := make([]int, n)
	r.b.must(r.node.Do(func() (err error) {
		for i := range fds {
			if fds[i], err = newSocket(); err != nil {
				return err
			}
		}
		return nil
	}))
	return fds
}

// socket makes one, and may be called from any goroutine.
func (r *router) socket() (fd int, err error) {
	err = r.node.Do(func() (err error) {
		fd, err = newSocket()
		return err
	})
	return fd, err
}

// newSocket has a port of its own before any clock starts: the kernel's search for one
// costs more for a destination that was not dialled before.
func newSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("make a socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{}); err != nil {
		return 0, fmt.Errorf("bind a socket: %w", err)
	}
	return fd, nil
}

// connect opens a connection to an edge address, sees who answers, and resets it. The
// time is that of the connect alone.
func connect(fd int, addr netip.Addr) (who byte, took time.Duration, err error) {
	defer func() { _ = unix.Close(fd) }() // reset by SO_LINGER
	for _, err := range []error{
		// A reset leaves no port waiting.
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
		// What never answers ends after seconds. No SO_SNDTIMEO for that: with it a signal
		// of the Go runtime would interrupt the connect.
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_SYNCNT, 2),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 2}),
	} {
		if err != nil {
			return 0, 0, fmt.Errorf("prepare a socket: %w", err)
		}
	}
	to := &unix.SockaddrInet4{Addr: addr.As4(), Port: askedPort}
	start := time.Now()
	err = unix.Connect(fd, to)
	took = time.Since(start)
	if err != nil {
		return 0, took, fmt.Errorf("connect to %s: %w", addr, err)
	}
	answer := make([]byte, 1)
	n, err := unix.Read(fd, answer)
	for errors.Is(err, unix.EINTR) {
		n, err = unix.Read(fd, answer)
	}
	if err != nil || n != 1 {
		return 0, took, fmt.Errorf("%s answers %d bytes: %w", addr, n, err)
	}
	return answer[0], took, nil
}
