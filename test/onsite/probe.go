package onsite

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// dialTimeout is when a connection counts as failed for good.
const dialTimeout = 5 * time.Second

// errRepeated is a connection that worked only because the kernel sent a packet
// again: a packet was dropped on the way, as between two states of a ruleset.
var errRepeated = errors.New("packets had to be sent again")

// Probe opens a new connection to one address again and again.
type Probe struct {
	end    func()
	stop   chan struct{}
	done   chan struct{}
	mu     sync.Mutex
	report ProbeReport
}

// ProbeReport is what a Probe saw.
type ProbeReport struct {
	Connections int
	// Failures holds the first few.
	Failed   int
	Failures []string
	// Longest time that a connection took from dialling to its answer.
	Longest time.Duration
}

// StartProbe connects from a namespace to address every so often, whether or not
// earlier connections have ended, and lets ask use each connection. It ends with the
// test at the latest.
func StartProbe(t testing.TB, ns *lab.NS, address string, every time.Duration, ask func(net.Conn) error) *Probe {
	p := &Probe{stop: make(chan struct{}), done: make(chan struct{})}
	p.end = sync.OnceFunc(func() {
		close(p.stop)
		<-p.done
	})
	t.Cleanup(p.end)
	go p.run(ns, address, every, ask)
	return p
}

func (p *Probe) run(ns *lab.NS, address string, every time.Duration, ask func(net.Conn) error) {
	defer close(p.done)
	var open sync.WaitGroup
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			open.Wait()
			return
		case <-tick.C:
			open.Go(func() {
				start := time.Now()
				p.note(start, Connect(ns, address, ask))
			})
		}
	}
}

func (p *Probe) note(start time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.report.Connections++
	p.report.Longest = max(p.report.Longest, time.Since(start))
	if err == nil {
		return
	}
	p.report.Failed++
	if len(p.report.Failures) < 5 {
		p.report.Failures = append(p.report.Failures, start.Format("15:04:05.000")+" "+err.Error())
	}
}

// Stop ends the probe, waits for its last connections and returns what it saw.
func (p *Probe) Stop() ProbeReport {
	p.end()
	return p.report
}

// MustHaveHeld stops the probe and fails the test when a connection failed. What it is
// about may be over too soon for a figure to mean anything: the probe goes on until it
// has opened atLeast connections, for a minute at most.
func (p *Probe) MustHaveHeld(t testing.TB, what string, atLeast int) {
	t.Helper()
	Eventually(t, time.Minute, 50*time.Millisecond, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := p.report.Connections; n < atLeast {
			return fmt.Errorf("%s: %d connections are too few, want at least %d", what, n, atLeast)
		}
		return nil
	})
	r := p.Stop()
	t.Logf("%s: %d connections, %d failures, the longest took %s", what, r.Connections, r.Failed, r.Longest.Round(time.Millisecond))
	if r.Failed > 0 {
		t.Errorf("%s: %d of %d connections failed: %q", what, r.Failed, r.Connections, slices.Clip(r.Failures))
	}
}

// Connect opens one connection from a namespace, lets ask use it and closes it.
func Connect(ns *lab.NS, address string, ask func(net.Conn) error) error {
	conn, err := Dial(ns, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	return errors.Join(ask(conn), neverRepeated(conn))
}

// Dial connects from a namespace.
func Dial(ns *lab.NS, address string) (*net.TCPConn, error) {
	var conn net.Conn
	err := ns.Do(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
		defer cancel()
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// neverRepeated asks the kernel how often it had to send a packet again.
func neverRepeated(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var info *unix.TCPInfo
	var ierr error
	if err := raw.Control(func(fd uintptr) { info, ierr = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO) }); err != nil {
		return err
	}
	if ierr != nil {
		return ierr
	}
	if info.Total_retrans > 0 {
		return fmt.Errorf("%w: %d", errRepeated, info.Total_retrans)
	}
	return nil
}

// Handshake uses a connection for a TLS handshake, which a CloudCore answers
// without asking anybody.
func Handshake(conn net.Conn) error {
	// CloudStream's certificate names no edge address; kube-apiserver does not look
	// at it either.
	return tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).Handshake()
}

// IsReset says that a connection was ended by the other side or by the kernel.
func IsReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
