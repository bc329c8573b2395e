package contract

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/edgeway-io/edgeway/test/apiserver"
	"github.com/edgeway-io/edgeway/test/contract/cloud"
	"github.com/edgeway-io/edgeway/test/contract/edge"
	"github.com/edgeway-io/edgeway/test/contract/wire"
)

const (
	namespace = "kubeedge"
	// patience bounds waits on a busy machine; no behavior says how long anything took.
	patience = time.Minute
	// edgeLabel marks an edge node; CloudCore wants its value empty.
	edgeLabel = "node-role.kubernetes.io/edge"
)

// site is a CloudCore with its API server.
type site struct {
	api  *apiserver.Server
	kube kubernetes.Interface
	core *cloud.Core
	last atomic.Int64
}

func ctxOf(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// name gives a new name, so that behaviors do not meet.
func (s *site) name(t *testing.T) string {
	t.Helper()
	id := strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])
	return fmt.Sprintf("%s-%d", id, s.last.Add(1))
}

// ip gives a new address of a documentation range.
func (s *site) ip() string {
	n := s.last.Add(1)
	return fmt.Sprintf("203.0.%d.%d", 112+n/250, 1+n%250)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// eventually asks until the answer is nil.
func eventually(t *testing.T, ask func(context.Context) error) {
	t.Helper()
	eventuallyWithin(t, patience, ask)
}

func eventuallyWithin(t *testing.T, within time.Duration, ask func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %s: %v", within, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// secret gives a value out of a Secret of CloudCore's namespace.
func (s *site) secret(t *testing.T, name, key string) []byte {
	t.Helper()
	secret, err := s.kube.CoreV1().Secrets(namespace).Get(ctxOf(t), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(secret.Data[key]) == 0 {
		t.Fatalf("Secret %s has no %s", name, key)
	}
	return secret.Data[key]
}

func (s *site) ca(t *testing.T) []byte { t.Helper(); return s.secret(t, "casecret", "cadata") }

// bearer is the token's part that CloudHub wants.
func (s *site) bearer(t *testing.T) string {
	t.Helper()
	_, signed, _ := strings.Cut(string(s.secret(t, "tokensecret", "tokendata")), ".")
	return signed
}

// sign asks for a certificate of any subject with the cluster's token.
func (s *site) sign(t *testing.T, commonName string, organization ...string) tls.Certificate {
	t.Helper()
	req := must(edge.NewRequest(commonName, organization...))(t)
	ask := edge.Ask{URL: "https://" + s.core.HTTPS + "/edge.crt", Body: req.CSR,
		Header: http.Header{"Authorization": {"Bearer " + s.bearer(t)}, "Nodename": {strings.TrimPrefix(commonName, "system:node:")}}}
	answer := must(ask.Get(ctxOf(t)))(t)
	if answer.Status != http.StatusOK {
		t.Fatalf("no certificate for %s: %d %s", commonName, answer.Status, answer.Body)
	}
	return must(req.Certificate(answer.Body))(t)
}

// tls is what an edge node dials with.
func (s *site) tls(t *testing.T, node string) *tls.Config {
	t.Helper()
	cert := s.sign(t, "system:node:"+node, "system:nodes")
	return must(cloud.ClientTLS(s.ca(t), &cert))(t)
}

// node creates a Node that CloudCore serves.
func (s *site) node(t *testing.T, name string) *corev1.Node {
	t.Helper()
	return s.nodeWith(t, name, map[string]string{edgeLabel: ""})
}

func (s *site) nodeWith(t *testing.T, name string, labels map[string]string) *corev1.Node {
	t.Helper()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}
	return must(s.kube.CoreV1().Nodes().Create(ctxOf(t), node, metav1.CreateOptions{}))(t)
}

// pod creates a pod that is bound to a node.
func (s *site) pod(t *testing.T, name, node string, more ...func(*corev1.Pod)) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "c", Image: "example.org/c"}}}}
	for _, change := range more {
		change(pod)
	}
	return must(s.kube.CoreV1().Pods("default").Create(ctxOf(t), pod, metav1.CreateOptions{}))(t)
}

// hub connects to CloudHub with the node's own certificate until the test ends.
func (s *site) hub(t *testing.T, node string, change ...func(*edge.Hub)) *edge.Conn {
	t.Helper()
	h := edge.Hub{Address: s.core.Hub, TLS: s.tls(t, node), Node: node}
	for _, c := range change {
		c(&h)
	}
	conn := must(h.Dial(ctxOf(t)))(t)
	t.Cleanup(conn.Leave)
	return conn
}

// joined is a Node with a connection that CloudCore serves.
func (s *site) joined(t *testing.T, node string, change ...func(*edge.Hub)) *edge.Conn {
	t.Helper()
	s.node(t, node)
	conn := s.hub(t, node, change...)
	s.served(t, conn, node)
	return conn
}

// served waits until CloudCore answers on a connection.
func (s *site) served(t *testing.T, conn *edge.Conn, node string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		_, err := conn.Ask(ctx, query("default/node/"+node))
		return err
	})
}

// query asks CloudCore for an object, by NAMESPACE/TYPE/NAME.
func query(resource string) wire.Message {
	return wire.Message{Route: wire.Route{Source: "metaManager", Group: "resource", Operation: "query", Resource: resource}}
}

// message is one with a content.
func message(t *testing.T, operation, resource string, content any) wire.Message {
	t.Helper()
	return wire.Message{Content: must(json.Marshal(content))(t),
		Route: wire.Route{Source: "metaManager", Group: "resource", Operation: operation, Resource: resource}}
}

// arrives waits for a message of CloudCore's own.
func arrives(t *testing.T, conn *edge.Conn, operation, resource string) wire.Message {
	t.Helper()
	m, err := conn.Wait(ctxOf(t), func(m wire.Message) bool {
		return m.Route.Resource == resource && m.Route.Operation == operation
	})
	if err != nil {
		t.Fatalf("%s %s: %v; got %s", operation, resource, err, briefly(conn.Messages()))
	}
	return m
}

func arrived(conn *edge.Conn, resource string) bool {
	for _, m := range conn.Messages() {
		if m.Route.Resource == resource {
			return true
		}
	}
	return false
}

func briefly(messages []wire.Message) string {
	var b strings.Builder
	for _, m := range messages {
		fmt.Fprintf(&b, "\n  %s %s from %s/%s: %.120s", m.Route.Operation, m.Route.Resource, m.Route.Source, m.Route.Group, m.Content)
	}
	return b.String()
}

// ends waits until the other side ends a connection.
func ends(t *testing.T, closed <-chan struct{}) {
	t.Helper()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Fatal("the connection is still open")
	}
}

// portOf is the kubelet port in a Node's status.
func (s *site) portOf(ctx context.Context, node string) (int32, error) {
	n, err := s.kube.CoreV1().Nodes().Get(ctx, node, metav1.GetOptions{})
	if err != nil {
		return 0, err
	}
	return n.Status.DaemonEndpoints.KubeletEndpoint.Port, nil
}

func decode[T any](t *testing.T, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%.300s: %v", b, err)
	}
	return v
}

// ensureNamespace creates CloudCore's namespace.
func ensureNamespace(ctx context.Context, kube kubernetes.Interface) error {
	_, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func contains(t *testing.T, body []byte, part string) {
	t.Helper()
	if !bytes.Contains(body, []byte(part)) {
		t.Errorf("%q does not contain %q", body, part)
	}
}
