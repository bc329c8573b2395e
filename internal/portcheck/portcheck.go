// Package portcheck tries, from the machine that it runs on, whether the ports that edge
// nodes dial are open.
package portcheck

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// patience is how long one port may take to answer.
	patience = 5 * time.Second
	// most bounds how many ports are tried at once, and so what a list of names that
	// each have many addresses can set off.
	most = 32
)

// Target is a port at an address or a DNS name.
type Target struct {
	Name     string `json:"name" doc:"Name of the service: webSocket, quic, https or tunnel."`
	Address  string `json:"address" doc:"Address or DNS name that edge nodes dial."`
	Port     int    `json:"port" doc:"Port that edge nodes dial."`
	Protocol string `json:"protocol" enum:"TCP,UDP" doc:"UDP is tried with a QUIC handshake."`
}

// Outcome of a try.
type Outcome string

// The outcomes. A port that is Refused was not tried.
const (
	Open        Outcome = "Open"
	Closed      Outcome = "Closed"
	TimedOut    Outcome = "TimedOut"
	Unreachable Outcome = "Unreachable"
	Refused     Outcome = "Refused"
)

// Result of one target at one IP address.
type Result struct {
	Target
	IP      string  `json:"ip,omitempty" doc:"The address that was tried."`
	From    string  `json:"from,omitempty" doc:"The address that it was tried from."`
	Outcome Outcome `json:"outcome" enum:"Open,Closed,TimedOut,Unreachable,Refused" doc:"Refused: it was not tried."`
	Message string  `json:"message,omitempty" doc:"What happened."`
}

// Check tries all targets at once. Names are resolved once, and the very addresses that
// were looked at are dialled: no name leads to an address that Forbidden names.
func Check(ctx context.Context, targets []Target) []Result {
	var out []Result
	for _, t := range targets {
		out = append(out, expand(ctx, t)...)
	}
	var wg sync.WaitGroup
	for i := range out {
		if out[i].Outcome != "" {
			continue
		}
		if i >= most {
			out[i].Outcome, out[i].Message = Refused, fmt.Sprintf("more than %d ports are not tried at once", most)
			continue
		}
		wg.Go(func() { out[i].try(ctx) })
	}
	wg.Wait()
	return out
}

// expand gives one result for each address of the target.
func expand(ctx context.Context, t Target) []Result {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.Address)
	if err != nil {
		return []Result{{Target: t, Outcome: Unreachable, Message: err.Error()}}
	}
	var out []Result
	for _, a := range addresses {
		a = a.Unmap()
		r := Result{Target: t, IP: a.String()}
		if why := Forbidden(a); why != "" {
			r.Outcome, r.Message = Refused, why
		}
		out = append(out, r)
	}
	return out
}

// Forbidden says why an address is never dialled; "" when it may be. Such an address
// would lead to the console's own machine or its cloud's metadata.
func Forbidden(a netip.Addr) string {
	a = a.Unmap()
	switch {
	case a.IsLoopback():
		return "loopback addresses are not tried"
	case a.IsUnspecified():
		return "the unspecified address is not tried"
	case a.IsLinkLocalUnicast(), a.Zone() != "":
		return "link-local addresses are not tried"
	case a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "multicast and broadcast addresses are not tried"
	}
	return ""
}

func (r *Result) try(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	to := net.JoinHostPort(r.IP, strconv.Itoa(r.Port))
	r.From = source(to)
	var err error
	if r.Protocol == "UDP" {
		err = tryQUIC(ctx, to)
	} else {
		err = tryTCP(ctx, to)
	}
	r.Outcome = outcome(err)
	if err != nil {
		r.Message = err.Error()
	}
}

func tryTCP(ctx context.Context, to string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		return err
	}
	return conn.Close()
}

// outcome of an attempt's error.
func outcome(err error) Outcome {
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil:
		return Open
	case errors.Is(err, syscall.ECONNREFUSED):
		return Closed
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return TimedOut
	default:
		return Unreachable
	}
}

// source is the address that packets leave from; nothing is sent to find it.
func source(to string) string {
	conn, err := net.Dial("udp", to)
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }() // it was never used
	return conn.LocalAddr().(*net.UDPAddr).IP.String()
}
