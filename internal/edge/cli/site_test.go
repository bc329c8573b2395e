package cli

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	runtimev1 "k8s.io/cri-api/pkg/apis/runtime/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	"github.com/edgeway-io/edgeway/internal/edge/console"
	"github.com/edgeway-io/edgeway/internal/edge/paths"
	"github.com/edgeway-io/edgeway/internal/enroll"
	"github.com/edgeway-io/edgeway/internal/enroll/joinhttp"
	"github.com/edgeway-io/edgeway/internal/watcher/enrollment"
)

// edgeCoreScript stands for EdgeCore: it tells the cluster that it is there.
const edgeCoreScript = `#!/bin/sh
echo "edgecore runs with $*"
if [ -d /var/site ]; then touch /var/site/registered; else touch "$(dirname "$2")/../../../registered"; fi
trap 'exit 0' TERM
while :; do sleep 0.1; done
`

// brokenScript is an EdgeCore that does not start.
const brokenScript = `#!/bin/sh
echo "panic: no database" >&2
exit 1
`

// setup builds a site for one script: a cluster with edge-watcher's real
// controller, the console's real join endpoints, CloudHub's CA, a CRI runtime.
// The device is the directory root.
func setup(env *testscript.Env) error {
	root := filepath.Join(env.WorkDir, "root")
	for name, text := range map[string]string{"root/etc/hosts": "127.0.0.1 localhost\n", "root/usr/local/bin/other": "",
		"edgecore": edgeCoreScript, "broken": brokenScript} {
		name = filepath.Join(env.WorkDir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			return err
		}
	}
	caCert, caKey, err := newCA()
	if err != nil {
		return err
	}
	cloud, err := serveCloudHub(caCert, caKey)
	if err != nil {
		return err
	}
	env.Defer(cloud.Close)
	socket := filepath.Join(env.WorkDir, "cri.sock")
	if err := serveCRI(env, socket); err != nil {
		return err
	}
	c, err := newCluster(caCert, caKey)
	if err != nil {
		return err
	}
	env.Values["cluster"] = c
	if err := runWatcher(env, c); err != nil {
		return err
	}
	server, artifacts, err := serveConsole(env, c)
	if err != nil {
		return err
	}
	port, err := portOf(cloud.URL)
	if err != nil {
		return err
	}
	env.Defer(func() { killSupervisor(root) })
	if err := packBundles(env, caCert, caKey, "unix://"+socket, port); err != nil {
		return err
	}
	return enrolAll(env, c, server, artifacts, "unix://"+socket, port)
}

// enrolAll makes the enrollments that the scripts use and hands them their codes.
func enrolAll(env *testscript.Env, c client.Client, server *httptest.Server, artifacts *joinhttp.Artifacts, endpoint string, port int32) error {
	for i, name := range []string{"CODE", "OTHER", "EXPIRED"} {
		r := enroll.Request{NodeName: "edge-" + strings.ToLower(name), Arch: runtime.GOARCH, NodeIP: fmt.Sprintf("192.168.100.%d", i+1),
			CloudCore:       v1alpha1.CloudCoreAddress{Host: "127.0.0.1", WebSocketPort: port, CertPort: port},
			RuntimeEndpoint: endpoint, Components: &v1alpha1.EdgeComponents{}}
		if name == "EXPIRED" {
			r.Lifetime = metav1.Duration{Duration: time.Nanosecond}
		}
		_, code, err := enroll.New(context.Background(), c, r)
		if err != nil {
			return err
		}
		env.Setenv(name, code)
	}
	pin := console.Pin(server.Certificate())
	proxy := newProxy(server.Listener.Addr().String())
	env.Defer(proxy.Close)
	// The second address is known to the proxy alone.
	for name, address := range map[string]string{"LINE": server.URL, "FARLINE": "https://console.test"} {
		line, err := enroll.JoinCommand(enroll.CommandParams{ConsoleURL: address, Pin: pin, EdgectlSHA256: artifacts.EdgectlSHA256(runtime.GOARCH)}, env.Getenv("CODE"))
		if err != nil {
			return err
		}
		env.Setenv(name, line)
	}
	env.Setenv("PROXY", proxy.URL)
	env.Setenv("SOCKET", strings.TrimPrefix(endpoint, "unix://"))
	env.Setenv("SERVER", server.URL)
	env.Setenv("PIN", pin)
	// What depends on the machine that runs the tests and not on edgectl.
	env.Setenv("IGNORE", "ports.10350,ports.10255,disk,inodes,cgroups,processes.kubelet,processes.kube-proxy,processes.edgecore,leftovers.cloudcore,kernel.sysctls,kernel.kmsg,network.loopback,leftovers.checkpoint")
	return nil
}

