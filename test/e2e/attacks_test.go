//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/edgeway-io/edgeway/internal/enroll/pki"
	"github.com/edgeway-io/edgeway/test/netns/lab"
	"github.com/edgeway-io/edgeway/test/onsite"
)

// Ports in CloudCore's pod: the gate's, and CloudCore's own behind it.
const (
	gateStream = "10003"
	gateTunnel = "10004"
	coreStream = "10013"
	coreTunnel = "10014"
)

// externalIP of the tenant's Service, from a network for documentation.
const externalIP = "198.51.100.77"

// knockPatience bounds a dial that must get no answer.
const knockPatience = 1500 * time.Millisecond

// tenantObjects are what somebody may make who has a namespace: pods on each cloud node, on
// its network too, and a Service of type NodePort with an external address for all of
// CloudCore's ports, by an EndpointSlice of its own.
const tenantObjects = `apiVersion: v1
kind: Namespace
metadata: {name: tenant}
---
apiVersion: v1
kind: Service
metadata: {name: mine, namespace: tenant}
spec:
  type: NodePort
  externalIPs: [%[2]s]
  ports:
  - {name: p10003, port: 10003}
  - {name: p10004, port: 10004}
  - {name: p10013, port: 10013}
  - {name: p10014, port: 10014}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: mine, namespace: tenant, labels: {kubernetes.io/service-name: mine}}
addressType: IPv4
endpoints: [{addresses: [%[1]s], conditions: {ready: true}}]
ports:
- {name: p10003, port: 10003}
- {name: p10004, port: 10004}
- {name: p10013, port: 10013}
- {name: p10014, port: 10014}
`

const tenantPod = `---
apiVersion: v1
kind: Pod
metadata: {name: %[1]s, namespace: tenant, labels: {app: tenant}}
spec:
  nodeName: %[2]s
  terminationGracePeriodSeconds: 0
  tolerations: [{operator: Exists}]
  containers: [{name: c, image: %[3]q, env: [{name: EDGEWAY_TENANT, value: %[1]s}]}]
`

// attack is a site with everything that attackers have.
type attack struct {
	t *testing.T
	// core is CloudCore's pod IP.
	core string
	// places are where attackers are, by name.
	places map[string]place
	// credentials are what they have, by name.
	credentials map[string]credential
	// doors lead to a port of CloudCore's pod, by port and by name.
	doors map[string]map[string]string
	pod   string // namespace/name/container of an edge node's workload
}

// place is where an attacker is. In the cluster every door leads somewhere, so each of the
// gate's has to answer; from elsewhere only those of public addresses do.
type place struct {
	ns        *lab.NS
	inCluster bool
}

type credential struct {
	token string
	cert  *tls.Certificate
	// logs and figures are what the gate is to answer: the table of who has the right.
	logs, figures int
}

func newAttack(t *testing.T) *attack {
	t.Helper()
	a := &attack{t: t, core: strings.Fields(mustKubectl(t, "-n", "kubeedge", "get", "pods", "-l", "kubeedge=cloudcore", "-o", "jsonpath={.items[*].status.podIP}"))[0]}
	objects := fmt.Sprintf(tenantObjects, a.core, externalIP)
	for _, node := range cloudNodes {
		objects += fmt.Sprintf(tenantPod, "tenant-"+node, node, pauseImage(t, node))
	}
	t.Cleanup(func() { _, _ = kubectl(t, "", "delete", "namespace", "tenant", "--wait=false") })
	eventually(t, time.Minute, func() error {
		_, err := kubectl(t, objects, "apply", "-f", "-")
		return err
	})
	mustKubectl(t, "-n", "tenant", "wait", "pod", "--all", "--for=condition=Ready", "--timeout=50s")
	a.findPlaces()
	a.findCredentials()
	a.findDoors()
	pod := strings.Fields(mustKubectl(t, "get", "pods", "-l", "app=hello,node=jetson-xavier", "-o", "jsonpath={range .items[*]}{.metadata.name} {.spec.containers[0].name} {end}"))
	if len(pod) < 2 {
		t.Fatal("jetson-xavier has no workload")
	}
	a.pod = "default/" + pod[0] + "/" + pod[1]
	return a
}

func (a *attack) findPlaces() {
	a.places = map[string]place{
		"an edge host": {ns: site.Namespace(a.t, "jetson-xavier")},
		"outside":      {ns: site.Namespace(a.t, "internet")},
	}
	for _, node := range cloudNodes {
		a.places["a pod on "+node] = place{ns: podNamespace(a.t, node, "tenant-"+node), inCluster: true}
		// A pod on the host's network has the host's namespace.
		a.places["a hostNetwork pod on "+node] = place{ns: site.Namespace(a.t, node), inCluster: true}
	}
}

