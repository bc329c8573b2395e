//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/edgeway-io/edgeway/test/netns/lab"
	"github.com/edgeway-io/edgeway/test/onsite"
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
