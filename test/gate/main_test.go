// Package gate tests stream-gate as a program, between a real kube-apiserver, a
// CloudCore and devices: who gets in, what arrives at a device, and whose tunnel is
// cut. CloudCore is the stand-in, or the real one when EDGEWAY_KUBEEDGE names the
// directory with its program.
package gate

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/routes"
	"github.com/edgeway-io/edgeway/internal/streamcert"
	"github.com/edgeway-io/edgeway/test/apiserver"
	"github.com/edgeway-io/edgeway/test/program"
)

// patience bounds waits on a busy machine; no test says how long anything took.
const patience = time.Minute

// gateIP is a loopback address of the gate's own: kube-apiserver dials it as the
// address of every edge node, at the tunnel port that CloudCore gave the Node.
const gateIP = "127.66.0.1"

// world is what all tests share.
type world struct {
	dir    string
	server *apiserver.Server
	admin  client.Client
	kube   kubernetes.Interface
	// clients is the cluster's CA of client certificates, others a stranger's.
	clients, others *authority
	// core holds CloudCore's ports.
	core struct{ hub, certificate, stream, tunnel int }
	// streamPort, tunnel, hub and certificate are where the gate listens.
	streamPort                       int
	tunnel, hub, certificate, health string
	cloudcore                        *program.Program
	gate                             *program.Program
}

var w world

func TestMain(m *testing.M) {
	code, err := 1, w.setUp()
	if err == nil {
		code = m.Run()
	}
	if err = errors.Join(err, w.tearDown()); err != nil {
		log.Print(err)
		code = 1
	}
	os.Exit(code)
}

func (w *world) setUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var err error
	if w.dir, err = os.MkdirTemp("", "gate-"); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		w.build, w.startAPI, w.applyChart, w.startCloudCore, w.startGate,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) tearDown() error {
	err := errors.Join(w.gate.Kill(), w.cloudcore.Kill())
	if w.server != nil {
		err = errors.Join(err, w.server.Stop())
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

func (w *world) file(name string) string { return filepath.Join(w.dir, name) }

func (w *world) build(ctx context.Context) error {
	for _, b := range [][]string{{"../..", "./cmd/stream-gate"}, {"../../sandbox", "./standin/cloudcore"}} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", w.dir+"/", b[1])
		cmd.Dir = b[0]
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", b[1], err, out)
		}
	}
	return nil
}

// startAPI starts a kube-apiserver that knows client certificates and has one for
// kubelets, as kubeadm sets it up.
func (w *world) startAPI(ctx context.Context) error {
	var err error
	if w.clients, err = newAuthority("kubernetes"); err != nil {
		return err
	}
	if w.others, err = newAuthority("kubernetes"); err != nil {
		return err
	}
	kubelet, err := w.clients.issue("kube-apiserver-kubelet-client")
	if err != nil {
		return err
	}
	err = errors.Join(os.WriteFile(w.file("client-ca.crt"), w.clients.pem, 0o600), kubelet.write(w.file("kubelet")))
	if err != nil {
		return err
	}
	w.server, err = apiserver.Start(ctx, apiserver.Options{ServerArgs: []string{
		"--client-ca-file=" + w.file("client-ca.crt"),
		"--kubelet-client-certificate=" + w.file("kubelet.crt"), "--kubelet-client-key=" + w.file("kubelet.key"),
		"--kubelet-preferred-address-types=InternalIP",
	}})
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	w.kube = kubernetes.NewForConfigOrDie(w.server.Config)
	w.admin, err = client.New(w.server.Config, client.Options{Scheme: scheme})
	return err
}

