package contract

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/edgeway-io/edgeway/test/apiserver"
	"github.com/edgeway-io/edgeway/test/contract/cloud"
	"github.com/edgeway-io/edgeway/test/contract/fake"
	"github.com/edgeway-io/edgeway/test/contract/wire"
	"github.com/edgeway-io/edgeway/test/program"
)

// heartbeat is EdgeHub's, in seconds; its default is 15.
const heartbeat = 2

// anyIP is an address that no interface of this machine has.
const anyIP = "203.0.113.40"

// TestEdgeCore speaks to an EdgeCore as CloudCore does. EdgeCore's own kubelet is off, so
// that neither a container runtime nor a namespace is needed; what the tunnel asks the
// kubelet for is answered by the suite, at the address that EdgeCore has built in.
func TestEdgeCore(t *testing.T) {
	r := newResults()
	t.Cleanup(func() { r.print(os.Stdout, filepath.Join(programs(), "edgecore")) })
	t.Run("joining", func(t *testing.T) { see(t, r, &struct{}{}, joiningBehaviors) })
	t.Run("joined", func(t *testing.T) {
		kubelet := startKubelet(t)
		e := startEdge(t, edgeOptions{})
		s := &edgeSite{edge: e, kubelet: kubelet, hub: e.hub(t), tunnel: newEdgeTunnel(t, e.tunnel(t))}
		see(t, r, s, joinedBehaviors)
	})
	t.Run("together", func(t *testing.T) {
		api := apiserver.ForTest(t, apiserver.Options{ServerArgs: kubeadmAuthorization})
		see(t, r, newSite(t, api, cloud.Options{Authorization: true}), togetherBehaviors)
	})
	t.Run("unreachable", func(t *testing.T) { see(t, r, &struct{}{}, kubeletlessBehaviors) })
}

// edgeOptions say how an EdgeCore is started.
type edgeOptions struct {
	cloud fake.Options
	// token replaces the cloud's own; a dash is none.
	token string
	// certificate in place is of this name; none when empty.
	certificate string
	refuse      int
	noTunnel    bool
	check       bool // for other kubelets
	// site, if not nil, is the real cloud to join instead of the fake one.
	site *site
}

// edgeProgram is a running EdgeCore with its fake cloud.
type edgeProgram struct {
	cloud  *fake.Cloud
	proc   *program.Program
	config string
	dir    string
}

const edgeName = "contract-edge"

// startEdge starts an EdgeCore that ends with the test.
func startEdge(t *testing.T, o edgeOptions) *edgeProgram {
	t.Helper()
	c := must(fake.Start(o.cloud))(t)
	t.Cleanup(c.Stop)
	c.Refuse(o.refuse)
	dir := t.TempDir()
	e := &edgeProgram{cloud: c, dir: dir, config: filepath.Join(dir, "edgecore.yaml")}
	switch o.token {
	case "":
		o.token = must(c.Token())(t)
		if o.site != nil {
			o.token = string(o.site.secret(t, "tokensecret", "tokendata"))
		}
	case "-":
		o.token = ""
	}
	if o.certificate != "" {
		e.place(t, o.certificate)
	}
	b := must(yaml.Marshal(e.configuration(o)))(t)
	if err := os.WriteFile(e.config, b, 0o600); err != nil {
		t.Fatal(err)
	}
	e.launch(t, o.check)
	return e
}

func (e *edgeProgram) file(name string) string { return filepath.Join(e.dir, name) }

func (e *edgeProgram) log() string { return e.file("edgecore.log") }

func (e *edgeProgram) launch(t *testing.T, check bool) {
	t.Helper()
	env := []string{"CHECK_EDGECORE_ENVIRONMENT=" + fmt.Sprint(check)}
	e.proc = must(program.Start(e.log(), env, filepath.Join(programs(), "edgecore"), "--config="+e.config))(t)
	t.Cleanup(func() {
		if err := e.proc.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			keepLog(t, e.log())
		}
	})
}

type settings = map[string]any

