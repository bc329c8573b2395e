package preflight

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/enroll/wire"
)

func TestWhatIsBelowAFailureIsSkipped(t *testing.T) {
	says := func(o Outcome) func(context.Context) Outcome { return func(context.Context) Outcome { return o } }
	r := Run(t.Context(), Probe{ID: "all", Title: "all", Below: []Probe{
		{ID: "good", Run: says(pass("")), Below: []Probe{{ID: "so-so", Run: says(warn("w", "r"))}}},
		{ID: "bad", Run: says(fail("broken", "mend it")), Below: []Probe{{ID: "never", Run: says(pass("")), Below: []Probe{{ID: "either", Run: says(pass(""))}}}}},
	}})
	got := map[string]Status{"all": r.Status, "so-so": r.Below[0].Below[0].Status, "never": r.Below[1].Below[0].Status, "either": r.Below[1].Below[0].Below[0].Status}
	want := map[string]Status{"all": Fail, "so-so": Warn, "never": Skipped, "either": Skipped}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f := r.Failures(); len(f) != 1 || f[0].ID != "bad" {
		t.Errorf("the failures are %+v", f)
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text.Bytes(), []byte("→ mend it")) {
		t.Errorf("the text lacks the remedy:\n%s", &text)
	}
}

func TestFreePort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if o := (Facts{}).freePort(uint16(port), true)(t.Context()); o.Status != Fail || o.Remedy == "" {
		t.Errorf("a used port gives %+v", o)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if o := (Facts{}).freePort(uint16(port), true)(t.Context()); o.Status != Pass {
		t.Errorf("a free port gives %+v", o)
	}
}

// cloudHub answers with a date that is off by skew.
func cloudHub(t *testing.T, skew time.Duration, ca []byte) *wire.CloudCore {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
		_, _ = w.Write(ca)
	}))
	t.Cleanup(s.Close)
	_, p, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return &wire.CloudCore{Host: "127.0.0.1", CertPort: port, WebSocketPort: port}
}

func find(r Report, id string) Report {
	if r.ID == id {
		return r
	}
	for _, below := range r.Below {
		if f := find(below, id); f.ID == id {
			return f
		}
	}
	return Report{}
}

func TestCloud(t *testing.T) {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("theirs")})
	tests := map[string]struct {
		facts Facts
		id    string
		want  Status
	}{
		"right clock":   {Facts{CloudCore: cloudHub(t, 0, nil)}, "cloudcore.clock", Pass},
		"an hour off":   {Facts{CloudCore: cloudHub(t, time.Hour, nil)}, "cloudcore.clock", Fail},
		"an hour ahead": {Facts{CloudCore: cloudHub(t, -time.Hour, nil)}, "cloudcore.clock", Fail},
		"no CA known":   {Facts{CloudCore: cloudHub(t, 0, nil)}, "cloudcore.ca", Skipped},
		"the same CA":   {Facts{CloudCore: cloudHub(t, 0, []byte("theirs")), CA: ca}, "cloudcore.ca", Pass},
		"another CA":    {Facts{CloudCore: cloudHub(t, 0, []byte("others")), CA: ca}, "cloudcore.ca", Fail},
		"no port":       {Facts{CloudCore: &wire.CloudCore{Host: "127.0.0.1", CertPort: 1, WebSocketPort: 1}}, "cloudcore.https", Fail},
		"no tunnel":     {Facts{CloudCore: &wire.CloudCore{Host: "127.0.0.1", CertPort: 1, WebSocketPort: 1, TunnelPort: 1}}, "cloudcore.tunnel", Fail},
		"no such name":  {Facts{CloudCore: &wire.CloudCore{Host: "cloudcore.invalid", CertPort: 1, WebSocketPort: 1}}, "cloudcore", Fail},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := find(Run(t.Context(), test.facts.cloud()), test.id); got.Status != test.want {
				t.Errorf("got %+v, want %s", got.Outcome, test.want)
			}
		})
	}
}

func TestLeftovers(t *testing.T) {
	f := Facts{Layout: paths.Layout{Root: t.TempDir()}}
	if o := f.leftovers(t.Context()); o.Status != Pass {
		t.Errorf("a clean device gives %+v", o)
	}
}

// TestPacketsThatGetLost puts a path in front of CloudHub that swallows what is
// larger than a few packets, as one with a small MTU and no ICMP does.
func TestPacketsThatGetLost(t *testing.T) {
	hub := cloudHub(t, 0, []byte("ca"))
	for name, test := range map[string]struct {
		limit int64
		want  Status
	}{
		"everything arrives": {1 << 20, Pass},
		"large ones do not":  {4000, Fail},
		"small ones neither": {100, Skipped},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			port := narrow(t, net.JoinHostPort(hub.Host, strconv.Itoa(hub.CertPort)), test.limit)
			f := Facts{CloudCore: &wire.CloudCore{Host: "127.0.0.1", CertPort: port}}
			if got := f.largePackets(ctx); got.Status != test.want {
				t.Errorf("got %+v, want %s", got, test.want)
			}
		})
	}
}

// narrow leads to an address and passes on so many bytes of each connection.
func narrow(t *testing.T, to string, limit int64) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = errors.Join(client.Close(), server.Close()) })
			go func() { _, _ = io.Copy(server, io.LimitReader(client, limit)) }() // ends with the connection
			go func() { _, _ = io.Copy(client, server) }()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func TestUnknownIsNeverPass(t *testing.T) {
	says := func(o Outcome) func(context.Context) Outcome { return func(context.Context) Outcome { return o } }
	r := Run(t.Context(), Probe{ID: "all", Below: []Probe{
		{ID: "good", Run: says(pass(""))},
		{ID: "dark", Run: says(unknown("nobody knows", "look")), Below: []Probe{{ID: "below", Run: says(pass(""))}}},
	}})
	if r.Status != Unknown || r.Below[1].Below[0].Status != Pass {
		t.Errorf("got %+v", r)
	}
	if d := r.Doubts(); len(d) != 1 || d[0].ID != "dark" {
		t.Errorf("the doubts are %+v", d)
	}
	if f := r.Failures(); len(f) != 0 {
		t.Errorf("the failures are %+v", f)
	}
}

// TestRemediesFollowTheError: no firewall is blamed by a host that answers, and no
// plugin where nothing runs.
func TestRemediesFollowTheError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	f := Facts{CloudCore: &wire.CloudCore{Host: "127.0.0.1"}}
	if o := f.reach(port)(t.Context()); o.Status != Fail || !strings.Contains(o.Remedy, "nothing listens") || strings.Contains(o.Remedy, "firewall") {
		t.Errorf("a closed port: %+v", o)
	}
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, "ip route get 127.0.0.1"},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, "ip route get 127.0.0.1"},
		{context.DeadlineExceeded, "in the firewall"},
	} {
		if got := f.reachRemedy(7, tc.err); !strings.Contains(got, tc.want) {
			t.Errorf("%v: %s", tc.err, got)
		}
	}
	for code, want := range map[codes.Code]string{codes.Unimplemented: "CRI plugin", codes.Unavailable: "start the runtime",
		codes.DeadlineExceeded: "start the runtime", codes.Internal: "see the runtime's log"} {
		if got := f.runtimeRemedy(fmt.Errorf("asking: %w", status.Error(code, "x"))); !strings.Contains(got, want) {
			t.Errorf("%s: %s", code, got)
		}
	}
}