// startCloudCore starts the program with the files that the chart mounts.
func (w *world) startCloudCore(ctx context.Context) error {
	if _, err := streamcert.Ensure(ctx, w.kube, v1alpha1.KubeEdgeNamespace, time.Now()); err != nil {
		return err
	}
	secret, err := w.kube.CoreV1().Secrets(v1alpha1.KubeEdgeNamespace).Get(ctx, streamcert.SecretName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	for name, data := range secret.Data {
		if err := os.WriteFile(w.file(name), data, 0o600); err != nil {
			return err
		}
	}
	ports, err := freePorts("127.0.0.1", 5)
	if err != nil {
		return err
	}
	w.core.stream, w.core.tunnel, w.core.hub, w.core.certificate = ports[0], ports[1], ports[2], ports[3]
	config := fmt.Sprintf(coreConfig, w.server.Kubeconfig(), w.core.hub, w.core.certificate, w.core.stream, w.core.tunnel, w.dir, ports[4])
	if err := os.WriteFile(w.file("cloudcore.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	path := w.file("cloudcore")
	if dir := os.Getenv("EDGEWAY_KUBEEDGE"); dir != "" {
		path = filepath.Join(dir, "cloudcore")
	}
	if w.cloudcore, err = program.Start(w.file("cloudcore.log"), nil, path, "--config="+w.file("cloudcore.yaml")); err != nil {
		return err
	}
	if err := w.until(ctx, "CloudCore has a CA", func() error {
		_, err := streamcert.EnsureGate(ctx, w.kube, v1alpha1.KubeEdgeNamespace, []string{gateIP}, time.Now())
		return err
	}); err != nil {
		return fmt.Errorf("%w: %s", err, w.cloudcore.Tail())
	}
	if err := w.until(ctx, "CloudCore has a tunnel port", func() error { return w.readTunnelPort(ctx) }); err != nil {
		return err
	}
	return w.until(ctx, "CloudStream listens", func() error { return dialable("127.0.0.1", w.core.stream) })
}

const coreConfig = `apiVersion: cloudcore.config.kubeedge.io/v1alpha2
kind: CloudCore
commonConfig: {monitorServer: {bindAddress: "127.0.0.1:%[7]d"}}
kubeAPIConfig: {kubeConfig: %[1]q, master: ""}
modules:
  cloudHub:
    advertiseAddress: [127.0.0.1]
    keepaliveInterval: 300
    nodeLimit: 2000
    authorization: {enable: true, debug: false, modes: [{node: {enable: true}}]}
    websocket: {enable: true, address: 127.0.0.1, port: %[2]d}
    https: {enable: true, address: 127.0.0.1, port: %[3]d}
    quic: {enable: false}
    unixsocket: {enable: false}
  cloudStream:
    enable: true
    streamPort: %[4]d
    tunnelPort: %[5]d
    tlsStreamCAFile: %[6]s/streamCA.crt
    tlsStreamCertFile: %[6]s/stream.crt
    tlsStreamPrivateKeyFile: %[6]s/stream.key
    tlsTunnelCAFile: %[6]s/streamCA.crt
    tlsTunnelCertFile: %[6]s/stream.crt
    tlsTunnelPrivateKeyFile: %[6]s/stream.key
  dynamicController: {enable: false}
  iptablesManager: {enable: false, mode: internal}
`

// readTunnelPort reads which port CloudCore gives to Nodes.
func (w *world) readTunnelPort(ctx context.Context) error {
	cm, err := w.kube.CoreV1().ConfigMaps(v1alpha1.KubeEdgeNamespace).Get(ctx, v1alpha1.TunnelPortConfigMap, metav1.GetOptions{})
	if err != nil {
		return err
	}
	record, err := routes.ParseRecord(cm.Annotations[v1alpha1.TunnelPortAnnotation])
	if err != nil {
		return err
	}
	for _, port := range record.Current {
		w.streamPort = int(port)
		return nil
	}
	return errors.New("the record is empty")
}

func (w *world) startGate(ctx context.Context) error {
	ports, err := freePorts(gateIP, 4)
	if err != nil {
		return err
	}
	address := func(port int) string { return net.JoinHostPort(gateIP, strconv.Itoa(port)) }
	core := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	w.tunnel, w.hub, w.certificate, w.health = address(ports[0]), address(ports[1]), address(ports[2]), address(ports[3])
	kubeconfig, err := w.kubeconfig(ctx, "cloudcore")
	if err != nil {
		return err
	}
	w.gate, err = program.Start(w.file("stream-gate.log"), nil, w.file("stream-gate"), "--kubeconfig="+kubeconfig,
		"--cert-dir="+w.dir, "--stream-address="+w.stream(), "--tunnel-address="+w.tunnel,
		"--health-address="+w.health, "--hub-address="+w.hub, "--certificate-address="+w.certificate,
		"--core-stream="+core(w.core.stream), "--core-tunnel="+core(w.core.tunnel),
		"--core-hub="+core(w.core.hub), "--core-certificate="+core(w.core.certificate))
	if err != nil {
		return err
	}
	return w.until(ctx, "the gate listens", func() error {
		select {
		case <-w.gate.Done():
			return errors.New(w.gate.Tail())
		default:
			return errors.Join(dialable(gateIP, w.streamPort), dialable(gateIP, ports[0]), dialable(gateIP, ports[1]), dialable(gateIP, ports[2]))
		}
	})
}

// stream is HOST:PORT of the gate before CloudStream.
func (w *world) stream() string { return net.JoinHostPort(gateIP, strconv.Itoa(w.streamPort)) }

// until waits until a check succeeds.
func (w *world) until(ctx context.Context, what string, check func() error) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return fmt.Errorf("waited in vain: %s: %w", what, err)
		}
	}
}

func eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	if err := w.until(t.Context(), what, check); err != nil {
		t.Fatalf("%v\nstream-gate: %s\ncloudcore: %s", err, w.gate.Tail(), w.cloudcore.Tail())
	}
}

// node makes an edge Node that ends with the test.
func node(t testing.TB, name string) *corev1.Node {
	t.Helper()
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LabelEdge: ""}},
		Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: gateIP}}},
	}
	create(t, n)
	n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: gateIP}}
	if err := w.admin.Status().Update(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return n
}

// pod makes a pod on a node; nobody runs it.
func pod(t testing.TB, name, node string) {
	t.Helper()
	create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "none"}}},
	})
}

// create creates an object that is deleted after the test.
func create(t testing.TB, object client.Object) {
	t.Helper()
	if err := w.admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := w.admin.Delete(context.Background(), object, client.GracePeriodSeconds(0))
		if client.IgnoreNotFound(err) != nil {
			t.Errorf("delete %s: %v", object.GetName(), err)
		}
	})
}

func freePorts(host string, n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all are held until all are chosen
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func dialable(host string, port int) error {
	conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return conn.Close()
}