func newCA() (cert, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "KubeEdge"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	if cert, err = x509.CreateCertificate(rand.Reader, tmpl, tmpl, k.Public(), k); err != nil {
		return nil, nil, err
	}
	key, err = x509.MarshalECPrivateKey(k)
	return cert, key, err
}

func newCluster(caCert, caKey []byte) (client.Client, error) {
	scheme := kruntime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	issued := make([]client.Object, enrollment.IssuedShards)
	for shard := range issued {
		issued[shard] = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "kubeedge", Name: enrollment.IssuedName(shard)}}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.EdgeEnrollment{}, &corev1.Node{}).
		WithIndex(&v1alpha1.EdgeEnrollment{}, enrollment.IndexNodeName, enrollment.NodeNameOf).
		WithIndex(&v1alpha1.EdgeEnrollment{}, enrollment.IndexReserved, enrollment.ReservedBy).
		WithObjects(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kubeedge", Name: "casecret"},
			Data: map[string][]byte{"cadata": caCert, "cakeydata": caKey}}).
		WithObjects(issued...).
		WithInterceptorFuncs(interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			o.SetCreationTimestamp(metav1.Now()) // as an apiserver does
			o.SetUID(uuid.NewUUID())
			return c.Create(ctx, o, opts...)
		}}).Build(), nil
}

// runWatcher reconciles all the time, and registers the node when EdgeCore runs
// and nothing holds it.
func runWatcher(env *testscript.Env, c client.Client) error {
	r := enrollment.NewReconciler(c, c, nil, nil, enrollment.Options{ProbeImage: "probe"})
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_, held := os.Stat(filepath.Join(env.WorkDir, "hold"))
			if _, err := os.Stat(filepath.Join(env.WorkDir, "root", "registered")); err == nil && held != nil {
				register(ctx, c)
			}
			var list v1alpha1.EdgeEnrollmentList
			_ = c.List(ctx, &list)
			for i := range list.Items {
				_, _ = r.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])}) // tried again at once
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	env.Defer(func() {
		cancel()
		wg.Wait()
	})
	return nil
}

// register is what EdgeCore does: it takes the Node that is there, or creates it, and
// reports that it is Ready. What fails is tried again.
func register(ctx context.Context, c client.Client) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "edge-code", Labels: map[string]string{v1alpha1.LabelEdge: ""}}}
	if c.Create(ctx, n) != nil && c.Get(ctx, client.ObjectKeyFromObject(n), n) != nil {
		return
	}
	n.Status = corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "v1.32.10-kubeedge-v1.23.1"},
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}}
	_ = c.Status().Update(ctx, n)
}

func serveConsole(env *testscript.Env, c client.Client) (*httptest.Server, *joinhttp.Artifacts, error) {
	dir := filepath.Join(env.WorkDir, "artifacts")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, nil, err
	}
	self, err := exec.LookPath("edgectl")
	if err != nil {
		return nil, nil, err
	}
	for link, to := range map[string]string{"edgectl-": self, "edgecore-": filepath.Join(env.WorkDir, "edgecore")} {
		if err := os.Symlink(to, filepath.Join(dir, link+runtime.GOARCH)); err != nil {
			return nil, nil, err
		}
	}
	artifacts, err := joinhttp.LoadArtifacts(dir)
	if err != nil {
		return nil, nil, err
	}
	server := quietTLS(joinhttp.New(enroll.NewRedeemer(c, time.Now), artifacts, slog.New(slog.NewTextHandler(io.Discard, nil)), joinhttp.Options{}))
	env.Defer(server.Close)
	return server, artifacts, nil
}

func quietTLS(h http.Handler) *httptest.Server {
	s := quiet(h)
	s.StartTLS()
	return s
}