func (e *edgeProgram) configuration(o edgeOptions) settings {
	files := func(ca, cert, key string) settings {
		return settings{ca: e.file("rootCA.crt"), cert: e.file("server.crt"), key: e.file("server.key")}
	}
	hub := files("tlsCaFile", "tlsCertFile", "tlsPrivateKeyFile")
	hub["enable"], hub["heartbeat"], hub["token"] = true, heartbeat, o.token
	hub["httpServer"] = "https://" + e.cloud.HTTPS
	hub["websocket"] = settings{"enable": true, "server": e.cloud.Hub}
	hub["rotateCertificates"] = false
	stream := files("tlsTunnelCAFile", "tlsTunnelCertFile", "tlsTunnelPrivateKeyFile")
	stream["server"] = e.cloud.Tunnel
	if !o.noTunnel {
		stream["enable"] = true
	}
	if o.site != nil {
		hub["httpServer"] = "https://" + o.site.core.HTTPS
		hub["websocket"] = settings{"enable": true, "server": o.site.core.Hub}
		stream["server"] = o.site.core.Tunnel
	}
	return settings{
		"apiVersion": "edgecore.config.kubeedge.io/v1alpha2", "kind": "EdgeCore",
		"database": settings{"dataSource": e.file("edgecore.db")},
		"modules": settings{
			"edged":   settings{"enable": false, "hostnameOverride": edgeName, "nodeIP": anyIP},
			"edgeHub": hub, "edgeStream": stream,
			"eventBus": settings{"enable": false}, "deviceTwin": settings{"enable": false}, "metaManager": settings{"enable": true},
		},
	}
}