// pauseImage is on every host, since each pod's sandbox is made of it.
func pauseImage(t *testing.T, host string) string {
	t.Helper()
	return strings.Fields(onHost(t, host, "ctr --namespace k8s.io images ls -q | grep /pause:"))[0]
}

// podNamespace is the network namespace of a tenant's pod, known by its environment.
func podNamespace(t *testing.T, host, name string) *lab.NS {
	t.Helper()
	for _, pid := range onsite.Processes(t, host, "pause") {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err == nil && bytes.Contains(append(env, 0), []byte("EDGEWAY_TENANT="+name+"\x00")) {
			return lab.At(t, fmt.Sprintf("/proc/%d/ns/net", pid))
		}
	}
	t.Fatalf("pod %s does not run on %s", name, host)
	return nil
}

func (a *attack) findCredentials() {
	token := func(namespace, account string) string {
		return strings.TrimSpace(mustKubectl(a.t, "-n", namespace, "create", "token", account))
	}
	dir := filepath.Join(root, ".sandbox", "cluster", "pki")
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "apiserver-kubelet-client.crt"), filepath.Join(dir, "apiserver-kubelet-client.key"))
	if err != nil {
		a.t.Fatal(err)
	}
	a.credentials = map[string]credential{
		"no credentials":             {logs: http.StatusUnauthorized, figures: http.StatusUnauthorized},
		"a token of nobody":          {token: "junk", logs: http.StatusUnauthorized, figures: http.StatusUnauthorized},
		"its own ServiceAccount":     {token: token("tenant", "default"), logs: http.StatusForbidden, figures: http.StatusForbidden},
		"metrics-server's token":     {token: token("kube-system", "metrics-server"), logs: http.StatusForbidden, figures: http.StatusOK},
		"kubelet client certificate": {cert: &cert, logs: http.StatusOK, figures: http.StatusOK},
	}
}

func (a *attack) findDoors() {
	var mine struct {
		Spec struct {
			ClusterIP string `json:"clusterIP"`
			Ports     []struct {
				Port, NodePort int
			} `json:"ports"`
		} `json:"spec"`
	}
	if err := json.Unmarshal([]byte(mustKubectl(a.t, "-n", "tenant", "get", "service", "mine", "-o", "json")), &mine); err != nil {
		a.t.Fatal(err)
	}
	service := func(name string) (clusterIP, nodePort string) {
		out := strings.Fields(mustKubectl(a.t, "-n", "kubeedge", "get", "service", name, "-o",
			`jsonpath={.spec.clusterIP} {.spec.ports[?(@.targetPort==`+map[string]string{"cloudcore-stream": gateStream, "cloudcore": gateTunnel}[name]+`)].nodePort}`))
		if len(out) != 2 {
			a.t.Fatalf("Service %s has no node port: %q", name, out)
		}
		return out[0], out[1]
	}
	a.doors = map[string]map[string]string{}
	for _, p := range mine.Spec.Ports {
		port := strconv.Itoa(p.Port)
		doors := map[string]string{
			"pod IP":          net.JoinHostPort(a.core, port),
			"its own Service": net.JoinHostPort(mine.Spec.ClusterIP, port),
			"externalIP":      net.JoinHostPort(externalIP, port),
		}
		for _, node := range cloudNodes {
			doors["its own NodePort of "+node] = net.JoinHostPort(hostAddress(a.t, node), strconv.Itoa(p.NodePort))
		}
		a.doors[port] = doors
	}
	for name, port := range map[string]string{"cloudcore-stream": gateStream, "cloudcore": gateTunnel} {
		clusterIP, nodePort := service(name)
		a.doors[port]["Service"] = net.JoinHostPort(clusterIP, port)
		for _, node := range cloudNodes {
			a.doors[port]["NodePort of "+node] = net.JoinHostPort(hostAddress(a.t, node), nodePort)
		}
	}
}

func hostAddress(t *testing.T, name string) string {
	t.Helper()
	for _, h := range site.Hosts {
		if h.Name == name {
			return h.Addresses[0]
		}
	}
	t.Fatalf("the sandbox has no host %q", name)
	return ""
}

// dial connects from a place.
func (p place) dial(ctx context.Context, address string, patience time.Duration) (conn net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = p.ns.Do(func() (err error) {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", address)
		return err
	})
	return conn, err
}

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

