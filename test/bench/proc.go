package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/edgeway-io/edgeway/test/apiserver"
	"github.com/edgeway-io/edgeway/test/program"
)

// daemon is one of the project's programs under measurement.
type daemon struct {
	b *bed
	*program.Program
	client http.Client
	// metrics and health are URLs.
	metrics, health string
}

// Ports at which daemons are asked for metrics and health.
const metricsPort, healthPort = "19469", "19470"

// startDaemon runs bin/name. dial reaches its loopback, which may be in another
// network namespace, into which the command line enter leads.
func startDaemon(b *bed, dial func(ctx context.Context, network, address string) (net.Conn, error), enter []string, name string, args ...string) *daemon {
	line := append(enter, filepath.Join(b.root, "bin", name),
		"--metrics-bind-address=127.0.0.1:"+metricsPort, "--health-probe-bind-address=127.0.0.1:"+healthPort)
	p, err := program.Start(filepath.Join(b.dir(), name+".log"), nil, append(line, args...)...)
	b.must(err)
	b.undo(p.Kill)
	return &daemon{
		b: b, Program: p, client: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: 10 * time.Second},
		metrics: "http://127.0.0.1:" + metricsPort + "/metrics", health: "http://127.0.0.1:" + healthPort + "/readyz",
	}
}

// until waits for a condition of the daemon, whose end is an error.
func (d *daemon) until(timeout time.Duration, what string, done func() (bool, error)) {
	deadline := time.Now().Add(timeout)
	for {
		ok, err := done()
		if ok && err == nil {
			return
		}
		select {
		case <-d.b.ctx.Done():
			d.b.must(d.b.ctx.Err())
		case <-d.Done():
			d.b.Fatalf("%s: the program ended: %s", what, d.Tail())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			d.b.Fatalf("%s: not after %s (%v): %s", what, timeout, err, d.Tail())
		}
	}
}

// ready asks the readiness probe.
func (d *daemon) ready() (bool, error) {
	resp, err := d.client.Get(d.health)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	return resp.StatusCode == http.StatusOK, nil
}

// sum adds up the samples of a metric that want accepts; nil accepts all.
func (d *daemon) sum(name string, want func(labels map[string]string) bool) (float64, error) {
	resp, err := d.client.Get(d.metrics)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	total := 0.0
	for _, m := range families[name].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		if want == nil || want(labels) {
			total += value(m)
		}
	}
	return total, nil
}

func value(m *dto.Metric) float64 { return m.GetCounter().GetValue() + m.GetGauge().GetValue() }

// writes counts the daemon's requests to the API server that change something.
func (d *daemon) writes() float64 {
	n, err := d.sum("rest_client_requests_total", func(labels map[string]string) bool {
		return labels["method"] != http.MethodGet
	})
	d.b.must(err)
	return n
}

// memory reads VmRSS, what the daemon has in memory now, and VmHWM, the most that it
// ever had, in MiB.
func (d *daemon) memory() (now, most float64) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.Pid()))
	d.b.must(err)
	field := func(name string) float64 {
		_, rest, found := strings.Cut(string(raw), "\n"+name+":")
		fields := strings.Fields(rest)
		if !found || len(fields) == 0 {
			d.b.Fatalf("process %d has no %s", d.Pid(), name)
		}
		kib, err := strconv.ParseFloat(fields[0], 64)
		d.b.must(err)
		return kib / 1024
	}
	return field("VmRSS"), field("VmHWM")
}

// stop ends the daemon as a kubelet does.
func (d *daemon) stop() { d.b.must(d.Stop(10 * time.Second)) }

// startServer starts an API server for the group.
func startServer(b *bed) *apiserver.Server {
	s, err := apiserver.Start(b.ctx, apiserver.Options{
		BinDir: filepath.Join(b.root, "bin", "kube"), Dir: b.dir(),
		EtcdArgs:   []string{"--quota-backend-bytes=" + strconv.Itoa(8<<30)},
		ServerArgs: []string{"--etcd-compaction-interval=1m"},
	})
	b.must(err)
	b.undo(s.Stop)
	return s
}

// relay makes an address of the machine's loopback reachable at the same address in
// another namespace, until the group ends.
func relay(b *bed, listen func() (net.Listener, error), address string) {
	l, err := listen()
	b.must(err)
	b.undo(l.Close)
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				to, err := net.Dial("tcp", address)
				if err == nil {
					join(from, to)
				}
				_ = from.Close()
			}()
		}
	}()
}

// join copies both ways until one side ends.
func join(a, b net.Conn) {
	ended := make(chan error, 2)
	pipe := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		ended <- err
	}
	go pipe(a, b)
	go pipe(b, a)
	first := <-ended
	_ = errors.Join(first, a.Close(), b.Close()) // the peers see the end; nobody else minds
	<-ended
}
