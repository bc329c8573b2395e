package portcheck

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/quic"

	"github.com/edgeway-io/edgeway/internal/streamcert"
	"github.com/edgeway-io/edgeway/test/netns/lab"
)

// targetsVariable makes the test's own program check targets in the namespace it is
// started in: Check's sockets are made on threads of its own choice.
const targetsVariable = "PORTCHECK_TARGETS"

func TestMain(m *testing.M) {
	raw := os.Getenv(targetsVariable)
	if raw == "" {
		os.Exit(m.Run())
	}
	var targets []Target
	if err := json.Unmarshal([]byte(raw), &targets); err != nil {
		panic(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(Check(context.Background(), targets)); err != nil {
		panic(err)
	}
}

// checkIn checks from inside a namespace.
func checkIn(t *testing.T, ns *lab.NS, targets ...Target) map[string]Result {
	t.Helper()
	raw, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "nsenter", "--net=/run/netns/"+ns.Name, os.Args[0])
	cmd.Env = append(os.Environ(), targetsVariable+"="+string(raw))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var results []Result
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	found := map[string]Result{}
	for _, r := range results {
		found[r.Name] = r
	}
	return found
}

// serveQUIC runs a server that shakes hands with whom it is willing to.
func serveQUIC(t *testing.T, ns *lab.NS, address string, auth tls.ClientAuthType) {
	t.Helper()
	pair, err := streamcert.Generate("test CA", "test", []string{"cloud.example.com"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	var endpoint *quic.Endpoint
	err = ns.Do(func() (err error) {
		endpoint, err = quic.Listen("udp", address, &quic.Config{TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13, ClientAuth: auth,
		}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			if _, err := endpoint.Accept(t.Context()); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = endpoint.Close(ctx) // the namespace goes with it
	})
}

// TestCheck tries ports that are open, closed and dropped, over TCP and QUIC, between two
// namespaces.
func TestCheck(t *testing.T) {
	console, cloud := lab.New(t, "console"), lab.New(t, "cloud")
	lab.Link(t, console, "cloud", []string{"192.0.2.1/24"}, cloud, "console", []string{"192.0.2.2/24"})
	cloud.Serve("cloudhub", "192.0.2.2:31000")
	serveQUIC(t, cloud, "192.0.2.2:31001", tls.NoClientCert)
	serveQUIC(t, cloud, "192.0.2.2:31011", tls.RequireAnyClientCert)
	cloud.Exec("nft", "add table inet t; add chain inet t in { type filter hook input priority 0; }; "+
		"add rule inet t in tcp dport 31004 drop; add rule inet t in udp dport 31014 drop")

	target := func(name, protocol, address string, port int) Target {
		return Target{Name: name, Address: address, Port: port, Protocol: protocol}
	}
	got := checkIn(t, console,
		target("open", "TCP", "192.0.2.2", 31000), target("closed", "TCP", "192.0.2.2", 31002), target("dropped", "TCP", "192.0.2.2", 31004),
		target("quic", "UDP", "192.0.2.2", 31001), target("quic that wants a certificate", "UDP", "192.0.2.2", 31011),
		target("quic closed", "UDP", "192.0.2.2", 31012), target("quic dropped", "UDP", "192.0.2.2", 31014),
		target("no route", "TCP", "198.51.100.1", 31000), target("no route for quic", "UDP", "198.51.100.1", 31001),
		target("loopback", "TCP", "127.0.0.1", 31000), target("link-local", "TCP", "169.254.169.254", 80),
		target("no name", "TCP", "nowhere.invalid", 31000))
	for name, want := range map[string]Outcome{
		"open": Open, "closed": Closed, "dropped": TimedOut,
		"quic": Open, "quic that wants a certificate": Open, "quic closed": Closed, "quic dropped": TimedOut,
		"no route": Unreachable, "no route for quic": Unreachable, "loopback": Refused, "link-local": Refused, "no name": Unreachable,
	} {
		r := got[name]
		if r.Outcome != want {
			t.Errorf("%s: %s (%s), want %s", name, r.Outcome, r.Message, want)
		}
		if tried := strings.HasPrefix(r.IP, "192.0.2."); tried && r.From != "192.0.2.1" {
			t.Errorf("%s: tried from %q", name, r.From)
		}
		if want != Open && r.Message == "" {
			t.Errorf("%s: nobody is told why", name)
		}
	}
}

func TestForbidden(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "fe80::1%eth0",
		"::ffff:169.254.1.1", "224.0.0.1", "ff02::1", "255.255.255.255"} {
		if Forbidden(netip.MustParseAddr(a)) == "" {
			t.Errorf("%s would be dialled", a)
		}
	}
	for _, a := range []string{"203.0.113.7", "10.0.0.1", "2001:db8::1", "fd00::1"} {
		if why := Forbidden(netip.MustParseAddr(a)); why != "" {
			t.Errorf("%s would not be dialled: %s", a, why)
		}
	}
}

// TestManyTargets are not all tried: a list cannot set off a scan.
func TestManyTargets(t *testing.T) {
	var targets []Target
	for i := range most + 8 {
		// Documentation's own addresses, to which nothing is routed here.
		targets = append(targets, Target{Name: fmt.Sprint(i), Address: "192.0.2.77", Port: 1 + i, Protocol: "TCP"})
	}
	ns := lab.New(t, "nowhere")
	refused := 0
	for _, r := range checkIn(t, ns, targets...) {
		if r.Outcome == Refused {
			refused++
		}
	}
	if refused != 8 {
		t.Errorf("%d of %d were not tried, want 8", refused, len(targets))
	}
}
