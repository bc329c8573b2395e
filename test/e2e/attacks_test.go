//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/onsite"
)

// Ports in CloudCore's pod: the gate's, and CloudCore's own behind it.
const (
	gateStream = "10003"
	gateTunnel = "10004"
	coreStream = "10013"
	coreTunnel = "10014"
)

// asks sends one request to the gate before CloudStream.
func (a *attack) asks(p place, address, path string, c credential) (int, error) {
	conf := &tls.Config{InsecureSkipVerify: true} // as kube-apiserver and scrapers do
	if c.cert != nil {
		conf.Certificates = []tls.Certificate{*c.cert}
	}
	client := http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		TLSClientConfig: conf, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return p.dial(ctx, address, knockPatience)
		},
	}}
	request, err := http.NewRequestWithContext(a.t.Context(), http.MethodGet, "https://"+address+path, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("X-Forwarded-Uri", "/api/v1/nodes/jetson-xavier/proxy"+path)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

// table tries everything from everywhere. It runs cells beside each other, some at a time.
func (a *attack) table(when string) {
	a.t.Helper()
	var cells sync.WaitGroup
	slots := make(chan struct{}, 24)
	answered := map[string]bool{}
	var mu sync.Mutex
	cell := func(do func()) {
		cells.Add(1)
		go func() {
			defer cells.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			do()
		}()
	}
	for from, p := range a.places {
		for door, address := range a.doors[gateStream] {
			must := p.inCluster || strings.HasPrefix(door, "NodePort") || strings.HasPrefix(door, "its own NodePort")
			for who, c := range a.credentials {
				for what, want := range map[string]int{"/containerLogs/" + a.pod + "?tailLines=1": c.logs, "/metrics/resource": c.figures} {
					cell(func() {
						got, err := a.asks(p, address, what, c)
						if err == nil && got == want {
							mu.Lock()
							answered[from] = true
							mu.Unlock()
							return
						}
						if err != nil && !must {
							return // no door from there
						}
						a.t.Errorf("%s: from %s by %s with %s, %s: %d (%v), want %d", when, from, door, who, what, got, err, want)
					})
				}
			}
		}
		for door, address := range a.doors[gateTunnel] {
			for who, c := range a.credentials {
				cell(func() {
					// Callers' credentials are none of a device.
					conn, status, err := a.tunnel(p, address, c.cert, "jetson-xavier", c.token)
					if err == nil {
						_ = conn.Close()
						a.t.Errorf("%s: from %s by %s with %s: a tunnel of jetson-xavier is open (%d)", when, from, door, who, status)
					}
				})
			}
		}
		for _, port := range []string{coreStream, coreTunnel} {
			for door, address := range a.doors[port] {
				cell(func() {
					if conn, err := p.dial(a.t.Context(), address, knockPatience); err == nil {
						_ = conn.Close()
						a.t.Errorf("%s: from %s by %s, port %s of CloudCore itself takes a connection", when, from, door, port)
					}
				})
			}
		}
	}
	cells.Wait()
	for from := range a.places {
		if !answered[from] {
			a.t.Errorf("%s: from %s no door of the gate answered: its cells prove nothing", when, from)
		}
	}
}

// TestAttacks is the table of who gets in, and with what; the expected answer of each
// credential is beside it. It holds while operators restart and after somebody emptied
// nf_tables.
func TestAttacks(t *testing.T) {
	a := newAttack(t)
	started := time.Now()
	a.table("steady")
	t.Logf("one table took %s", time.Since(started).Round(time.Millisecond))

	k := onsite.NewKernels(t, site)
	old := map[string][]int{}
	for _, host := range cloudNodes {
		old[host] = onsite.Processes(t, host, "iptables-operator")
		onsite.Kill(t, host, "iptables-operator")
	}
	a.table("operators restart")
	for _, host := range cloudNodes {
		onsite.WaitProcess(t, host, "iptables-operator", old[host])
	}
	recovered(t, k, "the operators' restart")

	flushRulesets(t)
	recovered(t, k, "nft flush ruleset")
	eventually(t, time.Minute, func() error { // kube-proxy's are back
		conn, err := a.places["outside"].dial(t.Context(), a.doors[gateStream]["NodePort of worker"], knockPatience)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	a.table("after nft flush ruleset")
}