// place puts a certificate of a name in place, and the CA.
func (e *edgeProgram) place(t *testing.T, name string) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	der := must(e.cloud.Sign(pkix.Name{CommonName: "system:node:" + name, Organization: []string{"system:nodes"}}, key.Public()))(t)
	for file, block := range map[string]*pem.Block{
		"rootCA.crt": {Type: "CERTIFICATE", Bytes: e.cloud.CA}, "server.crt": {Type: "CERTIFICATE", Bytes: der},
		"server.key": {Type: "EC PRIVATE KEY", Bytes: must(x509.MarshalECPrivateKey(key))(t)},
	} {
		if err := os.WriteFile(e.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// hub waits for EdgeCore's connection to CloudHub.
func (e *edgeProgram) hub(t *testing.T) *fake.Socket { t.Helper(); return e.socket(t, e.cloud.Hubs) }

// tunnel waits for EdgeCore's tunnel.
func (e *edgeProgram) tunnel(t *testing.T) *fake.Socket {
	t.Helper()
	return e.socket(t, e.cloud.Tunnels)
}

func (e *edgeProgram) socket(t *testing.T, from <-chan *fake.Socket) *fake.Socket {
	t.Helper()
	select {
	case s := <-from:
		t.Cleanup(s.Leave)
		return s
	case <-e.proc.Done():
		t.Fatalf("EdgeCore ended: %s", e.proc.Tail())
	case <-time.After(patience):
		t.Fatalf("EdgeCore does not connect: %s", e.proc.Tail())
	}
	return nil
}

// ended waits until EdgeCore has ended by itself.
func (e *edgeProgram) ended(t *testing.T) {
	t.Helper()
	select {
	case <-e.proc.Done():
	case <-time.After(patience):
		t.Fatal("EdgeCore still runs")
	}
}

// receive reads one message of CloudHub's.
func receive(t *testing.T, s *fake.Socket) wire.Message {
	t.Helper()
	_, b, err := s.Read(ctxOf(t))
	if err != nil {
		t.Fatal(err)
	}
	return must(wire.Decode(b))(t)
}

// joiningBehaviors start EdgeCores of their own.
var joiningBehaviors = []behavior[*struct{}]{
	{"E01", "EdgeCore asks for /ca.crt, then for /edge.crt with the token without the CA's hash, a CSR of CN system:node:NAME, O system:nodes and an ECDSA P-256 key, and the header NodeName", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{})
		e.hub(t)
		asked := e.cloud.Asked()
		if len(asked) != 2 || asked[0].Path != "/ca.crt" || asked[1].Path != "/edge.crt" {
			t.Fatalf("it asked for %v", asked)
		}
		_, signed, _ := strings.Cut(must(e.cloud.Token())(t), ".")
		crt := asked[1]
		if got := crt.Header.Get("Authorization"); !strings.HasPrefix(got, "Bearer ") || strings.Count(got, ".") != strings.Count(signed, ".") {
			t.Errorf("Authorization is %q", got)
		}
		if crt.Header.Get("NodeName") != edgeName || crt.CSR.Subject.CommonName != "system:node:"+edgeName || strings.Join(crt.CSR.Subject.Organization, ",") != "system:nodes" {
			t.Errorf("it asked as %q for %s", crt.Header.Get("NodeName"), crt.CSR.Subject)
		}
		if key, ok := crt.CSR.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
			t.Errorf("the key is %T", crt.CSR.PublicKey)
		}
	}},
	{"E02", "A token that names another CA ends EdgeCore before it shows the token to anybody", func(t *testing.T, _ *struct{}) {
		c := must(fake.Start(fake.Options{}))(t)
		defer c.Stop()
		e := startEdge(t, edgeOptions{token: must(c.TokenOf([]byte("another CA")))(t)})
		e.ended(t)
		for _, a := range e.cloud.Asked() {
			if a.Path != "/ca.crt" {
				t.Errorf("it asked for %s", a.Path)
			}
		}
	}},
	{"E03", "When the certificate is refused, EdgeCore ends; whatever runs it has to start it again", func(t *testing.T, _ *struct{}) {
		startEdge(t, edgeOptions{refuse: http.StatusUnauthorized}).ended(t)
	}},
	{"E04", "With its certificate, key and CA in place EdgeCore asks for nothing and needs no token", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{token: "-", certificate: edgeName})
		e.hub(t)
		if asked := e.cloud.Asked(); len(asked) > 0 {
			t.Errorf("it asked for %v", asked)
		}
	}},
	{"E05", "A certificate of another name in place is not used: EdgeCore asks for its own with the token", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{certificate: "another"})
		hub := e.hub(t)
		if got := hub.Request.TLS.PeerCertificates[0].Subject.CommonName; got != "system:node:"+edgeName {
			t.Errorf("it connects as %s", got)
		}
	}},
	{"E06", "Once it has its certificate, EdgeCore takes the token out of its configuration file", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{})
		e.hub(t)
		eventually(t, func(context.Context) error {
			b, err := os.ReadFile(e.config)
			if err != nil {
				return err
			}
			var c struct {
				Modules struct{ EdgeHub struct{ Token string } }
			}
			if err := yaml.Unmarshal(b, &c); err != nil {
				return err
			}
			if c.Modules.EdgeHub.Token != "" {
				return errors.New("the token is still there")
			}
			return nil
		})
	}},
	{"E07", "EdgeCore connects to wss://HUB/PROJECT/NAME/events with the headers node_id, project_id and ConnectionUse: msg and its certificate", func(t *testing.T, _ *struct{}) {
		r := startEdge(t, edgeOptions{}).hub(t).Request
		if r.URL.Path != "/"+r.Header.Get("project_id")+"/"+edgeName+"/events" || r.Header.Get("node_id") != edgeName || r.Header.Get("ConnectionUse") != "msg" {
			t.Errorf("%s with %v", r.URL.Path, r.Header)
		}
		if got := r.TLS.PeerCertificates[0].Subject.CommonName; got != "system:node:"+edgeName {
			t.Errorf("the certificate is of %s", got)
		}
	}},
	{"E08", "EdgeCore verifies CloudHub's certificate: it does not connect to another CA's", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{cloud: fake.Options{OtherHubCA: true}})
		e.tunnel(t) // it is up, and has tried
		eventually(t, func(context.Context) error {
			if b, err := os.ReadFile(e.log()); err != nil || !strings.Contains(string(b), "certificate") {
				return fmt.Errorf("the log says nothing of it: %w", err)
			}
			return nil
		})
		select {
		case <-e.cloud.Hubs:
			t.Error("it has connected")
		default:
		}
	}},
	{"E09", "EdgeCore verifies nothing about the tunnel's certificate", func(t *testing.T, _ *struct{}) {
		startEdge(t, edgeOptions{cloud: fake.Options{OtherTunnelCA: true}}).tunnel(t)
	}},
	{"E10", "EdgeCore sends a keepalive at once and then every heartbeat seconds", func(t *testing.T, _ *struct{}) {
		hub := startEdge(t, edgeOptions{}).hub(t)
		for range 2 {
			for {
				m := receive(t, hub)
				if m.Route.Operation == "keepalive" {
					if m.Route.Resource != "node" || m.Route.Group != "resource" {
						t.Errorf("it is %+v", m.Route)
					}
					break
				}
			}
		}
	}},
	{"E11", "After CloudHub has closed the connection EdgeCore waits two heartbeats before it dials again: 30 s by default", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{})
		first := e.hub(t)
		receive(t, first)
		left := time.Now()
		first.Leave()
		if waited := e.hub(t).At.Sub(left); waited < 2*heartbeat*time.Second {
			t.Errorf("it dialed after %s", waited)
		}
	}},
	{"E12", "Unanswered pings do not end the tunnel", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{cloud: fake.Options{Mute: true}})
		tn := newEdgeTunnel(t, e.tunnel(t))
		for range 3 {
			select {
			case <-tn.socket.Pings:
			case <-tn.closed:
				t.Fatal("the tunnel has ended")
			case <-time.After(patience):
				t.Fatal("no ping")
			}
		}
	}},
	{"E13", "A tunnel that ends, or gets a frame of type 5, is dialed again", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{})
		e.tunnel(t).Leave()
		second := newEdgeTunnel(t, e.tunnel(t))
		second.send(t, wire.Frame{Type: wire.Close, Data: []byte("no Node")})
		ends(t, second.closed)
		e.tunnel(t)
	}},
	{"E14", "Without modules.edgeStream.enable there is no tunnel", func(t *testing.T, _ *struct{}) {
		e := startEdge(t, edgeOptions{noTunnel: true})
		hub := e.hub(t)
		for n := 0; n < 3; { // as many heartbeats as a tunnel would have been dialed in
			if receive(t, hub).Route.Operation == "keepalive" {
				n++
			}
		}
		select {
		case <-e.cloud.Tunnels:
			t.Error("there is one")
		default:
		}
	}},
	{"E15", "EdgeCore refuses to start while a process named kubelet runs", func(t *testing.T, _ *struct{}) {
		sleep := must(os.ReadFile("/bin/sleep"))(t)
		kubelet := filepath.Join(t.TempDir(), "kubelet")
		if err := os.WriteFile(kubelet, sleep, 0o700); err != nil {
			t.Fatal(err)
		}
		p := must(program.Start(filepath.Join(t.TempDir(), "log"), nil, kubelet, "600"))(t)
		t.Cleanup(func() { _ = p.Kill() }) // it dies with this process at the latest
		e := startEdge(t, edgeOptions{check: true})
		e.ended(t)
		if asked := e.cloud.Asked(); len(asked) > 0 {
			t.Errorf("it asked for %v", asked)
		}
	}},
}