// tunnel dials as a device does.
func (a *attack) tunnel(p place, address string, cert *tls.Certificate, name, token string) (*websocket.Conn, int, error) {
	conf := &tls.Config{InsecureSkipVerify: true}
	if cert != nil {
		conf.Certificates = []tls.Certificate{*cert}
	}
	dialer := websocket.Dialer{TLSClientConfig: conf, HandshakeTimeout: 10 * time.Second,
		NetDialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return p.dial(ctx, address, knockPatience)
		}}
	header := http.Header{"SessionHostNameOverride": {name}, "SessionInternalIP": {edgeNodes["jetson-xavier"]}}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	conn, response, err := dialer.DialContext(a.t.Context(), "wss://"+address+"/v1/kubeedge/connect", header)
	if response == nil {
		return conn, 0, err
	}
	return conn, response.StatusCode, err
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

// TestAttacksOfADevice: its own certificate opens a tunnel under its own name and no other, and none once
// it is revoked, which cuts the one that is open.
func TestAttacksOfADevice(t *testing.T) {
	const name, other, ip = "attacker", "jetson-xavier", "192.168.100.66"
	edge := place{ns: site.Namespace(t, "jetson-xavier")}
	a := &attack{t: t}
	key, csr, err := pki.NewRequest(name)
	if err != nil {
		t.Fatal(err)
	}
	enrollment := fmt.Sprintf(`{"apiVersion":"edgeway.io/v1alpha1","kind":"EdgeEnrollment","metadata":{"name":%[1]q,"namespace":"edgeway-join"},
		"spec":{"nodeName":%[1]q,"arch":"amd64","nodeIP":%[2]q,"codeHash":%[3]q,"components":{"edgeStream":true,"edgeMesh":false,"eventBus":false},
		"cloudCore":{"host":"198.18.0.2","webSocketPort":31000,"certPort":31002,"tunnelPort":31004}}}`, name, ip, strings.Repeat("0", 64))
	if _, err := kubectl(t, enrollment, "create", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = kubectl(t, "", "-n", "edgeway-join", "delete", "edgeenrollment", name) })
	patch := func(args ...string) {
		t.Helper()
		mustKubectl(t, append([]string{"-n", "edgeway-join", "patch", "edgeenrollment", name, "--type=merge"}, args...)...)
	}
	status := func(path string) string {
		return mustKubectl(t, "-n", "edgeway-join", "get", "edgeenrollment", name, "-o", "jsonpath={.status."+path+"}")
	}
	eventually(t, 20*time.Second, func() error {
		if phase := status("phase"); phase != "Pending" {
			return fmt.Errorf("the enrollment is %q", phase)
		}
		return nil
	})
	raw, err := json.Marshal(map[string]any{"status": map[string]any{"csr": csr}}) // what redemption of the code writes
	if err != nil {
		t.Fatal(err)
	}
	patch("--subresource=status", "-p", string(raw))
	var signed struct {
		Status struct {
			Certificate []byte `json:"certificate"`
		} `json:"status"`
	}
	eventually(t, 20*time.Second, func() error {
		err := json.Unmarshal([]byte(mustKubectl(t, "-n", "edgeway-join", "get", "edgeenrollment", name, "-o", "json")), &signed)
		if err == nil && len(signed.Status.Certificate) == 0 {
			err = errors.New("no certificate is signed")
		}
		return err
	})
	cert, err := tls.X509KeyPair(signed.Status.Certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	door := net.JoinHostPort(hostAddress(t, "cp"), "31004")

	if conn, got, err := a.tunnel(edge, door, &cert, other, ""); err == nil || got != http.StatusForbidden {
		if err == nil {
			_ = conn.Close()
		}
		t.Errorf("its own certificate under the name %s: %d (%v), want 403", other, got, err)
	}
	var conn *websocket.Conn
	eventually(t, 20*time.Second, func() (err error) { // the gate hears of the enrollment by its watch
		conn, _, err = a.tunnel(edge, door, &cert, name, "")
		return err
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, _, err := conn.ReadMessage(); err != nil {
				return
			}
		}
	}()
	select {
	case <-ended:
		t.Error("the tunnel of its own name ended before it was revoked")
	case <-time.After(time.Second):
	}
	patch("-p", `{"spec":{"state":"Revoked"}}`)
	revoked := time.Now()
	select {
	case <-ended:
		t.Logf("a revoked device was cut after %s", time.Since(revoked).Round(time.Millisecond))
	case <-time.After(5 * time.Second):
		t.Error("a revoked device's tunnel is still open after 5 s")
	}
	_ = conn.Close()
	if again, got, err := a.tunnel(edge, door, &cert, name, ""); err == nil || got != http.StatusForbidden {
		if err == nil {
			_ = again.Close()
		}
		t.Errorf("the revoked device dials again: %d (%v), want 403", got, err)
	}
	for node := range edgeNodes {
		if err := logs(t, node); err != nil {
			t.Errorf("the devices that were attacked: %v", err)
		}
	}
}