// quiet does not report the handshakes that a reachability probe breaks off.
func quiet(h http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	return s
}

func portOf(rawURL string) (int32, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(u.Port(), 10, 32)
	return int32(n), err
}

// criServer has two pods: one of a kubelet's, one of somebody else's.
type criServer struct {
	runtimev1.UnimplementedRuntimeServiceServer
	mu   sync.Mutex
	pods map[string]*runtimev1.PodSandbox
	dir  string
}

func serveCRI(env *testscript.Env, socket string) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	runtimev1.RegisterRuntimeServiceServer(s, &criServer{dir: env.WorkDir, pods: map[string]*runtimev1.PodSandbox{
		"ours":   {Id: "ours", Metadata: &runtimev1.PodSandboxMetadata{Namespace: "default", Name: "app"}, Labels: map[string]string{"io.kubernetes.pod.uid": "1"}},
		"theirs": {Id: "theirs", Metadata: &runtimev1.PodSandboxMetadata{Name: "other"}},
	}})
	go func() { _ = s.Serve(l) }() // ends with Stop
	env.Defer(s.Stop)
	return nil
}

func (*criServer) Version(context.Context, *runtimev1.VersionRequest) (*runtimev1.VersionResponse, error) {
	return &runtimev1.VersionResponse{RuntimeName: "containerd", RuntimeVersion: "1.6.20", RuntimeApiVersion: "v1"}, nil
}

func (s *criServer) ListPodSandbox(context.Context, *runtimev1.ListPodSandboxRequest) (*runtimev1.ListPodSandboxResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &runtimev1.ListPodSandboxResponse{}
	for _, p := range s.pods {
		out.Items = append(out.Items, p)
	}
	return out, nil
}

// StopPodSandbox fails as containerd does when the network plugins are gone.
func (s *criServer) StopPodSandbox(context.Context, *runtimev1.StopPodSandboxRequest) (*runtimev1.StopPodSandboxResponse, error) {
	if _, err := os.Stat(filepath.Join(s.dir, "cni-gone")); err == nil {
		return nil, status.Error(codes.Unknown, `failed to destroy network for sandbox "ours": plugin type="bridge" failed (delete): failed to find plugin "bridge" in path [/opt/cni/bin]`)
	}
	return &runtimev1.StopPodSandboxResponse{}, nil
}

func (s *criServer) RemovePodSandbox(_ context.Context, r *runtimev1.RemovePodSandboxRequest) (*runtimev1.RemovePodSandboxResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pods, r.GetPodSandboxId())
	return &runtimev1.RemovePodSandboxResponse{}, os.WriteFile(filepath.Join(s.dir, "removed-"+r.GetPodSandboxId()), nil, 0o644)
}

// killSupervisor ends what a failed script left running.
func killSupervisor(root string) {
	raw, err := os.ReadFile(paths.Layout{Root: root}.At(paths.PIDFile))
	if err != nil {
		return
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil {
		_ = syscall.Kill(pid, syscall.SIGTERM) // it may be gone
	}
}

// waitfor waits until a file is there.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	name := ts.MkAbs(args[0])
	for range 1000 {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s does not appear", name)
}

// told NODE CONDITION PATTERN waits until the node's enrollment says so: what the
// person at the console sees.
func told(ts *testscript.TestScript, _ bool, args []string) {
	c, pattern := ts.Value("cluster").(client.Client), regexp.MustCompile(args[2])
	var list v1alpha1.EdgeEnrollmentList
	for range 500 {
		ts.Check(c.List(context.Background(), &list))
		for _, e := range list.Items {
			if x := meta.FindStatusCondition(e.Status.Conditions, args[1]); e.Spec.NodeName == args[0] && x != nil && pattern.MatchString(string(x.Status)+" "+x.Reason+": "+x.Message) {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("no enrollment of %s says %s %q: %+v", args[0], args[1], args[2], list.Items)
}

// absent fails when one of the files is there.
func absent(ts *testscript.TestScript, _ bool, args []string) {
	for _, a := range args {
		if _, err := os.Lstat(ts.MkAbs(a)); err == nil {
			ts.Fatalf("%s is there", a)
		}
	}
}