// togetherBehaviors are an EdgeCore at a CloudCore with authorization.
var togetherBehaviors = []behavior[*site]{
	{"E40", "A node whose connection an impostor's has ended is away for two heartbeats (30 s by default); its tunnel stays, and a pod that is bound meanwhile arrives afterwards", func(t *testing.T, s *site) {
		s.node(t, edgeName)
		startEdge(t, edgeOptions{site: s})
		s.pod(t, "before", edgeName)
		s.settled(t, "before")
		eventually(t, func(ctx context.Context) error { return s.hasPort(ctx, edgeName) })
		for round := range 2 {
			s.impostor(t, edgeName).Leave()
			left, pod := time.Now(), fmt.Sprint("after-", round)
			s.away(t)
			s.pod(t, pod, edgeName)
			s.settled(t, pod)
			if away := time.Since(left); away < 2*heartbeat*time.Second {
				t.Errorf("the node was back after %s", away)
			}
		}
		s.answers(t, "/metrics", forwarded(edgeName+"-other"), http.StatusInternalServerError, "")
		get := s.get(t, "/metrics", forwarded(edgeName))
		if err := get.begin(2 * time.Second); err == nil {
			t.Errorf("the tunnel answers %d: nothing listens on the kubelet's port here", get.resp.StatusCode)
		} else if !errors.Is(err, errNoAnswer) {
			t.Error(err)
		}
		get.leave()
	}},
}

// away waits until CloudCore counts no connection.
func (s *site) away(t *testing.T) {
	t.Helper()
	eventually(t, func(context.Context) error {
		if n, err := s.connected(); err != nil || n != "0" {
			return fmt.Errorf("%s are connected: %w", n, err)
		}
		return nil
	})
}

// newEdgeTunnel keeps the frames of a tunnel.
func newEdgeTunnel(t *testing.T, s *fake.Socket) *edgeTunnel {
	t.Helper()
	tn := &edgeTunnel{socket: s, closed: make(chan struct{}), streams: map[uint64]chan wire.Frame{}}
	go tn.read()
	return tn
}

func listenKubelet() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:10350") }
