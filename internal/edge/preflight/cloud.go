package preflight

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/edgeway-io/edgeway/internal/errcat"
)

const (
	// dialTimeout lets a connection come up on a link that loses its first packets.
	dialTimeout = 15 * time.Second
	maxSkew     = 30 * time.Second
	maxCA       = 64 << 10
)

// cloud looks at CloudCore from the device.
func (f Facts) cloud() Probe {
	c := f.CloudCore
	f.System = f.System.complete()
	p := Probe{ID: "cloudcore", Title: "CloudCore at " + c.Host, Run: f.resolve}
	p.Below = append(p.Below, Probe{ID: "cloudcore.https", Title: "certificate port " + strconv.Itoa(c.CertPort), Run: f.reach(c.CertPort),
		Below: []Probe{
			{ID: "cloudcore.clock", Title: "clock", Run: f.clock},
			{ID: "cloudcore.ca", Title: "certificate authority", Run: f.authority},
			{ID: "cloudcore.mtu", Title: "large packets", Run: f.largePackets},
		}})
	p.Below = append(p.Below, Probe{ID: "cloudcore.websocket", Title: "WebSocket port " + strconv.Itoa(c.WebSocketPort), Run: f.reach(c.WebSocketPort)})
	if c.TunnelPort > 0 {
		p.Below = append(p.Below, Probe{ID: "cloudcore.tunnel", Title: "tunnel port " + strconv.Itoa(c.TunnelPort), Run: f.reach(c.TunnelPort)})
	}
	return p
}

func (f Facts) resolve(ctx context.Context) Outcome {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addrs, err := f.System.Resolve(ctx, f.CloudCore.Host)
	if err != nil {
		return fail(err.Error(), "check the device's DNS (/etc/resolv.conf), or enroll the node with CloudCore's IP address")
	}
	return pass(fmt.Sprint(addrs))
}

func (f Facts) address(port int) string {
	return net.JoinHostPort(f.CloudCore.Host, strconv.Itoa(port))
}

func (f Facts) reach(port int) func(context.Context) Outcome {
	return func(ctx context.Context) Outcome {
		conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", f.address(port))
		if err != nil {
			return fail(err.Error(), f.reachRemedy(port, err)+f.pastProxy())
		}
		if err := conn.Close(); err != nil {
			return fail(err.Error(), "try again")
		}
		return pass("")
	}
}

// reachRemedy speaks of the firewall only where nothing answers: who refuses a connection
// was reached.
func (f Facts) reachRemedy(port int, err error) string {
	host := f.CloudCore.Host
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Sprintf("%s answers, but nothing listens on TCP port %d there: check that the port is mapped to CloudCore and that CloudCore runs", host, port)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Sprintf("see whether this device has a route there (ip route get %s), and whether a firewall on the way refuses it", host)
	}
	return fmt.Sprintf("open TCP port %d from this device to %s in the firewall, and map it to CloudCore", port, host)
}

// pastProxy is said where a proxy makes people believe that everything goes through it.
func (f Facts) pastProxy() string {
	if f.System.env("https_proxy", "HTTPS_PROXY") == "" {
		return ""
	}
	return "; EdgeCore does not use this shell's proxy"
}

// cloudHub gets CloudHub's CA and its idea of the time, with a request that is
// larger by so many bytes. Whom it speaks to is not checked here: that is what the
// answer is compared for.
func (f Facts) cloudHub(ctx context.Context, padding int) (ca []byte, date time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*dialTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+f.address(f.CloudCore.CertPort)+"/ca.crt", nil)
	if err != nil {
		return nil, date, fmt.Errorf("asking CloudHub: %w", err)
	}
	if padding > 0 {
		req.Header.Set("Edgeway-Padding", strings.Repeat("x", padding))
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	res, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return nil, date, fmt.Errorf("asking CloudHub: %w", err)
	}
	defer res.Body.Close()
	return readHub(res)
}

// readHub reads an answer of what may be CloudHub.
func readHub(res *http.Response) (ca []byte, date time.Time, err error) {
	if res.StatusCode != http.StatusOK {
		return nil, date, errcat.Errorf("CloudHubAnswer", "CloudHub answered %q", res.Status)
	}
	if date, err = http.ParseTime(res.Header.Get("Date")); err != nil {
		return nil, time.Time{}, errcat.Errorf("CloudHubAnswer", "header Date of CloudHub's answer is no time: %w", err)
	}
	if ca, err = io.ReadAll(io.LimitReader(res.Body, maxCA+1)); err != nil {
		return nil, time.Time{}, fmt.Errorf("reading CloudHub's answer: %w", err)
	}
	if len(ca) > maxCA {
		return nil, time.Time{}, errcat.Errorf("CloudHubAnswer", "CloudHub's answer is larger than %d bytes, so it is no certificate", maxCA)
	}
	return ca, date, nil
}

// hubRemedy tells a port of something else from packets that get lost.
func hubRemedy(err error) string {
	if timedOut(err) {
		return "the port takes connections, but no answer came: see whether large packets are lost on the way (MTU of a VPN; ping -M do -s 1400), and whether a proxy or firewall holds the connection"
	}
	return "check that the certificate port belongs to CloudHub's HTTPS service"
}

func timedOut(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// padding makes a request that does not fit into two packets of Ethernet.
const padding = 4000

// largePackets: where a path swallows full packets and says nothing, small requests
// work and EdgeCore's reports do not arrive.
func (f Facts) largePackets(ctx context.Context) Outcome {
	if _, _, err := f.cloudHub(ctx, 0); err != nil {
		return Outcome{Status: Skipped, Detail: "CloudHub does not answer small ones either"}
	}
	_, _, err := f.cloudHub(ctx, padding)
	switch {
	case err == nil:
		return pass("")
	case timedOut(err):
		return fail("a small request is answered, one of 4000 bytes is not",
			"packets of full size are lost on the way: lower the MTU of this device's interface (ip link set DEV mtu 1400, or less), or let the router clamp MSS")
	}
	return unknown(err.Error(), "see with: ping -M do -s 1400 "+f.CloudCore.Host)
}

func (f Facts) clock(ctx context.Context) Outcome {
	_, date, err := f.cloudHub(ctx, 0)
	if err != nil {
		return fail(err.Error(), hubRemedy(err))
	}
	skew := f.System.Now().Sub(date).Round(time.Second)
	if skew.Abs() > maxSkew {
		return fail(fmt.Sprintf("this device's clock is off by %s", skew), "set the clock, best with NTP; certificates are not valid otherwise")
	}
	return pass("off by " + skew.String())
}

func (f Facts) authority(ctx context.Context) Outcome {
	if f.CA == nil {
		return Outcome{Status: Skipped, Detail: "compared once the code is redeemed"}
	}
	got, _, err := f.cloudHub(ctx, 0)
	if err != nil {
		return fail(err.Error(), hubRemedy(err))
	}
	block, _ := pem.Decode(f.CA)
	if block == nil || !bytes.Equal(block.Bytes, got) {
		return fail("CloudHub shows another authority than the console", "CloudCore's address leads to another cluster, or somebody is in between: check address and port mapping")
	}
	return pass("")
}
