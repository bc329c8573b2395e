// Package control tests the programs of the control side against a real API server:
// what the CRDs accept, what the chart's RBAC and admission policy permit, and how
// edge-watcher fares when it is killed, restarted or not the leader.
package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edgeway-io/edgeway/api/v1alpha1"
	kubeedge "github.com/edgeway-io/edgeway/internal/runtime"
	"github.com/edgeway-io/edgeway/internal/settings"
	"github.com/edgeway-io/edgeway/test/apiserver"
)

// patience bounds waits on a busy machine; no test says how long anything took.
const patience = 2 * time.Minute

var (
	server *apiserver.Server
	admin  client.Client
	// programs is the directory with the programs of the control side.
	programs string
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if err := setUp(); err != nil {
		log.Print(err)
		return 1
	}
	defer func() {
		if err := errors.Join(server.Stop(), os.RemoveAll(programs)); err != nil {
			log.Print(err)
		}
	}()
	return m.Run()
}

func setUp() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	var err error
	if programs, err = os.MkdirTemp("", "control-"); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", programs+"/", "../../cmd/edge-watcher", "../../cmd/iptables-operator", "../../cmd/edgeway")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the programs: %w: %s", err, out)
	}
	if server, err = apiserver.Start(ctx, apiserver.Options{}); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	if admin, err = client.New(server.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	return applyChart(ctx)
}

// applied are the kinds of the chart's objects that mean something without nodes.
var applied = map[string]bool{
	"Namespace": true, "ServiceAccount": true, "Role": true, "RoleBinding": true, "ClusterRole": true, "ClusterRoleBinding": true,
	"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true,
}

// applyChart creates what the chart, its hooks included, says about rights.
func applyChart(ctx context.Context) error {
	s := settings.Default(settings.NodePort)
	s.CloudHub.AdvertiseAddress = []string{"203.0.113.7"}
	manifests, err := kubeedge.Render(s, "v1.36.3")
	if err != nil {
		return err
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: v1alpha1.KubeEdgeNamespace}}
	if err := admin.Create(ctx, namespace); err != nil {
		return err
	}
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 4096)
	var objects []*unstructured.Unstructured
	for {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read the chart: %w", err)
		}
		if applied[object.GetKind()] {
			objects = append(objects, object)
		}
	}
	for _, kind := range []bool{true, false} { // namespaces first
		for _, object := range objects {
			if (object.GetKind() == "Namespace") != kind {
				continue
			}
			if err := admin.Create(ctx, object); err != nil {
				return fmt.Errorf("create %s %s: %w", object.GetKind(), object.GetName(), err)
			}
		}
	}
	return nil
}

// kubeconfigOf is a kubeconfig with the token of a ServiceAccount in namespace
// kubeedge, given out for a pod on a node; without a node for no pod.
func kubeconfigOf(t *testing.T, account, node string) string {
	t.Helper()
	kube := kubernetes.NewForConfigOrDie(server.Config)
	seconds := int64(3600)
	request := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	if node != "" {
		pod := podOn(t, account+"-"+node, account, node)
		request.Spec.BoundObjectRef = &authv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: pod.Name, UID: pod.UID}
	}
	token, err := kube.CoreV1().ServiceAccounts(v1alpha1.KubeEdgeNamespace).CreateToken(t.Context(), account, request, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["test"] = &clientcmdapi.Cluster{Server: server.Config.Host, CertificateAuthorityData: server.Config.CAData}
	config.AuthInfos["test"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts["test"] = &clientcmdapi.Context{Cluster: "test", AuthInfo: "test"}
	config.CurrentContext = "test"
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		t.Fatal(err)
	}
	return file
}

func clientOf(t *testing.T, account, node string) client.Client {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfigOf(t, account, node))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(config, client.Options{Scheme: admin.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// podOn is a running pod; nobody runs it.
func podOn(t *testing.T, name, account, node string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: v1alpha1.KubeEdgeNamespace, Labels: map[string]string{"app.kubernetes.io/name": account}},
		Spec: corev1.PodSpec{NodeName: node, ServiceAccountName: account,
			Containers: []corev1.Container{{Name: "c", Image: "none"}}},
	}
	create(t, pod)
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	if err := admin.Status().Update(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// create creates an object that is deleted after the test.
func create(t *testing.T, object client.Object) {
	t.Helper()
	if err := admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin.Delete(context.Background(), object, client.GracePeriodSeconds(0)); err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("delete %s: %v", object.GetName(), err)
		}
	})
}

// eventually waits until a check succeeds.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	eventuallyWithin(t, patience, what, check)
}

// eventuallyWithin is for what thousands of objects are waited for.
func eventuallyWithin(t *testing.T, patience time.Duration, what string, check func() error) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if last = check(); last == nil {
			return
		}
	}
	t.Fatalf("not within %v: %s: %v", patience, what, last)
}

// program is one that runs.
type program struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	out  bytes.Buffer
	err  error
}

// Write implements io.Writer for the program's output.
func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *program) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// start starts one of ours; it is killed with the test at the latest.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{cmd: exec.Command(filepath.Join(programs, name), args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.kill(t)
		if t.Failed() {
			t.Logf("%s %v:\n%s", name, args, p.output())
		}
	})
	return p
}

// kill is SIGKILL: nothing is handed over or cleaned up.
func (p *program) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-p.done
}

// waitEnd waits until the program has ended by itself.
func (p *program) waitEnd(t *testing.T) {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("%s runs on after %v", p.cmd.Path, patience)
	}
}
